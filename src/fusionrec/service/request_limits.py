"""What a request asks for, and whether it may come on top of those that are under way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Scope

from fusionrec.service.admission import Admission
from fusionrec.service.problems import Refused
from fusionrec.service.settings import ServiceSettings

REFERENCE = "/docs"  # the page, and its files
PROBES = ("/healthz", "/readyz")  # need no key, and have no limit
_WHY_NOT = re.compile(r"/v1/items/.+/why-not")  # tells what a user took, or hid
_ASKING = ("/v1/recommendations", "/v1/map")  # a POST that changes nothing


def is_at_desk(path: str) -> bool:
    """Whether a ``route_path`` is of the desk, whose routes check for themselves who asks."""
    return path == "/ops" or path.startswith("/ops/")


def scope_of(method: str, path: str) -> str | None:
    """The scope that a request needs, by its method and its ``route_path``; None where anyone may
    ask.
    """
    if path == "/" or path.startswith("/static/") or path in PROBES or is_at_desk(path):
        return None
    if path == REFERENCE or path.startswith(f"{REFERENCE}/"):
        return None
    if path.startswith(("/v1/users", "/v1/feedback")) or _WHY_NOT.fullmatch(path):
        return "feedback"
    if path == "/v1/traffic":
        return "admin"
    return "read" if method in ("GET", "HEAD") or path in _ASKING else "admin"


def address_of(scope: Scope) -> str:
    """The client's address, behind a known proxy too; empty where there is none."""
    client = scope.get("client")
    return client[0] if client else ""


class RequestLimits:
    """Counts the requests under way, for one event loop. Probes are never refused.

    Args:
        settings: the limits.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings, self._admission = settings, Admission(settings.wait_seconds)
        self._under_way: Counter[str] = Counter()  # by address

    @contextmanager
    def counted(self, scope: Scope) -> Iterator[None]:
        """Raises Refused if too many connections are open, or requests of one address under way."""
        address, most = address_of(scope), self._settings.connections_per_address
        if scope["path"] in PROBES:
            yield
            return
        if scope.get("state", {}).get("full"):
            said = "too many connections are open"
            raise Refused(503, said, "ask again in a moment", Connection="close")
        if self._under_way[address] >= most:
            said = f"more than {most:,} requests of one address at once"
            raise Refused(429, said, "wait for their answers", Retry_After="1")
        self._under_way[address] += 1
        try:
            yield
        finally:
            self._under_way[address] -= 1
            if not self._under_way[address]:
                del self._under_way[address]

    @contextmanager
    def admitted(self, scope: Scope) -> Iterator[None]:
        """Raises Refused for an answer that would wait too long; writes wait for the ledger
        alone.
        """
        path = scope["path"]
        if not path.startswith("/v1/") or scope_of(scope["method"], path) != "read":
            yield
            return
        if not self._admission.enter():
            raise self._overloaded()
        try:
            yield
        finally:
            self._admission.leave()

    @contextmanager
    def several(self, answers: int) -> Iterator[None]:
        """The same for answers that are made together; raises Refused as ``admitted``."""
        if not self._admission.enter(answers):
            raise self._overloaded()
        try:
            yield
        finally:
            self._admission.leave(answers)

    def _overloaded(self) -> Refused:
        most = 1000 * self._settings.wait_seconds
        said = f"too much is asked at once: an answer would wait for more than {most:,.0f} ms"
        return Refused(503, said, "ask again in a moment, and less often", code="overloaded")
