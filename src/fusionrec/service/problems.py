"""Errors as RFC 9457 problems: the one place where an error becomes an HTTP response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, get_args

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fusionrec.errors import (
    ArtifactError,
    DataError,
    FusionrecError,
    LedgerError,
    StoreError,
    UsageError,
)
from fusionrec.recommend.fuzzy import alike, guess

MEDIA = "application/problem+json"
_SHOWN = 20  # errors listed for one request

# The status of an error: by its code, else by the first class here that fits.
_STATUS = {
    "forbidden": 403,
    "not_found": 404,
    "unknown_item": 404,
    "conflict": 409,
    "ratings_mean_nothing": 422,
}
_STATUS_OF_CLASS: tuple[tuple[type[FusionrecError], int], ...] = (
    (UsageError, 400),
    (DataError, 400),
    (ArtifactError, 503),
    (StoreError, 503),
    (LedgerError, 503),
    (FusionrecError, 500),
)

# What a client does next, by the error's code; other errors bring their own hint.
_HINTS: Mapping[str, Callable[[FusionrecError], str]] = {
    "unknown_item": lambda _: "find its id: /v1/search?q=WORDS",
    "no_towers": lambda _: "say which items the person likes: `liked`",
    "no_item_towers": lambda _: "whoever runs the service adds items with their vectors",
    "ratings_mean_nothing": lambda _: (
        "leave the rating out: what stands in the history counts as taken"
    ),
}


def problem(
    status: int,
    detail: str,
    hint: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    code: str = "",
) -> Response:
    """A problem response.

    Args:
        status: HTTP status.
        detail: what was expected and what came.
        hint: what to do next.
        errors: each with ``where`` and ``message``.
        headers: of the response.
        code: of the error, for programs; by default made of the status.
    """
    phrase = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "code": code or phrase.lower().replace(" ", "_").replace("-", "_"),
        "detail": _utf8(detail),
    }
    if hint:
        body["hint"] = _utf8(hint)
    if errors:
        body["errors"] = [{n: _utf8(str(v)) for n, v in one.items()} for one in errors[:_SHOWN]]
    retry = {"Retry-After": "1"} if status == 503 else {}
    return Response(orjson.dumps(body), status, {**retry, **(headers or {})}, MEDIA)


class Refused(Exception):  # noqa: N818  # an answer, not an error
    """Ends a request with a problem; takes what ``problem`` does."""

    def __init__(
        self, status: int, detail: str, hint: str | None = None, code: str = "", **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = problem(status, detail, hint, headers=named, code=code)


def problem_of(error: FusionrecError, hide: Callable[[str], str]) -> Response:
    """The response to an error: its status, and the hint worded for HTTP.

    Args:
        error: what happened.
        hide: takes the names of folders out of a text.
    """
    of_class = next(status for kind, status in _STATUS_OF_CLASS if isinstance(error, kind))
    worded = _HINTS.get(error.code)
    hint = error.hint or (worded(error) if worded else None)
    errors = error.details.get("errors") or [
        {"where": f"body.history.{n}.rating", "message": "rating must be left out"}
        for n in error.details.get("positions", ())
    ]
    status, hint = _STATUS.get(error.code, of_class), hint and hide(hint)
    message = error.details.get("public", error.message)
    return problem(status, hide(message), hint, errors, code=error.code)


def _utf8(text: str) -> str:
    """The text with question marks for lone surrogates, which UTF-8 does not hold."""
    return text.encode("utf-8", "replace").decode()


def handle(app: FastAPI) -> None:
    """Makes the app answer errors with problems."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, FusionrecError)
        return problem_of(error, request.app.state.fusionrec.folders.hide)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors, hint = _invalid(error, request)
        detail = "the request is not of the form that is expected"
        return problem(422, detail, hint, errors, code="invalid_request")

    async def plain(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = HTTPStatus(error.status_code).description or error.detail
        return problem(error.status_code, detail, headers=error.headers)

    app.add_exception_handler(FusionrecError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


def _invalid(
    error: RequestValidationError, request: Request
) -> tuple[list[dict[str, str]], str | None]:
    """What is wrong with each part of a request, in pydantic's words, and a hint. Values that were
    sent are not repeated.
    """
    content_type = request.headers.get("content-type", "")
    is_json = content_type.partition(";")[0].strip().casefold().endswith("json")
    messages: dict[str, list[str]] = {}
    hint = None
    for one in error.errors():
        kind, location, reason = one["type"], one["loc"], one.get("ctx", {})
        message = str(one["msg"])
        if kind == "json_invalid":
            message += f": {reason.get('error', '')}, at character {location[-1]}"
            location = location[:1]
        if kind == "extra_forbidden":
            names = _names(request.scope["route"], *location[:1]) - {location[-1]}
            message = "; ".join(filter(None, [message, guess(alike(str(location[-1]), names))]))
        # Branches of a value that may be of several kinds name our schema, not the request.
        parts = [str(part) for part in location if part not in _BRANCHES]
        where = ".".join(part for part in parts if not part.startswith(("list[", "constrained-")))
        if where == "body" and kind != "missing" and not is_json:
            message, hint = "the body must be JSON", "send Content-Type: application/json"
        hint = hint or reason.get("hint")
        if message not in messages.setdefault(where[:200], []):
            messages[where[:200]].append(message)
    errors = [{"where": w, "message": "; or: ".join(m)[:500]} for w, m in messages.items()]
    return errors, hint


# Of ``schemas.EventBody``, and of values.
_BRANCHES = frozenset(("one", "several", "[key]", "float"))


def _names(route: Any, part: str = "") -> set[str]:
    """The names that a route knows in its ``query`` or ``body``, at any depth."""
    params = route.dependant.query_params if part == "query" else route.dependant.body_params
    kinds, names = [param.field_info.annotation for param in params], set[str]()
    while kinds:
        kind = kinds.pop()
        fields = getattr(kind, "model_fields", {})
        names.update(fields)
        kinds += [*get_args(kind), *(field.annotation for field in fields.values())]
    return names


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems with these statuses, for the documentation of a route."""
    text = {"type": "string"}
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "What went wrong, for programs."},
            "detail": text,
            "hint": text,
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    }
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA: {"schema": schema}}}
        for status in statuses
    }


# Problems that every route may answer with.
EVERY_ROUTE = documented(400, 401, 403, 404, 408, 413, 422, 429, 431, 500, 503)
