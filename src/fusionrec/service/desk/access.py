"""Who may use the desk: sessions, and what tells a form of the desk from another page's."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from fusionrec.ledger import LOOPBACK, is_secret
from fusionrec.service.state import ServiceState

COOKIE = "fusionrec_desk"
SECONDS = 12 * 3600.0  # that a session lasts
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes as token_urlsafe writes them


@dataclass(frozen=True)
class Visitor:
    """Someone who may use the desk.

    Attributes:
        who: the name of their key, or ``LOOPBACK``.
        session: the secret in their cookie.
        new: whether the cookie is still to be set.
    """

    who: str
    session: str
    new: bool = False

    @property
    def token(self) -> str:
        """What a form of theirs must hold; no other page can read it."""
        return hmac.new(self.session.encode(), b"form", hashlib.sha256).hexdigest()

    def sent(self, token: str) -> bool:
        """Whether a form is of this session."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


def is_open(state: ServiceState) -> bool:
    """Whether no key is needed: only programs of this machine can ask, and there is none."""
    return state.settings.loopback and not state.ledger.keys()


def visitor_of(state: ServiceState, request: Request) -> Visitor | None:
    """Who asks; None for someone who has to log in.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    cookie = request.cookies.get(COOKIE, "")
    held = _SECRET.fullmatch(cookie) is not None
    if is_open(state):
        return Visitor(LOOPBACK, cookie if held else secrets.token_urlsafe(32), new=not held)
    key = state.ledger.session_key(cookie, time.time()) if held else None
    return Visitor(key.name, cookie) if key and "admin" in key.scopes else None


def log_in(state: ServiceState, secret: str) -> Visitor | None:
    """Begins a session with a key; None where there is no such key, or it does not open the desk.

    Raises:
        LedgerError: the ledger cannot be read or written.
    """
    key = state.ledger.key_of(secret) if is_secret(secret) else None
    if key is None or "admin" not in key.scopes:
        return None
    now = time.time()
    made = state.recorder.perform(lambda: state.ledger.open_session(secret, now, now + SECONDS))
    return Visitor(key.name, made, new=True) if made else None


def set_cookie(request: Request, response: Response, session: str) -> None:
    """Sets the cookie of a session, or takes it away where it is empty."""
    response.set_cookie(
        COOKIE,
        session,
        max_age=int(SECONDS) if session else 0,
        path="/ops",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def is_same_origin(request: Request) -> bool:
    """Whether a form was sent by a page of this service, as far as the browser tells."""
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    return (
        origin is None or urlsplit(origin).netloc.casefold() == headers.get("host", "").casefold()
    )
