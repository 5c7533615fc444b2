"""Database errors as LedgerError: the cause and a hint, without secrets."""

from __future__ import annotations

from urllib.parse import quote

from sqlalchemy import exc
from sqlalchemy.engine import URL

from fusionrec.errors import LedgerError

_FILE_HINTS = {
    "locked": "another process has been writing for long: try again, or end it",
    "malformed": "put a copy from before in its place; without one move the file away "
    "and index a version again: changes of items, feedback and keys are lost with it",
    "not a database": "if the file is no ledger, move it away; if it was one, put a copy from "
    "before in its place",
}
_FILE_HINT = "look at the disk's free space and the file's permissions"
_SERVER_HINT = "is the server up and within reach, and are user, password and database right?"
_DRIVER_HINT = "install PostgreSQL's driver: pip install 'fusionrec[postgresql]'"


def ledger_error(error: Exception, name: str, url: URL | None) -> LedgerError:
    """Translates an error into a LedgerError.

    Args:
        error: of SQLAlchemy, a driver or the operating system.
        name: of the ledger, for messages.
        url: of a server; None for a file.
    """
    # SQLAlchemy's own text has the statement in it.
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    message = " ".join(str(cause).split())
    for secret in _secrets(url):
        message = message.replace(secret, "***")
    if isinstance(error, ImportError):
        hint = _DRIVER_HINT
    elif url is not None:
        hint = _FILE_HINTS["locked"] if "lock timeout" in message else _SERVER_HINT
    else:
        hint = next((hint for text, hint in _FILE_HINTS.items() if text in message), _FILE_HINT)
    return LedgerError(f"the ledger {name} cannot be used: {message}", hint=hint)


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
