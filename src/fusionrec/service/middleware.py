"""What stands before every route: who asks, from where, how often, how much and how slowly."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fusionrec.errors import LedgerError
from fusionrec.ledger import Key, is_secret
from fusionrec.service.paths import route_path
from fusionrec.service.problems import problem, problem_of
from fusionrec.service.rate_limits import TokenBuckets, VerifiedKeys
from fusionrec.service.settings import ServiceSettings, is_loopback

_SECURITY = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_HARDENED = [(name.encode(), value.encode()) for name, value in _SECURITY.items()]
_NAMES = frozenset(name for name, _ in _HARDENED)
PROBES = ("/healthz", "/readyz")  # asked by who has no key, and never too often
_WITHOUT_KEY = frozenset(("read", "feedback"))  # open to programs of the same machine
_ASKING = ("/v1/recommendations", "/v1/map")  # asked by POST, and change nothing

_log = logging.getLogger("fusionrec.service")

Seen = Callable[[Scope, int, float], None]


def scope_of(method: str, path: str) -> str | None:
    """What a key must open for a request; None where everyone may ask.

    Args:
        method: of HTTP.
        path: as of ``route_path``.
    """
    if path == "/" or path.startswith("/static/") or path in PROBES:
        return None
    if path.startswith(("/v1/users", "/v1/feedback")):
        return "feedback"
    return "read" if method in ("GET", "HEAD") or path in _ASKING else "admin"


class RequestGuard:
    """ASGI middleware that lets a request through to the app, with its body whole, or answers it.
    The app finds the scopes that are open to the caller in the request's state, as ``open``.

    Args:
        app: what is guarded.
        settings: the limits.
        key_of: the key with a secret; may block. Asked only for secrets of the form that keys have.
        seen: called for every request: its scope, the status, and the seconds it took.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServiceSettings,
        key_of: Callable[[str], Key | None],
        seen: Seen,
    ) -> None:
        self._app, self._settings, self._key_of, self._seen = app, settings, key_of, seen
        self._loopback = settings.loopback
        self._buckets = TokenBuckets(settings.rate, settings.burst)
        self._verified = VerifiedKeys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # answered as GET; the server sends the head alone
            scope = {**scope, "method": "GET"}
        # The router reads the same path as the check of the key. ASGI lets raw_path be missing.
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        scope = {**scope, "path": route_path(raw)}
        began, status = time.perf_counter(), 499  # the client went away before there was any

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _harden(message, scope["path"])
            await send(message)

        try:
            await self._checked(scope, receive, noted)
        except Exception:
            _log.exception("a defect in %s %s", scope["method"], scope["path"])
            if status == 499:
                await problem(500, "this is a defect of the service")(scope, receive, noted)
        finally:
            self._seen(scope, status, time.perf_counter() - began)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refused = self._refused_origin(headers) or await self._refused_key(scope, headers)
        if refused is None and not scope["path"]:
            refused = problem(400, "the path is not UTF-8", "percent-encode ids as UTF-8")
        body: Receive | None = receive
        if refused is None:
            body, refused = await self._whole(headers, receive)
        if refused is not None:
            await refused(scope, receive, send)
        elif body is not None:
            await self._app(scope, body, send)

    def _refused_origin(self, headers: Headers) -> Response | None:
        """The refusal of a page that has no business here: one whose own name was made to lead to
        this address, or one of another origin.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        settings = self._settings
        name = _name(host)
        listed = name in settings.hosts
        if self._loopback or settings.hosts:
            local = self._loopback and is_loopback(name)
            if not (listed or local):
                hint = 'list it in settings.toml: [service] hosts = ["NAME"]'
                return problem(403, f"this service is not asked as {host[:200]!r}", hint)
        if origin is None or origin in settings.origins:
            return None
        if urlsplit(origin).netloc.casefold() == host.casefold() and origin.startswith("http"):
            return None
        hint = 'list it in settings.toml: [service] origins = ["https://..."]'
        return problem(403, f"pages of {origin[:200]!r} may not ask this service", hint)

    async def _refused_key(self, scope: Scope, headers: Headers) -> Response | None:
        """The refusal of who may not ask this, or not so often."""
        client = scope.get("client")
        address = client[0] if client else ""
        needed = scope_of(scope["method"], scope["path"])
        secret = _secret(headers) if needed else None  # elsewhere no key is asked for
        key, wait = None, 0.0
        if secret is not None:
            try:
                key, wait = await self._known(secret, address)
            except LedgerError as error:
                return problem_of(error)
        elif scope["path"] not in PROBES:
            wait = self._buckets.take(f"address {address}")
        if wait:
            after = {"Retry-After": str(math.ceil(wait))}
            hint = "[service] rate and burst in settings.toml set the limit"
            return problem(429, f"more than {self._settings.rate:g} requests/s", hint, (), after)
        # Routes read it; see ``access``.
        found = scope.setdefault("state", {})["open"] = self._open(secret, key)
        if needed is None or needed in found:
            return None
        return self._refused_scope(needed, secret, key)

    async def _known(self, secret: str, address: str) -> tuple[Key | None, float]:
        """The key of a secret, None where there is none, and after how many seconds it may be sent
        again: above 0 where it was sent too often.

        A secret that is new to this process costs a token of its address's attempts before the
        ledger is asked, which a known key gets back. One that was known recently costs a token of
        its key's at once, so that nobody behind the same address can use up its attempts; the
        ledger is asked all the same, whether the key still is.
        """
        bucket = self._verified.bucket(secret) or f"attempts of address {address}"
        if wait := self._buckets.take(bucket):
            return None, wait
        key = await to_thread.run_sync(self._key_of, secret) if is_secret(secret) else None
        if key is None:
            self._verified.drop(secret)
            return None, 0.0
        own = f"key {key.name}"
        self._verified.keep(secret, own)
        if own == bucket:
            return key, 0.0
        self._buckets.give_back(bucket)
        return key, self._buckets.take(own)

    def _open(self, secret: str | None, key: Key | None) -> frozenset[str]:
        """The scopes that are open to a caller. A key adds to what is open without one; one that
        is not known opens nothing.
        """
        if secret is not None and key is None:
            return frozenset()
        without = _WITHOUT_KEY if self._loopback else frozenset()
        return without | (key.scopes if key else frozenset())

    def _refused_scope(self, needed: str, secret: str | None, key: Key | None) -> Response:
        """The refusal of who has no key, one that is not known, or one for something else."""
        if key is None:
            said = "this key is not known" if secret else f"this needs a key that opens {needed!r}"
            hint = f"whoever runs the service makes one with the scope {needed!r}; "
            hint += "send it as Authorization: Bearer frk_..."
            return problem(401, said, hint, (), {"WWW-Authenticate": "Bearer"})
        return problem(403, f"the key {key.name!r} does not open {needed!r}")

    async def _whole(
        self, headers: Headers, receive: Receive
    ) -> tuple[Receive | None, Response | None]:
        """The body, read in whole; or a refusal; or neither, where the client went away."""
        said = headers.get("content-length", "0")
        if said == "0" and "transfer-encoding" not in headers:
            return receive, None
        most = self._settings.body
        too_large = problem(413, f"a body has at most {most:,} bytes")
        if not said.isdecimal() or int(said[:20]) > most:
            return None, too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None, None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        return None, too_large
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            seconds = self._settings.body_seconds
            close = {"Connection": "close"}
            return None, problem(408, f"the body was not here in {seconds:g} s", headers=close)
        return _again(b"".join(parts), receive), None


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read, then what comes after it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def once() -> Message:
        return left.pop() if left else await receive()

    return once


def _harden(message: Message, path: str) -> None:
    headers = [header for header in message["headers"] if header[0] not in _NAMES]
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store" if path.startswith("/v1") else b"no-cache"))
    message["headers"] = headers + _HARDENED


def _name(host: str) -> str:
    """A ``Host`` header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0].casefold() if ":" in host else host.casefold()


def _secret(headers: Headers) -> str | None:
    """The secret that a request bears; None where it bears none."""
    kind, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() or None if kind.casefold() == "bearer" else None
