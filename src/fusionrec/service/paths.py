"""Paths of requests, whose ids may hold any character; "/" as %2F."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Match
from starlette.types import Scope


def route_path(raw: bytes) -> str:
    """The path by which a request is checked and routed, from the path as it was sent, without the
    query. In each part between slashes all but letters, digits and ``-._~`` is percent-encoded, so
    that one resource has one path however it was written. Dots and double slashes stay. Empty if
    the path is not UTF-8.
    """
    parts = [unquote_to_bytes(part) for part in raw.split(b"/")]
    try:
        return "/".join(quote(part.decode(), safe="") for part in parts)
    except UnicodeDecodeError:
        return ""


def matching_route(scope: Scope) -> tuple[BaseRoute | None, Match]:
    """The route of a request that was not routed yet, and whether it matches fully or by its path
    alone (``PARTIAL``).
    """
    by_path = None
    for route in _flat(scope["app"].routes):
        fit = route.matches(scope)[0]
        if fit == Match.FULL:
            return route, fit
        if fit == Match.PARTIAL and by_path is None:
            by_path = route
    return by_path, Match.NONE if by_path is None else Match.PARTIAL


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Routes, with those of an included router in its place."""
    for one in routes:
        router = getattr(one, "original_router", None)
        yield from (one,) if router is None else _flat(router.routes)


class _Id(Convertor[str]):
    """An id in a route's path; ``regex`` is its pattern.

    A slash in an id may be written as ``/`` too, as long as the path does not end in ``/`` and one
    of ``names``, patterns that are of other routes.
    """

    def __init__(self, *names: str) -> None:
        others = "".join(f"(?!/{name}$)" for name in names)
        self.regex = f"(?:{others}.)*"  # type: ignore[misc]  # it is read from the instance

    def convert(self, value: str) -> str:
        return unquote(value, errors="strict")

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


class _Part(_Id):
    """An id that is one part of a path: a slash in it is written ``%2F``."""

    def __init__(self) -> None:
        self.regex = "[^/]+"  # type: ignore[misc]


register_url_convertor("item", _Id("similar", "restore", "why-not"))
register_url_convertor("user", _Id("feedback(?:/[^/]*)?", "history"))
register_url_convertor("event", _Part())
register_url_convertor("image", _Id())
register_url_convertor("version", _Id("activate"))
ITEM, USER, VERSION = "/v1/items/{id:item}", "/v1/users/{id:user}", "/v1/versions/{name:version}"
IMAGE = "/v1/images/{name:image}"
