"""Reads the first rows of the tables in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from fusionrec.data.detection.column_stats import ColumnStats
from fusionrec.data.tabular.readers.files import SampledRows, is_table_name, open_source, sample
from fusionrec.errors import DataError

ROWS = 100_000  # rows read of a file
_PARTS = 5  # files read of one pattern
_MOST_COLUMNS = 200
_MOST_VALUES = 4_000_000  # of a file
_MOST_FILES = 60
_PACKED = {"gzip": ", gzip", "zstd": ", Zstandard", "": ""}
_FORMATS = {"csv": "CSV", "tsv": "TSV", "jsonl": "JSON Lines", "parquet": "Parquet"}


@dataclass(frozen=True)
class TableFile:
    """A file, or several of one pattern that hold one table.

    Attributes:
        pattern: the name, or a pattern that matches only these files.
        parts: number of files.
        form: format and compression, for people.
        columns: name -> statistics, in the file's order.
        nested: the names of columns of objects, which are not read.
        rows: number of rows read.
        complete: whether these are all rows.
        lost_index: the name of a data frame's index that was not written as a column; or empty.
    """

    pattern: str
    parts: int
    form: str
    columns: dict[str, ColumnStats]
    nested: tuple[str, ...]
    rows: int
    complete: bool
    lost_index: str = ""

    @cached_property
    def seen(self) -> str:
        """How much of it was read, for people."""
        of = f"all {self.rows:,} rows" if self.complete else f"the first {self.rows:,} rows"
        files = f"{self.parts:,} files, " if self.parts > 1 else ""
        return f"{files}{self.form}; {of} were looked at"


@dataclass(frozen=True)
class ScannedFolder:
    """The tables of a folder.

    Attributes:
        files: the tables read, by name.
        refused: name -> why it could not be read.
        ignored: names of files of other kinds.
    """

    files: tuple[TableFile, ...]
    refused: dict[str, str]
    ignored: tuple[str, ...]


def scan_folder(folder: Path, rows: int = ROWS) -> ScannedFolder:
    """Reads the first rows of all tables in a folder, without subfolders.

    Args:
        folder: must exist.
        rows: how many of each file.
    """
    names = sorted(
        path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
    )
    tables = [name for name in names if is_table_name(name)]
    files: list[TableFile] = []
    refused: dict[str, str] = {}
    patterns = _patterns(tables)
    for number, (pattern, parts) in enumerate(patterns.items()):
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
            sampled = _sample(folder / name, -(-rows // len(looked_at)))
        except DataError as error:
            why = error.message.removeprefix(f"{folder / name}").lstrip(":, ")
            failed[name] = f"{why} ({error.hint})" if error.hint else why
            continue
        if sampled.rows_read:
            read.append(sampled)
        else:
            failed[name] = "it has a header and no rows"
    alike = not failed and len({tuple(sampled.columns) for sampled in read}) == 1
    if len(names) > 1 and not alike:
        singles = (_read(folder, name, [name], rows, refused) for name in names[:_MOST_FILES])
        return [file for single in singles for file in single]
    refused |= failed
    if not read:
        return []
    lost = _lost_index(folder / looked_at[0]) if read[0].format == "parquet" else ""
    return [replace(_file(pattern, len(names), read), lost_index=lost)]


def _lost_index(path: Path) -> str:
    """The name of an index that pandas wrote as a range and not as a column; else empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        frame = json.loads((pq.read_schema(path).metadata or {})[b"pandas"])
        names = [i["name"] for i in frame["index_columns"] if isinstance(i, dict)]
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException):
        return ""
    return next((name for name in names if isinstance(name, str)), "")


def _sample(path: Path, rows: int) -> SampledRows:
    """The first rows of a file; fewer if it has many columns, to bound memory."""
    columns = len(open_source(path).types)
    return sample(path, min(rows, max(1000, _MOST_VALUES // max(1, columns))))


def _file(pattern: str, parts: int, samples: list[SampledRows]) -> TableFile:
    first = samples[0]
    complete = all(sampled.complete for sampled in samples) and parts == len(samples)
    columns = {
        name: ColumnStats(
            name,
            [value for sampled in samples for value in sampled.columns[name]],
            stamped=first.types.get(name, "").startswith(("timestamp", "date")),
            complete=complete,
            truths=first.types.get(name, "") == "bool",
        )
        for name in list(first.columns)[:_MOST_COLUMNS]
    }
    form = _FORMATS.get(first.format, first.format) + _PACKED.get(first.compression, "")
    rows = sum(sampled.rows_read for sampled in samples)
    nested = tuple(name for name in first.types if name not in first.columns)
    return TableFile(pattern, parts, form, columns, nested, rows, complete)
