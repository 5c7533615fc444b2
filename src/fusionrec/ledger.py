"""What must never be lost, on a SQL database: so far, which version is active."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fusionrec.errors import LedgerError

_TABLES = """
CREATE TABLE IF NOT EXISTS activations (
    number INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    place TEXT NOT NULL,
    at TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class Activation:
    """That a version became the one that answers.

    Attributes:
        version: its name.
        place: the store that holds its index; empty for the workspace's own embedded Milvus, so
            that a workspace can be moved.
        at: when, in UTC, ISO 8601.
    """

    version: str
    place: str
    at: str


class Ledger:
    """The ledger of a workspace, in SQLite. Every write is on disk before the call returns.

    Args:
        path: the database file; made, with its folder, by the first write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def activate(self, version: str, place: str) -> None:
        """Makes a version the active one.

        Raises:
            LedgerError: it could not be written.
        """
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO activations (version, place, at) VALUES (?, ?, ?)",
                (version, place, datetime.now(UTC).isoformat(timespec="seconds")),
            )

    def active(self) -> Activation | None:
        """The active version, or None before the first activation."""
        history = self.activations()
        return history[-1] if history else None

    def activations(self) -> list[Activation]:
        """Every activation, the oldest first."""
        if not self._path.exists():
            return []
        with self._connection(write=False) as connection:
            rows = connection.execute("SELECT version, place, at FROM activations ORDER BY number")
            return [Activation(*row) for row in rows]

    @contextmanager
    def _connection(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        try:
            if write:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            mode = "rwc" if write else "ro"
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={mode}", timeout=10, uri=True
            )
            try:
                if write:
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=FULL")
                with connection:
                    if write:
                        connection.execute(_TABLES)
                    yield connection
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"the ledger {self._path} cannot be used: {error}",
                hint="look at the disk's free space and the file's permissions",
            ) from error
