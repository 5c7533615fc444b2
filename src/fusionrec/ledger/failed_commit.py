"""Commits that fail: whether what was to be written may be found later."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from fusionrec.errors import LedgerError

T = TypeVar("T")


def told_apart(
    write: Callable[[Callable[[Connection], T]], T], change: Callable[[Connection], T]
) -> T:
    """The result of ``write``, which runs ``change`` in a transaction and commits it.

    Raises:
        LedgerError: of ``write``; with the code ``outcome_unknown`` where the commit failed, and
            may have succeeded nevertheless.
    """
    changed: list[bool] = []

    def and_note(connection: Connection) -> T:
        result = change(connection)
        changed.append(True)
        return result

    try:
        return write(and_note)
    except LedgerError as error:
        if not changed or _left_nothing(error):
            raise
        message = f"{error.message}; it is not known whether this was written"
        details = error.details
        raise LedgerError(message, hint=error.hint, code="outcome_unknown", **details) from error


def _left_nothing(error: LedgerError) -> bool:
    """Whether a commit failed without a trace. An error of the disk is not of this kind: SQLite has
    written all to its log, and takes it for committed if the process ends before the next write. A
    server may have committed before its connection was lost.
    """
    cause = getattr(error.__cause__, "orig", error.__cause__)
    return getattr(cause, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_BUSY")
