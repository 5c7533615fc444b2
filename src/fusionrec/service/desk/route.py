"""Routes of the desk: only for who may, and changes only by its own forms; errors are pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

import orjson
from anyio import to_thread
from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from fusionrec.errors import FusionrecError, UsageError
from fusionrec.service.desk.access import COOKIE, Visitor, is_same_origin, visitor_of
from fusionrec.service.desk.forms import Form
from fusionrec.service.desk.pages import page, see, with_cookie
from fusionrec.service.problems import problem_of

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class DeskRoute(APIRoute):
    """A route whose request's state has the ``visitor``, and of a POST the ``form``."""

    public = False  # whether it is for people who have not logged in

    def get_route_handler(self) -> _Handler:
        return partial(_guarded, super().get_route_handler(), self.public)


class PublicRoute(DeskRoute):
    """The same for everybody; the form need not hold a session's token."""

    public = True


async def _guarded(handle: _Handler, public: bool, request: Request) -> Response:
    try:
        if request.method == "POST":
            await _check_form(request)
        if not public:
            state = request.app.state.fusionrec
            visitor = await to_thread.run_sync(visitor_of, state, request)
            if visitor is None:
                return _to_login(request)
            request.state.visitor = visitor
            if request.method == "POST" and not visitor.sent(request.state.form.get("token") or ""):
                said = "this form is of a session that has ended"
                raise UsageError(
                    said, "load the page again, and send it once more", code="forbidden"
                )
        return with_cookie(request, await handle(request))
    except FusionrecError as error:
        return await to_thread.run_sync(trouble, request, error)
    except RequestValidationError:
        asked = UsageError("this address is not of the form that is expected")
        return await to_thread.run_sync(trouble, request, asked)


async def _check_form(request: Request) -> None:
    if not is_same_origin(request):
        raise UsageError("this form was sent by another page", code="forbidden")
    form = Form(await request.body(), request.headers.get("content-type", ""))
    request.state.form = form


def _to_login(request: Request) -> Response:
    """To the login, and back from there to a page that was asked for."""
    back = None
    if request.method == "GET" and request.url.path != "/ops":
        query = request.url.query
        back = f"{request.url.path}?{query}" if query else request.url.path
    ended = 1 if request.cookies.get(COOKIE) else None
    return see("/ops/login", ended=ended, next=back)


def trouble(request: Request, error: FusionrecError) -> Response:
    """The page on an error."""
    found = problem_of(error, request.app.state.fusionrec.folders.hide)
    told = orjson.loads(found.body)
    shown = {"problem": told, "errors": told.get("errors", ()), "hint": told.get("hint", "")}
    return page(request, "trouble.html", found.status_code, title=told["title"], **shown)


async def _visitor(request: Request) -> Visitor:
    visitor: Visitor = request.state.visitor
    return visitor


async def _form(request: Request) -> Form:
    form: Form = request.state.form
    return form


VisitorOf = Annotated[Visitor, Depends(_visitor)]
FormOf = Annotated[Form, Depends(_form)]
