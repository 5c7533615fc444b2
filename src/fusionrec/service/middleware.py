"""The guard before every route: origins, keys, rates, overload, and the size and time of bodies."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fusionrec.errors import LedgerError
from fusionrec.ledger import Key, is_secret
from fusionrec.service.admission import Admission
from fusionrec.service.paths import matching_route, route_path
from fusionrec.service.problems import problem, problem_of
from fusionrec.service.rate_limits import TokenBuckets
from fusionrec.service.recent import Recent
from fusionrec.service.settings import ServiceSettings, is_loopback

_HARDENED = [
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        b"object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_NAMES = frozenset(name for name, _ in _HARDENED)
_LOOKUPS = 4  # of keys, at once
_PROBES = ("/healthz", "/readyz")  # need no key, and have no limit
_WITHOUT_KEY = frozenset(("read", "feedback"))  # scopes open to programs of the same machine
_SINGLE = ("host", "authorization", "origin", "content-type", "content-length", "transfer-encoding")
_ASKING = ("/v1/recommendations", "/v1/map")  # a POST that changes nothing

_log = logging.getLogger("fusionrec.service")


class _Refused(Exception):  # noqa: N818  # an answer, not an error
    """Ends a request with a problem; takes what ``problem`` does."""

    def __init__(
        self, status: int, detail: str, hint: str | None = None, code: str = "", **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = problem(status, detail, hint, headers=named, code=code)


def scope_of(method: str, path: str) -> str | None:
    """The scope that a request needs, by its method and its ``route_path``; None where anyone may
    ask.
    """
    if path == "/" or path.startswith("/static/") or path in _PROBES:
        return None
    if path.startswith(("/v1/users", "/v1/feedback")):
        return "feedback"
    return "read" if method in ("GET", "HEAD") or path in _ASKING else "admin"


class RequestGuard:
    """ASGI middleware that passes a request to the app, with its body read whole, or refuses it.
    The app finds the scopes that are open to the caller in the request's state, as ``open``.

    Args:
        app: what is guarded.
        settings: the limits.
        key_of: the key with a secret; may block. Called only with secrets of the form of keys.
        seen: called for every request with its scope, the status, and the seconds it took.
        hide: takes the names of folders out of a text.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServiceSettings,
        key_of: Callable[[str], Key | None],
        seen: Callable[[Scope, int, float], None],
        hide: Callable[[str], str] = str,
    ) -> None:
        self._hide = hide
        self._app, self._settings, self._key_of, self._seen = app, settings, key_of, seen
        self._loopback = settings.loopback
        self._buckets = TokenBuckets(settings.rate, settings.burst)
        # SHA-256 of the secrets that were verified lately -> the bucket of each.
        self._verified: Recent[bytes, str] = Recent(1_000)
        self._admission = Admission(settings.wait_seconds)
        self._under_way: Counter[str] = Counter()  # requests by address
        self._lookups = CapacityLimiter(_LOOKUPS)  # they do not wait for threads that answer

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
            try:
                headers = Headers(scope=scope)
                _check_single(headers)
                self._check_origin(headers)
                with self._counted(scope):
                    await self._check_key(scope, headers)
                    if not scope["path"]:
                        raise _Refused(400, "the path is not UTF-8", "percent-encode ids as UTF-8")
                    whole = await self._whole(headers, receive)
                    if whole is not None:
                        with self._admitted(scope):
                            await self._app(scope, whole, noted)
            except _Refused as refused:
                await refused.response(scope, receive, noted)
            except LedgerError as error:
                await problem_of(error, self._hide)(scope, receive, noted)
        except Exception:
            _log.exception("a defect in %s %r", scope["method"], scope["path"])
            if status == 499:
                await problem(500, "this is a defect of the service")(scope, receive, noted)
        finally:
            self._seen(scope, status, time.perf_counter() - began)

    def _check_origin(self, headers: Headers) -> None:
        """Refuses a page that has no business here: one whose own name was made to lead to this
        address (DNS rebinding), or one of another origin.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        settings, name = self._settings, _name(host)
        if self._loopback or settings.hosts:
            local = self._loopback and is_loopback(name)
            if not (local or name in settings.hosts):
                hint = 'list it in settings.toml: [service] hosts = ["NAME"]'
                raise _Refused(403, f"this service is not asked as {host[:200]!r}", hint)
        if origin is None or origin in settings.origins:
            return
        if urlsplit(origin).netloc.casefold() == host.casefold() and origin.startswith("http"):
            return
        hint = 'list it in settings.toml: [service] origins = ["https://..."]'
        raise _Refused(403, f"pages of {origin[:200]!r} may not ask this service", hint)

    @contextmanager
    def _counted(self, scope: Scope) -> Iterator[None]:
        """Refuses a request on top of too many that are under way; never a probe."""
        address, most = _address(scope), self._settings.connections_per_address
        if scope["path"] in _PROBES:
            yield
            return
        if scope.get("state", {}).get("full"):
            said = "too many connections are open"
            raise _Refused(503, said, "ask again in a moment", Connection="close")
        if self._under_way[address] >= most:
            said = f"more than {most:,} requests of one address at once"
            raise _Refused(429, said, "wait for their answers", Retry_After="1")
        self._under_way[address] += 1
        try:
            yield
        finally:
            self._under_way[address] -= 1
            if not self._under_way[address]:
                del self._under_way[address]

    @contextmanager
    def _admitted(self, scope: Scope) -> Iterator[None]:
        """Refuses an answer that would wait too long; writes wait for the ledger alone."""
        path = scope["path"]
        if not path.startswith("/v1/") or scope_of(scope["method"], path) != "read":
            yield
            return
        if not self._admission.enter():
            most = 1000 * self._settings.wait_seconds
            said = f"too much is asked at once: an answer would wait for more than {most:,.0f} ms"
            raise _Refused(503, said, "ask again in a moment, and less often", code="overloaded")
        try:
            yield
        finally:
            self._admission.leave()

    async def _check_key(self, scope: Scope, headers: Headers) -> None:
        """Refuses who may not ask this, or not so often; notes which scopes are open.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        address = _address(scope)
        needed = scope_of(scope["method"], scope["path"])
        kind, _, text = headers.get("authorization", "").partition(" ")
        secret = text.strip() if needed and kind.casefold() == "bearer" else ""
        key, wait = None, 0.0
        if secret:
            key, wait = await self._known(secret, address)
        elif scope["path"] not in _PROBES:
            wait = self._buckets.take(f"address {address}")
        if wait:
            hint = "[service] rate and burst in settings.toml set the limit"
            said = f"more than {self._settings.rate:g} requests/s"
            raise _Refused(429, said, hint, Retry_After=str(math.ceil(wait)))
        opened: frozenset[str] = key.scopes if key else frozenset()
        if self._loopback and (key or not secret):  # an unknown key opens nothing
            opened |= _WITHOUT_KEY
        scope.setdefault("state", {})["open"] = opened
        if needed is None or needed in opened:
            return
        # Who may read /v1/openapi.json may learn that no route is there; the app says so.
        if "read" in opened and matching_route(scope)[1] != Match.FULL:
            return
        if key is not None:
            raise _Refused(403, f"the key {key.name!r} does not open {needed!r}")
        said = "this key is not known" if secret else f"this needs a key that opens {needed!r}"
        hint = (
            f"whoever runs the service makes one with the scope {needed!r}; send it as "
            "Authorization: Bearer frk_..."
        )
        raise _Refused(401, said, hint, WWW_Authenticate="Bearer")

    async def _known(self, secret: str, address: str) -> tuple[Key | None, float]:
        """The key of a secret, None where there is none, and after how many seconds it may be sent
        again: above 0 where it was sent too often.

        A secret that is new to this process costs a token of its address's attempts before the
        ledger is asked, which a known key gets back. One that was known recently costs a token of
        its key's at once, so that nobody behind the same address can use up its attempts; the
        ledger is asked all the same, whether the key still is.
        """
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        bucket = self._verified.get(digest) or f"attempts of address {address}"
        if wait := self._buckets.take(bucket):
            return None, wait
        key = None
        if is_secret(secret):
            key = await to_thread.run_sync(self._key_of, secret, limiter=self._lookups)
        if key is None:
            self._verified.pop(digest, None)
            return None, 0.0
        own = f"key {key.name}"
        self._verified[digest] = own
        if own == bucket:
            return key, 0.0
        self._buckets.give_back(bucket)
        return key, self._buckets.take(own)

    async def _whole(self, headers: Headers, receive: Receive) -> Receive | None:
        """Gives the body, read whole, then what comes after it; None where the client went away."""
        said = headers.get("content-length", "0")
        if said == "0" and "transfer-encoding" not in headers:
            return receive
        most, seconds = self._settings.body, self._settings.body_seconds
        too_large = f"a body has at most {most:,} bytes"
        if not said.isdecimal() or int(said[:20]) > most:
            raise _Refused(413, too_large)
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise _Refused(413, too_large)
                    more = message.get("more_body", False)
        except TimeoutError:
            said = f"the body was not here in {seconds:g} s"
            raise _Refused(408, said, Connection="close") from None
        left = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def once() -> Message:
            return left.pop() if left else await receive()

        return once


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _check_single(headers: Headers) -> None:
    """Refuses a head in which a header stands twice of which a proxy and this service, reading
    different ones, would take the request for two different ones.
    """
    for name in _SINGLE:
        if len(headers.getlist(name)) > 1:
            raise _Refused(400, f"the header {name} is given twice", "send it once")
    coding = headers.get("transfer-encoding", "chunked").strip().casefold()
    if coding != "chunked":
        raise _Refused(400, "a body is sent as it is, or chunked", "leave other encodings out")


def _harden(message: Message, path: str) -> None:
    """Adds the security headers to a response, and ``Cache-Control`` where it has none."""
    headers = [header for header in message["headers"] if header[0] not in _NAMES]
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store" if path.startswith("/v1") else b"no-cache"))
    message["headers"] = headers + _HARDENED


def _name(host: str) -> str:
    """A ``Host`` header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0].casefold() if ":" in host else host.casefold()
