"""The database under the ledger: reads, and writes of which all is kept or nothing."""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, exc, inspect

from fusionrec.errors import LedgerError
from fusionrec.ledger import fork_safety
from fusionrec.ledger.change_detector import ChangeDetector
from fusionrec.ledger.errors import ledger_error
from fusionrec.ledger.location import WAIT, Location, is_settled, settled_engine
from fusionrec.ledger.schema import SCHEMA, migrate, schema_number
from fusionrec.ledger.write_lock import begin, turns_at, write_ahead

T = TypeVar("T")

_NAMED = 5  # tables that a message names


class Database:
    """A SQLite file or a server's database, for any number of threads and processes.

    Args:
        place: the file, or a URL as SQLAlchemy reads it. Nothing is opened yet.
        wait: seconds for a lock that another writer holds, and for a server's first word.

    Raises:
        LedgerError: the URL is of no known form, or its driver is not installed.
    """

    def __init__(self, place: Path | str, wait: float = WAIT) -> None:
        self._place, self._wait = Location.of(place), wait
        with self._translated():
            self._engine = self._place.engine(wait)
        file = self._place.file
        self._turns = None if file is None else turns_at(file)
        self._watch = None if file is None else ChangeDetector(file, wait)
        fork_safety.watch(self._engine)
        weakref.finalize(self, self._engine.dispose)

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file."""
        return self._place.file is not None

    @property
    def file(self) -> Path | None:
        """The SQLite file, absolute; None for a server."""
        return self._place.file

    def mark(self) -> tuple[int, int] | None:
        """What has changed if anyone, here or elsewhere, has written since; None where only a
        question can tell.
        """
        return None if self._watch is None else self._watch.mark()

    def read(self, ask: Callable[[Connection], T], otherwise: T) -> T:
        """What one statement finds, or ``otherwise`` where there is no ledger yet; makes none.

        Raises:
            LedgerError: the database cannot be used, or is a newer program's.
        """
        with self._translated(), fork_safety.passed():
            file, engine = self._place.file, self._engine
            if file is not None and not file.exists():
                return otherwise
            if file is not None:
                return _looked(engine, file, lambda where: _found(where, ask, otherwise))
            engine = engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                held = _schema(connection)
                if held == SCHEMA:
                    return ask(connection)
                if not held:
                    return otherwise
        self.write(lambda _: None)
        return self.read(ask, otherwise)

    def write(self, do: Callable[[Connection], T]) -> T:
        """What ``do`` gives; all that it writes is on disk, or nothing is. Before, the ledger is
        made or brought up to date; nobody else writes meanwhile.

        Raises:
            LedgerError: the database cannot be used, or is a newer program's; nothing was written.
        """
        end = time.monotonic() + self._wait  # for all that may have to be waited for
        with self._translated(), fork_safety.passed(), self._turn():
            self._place.make()
            with self._engine.connect() as connection:
                if self._place.file is not None:
                    _write_ahead(connection, end - time.monotonic())
                with connection.begin():
                    locked = _lock(connection, end - time.monotonic())
                    if schema_number(connection, lock=not locked) < SCHEMA:
                        migrate(connection)
                    return do(connection)

    def check(self) -> None:
        """Looks through all of a SQLite file, and writes nothing; there is nothing to look for on a
        server.

        Raises:
            LedgerError: it cannot be read, is damaged, or is no ledger but another database.
        """
        file = self._place.file
        with self._translated(), fork_safety.passed():
            if file is not None and file.exists():
                _looked(self._engine, file, lambda where: _examine(where, file))

    def clear(self) -> None:
        """Takes what was deleted out of SQLite's log too, as far as no reader holds it."""
        with self._translated(), fork_safety.passed():
            if self._place.file is not None:
                with self._engine.connect() as connection:
                    _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the connections; the next use opens them again."""
        with self._translated(), fork_safety.passed():
            self._engine.dispose()
            if self._watch is not None:
                self._watch.dispose()

    def _turn(self) -> AbstractContextManager[None]:
        return self._turns.mine(self._wait) if self._turns is not None else nullcontext()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (exc.SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
            # With a password in the URL, it may be in the cause's own words.
            cause = error if self._place.url is None else None
            raise ledger_error(error, self._place.name, self._place.url) from cause


def _looked(engine: Engine, file: Path, look: Callable[[Engine], T]) -> T:
    """What is found in a SQLite file, wherever it is."""
    try:
        return look(engine)
    except exc.OperationalError:
        # SQLite writes a little even to read, which a full or read-only disk forbids.
        if not is_settled(file):
            raise
        return look(settled_engine(file))


def _examine(engine: Engine, file: Path) -> None:
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        if tables and not schema_number(connection):
            more = ", …" if len(tables) > _NAMED else ""
            raise LedgerError(
                f"{file} is a database, but no ledger of fusionrec: it holds the tables "
                f"{', '.join(tables[:_NAMED])}{more}",
                hint="name another file, by FUSIONREC_LEDGER or [ledger] url in settings.toml, or "
                "move this one away",
            )
        [first, *_] = connection.exec_driver_sql("PRAGMA quick_check(1)").scalars()
        if first != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {first}")


def _found(file: Engine, ask: Callable[[Connection], T], otherwise: T) -> T:
    """What one statement finds in a SQLite ledger, however old."""
    with file.connect() as connection:
        held = _schema(connection)
        if held == SCHEMA:
            return ask(connection)
        return _in_a_copy(connection, ask) if held else otherwise


def _schema(connection: Connection) -> int:
    """The schema's number, asked once of a connection that has seen this program's: an older one
    may have been brought up to date since.
    """
    held = connection.info.get("schema")
    return SCHEMA if held == SCHEMA else schema_number(connection)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _lock(connection: Connection, wait: float) -> bool:
    """One writer at a time, on a server too: so numbers become visible in rising order, and what a
    writer has looked up is still so when it writes. False for a database that is neither SQLite nor
    PostgreSQL: there the schema's row has to do.
    """
    if connection.dialect.name == "sqlite":
        begin(_driver(connection), wait)
    elif connection.dialect.name == "postgresql":
        milliseconds = max(round(1000 * wait), 1)  # 0 would be no limit
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{milliseconds}ms'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7089071923301224556)")
    else:
        return False
    return True


def _write_ahead(connection: Connection, wait: float) -> None:
    """Lets readers go on while someone writes; said once to a connection, kept by the file."""
    if not connection.info.get("writes"):
        write_ahead(_driver(connection), wait)
        connection.info["writes"] = True


def _in_a_copy(connection: Connection, ask: Callable[[Connection], T]) -> T:
    """What is found in an older program's SQLite ledger, which is left as it is: who only reads may
    not be allowed to write.
    """
    memory = create_engine("sqlite://", poolclass=NullPool)
    with memory.begin() as copy:
        _driver(connection).backup(_driver(copy))
        migrate(copy)
        return ask(copy)
