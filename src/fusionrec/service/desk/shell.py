"""Login, logout, the first page, and what is not there."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from fusionrec.errors import UsageError
from fusionrec.service.desk import access
from fusionrec.service.desk.pages import page, see, with_cookie
from fusionrec.service.desk.route import DeskRoute, FormOf, PublicRoute, VisitorOf
from fusionrec.service.rate_limits import TokenBuckets
from fusionrec.service.request_limits import address_of
from fusionrec.service.responses import StateOf

_RATE, _BURST = 1 / 6, 10  # attempts of one address a second, and at once
_OURS = re.compile(r"/ops(?!/log(?:in|out))(?:[/?][^\\\s]*)?")

public = APIRouter(route_class=PublicRoute, include_in_schema=False)
router = APIRouter(route_class=DeskRoute, include_in_schema=False)
_attempts = TokenBuckets(_RATE, _BURST)


@public.get("/ops/login")
def login(request: Request, state: StateOf) -> Response:
    """The form that takes a key."""
    if access.visitor_of(state, request) is not None:
        return see(_back(request.query_params.get("next")))
    said = ""
    if "ended" in request.query_params:
        said = "Your session has ended, or its key was withdrawn. Please log in again."
    return _login_page(request, said)


@public.post("/ops/login")
async def log_in(request: Request, state: StateOf, form: FormOf) -> Response:
    """Begins a session."""
    who = address_of(request.scope)
    if wait := _attempts.take(who):
        said = f"Too many attempts. Please wait for {wait:.0f} s."
        return await to_thread.run_sync(partial(_login_page, request, said, 429))
    secret = (form.get("key") or "").strip()
    visitor = await to_thread.run_sync(access.log_in, state, secret)
    if visitor is None:
        said = "This key is not known, or does not open the desk: that takes the scope admin."
        return await to_thread.run_sync(partial(_login_page, request, said, 401))
    _attempts.give_back(who)
    request.state.visitor = visitor
    return with_cookie(request, see(_back(form.get("next"))))


def _login_page(request: Request, said: str, status: int = 200) -> Response:
    form = getattr(request.state, "form", None)
    back = form.get("next") if form else request.query_params.get("next")
    return page(request, "login.html", status, title="Log in", said=said, back=_back(back))


def _back(given: str | None) -> str:
    """Where to go after the login; only to the desk."""
    return given if given and _OURS.fullmatch(given) else "/ops"


@router.post("/ops/logout")
def log_out(request: Request, state: StateOf, visitor: VisitorOf) -> Response:
    """Ends the session."""
    state.recorder.perform(lambda: state.ledger.close_session(visitor.session))
    response = see("/ops/login", done="logged-out")
    access.set_cookie(request, response, "")
    return response


@router.get("/ops")
def overview(request: Request, state: StateOf) -> Response:
    """Which version answers, and where to look things up."""
    view = state.answer(lambda view: view)
    about: dict[str, Any] = {
        "version": view.artifact.version,
        "worth": view.artifact.worth,
        "items": int(view.catalog.available.sum()),
        "users": len(view.artifact.users),
        "place": state.folders.hide(view.place),
        "failed": view.failed,
    }
    return page(request, "overview.html", title="Overview", **about)


# The last one, for whatever no other route of the desk is for.
nothing = APIRouter(route_class=DeskRoute, include_in_schema=False)


@nothing.get("/ops/{rest:path}")
def missing(rest: str) -> Response:
    """What is not there."""
    if not rest:
        return see("/ops")
    raise UsageError(f"the desk has no page {rest[:200]!r}", code="not_found")
