"""A fair lock for writing to a SQLite file, which SQLite itself does not have."""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Milliseconds. SQLite retries after 1, 3, 8 and in the end every 100 ms, but a process that writes
# without pause leaves gaps below 1 ms. With a short timeout and retries it finds such a gap.
_BUSY_TIMEOUT = 3


class WriteLock:
    """Serves the writers of one process to one file, first come, first served."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writers: deque[object] = deque()  # the first one writes, the others wait

    @contextmanager
    def acquire(self, wait: float) -> Iterator[None]:
        """Holds the lock for the length of a ``with`` block.

        Raises:
            sqlite3.OperationalError: it was not free within ``wait`` seconds.
        """
        writer = object()
        with self._changed:
            self._writers.append(writer)
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: self._writers[0] is writer, wait):
                    raise sqlite3.OperationalError("database is locked")
            yield
        finally:
            with self._changed:
                self._writers.remove(writer)
                self._changed.notify_all()


_locks: weakref.WeakValueDictionary[Path, WriteLock] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def write_lock(file: Path) -> WriteLock:
    """The lock of a file, shared by all of its users in this process."""
    with _lock:
        return _locks.setdefault(file, WriteLock())


def begin(connection: sqlite3.Connection, wait: float) -> None:
    """Begins a write transaction as soon as no other process is in one.

    Raises:
        sqlite3.OperationalError: the file was locked for ``wait`` seconds.
    """
    [[timeout]] = connection.execute("PRAGMA busy_timeout")
    connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")
    try:
        _retry_while_busy(connection, "BEGIN IMMEDIATE", wait)
    finally:
        connection.execute(f"PRAGMA busy_timeout={timeout}")


def write_ahead(connection: sqlite3.Connection, wait: float) -> None:
    """Switches a file to write-ahead logging, so that writers do not block readers. While several
    processes create a file, SQLite refuses this at once, whatever its timeout.

    Raises:
        sqlite3.OperationalError: SQLite refused for ``wait`` seconds.
    """
    _retry_while_busy(connection, "PRAGMA journal_mode=WAL", wait, pause=_BUSY_TIMEOUT / 1000)


def _retry_while_busy(
    connection: sqlite3.Connection, statement: str, wait: float, pause: float = 0.0
) -> None:
    """Repeats a statement until the file is not busy, for at most ``wait`` seconds."""
    end = time.monotonic() + wait
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(pause)
