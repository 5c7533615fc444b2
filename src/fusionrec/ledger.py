"""What must never be lost, on a SQL database: which version is active, which items were changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fusionrec.errors import LedgerError

_TABLES = (
    """CREATE TABLE IF NOT EXISTS activations (
    number INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    place TEXT NOT NULL,
    at TEXT NOT NULL,
    changes INTEGER NOT NULL DEFAULT 0,
    collection TEXT NOT NULL DEFAULT ''
)""",
    """CREATE TABLE IF NOT EXISTS item_changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    item TEXT NOT NULL,
    content TEXT,
    at TEXT NOT NULL
)""",
)
# Ledgers of older programs lack these columns.
_LATER = {"changes": "INTEGER NOT NULL DEFAULT 0", "collection": "TEXT NOT NULL DEFAULT ''"}


@dataclass(frozen=True)
class Activation:
    """That a version became the one that answers.

    Attributes:
        version: its name.
        place: the store that holds its index; empty for the workspace's own embedded Milvus, so
            that a workspace can be moved.
        at: when, in UTC, ISO 8601.
        changes: number of the last change of items that the index was built with; 0 for none.
        collection: the index's name in its store.
    """

    version: str
    place: str
    at: str
    changes: int = 0
    collection: str = ""


@dataclass(frozen=True)
class ItemChange:
    """That an item was added or changed, or withdrawn.

    Attributes:
        number: its place among all changes, rising.
        item: outside item id.
        content: attribute -> plain JSON value; None where the item was withdrawn.
    """

    number: int
    item: str
    content: Mapping[str, Any] | None


class Ledger:
    """The ledger of a workspace, in SQLite. Every write is on disk before the call returns.

    Args:
        path: the database file; made, with its folder, by the first write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def activate(self, version: str, place: str, changes: int = 0, collection: str = "") -> None:
        """Makes a version the active one; the arguments are those of ``Activation``.

        Raises:
            LedgerError: it could not be written.
        """
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO activations (version, place, at, changes, collection) "
                "VALUES (?, ?, ?, ?, ?)",
                (version, place, _now(), changes, collection),
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
            known = _columns(connection, "activations")
            wanted = [name for name in ("version", "place", "at", *_LATER) if name in known]
            rows = connection.execute(
                f"SELECT {', '.join(wanted)} FROM activations ORDER BY number"
            )
            return [Activation(**dict(zip(wanted, row, strict=True))) for row in rows]

    def stamp(self) -> tuple[int, int]:
        """Numbers of the last activation and the last change: they move when an answer may."""
        if not self._path.exists():
            return 0, 0
        with self._connection(write=False) as connection:
            tables = [t for t in ("activations", "item_changes") if _columns(connection, t)]
            last = {
                t: connection.execute(f"SELECT coalesce(max(number), 0) FROM {t}").fetchone()[0]
                for t in tables
            }
        return last.get("activations", 0), last.get("item_changes", 0)

    def change_items(self, contents: Mapping[str, Mapping[str, Any] | None]) -> int:
        """Writes changes of items, all or none of them; what changes nothing is left out.

        Args:
            contents: outside item id -> its content as JSON values, or None to withdraw it.

        Returns:
            How many changes were written.

        Raises:
            LedgerError: they could not be written; then none was.
        """
        with self._connection() as connection:
            # The lock first: what is compared with must still be so when it is written.
            connection.execute("BEGIN IMMEDIATE")
            written = 0
            for item, content in contents.items():
                text = None if content is None else json.dumps(content, sort_keys=True)
                held = connection.execute(
                    "SELECT content FROM item_changes WHERE item = ? ORDER BY number DESC LIMIT 1",
                    (item,),
                ).fetchone()
                if held is not None and held[0] == text:
                    continue
                connection.execute(
                    "INSERT INTO item_changes (item, content, at) VALUES (?, ?, ?)",
                    (item, text, _now()),
                )
                written += 1
            return written

    def item_changes(self, after: int = 0) -> list[ItemChange]:
        """The changes of items behind a number, in their order."""
        if not self._path.exists():
            return []
        with self._connection(write=False) as connection:
            if not _columns(connection, "item_changes"):
                return []
            rows = connection.execute(
                "SELECT number, item, content FROM item_changes WHERE number > ? ORDER BY number",
                (after,),
            )
            return [ItemChange(n, item, json.loads(c) if c else None) for n, item, c in rows]

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
                    for table in _TABLES if write else ():
                        connection.execute(table)
                    known = _columns(connection, "activations") if write else list(_LATER)
                    for name in _LATER.keys() - known:
                        connection.execute(
                            f"ALTER TABLE activations ADD COLUMN {name} {_LATER[name]}"
                        )
                    yield connection
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"the ledger {self._path} cannot be used: {error}",
                hint="look at the disk's free space and the file's permissions",
            ) from error


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table; none where a ledger, which may be older, has no such table."""
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
