"""Reads the first rows of the tables in a folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fusionrec.data.detection.table_file import (
    MOST_COLUMNS,
    MOST_ROWS,
    TableFile,
    origins,
    same_columns,
)
from fusionrec.data.tabular.number_formats import number_form
from fusionrec.data.tabular.readers.files import first_rows
from fusionrec.data.tabular.readers.source import SourceFile
from fusionrec.data.tabular.readers.urls import POSTGRESQL, scheme_of, shown
from fusionrec.data.tabular.source_spec import SourceSpec
from fusionrec.data.tabular.sources import is_table, open_table, tables_of
from fusionrec.errors import DataError

_PARTS = 5  # files read of one pattern
_MOST_CELLS = 4_000_000  # rows times columns of all tables, for the sake of time
_MOST_BYTES = 400_000_000  # of all tables, for the sake of memory
_FEW_ROWS = 2_000  # which each table has, whatever the bounds
_MOST_FILES = 60
_MOST_NAMES = 20_000
_PATIENCE = 15.0  # seconds that a database may take
_DEPTH = 3  # folders within folders
_FORMATS = {"csv": "CSV", "tsv": "TSV", "jsonl": "JSON Lines", "json": "JSON", "parquet": "Parquet",
            "feather": "Feather", "spreadsheet": "spreadsheet", "sqlite": "SQLite",
            "duckdb": "DuckDB", "postgresql": "PostgreSQL", "gzip": ", gzip", "zstd": ", Zstandard",
            "bz2": ", bzip2", "xz": ", xz", "zip": ", zip", "": ""}  # fmt: skip


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


def scan_folder(
    folder: Path, rows: int = MOST_ROWS, only: str = "", sources: Sequence[str] = ()
) -> ScannedFolder:
    """Reads the first ``rows`` of each table in a folder and in its subfolders.

    Args:
        folder: an existing folder.
        rows: how many to read of each table, from its beginning.
        only: the name of the one file to look at; empty: all.
        sources: URLs of databases whose tables are looked at too.
    """
    names = [only] if only else sorted(_names(folder, folder, _DEPTH))[:_MOST_NAMES]
    tables = [name for name in names if is_table(folder / name)]
    scan = _Scan(folder, rows)
    found: list[tuple[SourceSpec, list[str]]] = []
    for pattern, parts in _patterns(tables).items():
        inner = scan.tables_of(parts[0]) if len(parts) == 1 else []
        found += [(SourceSpec(files=pattern, table=table), parts) for table in inner or [""]]
    for url in sources:
        found += [(SourceSpec(files=url, table=table), [url]) for table in _server_tables(url)]
    scan.share(min(len(found), _MOST_FILES))
    for number, (spec, parts) in enumerate(found):
        if number == _MOST_FILES:
            why = f"not looked at, as all that follow: over {_MOST_FILES} tables"
            scan.refused[spec.table or spec.files] = why
            break
        scan.read(spec, parts)
    ignored = tuple(name for name in names if name not in set(tables))
    return ScannedFolder(tuple(same_columns(scan.files, tables)), scan.refused, ignored)


def _names(root: Path, folder: Path, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__")):
                continue
            if entry.is_file():
                yield Path(entry.path).relative_to(root).as_posix()
            elif depth and entry.is_dir(follow_symlinks=False):
                yield from _names(root, Path(entry.path), depth - 1)


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


class _Scan:
    """Reads tables, and keeps what was read and what could not be."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.files: list[TableFile] = []
        self.refused: dict[str, str] = {}
        self._folder, self._rows, self._bytes, self._cells = folder, rows, 0, _MOST_CELLS

    def share(self, tables: int) -> None:
        """Lets so many tables share the values that are read in all."""
        self._cells = _MOST_CELLS // max(1, tables)

    def tables_of(self, name: str) -> list[str]:
        """The tables in a database or the sheets of a workbook; none of a file of one table."""
        try:
            return tables_of(self._folder / name, _PATIENCE)
        except DataError as error:
            self.refused[name] = _reason(error).removeprefix(f"{self._folder / name}").lstrip(":, ")
            return []

    def read(self, spec: SourceSpec, names: Sequence[str]) -> None:
        """A pattern's files as one, if the first of them hold the same columns; else each by
        itself.
        """
        looked_at = names[:_PARTS]
        read: list[tuple[SourceFile, Any, bool]] = []
        failed: dict[str, str] = {}
        for name in looked_at:
            try:
                (source,) = open_table(replace(spec, files=name), self._folder, True, _PATIENCE)
                cells = self._cells if self._bytes < _MOST_BYTES else 0
                rows = min(self._rows, max(_FEW_ROWS, cells // max(1, len(source.types))))
                table, complete = first_rows(source, -(-rows // len(looked_at)))
            except DataError as error:
                failed[name] = _reason(error).removeprefix(f"{self._folder / name}").lstrip(":, ")
                continue
            self._bytes += table.nbytes
            if len(table):
                read.append((source, table, complete))
            else:
                failed[name] = "it has a header and no rows"
        alike = not failed and len({tuple(table.column_names) for _, table, _ in read}) == 1
        if len(names) > 1 and not alike:
            for name in names[:_MOST_FILES]:
                self.read(SourceSpec(files=name), [name])
            return
        for name, why in failed.items():
            self.refused[_called(replace(spec, files=name))] = why
        if read:
            self.files.append(_table_file(spec, names, read))


def _server_tables(url: str) -> list[str]:
    """The tables of a database on a server.

    Raises:
        DataError: the URL is none of a database, or it cannot be read.
    """
    if scheme_of(url) not in POSTGRESQL:
        raise DataError(
            f"{shown(url)} is no database whose tables can be listed",
            "give postgresql://USER@HOST/NAME; a file elsewhere can be named as files in a "
            "fusionrec.toml",
        )
    return tables_of(url, _PATIENCE)


def _called(spec: SourceSpec) -> str:
    """What people call a table: its name on a server, else its file and its name there."""
    if scheme_of(spec.files):
        return spec.table or shown(spec.files)
    return f"{spec.files}, {spec.table}" if spec.table else spec.files


def _reason(error: DataError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


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


def _table_file(
    spec: SourceSpec, names: Sequence[str], read: Sequence[tuple[SourceFile, Any, bool]]
) -> TableFile:
    import pyarrow as pa

    source, first, _ = read[0]
    sample = pa.concat_tables([t for _, t, _ in read], promote_options="permissive")
    complete = all(whole for *_, whole in read) and len(names) == len(read)
    form = _FORMATS.get(source.format, source.format) + _FORMATS.get(source.compression, "")
    rows = len(sample)
    of = f"all {rows:,} rows" if complete else f"the first {rows:,} rows"
    seen = (f"{len(names):,} files, " if len(names) > 1 else "") + f"{form}; {of} were looked at"
    spec = replace(spec, decimal=_decimal(first)) if source.format in ("csv", "tsv") else spec
    return TableFile(
        spec,
        _called(spec),
        sample.select(first.column_names),
        source.types,
        complete,
        seen,
        notes=source.notes,
        headerless=source.headerless,
        ragged=source.ragged,
        lost_index=_lost_index(source),
        parts=tuple(names),
        origin=origins(
            [(name, len(table)) for name, (_, table, _) in zip(names, read, strict=False)]
        ),
    )


def _decimal(table: Any) -> str:
    """What stands before fractions in the numbers of a table."""
    import pyarrow.compute as pc

    for name in table.column_names[:MOST_COLUMNS]:
        head = table[name].slice(0, 5_000).combine_chunks()
        if not pc.any(pc.match_substring(head, ",")).as_py():
            continue
        form = number_form([text for text in head.unique().to_pylist() if text and text.strip()])
        if form and form.share > 0.9 and form.decimal == "," and not form.ambiguous:
            return ","
    return "."
