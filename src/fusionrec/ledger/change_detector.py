"""Whether anyone has written to a SQLite file: asked at every answer, so in microseconds."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from pathlib import Path
from typing import Any

from fusionrec.ledger import fork_safety
from fusionrec.ledger.location import connection, identity


class ChangeDetector:
    """Looks at SQLite's own count of others' commits, on a connection that never writes.

    https://www.sqlite.org/pragma.html#pragma_data_version

    Args:
        file: of the database; it may be missing, and another may take its place.
        wait: seconds for a lock.
    """

    def __init__(self, file: Path, wait: float) -> None:
        self._file, self._wait, self._lock = file, wait, threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._held: Any = None  # which file the connection is of
        self._opened = 0
        fork_safety.watch(self)
        weakref.finalize(self, _close, vars(self))

    def mark(self) -> tuple[int, int] | None:
        """What differs from every mark before the last commit; None where that cannot be told."""
        with fork_safety.passed(), self._lock:
            try:
                here = identity(self._file)
                if here is None:
                    return None
                if self._connection is None or here != self._held:
                    _close(vars(self))
                    self._connection, self._held = connection(self._file, "rw", self._wait), here
                    self._opened += 1
                [number] = self._connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error:  # a file that cannot be read: whoever asks it will say so
                _close(vars(self))
                return None
            return self._opened, number

    def dispose(self) -> None:
        """Closes the connection; the next look opens it again."""
        with self._lock:
            _close(vars(self))


def _close(held: dict[str, Any]) -> None:
    if held["_connection"] is not None:
        held["_connection"].close()
        held["_connection"] = None
