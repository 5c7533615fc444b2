"""Pages of the desk: Jinja2 templates, and what each page shows beside its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fusionrec.service.desk.access import Visitor, set_cookie
from fusionrec.service.state import ServiceState

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

# Address and name of each part, as the navigation shows them.
PARTS = (
    ("/ops", "Overview"),
    ("/ops/versions", "Versions"),
    ("/ops/traffic", "Traffic"),
    ("/ops/activity", "People"),
    ("/ops/items", "Items"),
    ("/ops/users", "Users"),
    ("/ops/log", "Log"),
)

# What a page says after a form was sent, by the parameter ``done``.
DONE = {
    "activated": "The version is active now.",
    "changed": "The item is changed.",
    "withdrawn": "The item is withdrawn: it is in no answer any more.",
    "restored": "The item is back.",
    "forgotten": "The user is forgotten.",
    "logged-out": "You are logged out.",
    "report": "The report is being made.",
}


def _shown_time(text: str) -> str:
    """A time in ISO 8601 as ``2026-01-31 09:05 UTC``; another text as it is."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return text


def _day(seconds: float) -> str:
    """Seconds since 1970 as ``31 Jan 2026``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %Y")


def _moment(seconds: float) -> str:
    """Seconds since 1970 as ``09:05 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M UTC")


def _shown_size(size: float) -> str:
    """Bytes as ``1.2 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def shown_seconds(value: float | None) -> str:
    """Seconds as ``1.2 ms`` or ``1.2 s``."""
    if value is None:
        return "–"
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def shown_rate(value: float) -> str:
    """A number a second, as short as it can be."""
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def address(path: str, **parameters: object) -> str:
    """An address of the desk, with those parameters that are not None."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(
    day=_day,
    moment=_moment,
    rate=shown_rate,
    seconds=shown_seconds,
    figure=_figure,
    part=lambda text: quote(text, safe=""),
    size=_shown_size,
    time=_shown_time,
)
_TEMPLATES.globals |= {"address": address, "parts": PARTS}


def page(request: Request, template: str, status: int = 200, **shown: Any) -> Response:
    """A page of the desk.

    Args:
        request: the request; its state has the ``visitor``, unless nobody is logged in.
        template: name of the file.
        status: HTTP status.
        shown: what the template reads; ``title`` is the page's.
    """
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    state: ServiceState = request.app.state.fusionrec
    about: Mapping[str, Any] = {
        "visitor": visitor,
        "at": request.url.path,
        "done": DONE.get(request.query_params.get("done", ""), ""),
        "troubles": [*state.troubles(), *state.notes()] if visitor else [],
    }
    text = _TEMPLATES.get_template(template).render({**about, **shown})
    # A title may hold half a surrogate pair, which UTF-8 does not.
    return HTMLResponse(text.encode("utf-8", "replace"), status)


def see(path: str, **parameters: object) -> Response:
    """Sends the browser to another page."""
    return RedirectResponse(address(path, **parameters), 303)


def with_cookie(request: Request, response: Response) -> Response:
    """The response, with the cookie of a session that has just begun."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    if visitor is not None and visitor.new:
        set_cookie(request, response, visitor.session)
    return response
