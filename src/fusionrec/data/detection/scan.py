"""Reads the first rows of the tables in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from fusionrec.data.detection.column_stats import ColumnStats
from fusionrec.data.tabular.readers.files import SampledRows, SourceFile, is_table_name, sample
from fusionrec.errors import DataError

ROWS = 100_000  # rows read of a file
_PARTS = 5  # files read of one pattern
_MOST_COLUMNS = 200
_MOST_FILES = 60
_NAMES = {"csv": "CSV", "tsv": "TSV", "jsonl": "JSON Lines", "parquet": "Parquet",
          "gzip": ", gzip", "zstd": ", Zstandard", "": ""}  # fmt: skip


@dataclass(frozen=True)
class TableFile:
    """A file, or several of one pattern that hold one table.

    Attributes:
        pattern: the name, or a pattern that matches only these files.
        columns: name -> statistics, in the file's order.
        nested: the names of columns of objects, which are not read.
        rows: number of rows read.
        complete: whether these are all rows.
        seen: the format and how much was read, for people.
        lost_index: the name of a data frame's index that was not written as a column; or empty.
    """

    pattern: str
    columns: dict[str, ColumnStats]
    nested: tuple[str, ...]
    rows: int
    complete: bool
    seen: str
    lost_index: str


@dataclass(frozen=True)
class ScannedFolder:
    """The tables of a folder.

    Attributes:
        files: the tables read, by name.
        refused: name -> why it was not read.
        ignored: names of files of other kinds.
    """

    files: tuple[TableFile, ...]
    refused: dict[str, str]
    ignored: tuple[str, ...]


def scan_folder(folder: Path, rows: int = ROWS) -> ScannedFolder:
    """Reads the first ``rows`` of each table in an existing folder, without subfolders; or of one
    file.
    """
    paths = [folder] if folder.is_file() else folder.iterdir()
    folder = folder.parent if folder.is_file() else folder
    names = sorted(path.name for path in paths if path.is_file() and not path.name.startswith("."))
    tables = [name for name in names if is_table_name(name)]
    files: list[TableFile] = []
    refused: dict[str, str] = {}
    for number, (pattern, parts) in enumerate(_patterns(tables).items()):
        if number == _MOST_FILES:
            refused[pattern] = f"not looked at, as all that follow: over {_MOST_FILES} files"
            break
        files += _read(folder, pattern, parts, rows, refused)
    ignored = tuple(name for name in names if name not in set(tables))
    return ScannedFolder(tuple(files), refused, ignored)


def _patterns(names: Sequence[str]) -> dict[str, list[str]]:
    """Pattern -> names; names that differ only in their digits share one pattern."""
    groups: dict[str, list[str]] = {}
    for name in names:
        magic = any(sign in name for sign in "*?[")  # the name would act as a pattern
        groups.setdefault(name if magic else re.sub(r"\d+([-_.]?\d+)*", "*", name), []).append(name)
    patterns: dict[str, list[str]] = {}
    for pattern, group in groups.items():
        fitting = [name for name in names if fnmatchcase(name, pattern)]
        alone = len(group) == 1 or fitting != group
        patterns |= {name: [name] for name in group} if alone else {pattern: group}
    return patterns


def _read(
    folder: Path, pattern: str, names: list[str], rows: int, refused: dict[str, str]
) -> list[TableFile]:
    """A pattern's files as one, if the first of them hold the same columns; else each by itself."""
    looked_at = names[:_PARTS]
    read: list[SampledRows] = []
    failed: dict[str, str] = {}
    for name in looked_at:
        try:
            sampled = sample(folder / name, -(-rows // len(looked_at)))
        except DataError as error:
            why = error.message.removeprefix(f"{folder / name}").lstrip(":, ")
            failed[name] = f"{why} ({error.hint})" if error.hint else why
            continue
        if sampled.rows:
            read.append(sampled)
        else:
            failed[name] = "it has a header and no rows"
    alike = not failed and len({tuple(sampled.columns) for sampled in read}) == 1
    if len(names) > 1 and not alike:
        singles = (_read(folder, name, [name], rows, refused) for name in names[:_MOST_FILES])
        return [file for single in singles for file in single]
    refused |= failed
    return [_file(pattern, len(names), read)] if read else []


def _lost_index(source: SourceFile) -> str:
    """The name of an index that pandas wrote as a range and not as a column; else empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if source.format != "parquet":
        return ""
    try:
        frame = json.loads((pq.read_schema(source.path).metadata or {})[b"pandas"])
        names = [i["name"] for i in frame["index_columns"] if isinstance(i, dict)]
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException):
        return ""
    return next((name for name in names if isinstance(name, str)), "")


def _file(pattern: str, parts: int, samples: list[SampledRows]) -> TableFile:
    first, types = samples[0], samples[0].source.types
    columns = {
        name: ColumnStats(
            name,
            [value for sampled in samples for value in sampled.columns[name]],
            stamped=types[name].startswith(("timestamp", "date")),
            truths=types[name] == "bool",
        )
        for name in list(first.columns)[:_MOST_COLUMNS]
    }
    nested = tuple(name for name in types if name not in first.columns)
    rows = sum(sampled.rows for sampled in samples)
    complete = all(sampled.complete for sampled in samples) and parts == len(samples)
    form = _NAMES[first.source.format] + _NAMES[first.source.compression]
    of = f"all {rows:,} rows" if complete else f"the first {rows:,} rows"
    seen = (f"{parts:,} files, " if parts > 1 else "") + f"{form}; {of} were looked at"
    lost = _lost_index(first.source)
    return TableFile(pattern, columns, nested, rows, complete, seen, lost)
