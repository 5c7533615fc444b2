"""Paths of requests: ids in them may hold any character, and "/" as %2F."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Match
from starlette.types import Scope


def route_path(raw: bytes) -> str:
    """The path by which a request is checked and routed: each part between slashes has all but
    letters, digits and ``-._~`` percent-encoded, so that one resource has one path, however it was
    written. Dots and double slashes stay. Empty where the path is not UTF-8.

    Args:
        raw: the path as it was sent, percent-encoded, without the query.
    """
    parts = [unquote_to_bytes(part) for part in raw.split(b"/")]
    try:
        return "/".join(quote(part.decode(), safe="") for part in parts)
    except UnicodeDecodeError:
        return ""


def matching_route(scope: Scope) -> tuple[BaseRoute | None, Match]:
    """The route of a request that was not routed yet, and how it matches: by path and method, by
    the path alone (``PARTIAL``), or there is none.
    """
    fits = [(route.matches(scope)[0], route) for route in _flat(scope["app"].routes)]
    for wanted in (Match.FULL, Match.PARTIAL):
        for fit, route in fits:
            if fit == wanted:
                return route, fit
    return None, Match.NONE


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Routes, with those of an included router in its place."""
    for one in routes:
        router = getattr(one, "original_router", None)
        yield from (one,) if router is None else _flat(router.routes)


def _not_before(*names: str) -> str:
    """A pattern of ids in a path. A slash within one may be written as ``/`` too, as long as the
    path does not end in ``/`` and a name that is another route's.
    """
    return "(?:" + "".join(f"(?!/{name}$)" for name in names) + ".)*"


class _Id(Convertor[str]):
    """An id in a route's path."""

    def convert(self, value: str) -> str:
        """The id."""
        return unquote(value, errors="strict")

    def to_string(self, value: str) -> str:
        """The id as it stands in a path."""
        return quote(value, safe="")


class _ItemId(_Id):
    regex = _not_before("similar", "restore")


class _UserId(_Id):
    regex = _not_before("feedback")


class _VersionName(_Id):
    regex = _not_before("activate")


register_url_convertor("item", _ItemId())
register_url_convertor("user", _UserId())
register_url_convertor("version", _VersionName())
ITEM, USER, VERSION = "/v1/items/{id:item}", "/v1/users/{id:user}", "/v1/versions/{name:version}"
