"""The database under the ledger: reads, and writes as transactions."""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, exc, inspect

from fusionrec.errors import LedgerError
from fusionrec.ledger import failed_commit, fork_safety
from fusionrec.ledger.change_detector import ChangeDetector
from fusionrec.ledger.file_reading import driver, read_file, read_migrated_copy
from fusionrec.ledger.identity import KnownLedger
from fusionrec.ledger.location import WAIT, Location
from fusionrec.ledger.schema import SCHEMA, migrate, missing_parts, schema_and_id
from fusionrec.ledger.sqlite_file import WholeFile
from fusionrec.ledger.time_limit import CircuitBreaker, time_limit
from fusionrec.ledger.write_lock import begin, write_ahead, write_lock

T = TypeVar("T")

_LONG = 60.0  # seconds for a statement that reads whole tables
_AGAIN = "it is tried again every second"
_MAX_NAMES = 5  # tables and columns that a message names


class Database:
    """A SQLite file or a PostgreSQL database, for any number of threads and processes.

    Args:
        location: the file, or a URL as SQLAlchemy reads it. Nothing is opened yet.
        wait: seconds for another writer's lock, and for a server to answer a write.
        brief: the same for reads; ``wait`` by default.
        home: of the workspace whose ledger this is; a ledger that it has used and that is gone, or
            another, is an error then.

    Attributes:
        file: the SQLite file, absolute; None for a server.
        name: for messages; nothing secret.

    Raises:
        LedgerError: the URL is of no known form, or its driver is not installed.
    """

    def __init__(
        self,
        location: Path | str,
        wait: float = WAIT,
        home: Path | None = None,
        brief: float | None = None,
    ) -> None:
        self._location, self._wait = Location.of(location), wait
        self._brief = wait if brief is None else brief
        self._breaker = CircuitBreaker()
        self.file, self.name, self._known = self._location.file, self._location.name, None
        if home is not None:
            it = self._location
            self._known = KnownLedger(home / "ledger.json", it.key(home), it.name, it.restore_hint)
        with self._translated_errors():
            self._engine = self._location.engine(self._brief)
        self._change_detector = (
            None if self.file is None else ChangeDetector(self.file, self._brief)
        )
        self._whole = None if self.file is None else WholeFile(self.file, self._brief)
        self._latest: dict[Callable[[Connection], Any], tuple[tuple[int, int] | None, Any]] = {}
        fork_safety.close_before_fork(self._engine)
        weakref.finalize(self, self._engine.dispose)

    @property
    def failing(self) -> bool:
        """Whether the last read has waited in vain; then another may wait, too."""
        return self._breaker.is_open

    def read(self, query: Callable[[Connection], T], otherwise: T, *, brief: bool = False) -> T:
        """The result of ``query``, or ``otherwise`` where there is no ledger yet; creates none.

        Args:
            query: the query.
            otherwise: a result.
            brief: whether it takes little, so that a server that has not answered for ``brief``
                seconds hangs; others may take a minute for each statement.

        Raises:
            LedgerError: the database cannot be used, is a newer program's, or is not the ledger
                that the workspace has used; or a read before has just waited in vain.
        """
        seconds = self._brief if brief else max(self._wait, _LONG)
        if reason := self._breaker.enter(seconds):
            raise LedgerError(reason, hint=_AGAIN)
        began = time.monotonic()
        try:
            found, result = self._read(query, otherwise, seconds)
        except LedgerError as error:
            if time.monotonic() - began > 0.9 * self._brief:
                self._breaker.failed(error.message)
            raise
        self._breaker.worked()
        if found:
            return result
        self.write(lambda _: None)
        return self.read(query, otherwise)

    def _read(
        self, query: Callable[[Connection], T], otherwise: T, seconds: float
    ) -> tuple[bool, T]:
        """The result; the first is false where an older ledger must be migrated before."""
        with self._limited(seconds), fork_safety.connection_in_use():
            if self.file is not None:
                if not self._is_there():
                    return True, otherwise
                return True, read_file(
                    self._engine, self.file, lambda c: self._query(c, query, otherwise)
                )
            engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                number = self._schema_number(connection)
                if number == SCHEMA:
                    return True, query(connection)
                return not number, otherwise

    def read_after_write(self, query: Callable[[Connection], T], otherwise: T) -> T:
        """Like ``read``, but runs the query on a SQLite file only after a write by anyone. Without
        one it returns the last result within microseconds.
        """
        # First: a write during the query counts next time.
        mark = None if self._change_detector is None else self._change_detector.mark()
        result: T
        before, result = self._latest.get(query, (None, otherwise))
        if mark is None or mark != before:
            result = self.read(query, otherwise, brief=True)
            self._latest[query] = mark, result
        return result  # not from ``_latest``: another thread may have stored an older one

    def write(self, change: Callable[[Connection], T]) -> T:
        """The result of ``change``, which runs in a transaction of its own, with the ledger locked;
        its writes are on disk when this returns. Creates or migrates the ledger first.

        Raises:
            LedgerError: as of ``read``; nothing was written. With the code ``outcome_unknown`` the
                commit itself failed, and what was to be written may be found later.
        """
        return failed_commit.told_apart(self._write, change)

    def _write(self, change: Callable[[Connection], T]) -> T:
        deadline = time.monotonic() + self._wait  # for all locks together
        exclusive = (
            nullcontext() if self.file is None else write_lock(self.file).acquire(self._wait)
        )
        # A little longer than the wait for the lock, which says so itself.
        with self._limited(self._wait + 1.0), fork_safety.connection_in_use(), exclusive:
            if self.file is not None and not self._is_there():
                self._location.create_file()
            with self._engine.connect() as connection:
                if self.file is not None and not connection.info.get("writes"):
                    # Once per connection: writers then do not block readers.
                    write_ahead(driver(connection), deadline - time.monotonic())
                    connection.info["writes"] = True
                with connection.begin():
                    _lock(connection, deadline - time.monotonic())
                    number, id = self._identified(connection)
                    if not number:
                        self._refuse_foreign(connection)
                    if number < SCHEMA:
                        id = migrate(connection)
                    result = change(connection)
            if self._known is not None:
                self._known.note(id)
            return result

    def _load_known(self) -> None:
        """To be called before a look at the ledger, which another process may be making."""
        if self._known is not None:
            self._known.load()

    def check_id(self, id: str) -> None:
        """Raises LedgerError where the workspace has used a ledger with another id here; an empty
        one is of no ledger.
        """
        if self._known is not None:
            self._known.check(id)

    def check(self) -> None:
        """Checks all of a SQLite file, and the tables of either database; writes nothing.

        Raises:
            LedgerError: it cannot be read, is damaged, lacks tables or columns, is a file without a
                ledger, or not the ledger that the workspace has used.
        """
        with self._limited(max(self._wait, _LONG)), fork_safety.connection_in_use():
            if self.file is None:
                with self._engine.connect() as connection:
                    self._check_tables(connection)
            elif self._is_there():
                read_file(self._engine, self.file, self._check_file)

    def _is_there(self) -> bool:
        """Whether the SQLite file is there, and not empty. Raises LedgerError where it is not, and
        the workspace has used it.
        """
        self._load_known()
        file = self.file
        there = file is not None and file.exists() and file.stat().st_size > 0
        if not there:
            self.check_id("")
        elif self._whole is not None:
            self._whole.check()
        return there

    def _identified(self, connection: Connection) -> tuple[int, str]:
        """``schema_and_id``; raises LedgerError where the workspace has used another ledger."""
        self._load_known()
        number, id = schema_and_id(connection)
        self.check_id(id)
        connection.info["checked"] = number
        return number, id

    def _schema_number(self, connection: Connection) -> int:
        """The schema's number. Only the current one is cached per connection: an older ledger may
        be migrated at any time.
        """
        if connection.info.get("checked") == SCHEMA:
            return SCHEMA
        return self._identified(connection)[0]

    def _query(self, connection: Connection, query: Callable[[Connection], T], otherwise: T) -> T:
        """The result of a query on a SQLite ledger of any schema."""
        number = self._schema_number(connection)
        if number == SCHEMA:
            return query(connection)
        return read_migrated_copy(connection, query) if number else otherwise

    def _check_file(self, connection: Connection) -> None:
        self._check_tables(connection)
        first = connection.exec_driver_sql("PRAGMA quick_check(1)").scalars().first()
        if first != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {first}")

    def _refuse_foreign(self, connection: Connection) -> None:
        """Raises LedgerError where a file without a ledger is another program's; a server's tables
        may be of several programs.
        """
        tables = [] if self.file is None else inspect(connection).get_table_names()
        if tables:
            raise LedgerError(
                f"{self.file} is a database, but no ledger of fusionrec: it holds the tables "
                f"{_listed(tables)}",
                hint="name another file, by FUSIONREC_LEDGER or [ledger] url in settings.toml, or "
                "move this one away",
            )

    def _check_tables(self, connection: Connection) -> None:
        number, _ = self._identified(connection)
        if not number:
            self._refuse_foreign(connection)
        missing = missing_parts(connection) if number == SCHEMA else []
        if missing:
            raise LedgerError(
                f"the ledger {self._location.name} lacks {_listed(missing)}",
                hint=self._location.restore_hint,
            )

    def clear(self) -> None:
        """Empties SQLite's write-ahead log of deleted rows, unless a reader still needs it."""
        with self._translated_errors(), fork_safety.connection_in_use():
            if self.file is not None:
                with self._engine.connect() as connection:
                    driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the connections; the next use opens them again."""
        with self._translated_errors(), fork_safety.connection_in_use():
            self._engine.dispose()
            if self._change_detector is not None:
                self._change_detector.dispose()

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Translates errors, and limits the time that a server may take for a statement."""
        if self.file is not None:
            with self._translated_errors():
                yield
            return
        with time_limit(seconds) as limit:
            try:
                with self._translated_errors():
                    yield
            except LedgerError as error:
                if not limit.expired and limit.end > time.monotonic():
                    raise
                raise LedgerError(
                    f"the ledger {self._location.name} has not answered for {seconds:g} s",
                    hint="is the server within reach, and not stopped or overloaded?",
                    public=f"the ledger's server has not answered for {seconds:g} s",
                ) from error.__cause__

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (exc.SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
            # A password in the URL may be in the cause's message.
            cause = error if self._location.url is None else None
            raise self._location.error(error) from cause


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")


def _lock(connection: Connection, wait: float) -> None:
    """Locks the ledger for one writer, so that numbers become visible in rising order, and what a
    writer has read stays true until it writes.
    """
    if connection.dialect.name == "sqlite":
        begin(driver(connection), wait)
    else:
        milliseconds = max(round(1000 * wait), 1)  # 0 would be no limit
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{milliseconds}ms'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7089071923301224556)")
