"""What the tables of all databases have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusionrec.data.tabular.readers.files import SourceFile
from fusionrec.data.values import nearest_hint
from fusionrec.errors import DataError

PATIENCE = 600.0  # seconds that a database may take for a batch
MOST_ROWS = 1 << 16  # of a batch
_BATCH = 8 << 20  # bytes of a batch, about
_MOST_COLUMNS = 10_000
_LOGS = ("-wal", "-journal", ".wal")


@dataclass(frozen=True)
class DatabaseTable(SourceFile):
    """A table, view or query of a database.

    Attributes:
        path: the file; of a server, the table's name.
        format: ``sqlite``, ``duckdb`` or ``postgresql``.
        table: as ``tables_of`` names it; empty of a query.
        query: a SELECT; empty of a table.
        seconds: how long the database may take for a batch.
    """

    table: str = ""
    query: str = ""
    seconds: float = PATIENCE

    def require(self, column: str, setting: str = "") -> None:
        """See ``SourceFile.require``."""
        if column not in self.types and self.table:
            setting = f"{setting} of table {self.table}" if setting else f"table {self.table}"
        super().require(column, setting)


def logs_of(path: Path) -> list[Path]:
    """Files beside a database's that hold what was written last, where they hold anything."""
    beside = (path.with_name(path.name + ending) for ending in _LOGS)
    return [log for log in beside if log.is_file() and log.stat().st_size]


def choose_table(names: Sequence[str], wanted: str, where: str) -> str:
    """The table that is wanted, or the only one.

    Args:
        names: all tables of the database.
        wanted: its name; empty: there is only one.
        where: the database, for messages.

    Raises:
        DataError: there is none of this name, or several where none is named.
    """
    if wanted in names:
        return wanted
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:20])[:400]
    shown += ", …" if len(names) > 20 else ""
    if not names:
        raise DataError(f"{where} holds no tables", "is it the right database?")
    if wanted:
        near = nearest_hint(wanted, names, 'did you mean table = "{}"?', cutoff=0.4)
        raise DataError(
            f"{where} has no table {wanted!r}; it has {shown}", near or "name one of these tables"
        )
    if len(names) > 1:
        raise DataError(
            f"{where} holds {len(names):,} tables: {shown}",
            f'say which is read: table = "{names[0]}"',
        )
    return names[0]


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever signs it holds."""
    return '"' + name.replace('"', '""') + '"'


def next_rows(measured: int, size: int, before: int, columns: int) -> int:
    """How many rows to read next, so that a batch stays small.

    Args:
        measured: rows of the batch before whose size is known; 0 at first.
        size: the bytes of these.
        before: rows of the batch before.
        columns: number of columns.
    """
    if not measured:
        return max(1, min(1000, 100_000 // max(1, columns)))
    return max(1, min(MOST_ROWS, 8 * before, _BATCH * measured // max(1, size)))


def check_columns(names: Sequence[str], where: str) -> None:
    """Raises a DataError if two columns have one name, or there are too many to read at once."""
    if len(names) > _MOST_COLUMNS:
        raise DataError(
            f"{where}: expected at most {_MOST_COLUMNS:,} columns, got {len(names):,}",
            'read those that matter: query = "SELECT …"',
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(
            f"{where}: two columns are called {twice[:100]!r}",
            'name one of them otherwise in the query: SELECT a.id AS "other_id"',
        )
