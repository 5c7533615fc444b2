"""Detects writes to a SQLite file by anyone, within microseconds, at every answer."""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from fusionrec.ledger import fork_safety
from fusionrec.ledger.sqlite_file import connect, file_identity, is_log_lost, rescue

_LOOK = 0.02  # seconds between two looks at the write-ahead log


class ChangeDetector:
    """Reads SQLite's count of other connections' commits, on a connection that never writes.

    https://www.sqlite.org/pragma.html#pragma_data_version

    Args:
        file: of the database; it may be missing, or be replaced by another.
        wait: seconds for a lock.
    """

    def __init__(self, file: Path, wait: float) -> None:
        self._file, self._wait, self._lock = file, wait, threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: Any = None  # of the file that is open
        self._log: Any = None  # of its write-ahead log
        self._look = 0.0  # when to look at that again
        self._opened = 0
        fork_safety.close_before_fork(self)
        weakref.finalize(self, _close, vars(self))

    def mark(self) -> tuple[int, int] | None:
        """A value that changes with every commit; None where the file cannot be read."""
        with fork_safety.connection_in_use(), self._lock:
            try:
                current = file_identity(self._file)
                if current is None:
                    return None
                now = time.monotonic()
                if self._connection is not None and now > self._look:
                    self._look = now + _LOOK
                    if is_log_lost(self._file, self._log):
                        rescue(self._connection)
                        _close(vars(self))
                if self._connection is None or current != self._identity:
                    _close(vars(self))
                    self._connection = connect(self._file, "rw", self._wait)
                    self._identity, self._log = current, None
                    self._opened += 1
                [number] = self._connection.execute("PRAGMA data_version").fetchone()
                if self._log is None:
                    self._log = file_identity(self._file.with_name(f"{self._file.name}-wal"))
            except sqlite3.Error:  # an unreadable file: the next query reports it
                _close(vars(self))
                return None
            return self._opened, number

    def dispose(self) -> None:
        """Closes the connection; the next ``mark`` opens it again."""
        with self._lock:
            _close(vars(self))


def _close(attributes: dict[str, Any]) -> None:
    if attributes["_connection"] is not None:
        attributes["_connection"].close()
        attributes["_connection"] = None
