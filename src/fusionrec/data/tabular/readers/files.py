"""Finds table files, and reads their first rows."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.readers.compression import PACKED_ENDINGS
from fusionrec.data.tabular.readers.file_names import no_table_name
from fusionrec.data.tabular.readers.recognise import ALL_FOUND, open_source, tables_of
from fusionrec.data.tabular.readers.source import NO_HEADER, SourceFile, lacks_header
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.data.values import nearest_hint
from fusionrec.errors import DataError, FusionrecError, reason, system_hint

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "NO_HEADER",
    "SampledRows",
    "SourceFile",
    "find_files",
    "first_rows",
    "is_table",
    "lacks_header",
    "open_source",
    "sample",
    "tables_of",
]

_MOST_VALUES = 4_000_000  # of a sample
_MOST_BYTES = 256 << 20  # of a sample
_MOST_BATCHES = 40  # of a sample; most rows of a file may be empty
_UNREADABLE = ("struct", "map", "binary")  # types without text
_ENDINGS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".feather",
            ".arrow", ".xlsx", ".xlsb", ".xls", ".ods")  # fmt: skip


@dataclass(frozen=True)
class SampledRows:
    """The first rows of a file.

    Attributes:
        source: the file.
        table: its rows; columns of text, or of lists of text.
        complete: whether these are all rows of the file.
    """

    source: SourceFile
    table: pa.Table
    complete: bool

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.table)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Name -> one value per row: a string, a list of strings, or None."""
        return {name: self.table[name].to_pylist() for name in self.table.column_names}


def sample(
    path: Path, rows: int = 1000, spec: ReadSpec = ALL_FOUND, table: str = ""
) -> SampledRows:
    """The first rows of a file, as strings; columns of bytes or nested tables are left out. Of a
    file with many columns or long values fewer rows are read, to bound memory.

    Args:
        path: of the file.
        rows: how many at most.
        spec: how it is read.
        table: in place of ``spec.table``, one of ``tables_of``.

    Raises:
        ConfigError, DataError: as ``open_source`` and ``SourceFile.batches``.
    """
    source = open_source(path, replace(spec, table=table) if table else spec)
    return SampledRows(source, *first_rows(source, rows))


def first_rows(source: SourceFile, rows: int) -> tuple[pa.Table, bool]:
    """The first rows of a source as ``sample`` gives them, and whether these are all.

    Args:
        source: an open table.
        rows: how many at most.

    Raises:
        DataError: as ``SourceFile.batches``.
    """
    import pyarrow as pa

    rows = min(rows, max(1000, _MOST_VALUES // max(1, len(source.types))))
    names = [
        name for name, kind in source.types.items() if not any(one in kind for one in _UNREADABLE)
    ]
    parts: dict[str, list[Any]] = {name: [] for name in names}
    read, size, more = 0, 0, False
    for number, batch in enumerate(source.batches(names), start=1):
        # A slice would hold the whole batch in memory.
        whole = len(batch) <= rows - read
        taken = batch if whole else batch.take(pa.array(range(rows - read)))
        for name, values in parts.items():
            values.append(as_text(taken.column(name), f"{source.path}: {name}"))
            size += values[-1].nbytes
        read += len(taken)
        more = len(taken) < len(batch) or size > _MOST_BYTES or number == _MOST_BATCHES
        if more:
            break
    return pa.table([_joined(values) for values in parts.values()], names=names), not more


def _joined(parts: list[Any]) -> Any:
    """Arrays of texts and of lists of texts as one; among lists a text is a list of one."""
    import pyarrow as pa

    kinds = {part.type for part in parts}
    if len(kinds) <= 1:
        return pa.chunked_array(parts, kinds.pop() if kinds else pa.string())
    lists = [
        [value if isinstance(value, list) else value and [value] for value in part.to_pylist()]
        for part in parts
    ]
    texts = [[one and [text if isinstance(text, str | None) else str(text) for text in one]
              for one in part] for part in lists]  # fmt: skip
    return pa.chunked_array(texts, pa.list_(pa.string()))


def is_table(path: Path) -> bool:
    """Whether a file may be a table: by its name if that is telling, else by its content."""
    name = path.name.lower()
    if no_table_name(name):
        return False
    for ending in PACKED_ENDINGS:
        name = name.removesuffix(ending)
    if name.endswith(_ENDINGS):
        return True
    try:
        source = None if tables_of(path) else open_source(path)
    except FusionrecError:
        return False
    try:
        return source is None or any(map(len, source.batches()))
    except FusionrecError:
        return True  # one with a bad row


def find_files(folder: Path, pattern: str) -> list[Path]:
    """The files that a name or pattern matches, sorted by name.

    Args:
        folder: the pattern is relative to it.
        pattern: a name, or one with ``*``, ``?`` or ``[…]``; ``**`` means any folders between.

    Raises:
        DataError: no file matches, the nearest name in the folder is the hint; or no file can have
            that name.
    """
    exact = folder / pattern
    try:
        if exact.is_file():
            return [exact]
    except OSError as error:  # a name that no file can have
        shown = pattern[:80] + ("…" if len(pattern) > 80 else "")
        raise DataError(f"{shown}: {reason(error)}", system_hint(error)) from error
    # Not Path.glob, which rejects absolute patterns.
    inner = Path(glob.escape(str(folder))) / pattern
    matches = map(Path, glob.iglob(str(inner), recursive=True))  # noqa: PTH207
    files = sorted(path for path in matches if path.is_file())
    if files:
        return files
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    near = nearest_hint(pattern, names, "did you mean {}?", cutoff=0.4)
    raise DataError(
        f"{exact}: there is no such file", near or f"files are looked for beside {folder}"
    )
