"""Reading SQLite files that cannot be written, or that an older program wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, exc

from fusionrec.ledger.schema import migrate
from fusionrec.ledger.sqlite_file import read_only_engine

T = TypeVar("T")


def read_file(engine: Engine, file: Path, read: Callable[[Connection], T]) -> T:
    """Reads a SQLite file, also on a full or read-only disk."""
    try:
        with engine.connect() as connection:
            return read(connection)
    except exc.OperationalError:
        # SQLite writes a little even to read, and fails on a full or read-only disk. A file whose
        # write-ahead log is empty can be read without locks and without writing anything.
        log = file.with_name(f"{file.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        with read_only_engine(file).connect() as connection:
            return read(connection)


def read_migrated_copy(connection: Connection, query: Callable[[Connection], T]) -> T:
    """The result of a query on a migrated in-memory copy of an older SQLite ledger. The file stays
    as it is: a reader may not be allowed to write.
    """
    memory = create_engine("sqlite://", poolclass=NullPool)
    with memory.begin() as copy:
        driver(connection).backup(driver(copy))
        migrate(copy)
        return query(copy)


def driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
