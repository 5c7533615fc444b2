"""Connections to a SQLite file, and what was done to it under them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, QueuePool, create_engine, event, exc

POOL_SIZE = 8  # connections that stay open


def file_engine(file: Path, wait: float) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect(file, "rw", wait),
        poolclass=QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=-1,
        hide_parameters=True,
    )

    log = file.with_name(f"{file.name}-wal")

    @event.listens_for(engine, "connect")
    def remember_file(_: Any, record: Any) -> None:
        record.info["file"] = file_identity(file)

    @event.listens_for(engine, "checkin")
    def remember_log(_: Any, record: Any) -> None:
        if not record.info.get("log"):
            record.info["log"] = file_identity(log)

    @event.listens_for(engine, "checkout")
    def check_file(connection: Any, record: Any, _: Any) -> None:
        if record.info["file"] != file_identity(file):
            raise exc.DisconnectionError("another file has taken its place")
        if is_log_lost(file, record.info.get("log")):
            rescue(connection)
            raise exc.DisconnectionError("its log was deleted")

    return engine


def read_only_engine(file: Path) -> Engine:
    """Connections that read a file that nobody writes, without locks and without any write."""
    uri = f"{file.as_uri()}?mode=ro&immutable=1"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, isolation_level=None),
        poolclass=NullPool,
        hide_parameters=True,
    )


def connect(file: Path, mode: str, wait: float) -> sqlite3.Connection:
    """Opens a connection that begins no transactions by itself and waits some seconds for a lock;
    mode ``rwc`` creates the file where it is missing, ``rw`` does not.
    """
    uri = f"{file.as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten
    except BaseException:
        connection.close()
        raise
    return connection


def is_log_lost(file: Path, known: tuple[int, int] | None) -> bool:
    """Whether another write-ahead log, or none, is where a connection's own was, which SQLite
    deletes only with the last connection: somebody else did.
    """
    return known is not None and file_identity(file.with_name(f"{file.name}-wal")) != known


def rescue(connection: sqlite3.Connection) -> None:
    """Writes what stands in the log of a connection into the file; a log that was deleted goes with
    the last connection that has it open.
    """
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(FULL)")


class WholeFile:
    """Tells whether a SQLite file was cut in its place, of which open connections see nothing. It
    is opened by SQLite alone: closing it in any other way would drop the locks that this process
    has on it.

    Args:
        file: the file.
        wait: seconds for a lock.
    """

    def __init__(self, file: Path, wait: float) -> None:
        self._file, self._wait = file, wait
        self._seen: tuple[Any, int] = None, 0  # which file, and its size

    def check(self) -> None:
        """Raises sqlite3.DatabaseError if it was, OSError if it is not there."""
        status = self._file.stat()
        identity, (seen, size) = (status.st_dev, status.st_ino), self._seen
        if identity == seen and status.st_size < size and not self._is_sound():
            raise sqlite3.DatabaseError("database disk image is malformed: it was cut")
        self._seen = identity, status.st_size

    def _is_sound(self) -> bool:
        """SQLite's own check, since a VACUUM makes the file shorter, too."""
        try:
            with closing(connect(self._file, "rw", self._wait)) as fresh:
                return fresh.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
        except sqlite3.OperationalError:  # it is locked, or the disk fails
            raise
        except sqlite3.DatabaseError:
            return False


def file_identity(file: Path) -> tuple[int, int] | None:
    """Device and inode, which tell whether a file was replaced; None where there is no file, or an
    empty one, which holds no ledger: SQLite would delete the log beside it.
    """
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None
