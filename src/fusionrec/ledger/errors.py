"""What goes wrong in a database, as a LedgerError: what it is, what to do, and nothing secret."""

from __future__ import annotations

from urllib.parse import quote

from sqlalchemy import exc
from sqlalchemy.engine import URL

from fusionrec.errors import LedgerError

_FILE_HINTS = {
    "locked": "another process has been writing for long: try again, or end it",
    "malformed": "put a copy from before in its place; without one move the file away and run "
    "'fusionrec index': changes of items, feedback and keys are lost with it",
    "not a database": "if the file is no ledger, move it away; if it was one, put a copy from "
    "before in its place",
}
_FILE_HINT = "look at the disk's free space and the file's permissions"
_SERVER_HINT = "is the server up and within reach, and are user, password and database right?"
_DRIVER_HINT = (
    "install the driver that the URL names; PostgreSQL's: pip install 'fusionrec[postgresql]'"
)


def ledger_error(error: Exception, name: str, url: URL | None) -> LedgerError:
    """The error as the ledger's own.

    Args:
        error: of SQLAlchemy, a driver or the operating system.
        name: the ledger's, as people see it.
        url: of a server; None for a file.
    """
    # SQLAlchemy's own text has the statement in it.
    told = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    said = " ".join(str(told).split())
    for secret in _secrets(url):
        said = said.replace(secret, "***")
    return LedgerError(f"the ledger {name} cannot be used: {said}", hint=_hint(error, said, url))


def _hint(error: Exception, said: str, url: URL | None) -> str:
    if isinstance(error, ImportError):
        return _DRIVER_HINT
    if url is not None:
        held = "lock timeout" in said
        return _FILE_HINTS["locked"] if held else _SERVER_HINT
    return next((hint for text, hint in _FILE_HINTS.items() if text in said), _FILE_HINT)


def _secrets(url: URL | None) -> list[str]:
    """What no message may hold, the longest first."""
    if url is None:
        return []
    held = {str(url.password or "")}
    for key, value in url.query.items():
        if "pass" in key:
            held |= {value} if isinstance(value, str) else set(value)
    held |= {quote(text, safe="") for text in held}
    return sorted((text for text in held if text), key=len, reverse=True)
