"""What a caller may learn of a person whose feedback is stored here."""

from __future__ import annotations

from fastapi import Request

from fusionrec.errors import UsageError
from fusionrec.service.schemas import RecommendRequest

# Each names items of a stored person's history, or tells of them by what is missing or moved: a
# reason names liked items; `only` leaves out what was rated; `seen` and `fresh` differ from the
# answer without them by what was rated, and by what was shown and not looked at.
_TELLING = ("explain", "only", "seen", "fresh")


def is_open(request: Request, scope: str) -> bool:
    """Whether a scope, such as ``feedback``, is open to the caller; see ``RequestGuard``."""
    return scope in request.state.open


def check_open(request: Request, ask: RecommendRequest) -> None:
    """Refuses to tell a stored person's history to a caller to whom feedback is not open. What the
    request itself says of a person is the caller's own.

    Raises:
        UsageError: the request names a user and wishes what tells of their history (code
            ``forbidden``).
    """
    if ask.user is None or is_open(request, "feedback"):
        return
    names = [f"{name!r}" for name in _TELLING if getattr(ask, name)]
    if names:
        raise UsageError(
            f"with 'user', {' and '.join(names)} would tell what that user rated, viewed or hid: "
            "this needs a key that opens 'feedback'",
            f"leave {' and '.join(names)} out, or send a key with the scope 'feedback'",
            code="forbidden",
        )
