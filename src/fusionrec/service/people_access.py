"""Who may read what is kept of people other than themselves."""

from __future__ import annotations

import re

from fastapi import Request

from fusionrec.errors import UsageError
from fusionrec.service.state import ServiceState

_OWN = re.compile(r"visitor-[0-9a-f]{32}")  # 128 random bits: only their browser knows them


def is_own(user: str) -> bool:
    """Whether an id is of those that the page makes for visitors, and so known to them alone."""
    return _OWN.fullmatch(user) is not None


def opens_people(request: Request, state: ServiceState) -> bool:
    """Whether the caller may read profiles and ratings of others: by a key that opens
    ``feedback``, or on the same machine while there is no key at all.
    """
    if "feedback" in request.state.keyed:
        return True
    return state.settings.loopback and not state.ledger.keys()


def check_people(request: Request, state: ServiceState) -> None:
    """Refuses to show other people to who may not read them.

    Raises:
        UsageError: they may not (code ``forbidden``).
        LedgerError: it cannot be read whether there are keys.
    """
    if not opens_people(request, state):
        raise UsageError(
            "what others rated needs a key that opens 'feedback', once there are keys",
            "send a key with the scope 'feedback'; a visitor's own random id needs none",
            code="forbidden",
        )
