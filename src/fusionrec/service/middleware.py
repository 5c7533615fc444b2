"""The guard before every route: origins, keys, rates, overload, and the size and time of bodies."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fusionrec.errors import LedgerError
from fusionrec.ledger import LOOPBACK, Key, is_secret
from fusionrec.service.paths import matching_route, route_path
from fusionrec.service.problems import Refused, problem, problem_of
from fusionrec.service.rate_limits import TokenBuckets
from fusionrec.service.recent import Recent
from fusionrec.service.request_limits import (
    PROBES,
    REFERENCE,
    RequestLimits,
    address_of,
    is_at_desk,
    scope_of,
)
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
# With "no-referrer" a browser would not say which page a form was sent from (Origin: null). A
# report brings a policy of its own, and so does the reference.
_AT_DESK = {b"referrer-policy": b"same-origin"}
_OWN_POLICY = b"content-security-policy"
_LOOKUPS = 4  # of keys, at once
_WITHOUT_KEY = frozenset(("read", "feedback"))  # scopes open to programs of the same machine
_SINGLE = ("host", "authorization", "origin", "content-type", "content-length", "transfer-encoding")

_log = logging.getLogger("fusionrec.service")


class RequestGuard:
    """ASGI middleware that passes a request to the app, with its body read whole, or refuses it.
    The app finds in the request's state which scopes are ``open`` to the caller, and which of them
    by a key (``keyed``); for requests that ask for many answers, the ``limits``, and what takes
    further tokens of the caller's, ``charge``; and ``who`` asks, the name of their key.

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
        self._hardened = _hardened(settings)
        self._buckets = TokenBuckets(settings.rate, settings.burst)
        # SHA-256 of the secrets that were verified lately -> the bucket of each.
        self._verified: Recent[bytes, str] = Recent(1_000)
        self._limits = RequestLimits(settings)
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
                _harden(message, scope["path"], self._hardened)
            await send(message)

        try:
            try:
                headers = Headers(scope=scope)
                _check_single(headers)
                self._check_origin(headers)
                with self._limits.counted(scope):
                    await self._check_key(scope, headers)
                    if not scope["path"]:
                        raise Refused(400, "the path is not UTF-8", "percent-encode ids as UTF-8")
                    whole = await self._whole(headers, receive)
                    if whole is not None:
                        scope["state"]["limits"] = self._limits
                        with self._limits.admitted(scope):
                            await self._app(scope, whole, noted)
            except Refused as refused:
                scope["refused"] = True  # for ``seen``
                await refused.response(scope, receive, noted)
            except LedgerError as error:
                await problem_of(error, self._hide)(scope, receive, noted)
        except Exception as error:
            if "handler is closed" in str(error):  # uvloop's: the client is gone
                return
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
                raise Refused(403, f"this service is not asked as {host[:200]!r}", hint)
        if origin is None or origin in settings.origins:
            return
        if urlsplit(origin).netloc.casefold() == host.casefold() and origin.startswith("http"):
            return
        hint = 'list it in settings.toml: [service] origins = ["https://..."]'
        raise Refused(403, f"pages of {origin[:200]!r} may not ask this service", hint)

    async def _check_key(self, scope: Scope, headers: Headers) -> None:
        """Refuses who may not ask this, or not so often; notes which scopes are open.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        address = address_of(scope)
        needed = scope_of(scope["method"], scope["path"])
        kind, _, text = headers.get("authorization", "").partition(" ")
        secret = text.strip() if needed and kind.casefold() == "bearer" else ""
        key, wait, bucket = None, 0.0, f"address {address}"
        if secret:
            key, wait = await self._known(secret, address)
            bucket = f"key {key.name}" if key else bucket
        elif scope["path"] not in PROBES:
            wait = self._buckets.take(bucket)
        if wait:
            hint = "[service] rate and burst in settings.toml set the limit"
            rate = f"{self._settings.rate:g}"
            said = f"more than {rate} requests/s; each of many people in one counts"
            raise Refused(429, said, hint, Retry_After=str(math.ceil(wait)))
        opened: frozenset[str] = key.scopes if key else frozenset()
        if self._loopback and (key or not secret):  # an unknown key opens nothing
            opened |= _WITHOUT_KEY
        state = scope.setdefault("state", {})
        state["open"], state["charge"] = opened, partial(self._buckets.charge, bucket)
        state["who"] = key.name if key else LOOPBACK
        state["keyed"] = key.scopes if key else frozenset()
        if needed is None or needed in opened:
            return
        # Who may read /v1/openapi.json may learn that no route is there; the app says so.
        if "read" in opened and matching_route(scope)[1] != Match.FULL:
            return
        if key is not None:
            raise Refused(403, f"the key {key.name!r} does not open {needed!r}")
        said = "this key is not known" if secret else f"this needs a key that opens {needed!r}"
        hint = (
            f"whoever runs the service makes one with the scope {needed!r}; send it as "
            "Authorization: Bearer frk_..."
        )
        raise Refused(401, said, hint, WWW_Authenticate="Bearer")

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
            raise Refused(413, too_large)
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise Refused(413, too_large)
                    more = message.get("more_body", False)
        except TimeoutError:
            said = f"the body was not here in {seconds:g} s"
            raise Refused(408, said, Connection="close") from None
        left = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def once() -> Message:
            return left.pop() if left else await receive()

        return once


def _check_single(headers: Headers) -> None:
    """Refuses a head in which a header stands twice of which a proxy and this service, reading
    different ones, would take the request for two different ones.
    """
    for name in _SINGLE:
        if len(headers.getlist(name)) > 1:
            raise Refused(400, f"the header {name} is given twice", "send it once")
    if headers.get("content-encoding", "identity").strip().casefold() != "identity":
        raise Refused(415, "a body is not taken compressed", "send it as it is")
    coding = headers.get("transfer-encoding", "chunked").strip().casefold()
    if coding != "chunked":
        raise Refused(400, "a body is sent as it is, or chunked", "leave other encodings out")


def _hardened(settings: ServiceSettings) -> dict[bytes, bytes]:
    """The security headers, with the sources of pictures that the settings allow."""
    policy, own = b"", dict(_HARDENED)
    if settings.images:
        policy += b" blob:"  # pictures that the page asked for with a key
    policy += b"".join(f" https://{host}".encode() for host in settings.image_hosts)
    return own | ({_OWN_POLICY: own[_OWN_POLICY] + b"; img-src 'self'" + policy} if policy else {})


def _harden(message: Message, path: str, hardened: dict[bytes, bytes]) -> None:
    """Adds the security headers to a response, and ``Cache-Control`` where it has none."""
    at_desk = is_at_desk(path)
    if at_desk or path == REFERENCE:
        own = {name: value for name, value in message["headers"] if name == _OWN_POLICY}
        hardened = {**hardened, **(_AT_DESK if at_desk else {}), **own}
    headers = [header for header in message["headers"] if header[0] not in _NAMES]
    if not any(name == b"cache-control" for name, _ in headers):
        kept = not (at_desk or path.startswith("/v1"))
        headers.append((b"cache-control", b"no-cache" if kept else b"no-store"))
    message["headers"] = [*headers, *hardened.items()]


def _name(host: str) -> str:
    """A ``Host`` header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0].casefold() if ":" in host else host.casefold()
