"""Whose turn it is to write to a SQLite file: SQLite itself has no queue."""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Milliseconds. SQLite looks for a free moment after 1, 3, 8 and at last every 100 of them, and a
# process that goes on writing leaves less than one; asked again so soon, it keeps looking.
_GLANCE = 3


class WriteLock:
    """The writers of one process to one file, served in the order of their coming."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    @contextmanager
    def mine(self, wait: float) -> Iterator[None]:
        """A turn.

        Raises:
            sqlite3.OperationalError: it did not come within ``wait`` seconds.
        """
        self._take(wait)
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().release()  # handed on, so that nobody slips in
                else:
                    self._taken = False

    def _take(self, wait: float) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        if called.acquire(timeout=wait):
            return
        with self._lock:
            if called in self._waiting:
                self._waiting.remove(called)
                raise sqlite3.OperationalError("database is locked")


_turns: weakref.WeakValueDictionary[Path, WriteLock] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def turns_at(file: Path) -> WriteLock:
    """The turns at a file, the same for all who hold them in this process."""
    with _lock:
        return _turns.setdefault(file, WriteLock())


def begin(connection: sqlite3.Connection, wait: float) -> None:
    """Begins a transaction that writes, as soon as no other process is in one.

    Raises:
        sqlite3.OperationalError: another one was for ``wait`` seconds.
    """
    [[usual]] = connection.execute("PRAGMA busy_timeout")
    connection.execute(f"PRAGMA busy_timeout={_GLANCE}")
    try:
        _insist(connection, "BEGIN IMMEDIATE", wait)
    finally:
        connection.execute(f"PRAGMA busy_timeout={usual}")


def write_ahead(connection: sqlite3.Connection, wait: float) -> None:
    """Lets readers go on while someone writes. Where several make a file at the same moment, SQLite
    refuses this at once, however long it is told to wait.

    Raises:
        sqlite3.OperationalError: it was refused for ``wait`` seconds.
    """
    _insist(connection, "PRAGMA journal_mode=WAL", wait, rest=_GLANCE / 1000)


def _insist(connection: sqlite3.Connection, statement: str, wait: float, rest: float = 0.0) -> None:
    """Says a statement until nobody else has the file, or ``wait`` seconds are over."""
    end = time.monotonic() + wait
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(rest)
