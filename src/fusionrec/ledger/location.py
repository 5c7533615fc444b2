"""Where a ledger is: a SQLite file or a server's database, and how its connections are made."""

from __future__ import annotations

import math
import os
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, QueuePool, create_engine, event, exc
from sqlalchemy.engine import URL, make_url

from fusionrec.errors import LedgerError
from fusionrec.workspace import make_folder

WAIT = 30.0  # seconds for a lock, for a connection of the pool, for a server's first word
_KEPT = 8  # connections that stay open
_FORMS = "write sqlite:///ledger.sqlite or postgresql://user:password@host/database"


@dataclass(frozen=True, repr=False)
class Location:
    """A SQLite file or a server's database.

    Attributes:
        name: as people see it; nothing secret.
        file: absolute; None for a server.
        url: of a server; None for a file.
    """

    name: str
    file: Path | None
    url: URL | None

    @classmethod
    def of(cls, given: Path | str) -> Location:
        """The place at a path, or at a URL as SQLAlchemy reads it.

        Raises:
            LedgerError: the URL is of no known form, or of a database that keeps nothing.
        """
        if isinstance(given, Path):
            return cls(str(given), given.absolute(), None)
        try:
            url = make_url(given)
        except (exc.ArgumentError, ValueError):
            # The parser's own words may hold parts of a password.
            raise LedgerError(
                "the ledger's URL cannot be read",
                hint=f"{_FORMS}; in a password write %40 for @, %2F for /, %3A for :",
            ) from None
        if url.get_backend_name() == "sqlite":
            return cls._file_of(url)
        _check_driver(url)
        # Of the options only the host is shown: a socket's folder stands there.
        shown = url.set(query={n: v for n, v in url.query.items() if n == "host"})
        return cls(f"at {shown.render_as_string(hide_password=True)}", None, url)

    @classmethod
    def _file_of(cls, url: URL) -> Location:
        path = url.database or ""
        plain = url.drivername in ("sqlite", "sqlite+pysqlite") and not (url.query or url.host)
        if not plain or path in ("", ":memory:") or path.startswith("file:"):
            raise LedgerError(
                "a ledger in SQLite must be a file, named without options",
                hint="write sqlite:///relative/ledger.sqlite or sqlite:////absolute/ledger.sqlite",
            )
        return cls(path, Path(path).absolute(), None)

    def engine(self, wait: float) -> Engine:
        """Connections to the place, for any number of threads; none is opened yet.

        Args:
            wait: seconds for a lock, for a connection of the pool, for a server's first word.

        Raises:
            ImportError: the driver is not installed.
        """
        if self.file is not None:
            return _file_engine(self.file, wait)
        assert self.url is not None
        options: dict[str, Any] = {}
        if self.url.get_backend_name() == "postgresql":
            # A snapshot of before the lock would not show what was written meanwhile.
            options["isolation_level"] = "READ COMMITTED"
            if self.url.get_driver_name().startswith("psycopg"):
                options["connect_args"] = {"connect_timeout": math.ceil(wait)}
        return create_engine(
            self.url,
            pool_size=_KEPT,
            pool_timeout=wait,
            pool_pre_ping=True,  # a server may have been restarted
            hide_parameters=True,
            **options,
        )

    def make(self) -> None:
        """Makes an empty file, and its folder, where there is none, for their owner alone: SQLite
        gives its log the file's mode.
        """
        if self.file is not None and not self.file.exists():
            file = self.file.resolve()  # of a link, what it leads to
            make_folder(file.parent)
            # Opened under another name: who closes a file loses all locks that the process has on
            # it.
            descriptor, fresh = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
            os.close(descriptor)
            try:
                os.link(fresh, file)
            except FileExistsError:
                pass  # somebody else has just made it
            except OSError:  # a disk without links, and mostly without modes
                connection(file, "rwc", WAIT).close()
            finally:
                Path(fresh).unlink()


def _check_driver(url: URL) -> None:
    try:
        asynchronous = url.get_dialect().is_async
    except exc.NoSuchModuleError:
        raise LedgerError(f"no database is known as {url.drivername!r}", hint=_FORMS) from None
    if asynchronous:
        raise LedgerError(f"the driver {url.drivername!r} is an asynchronous one", hint=_FORMS)


def _file_engine(file: Path, wait: float) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: connection(file, "rw", wait),
        poolclass=QueuePool,
        pool_size=_KEPT,
        max_overflow=-1,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def note(_: Any, record: Any) -> None:
        record.info["file"] = identity(file)

    @event.listens_for(engine, "checkout")
    def compare(_: Any, record: Any, __: Any) -> None:
        if record.info["file"] != identity(file):
            raise exc.DisconnectionError("another file has taken its place")

    return engine


def is_settled(file: Path) -> bool:
    """Whether a SQLite file holds all that was ever written to it: nothing waits in its log."""
    log = file.with_name(f"{file.name}-wal")
    return not log.exists() or log.stat().st_size == 0


def settled_engine(file: Path) -> Engine:
    """Connections that read such a file as it is, without a lock and without writing anything."""
    uri = f"{file.as_uri()}?mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, isolation_level=None)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def connection(file: Path, mode: str, wait: float) -> sqlite3.Connection:
    """A connection that begins no transaction of itself.

    Args:
        file: of the database.
        mode: ``rw``, or ``rwc`` to make the file where it is missing.
        wait: seconds for a lock.
    """
    uri = f"{file.as_uri()}?mode={mode}"
    made = sqlite3.connect(
        uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False
    )
    try:
        made.execute("PRAGMA synchronous=FULL")
        made.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten
    except BaseException:
        made.close()
        raise
    return made


def identity(file: Path) -> tuple[int, int] | None:
    """What tells a file from another one at its path; None where there is none."""
    try:
        held = file.stat()
    except OSError:
        return None
    return held.st_dev, held.st_ino
