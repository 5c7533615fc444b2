"""The database under the ledger: reads, and writes as transactions."""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, exc, inspect

from fusionrec.errors import LedgerError
from fusionrec.ledger import fork_safety
from fusionrec.ledger.change_detector import ChangeDetector
from fusionrec.ledger.location import WAIT, Location, read_only_engine
from fusionrec.ledger.schema import SCHEMA, migrate, schema_number
from fusionrec.ledger.write_lock import begin, write_ahead, write_lock

T = TypeVar("T")

_MAX_TABLES = 5  # tables that a message names


class Database:
    """A SQLite file or a PostgreSQL database, for any number of threads and processes.

    Args:
        location: the file, or a URL as SQLAlchemy reads it. Nothing is opened yet.
        wait: seconds for another writer's lock, and for a server to answer.

    Attributes:
        file: the SQLite file, absolute; None for a server.

    Raises:
        LedgerError: the URL is of no known form, or its driver is not installed.
    """

    def __init__(self, location: Path | str, wait: float = WAIT) -> None:
        self._location, self._wait = Location.of(location), wait
        self.file = self._location.file
        with self._translated_errors():
            self._engine = self._location.engine(wait)
        self._change_detector = None if self.file is None else ChangeDetector(self.file, wait)
        self._latest: dict[Callable[[Connection], Any], tuple[tuple[int, int] | None, Any]] = {}
        fork_safety.close_before_fork(self._engine)
        weakref.finalize(self, self._engine.dispose)

    def read(self, query: Callable[[Connection], T], otherwise: T) -> T:
        """The result of ``query``, or ``otherwise`` where there is no ledger yet; creates none.

        Raises:
            LedgerError: the database cannot be used, or is a newer program's.
        """
        with self._translated_errors(), fork_safety.connection_in_use():
            if self.file is not None and not self.file.exists():
                return otherwise
            if self.file is not None:
                return _read_file(self._engine, self.file, lambda c: _query(c, query, otherwise))
            engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                number = _cached_schema_number(connection)
                if number == SCHEMA:
                    return query(connection)
                if not number:
                    return otherwise
        self.write(lambda _: None)
        return self.read(query, otherwise)

    def read_after_write(self, query: Callable[[Connection], T], otherwise: T) -> T:
        """Like ``read``, but runs the query on a SQLite file only after a write by anyone. Without
        one it returns the last result within microseconds.
        """
        # First: a write during the query counts next time.
        mark = None if self._change_detector is None else self._change_detector.mark()
        result: T
        before, result = self._latest.get(query, (None, otherwise))
        if mark is None or mark != before:
            result = self.read(query, otherwise)
            self._latest[query] = mark, result
        return result  # not from ``_latest``: another thread may have stored an older one

    def write(self, change: Callable[[Connection], T]) -> T:
        """The result of ``change``, which runs in a transaction of its own, with the ledger locked;
        its writes are on disk when this returns. Creates or migrates the ledger first.

        Raises:
            LedgerError: the database cannot be used, or is a newer program's; nothing was written.
        """
        deadline = time.monotonic() + self._wait  # for all locks together
        exclusive = (
            nullcontext() if self.file is None else write_lock(self.file).acquire(self._wait)
        )
        with self._translated_errors(), fork_safety.connection_in_use(), exclusive:
            self._location.create_file()
            with self._engine.connect() as connection:
                if self.file is not None and not connection.info.get("writes"):
                    # Once per connection: writers then do not block readers.
                    write_ahead(_driver(connection), deadline - time.monotonic())
                    connection.info["writes"] = True
                with connection.begin():
                    _lock(connection, deadline - time.monotonic())
                    if schema_number(connection) < SCHEMA:
                        migrate(connection)
                    return change(connection)

    def check(self) -> None:
        """Checks all of a SQLite file, and writes nothing; does nothing for a server.

        Raises:
            LedgerError: it cannot be read, is damaged, or is a database without a ledger.
        """
        file = self.file
        with self._translated_errors(), fork_safety.connection_in_use():
            if file is not None and file.exists():
                _read_file(self._engine, file, lambda c: _check_file(c, file))

    def clear(self) -> None:
        """Empties SQLite's write-ahead log of deleted rows, unless a reader still needs it."""
        with self._translated_errors(), fork_safety.connection_in_use():
            if self.file is not None:
                with self._engine.connect() as connection:
                    _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the connections; the next use opens them again."""
        with self._translated_errors(), fork_safety.connection_in_use():
            self._engine.dispose()
            if self._change_detector is not None:
                self._change_detector.dispose()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (exc.SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
            # A password in the URL may be in the cause's message.
            cause = error if self._location.url is None else None
            raise self._location.error(error) from cause


def _read_file(engine: Engine, file: Path, read: Callable[[Connection], T]) -> T:
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


def _check_file(connection: Connection, file: Path) -> None:
    tables = inspect(connection).get_table_names()
    if tables and not schema_number(connection):
        more = ", …" if len(tables) > _MAX_TABLES else ""
        raise LedgerError(
            f"{file} is a database, but no ledger of fusionrec: it holds the tables "
            f"{', '.join(tables[:_MAX_TABLES])}{more}",
            hint="name another file, by FUSIONREC_LEDGER or [ledger] url in settings.toml, or "
            "move this one away",
        )
    first = connection.exec_driver_sql("PRAGMA quick_check(1)").scalars().first()
    if first != "ok":
        raise sqlite3.DatabaseError(f"database disk image is malformed: {first}")


def _query(connection: Connection, query: Callable[[Connection], T], otherwise: T) -> T:
    """The result of a query on a SQLite ledger of any schema."""
    number = _cached_schema_number(connection)
    if number == SCHEMA:
        return query(connection)
    return _read_migrated_copy(connection, query) if number else otherwise


def _cached_schema_number(connection: Connection) -> int:
    """The schema's number. Only the current one is cached per connection: an older ledger may be
    migrated at any time.
    """
    return SCHEMA if connection.info.get("schema") == SCHEMA else schema_number(connection)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _lock(connection: Connection, wait: float) -> None:
    """Locks the ledger for one writer, so that numbers become visible in rising order, and what a
    writer has read stays true until it writes.
    """
    if connection.dialect.name == "sqlite":
        begin(_driver(connection), wait)
    else:
        milliseconds = max(round(1000 * wait), 1)  # 0 would be no limit
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{milliseconds}ms'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7089071923301224556)")


def _read_migrated_copy(connection: Connection, query: Callable[[Connection], T]) -> T:
    """The result of a query on a migrated in-memory copy of an older SQLite ledger. The file stays
    as it is: a reader may not be allowed to write.
    """
    memory = create_engine("sqlite://", poolclass=NullPool)
    with memory.begin() as copy:
        _driver(connection).backup(_driver(copy))
        migrate(copy)
        return query(copy)
