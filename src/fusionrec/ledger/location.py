"""The location of a ledger, a SQLite file or a PostgreSQL database: connections and errors."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url

from fusionrec.errors import LedgerError
from fusionrec.ledger.sqlite_file import POOL_SIZE, connect, file_engine
from fusionrec.ledger.time_limit import connect_within, current_limit
from fusionrec.workspace import make_folder

WAIT = 30.0  # seconds for a lock, for a connection of the pool, for a server's first word
_FORMS = "write sqlite:///ledger.sqlite or postgresql://user:password@host/database"

_FILE_HINTS = {
    "locked": "another process has been writing for long: try again, or end it",
    "malformed": "put a copy from before in its place; without one move the file away "
    "and index a version again: changes of items, feedback and keys are lost with it",
    "not a database": "if the file is no ledger, move it away; if it was one, put a copy from "
    "before in its place",
}
_FILE_HINT = "look at the disk's free space and the file's permissions"
_READ_ONLY_HINT = "its file system is read-only: answers go on, nothing can be written there"
_SERVER_HINT = "is the server up and within reach, and are user, password and database right?"
_DRIVER_HINT = "install PostgreSQL's driver: pip install 'fusionrec[postgresql]'"


@dataclass(frozen=True, repr=False)
class Location:
    """A SQLite file or a PostgreSQL database.

    Attributes:
        name: for messages; nothing secret.
        file: absolute; None for a server.
        url: of a server; None for a file.
    """

    name: str
    file: Path | None
    url: URL | None

    @classmethod
    def of(cls, location: Path | str) -> Location:
        """The location at a path, or at a URL as SQLAlchemy reads it; raises LedgerError where that
        is of no known form, or of a database in memory.
        """
        if isinstance(location, Path):
            return cls(str(location), location.absolute(), None)
        try:
            url = make_url(location)
        except (exc.ArgumentError, ValueError):
            # The parser's own words may hold parts of a password.
            raise LedgerError(
                "the ledger's URL cannot be read",
                hint=f"{_FORMS}; in a password write %40 for @, %2F for /, %3A for :",
            ) from None
        if url.get_backend_name() == "sqlite":
            return cls._file_of(url)
        if url.drivername not in ("postgresql", "postgresql+psycopg"):
            raise LedgerError(
                f"a ledger is in SQLite or PostgreSQL, not in {url.drivername!r}", hint=_FORMS
            )
        # Of the options only the host is shown: it may be the folder of a socket.
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

    def key(self, home: Path) -> str:
        """The location as a workspace at ``home`` keeps it: nothing secret, and of a file in the
        workspace the same after the workspace was moved.
        """
        if self.file is not None:
            base = home.absolute()
            inside = self.file.is_relative_to(base)
            return str(self.file.relative_to(base) if inside else self.file)
        assert self.url is not None
        query = {name: value for name, value in self.url.query.items() if "pass" not in name}
        plain = self.url.set(drivername="postgresql", query=query)._replace(password=None)
        return plain.render_as_string()

    @property
    def restore_hint(self) -> str:
        """What to do about a ledger that is lost."""
        # SQLite would apply a newer log to an older file.
        beside = "" if self.file is None else ", without the files -wal and -shm beside it"
        return f"put a copy from before in its place{beside}"

    def engine(self, wait: float) -> Engine:
        """A pool of connections, for any number of threads; none is opened yet. ``wait`` is for a
        lock, a connection of the pool, a server's first word. Without a driver, an ImportError.
        """
        if self.file is not None:
            return file_engine(self.file, wait)
        assert self.url is not None
        engine = create_engine(
            self.url,
            pool_size=POOL_SIZE,
            pool_timeout=wait,
            hide_parameters=True,
            # A snapshot from before the lock would miss what was written while waiting.
            isolation_level="READ COMMITTED",
            connect_args={"connect_timeout": math.ceil(wait)},
        )
        _limit_times(engine)
        return engine

    def error(self, error: Exception) -> LedgerError:
        """The error of SQLAlchemy, a driver or the operating system as one that says what to do,
        without secrets.
        """
        # SQLAlchemy's own text has the statement in it.
        cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
        message = " ".join(str(cause).split())
        for secret in _secrets(self.url):
            message = message.replace(secret, "***")
        if isinstance(error, ImportError):
            hint = _DRIVER_HINT
        elif self.url is not None:
            hint = _FILE_HINTS["locked"] if "lock timeout" in message else _SERVER_HINT
        else:
            known = (hint for text, hint in _FILE_HINTS.items() if text in message)
            hint = next(known, _READ_ONLY_HINT if self._is_read_only() else _FILE_HINT)
        # Of a server the driver names user, host and folders.
        told = {} if self.url is None else {"public": "the ledger's server cannot be used"}
        lost = any(text in message for text in ("malformed", "not a database"))
        code = "ledger_lost" if lost else ""
        said = f"the ledger {self.name} cannot be used: {message}"
        return LedgerError(said, hint=hint, code=code, **told)

    def _is_read_only(self) -> bool:
        assert self.file is not None
        try:
            folder = next(folder for folder in self.file.parents if folder.exists())
            return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
        except OSError:
            return False

    def create_file(self) -> None:
        """Creates the file, empty, and its folder where they are missing, readable by the owner
        only; SQLite gives its log the file's mode. Does nothing for a server.
        """
        if self.file is not None and not self.file.exists():
            file = Path(os.path.realpath(self.file))  # the target of a link
            make_folder(file.parent)
            # Created under another name: closing a file drops all of the process' locks on it.
            descriptor, fresh = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
            os.close(descriptor)
            try:
                os.link(fresh, file)
            except FileExistsError:
                pass  # another process has just created it
            except OSError:  # a file system without hard links, and mostly without modes
                connect(file, "rwc", WAIT).close()
            finally:
                Path(fresh).unlink()


def _secrets(url: URL | None) -> list[str]:
    """Passwords in the URL, also as URL-quoted; the longest first."""
    if url is None:
        return []
    secrets = {str(url.password or "")}
    for key, value in url.query.items():
        if "pass" in key:
            secrets |= {value} if isinstance(value, str) else set(value)
    secrets |= {quote(text, safe="") for text in secrets}
    return sorted((text for text in secrets if text), key=len, reverse=True)


def _limit_times(engine: Engine) -> None:
    """Applies the ``time_limit`` of a call to connecting, and to each of its statements."""

    @event.listens_for(engine, "do_connect")
    def connect_in_time(dialect: Any, _: Any, arguments: Any, options: Any) -> Any:
        limit = current_limit()
        if limit is None:  # no call but one of this package
            return None
        return connect_within(limit, lambda: dialect.connect(*arguments, **options))

    @event.listens_for(engine, "connect")
    def limit_new(connection: Any, _: Any) -> None:
        if limit := current_limit():
            limit.uses(connection.fileno())

    @event.listens_for(engine, "checkout")
    def limit_and_ping(connection: Any, _: Any, __: Any) -> None:
        if limit := current_limit():
            limit.uses(connection.fileno())
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:  # the server may have been restarted
            raise exc.DisconnectionError("the connection has ended") from error

    @event.listens_for(engine, "before_cursor_execute")
    def limit_statement(*_: Any) -> None:
        if limit := current_limit():
            limit.renew()
