"""A table file that is open for reading, whatever its format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.values import nearest_hint
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

OnFinding = Callable[..., None]  # name, count, says, example, warning: see Findings.once

MOST_COLUMNS = 10_000
_ROWS = 1 << 16  # of a batch
NO_HEADER = (
    "it seems to have no header line: put one with the columns' names above the rows, "
    "or give names = [...] in fusionrec.toml"
)
_NUMBERED = re.compile(r"column_\d+")


@dataclass(frozen=True)
class SourceFile:
    """One table file.

    Attributes:
        path: where it is.
        format: ``csv`` (any text with delimiters), ``tsv``, ``jsonl``, ``json``, ``parquet``,
            ``feather`` or ``spreadsheet``.
        compression: ``gzip``, ``zstd``, ``bz2``, ``xz``, ``zip`` or empty.
        types: column -> pyarrow's name of its type; of text formats from the beginning of the file.
        delimiter: between the values of a line of text, `` `` for runs of spaces; else empty.
        headerless: whether the first line is a row, and the columns are called ``column_1`` and so
            on.
        ragged: what separates the values that the last column of each line holds, where lines have
            more values than columns; else empty.
        notes: what was found or chosen while the file was opened; each a sentence for people.
    """

    path: Path
    format: str
    compression: str
    types: dict[str, str]
    delimiter: str = ""
    headerless: bool = False
    ragged: str = ""
    notes: tuple[str, ...] = ()

    def batches(
        self,
        columns: Sequence[str] | None = None,
        on_bytes: OnBytes = lambda _: None,
        on_finding: OnFinding = lambda *_: None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows in the file's order, in batches of a few megabytes of the file.

        Args:
            columns: which to read; all by default. In JSON Lines a column that a batch lacks
                is null there.
            on_bytes: called with each batch, with the bytes of the file read so far.
            on_finding: called with oddities after the last batch; see ``Findings.once``.

        Yields:
            Batches with these columns. Values of CSV and TSV are strings, empty ones null; others
            have the types of the file.

        Raises:
            DataError: a column is missing, or the file is malformed; names the line of a text
                format.
        """
        wanted = list(self.types if columns is None else columns)
        for name in wanted:
            self.require(name)
        yield from self._read(wanted, on_bytes, on_finding)

    def _read(
        self, columns: list[str], on_bytes: OnBytes, on_finding: OnFinding
    ) -> Iterator[pa.RecordBatch]:
        """As ``batches``; the columns are known to exist."""
        raise NotImplementedError

    def require(self, column: str, setting: str = "") -> None:
        """Checks that a column exists.

        Args:
            column: its name.
            setting: what names it, such as ``interactions.user``.

        Raises:
            DataError: it is missing; the nearest name is the hint.
        """
        if column in self.types:
            return
        names = list(self.types)[:20]
        shown = ", ".join(name if name.isprintable() else repr(name) for name in names)
        of = f" ({setting})" if setting else ""
        near = nearest_hint(column, self.types) or "name one of these columns"
        raise DataError(
            f"{self.path} has no column {column!r}{of}; it has {shown[:400]}",
            NO_HEADER if self.headerless or lacks_header(self.types) else near,
        )


@dataclass(frozen=True)
class MemoryTable(SourceFile):
    """A table whose rows are all in memory.

    Attributes:
        table: its rows, a pyarrow Table.
    """

    table: Any = None

    def _read(
        self,
        columns: list[str],
        on_bytes: OnBytes,
        on_finding: OnFinding,  # noqa: ARG002 (what is in memory has been read)
    ) -> Iterator[pa.RecordBatch]:
        on_bytes(self.path.stat().st_size if self.path.is_file() else 0)
        yield from self.table.select(columns).to_batches(_ROWS)


def lacks_header(names: Iterable[str]) -> bool:
    """Whether column names look like values (at least half begin with a number), or were made up
    for a file without a header.
    """
    columns = list(names)
    if columns and all(_NUMBERED.fullmatch(name) for name in columns):
        return True
    return sum(bool(re.match(r"\s*[-+]?\d", name)) for name in columns) * 2 >= max(1, len(columns))


def which_table(path: Path, what: str, names: Sequence[str], wanted: str = "") -> DataError:
    """The error that one of several tables in a file must be named, or that there is no such."""
    shown = ", ".join(names[:20])[:400] or "none"
    if wanted:
        near = nearest_hint(wanted, names) or "name one of these"
        return DataError(f"{path} has no {wanted!r}; its {what} are: {shown}", near)
    example = f"table = {json.dumps(names[0], ensure_ascii=False)}"
    return DataError(f"{path} holds several {what}: {shown}", f"say which one is meant: {example}")


def bounded(path: Path, columns: int) -> None:
    """Raises a DataError if a file has more columns than are read."""
    if columns > MOST_COLUMNS:
        raise DataError(
            f"{path}: expected {MOST_COLUMNS:,} columns at most, got {columns:,}",
            "leave out those that are not needed; of a matrix write one row per user and item",
        )


def column_names(names: Sequence[str], filled: Sequence[bool]) -> tuple[list[str], list[str]]:
    """Names for all columns: those without one are numbered where they hold values, and so are
    names that come again.

    Args:
        names: those of the header; may be empty.
        filled: whether the column holds values.

    Returns:
        The names, empty for a column that is left out, and notes.
    """
    found: dict[str, int] = {}
    notes = []
    for number, (name, holds) in enumerate(zip(names, filled, strict=True), start=1):
        if not name.strip() and not holds:
            found[f"\0{number}"] = number
            continue
        wanted = name if name.strip() else f"column_{number}"
        unique, again = wanted, 1
        while unique in found or (unique != wanted and unique in names):
            again += 1
            unique = f"{wanted}_{again}"
        if unique != wanted:
            notes.append(f"column {number}, a second {wanted[:100]!r}, is called {unique[:100]!r}")
        found[unique] = number
    return ["" if name.startswith("\0") else name for name in found], notes
