"""What goes wrong, as RFC 9457 has it: the one place where an error becomes an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fusionrec.errors import (
    DataError,
    FusionrecError,
    LedgerError,
    StoreError,
    UsageError,
)
from fusionrec.service.faults import faults_of
from fusionrec.service.wording import hint_for_http, note_for_http

MEDIA = "application/problem+json"


class NotFoundError(UsageError):
    """A thing that a request names is not there."""


class ForbiddenError(UsageError):
    """A request asks for what is not open to the caller."""


class UnfitError(UsageError):
    """A request is well formed, but not for the interactions of the version that answers.

    Args:
        message, hint: as of ``FusionrecError``.
        errors: which parts, each with ``where`` and ``message``.
    """

    def __init__(self, message: str, hint: str, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(message, hint)
        self.errors = errors


class ConflictError(UsageError):
    """An id was used before for something else.

    Args:
        message, hint: as of ``FusionrecError``.
        errors: which ones, each with ``where`` and ``message``.
    """

    def __init__(self, message: str, hint: str, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(message, hint)
        self.errors = errors


# The first that fits. A request can be wrong (4xx), or the service cannot answer now (5xx).
_STATUS: tuple[tuple[type[FusionrecError], int], ...] = (
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (UnfitError, 422),
    (UsageError, 400),
    (DataError, 400),
    (StoreError, 503),
    (LedgerError, 503),
    (FusionrecError, 500),
)


def status_of(error: FusionrecError) -> int:
    """The HTTP status of an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def problem(
    status: int,
    detail: str,
    hint: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that says what is wrong.

    Args:
        status: of HTTP.
        detail: what was expected and what came.
        hint: what to do next.
        errors: each fault, with ``where`` and ``message``.
        headers: of the answer.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _utf8(detail),
    }
    if hint:
        body["hint"] = _utf8(hint)
    if errors:
        body["errors"] = [{n: _utf8(str(v)) for n, v in one.items()} for one in errors]
    said = {"Retry-After": "1"} if status == 503 else {}
    return Response(orjson.dumps(body), status, {**said, **(headers or {})}, MEDIA)


def _utf8(text: str) -> str:
    """The text; half surrogate pairs, which no answer can hold, as question marks."""
    return text.encode("utf-8", "replace").decode()


def handle(app: FastAPI) -> None:
    """Makes an app answer errors with problems."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, FusionrecError)
        hint, faults = hint_for_http(error.hint), getattr(error, "errors", ())
        return problem(status_of(error), note_for_http(error.message), hint, faults)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults, hint = faults_of(error, request.headers.get("content-type", ""))
        return problem(422, "the request is not of the form that is expected", hint, faults)

    async def plain(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        said = HTTPStatus(error.status_code).description or error.detail
        return problem(error.status_code, said, headers=error.headers)

    app.add_exception_handler(FusionrecError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for its documentation; those that every route has are added."""
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "hint": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    }
    every = (400, 401, 403, 404, 408, 413, 422, 429, 431, 500, 503)
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA: {"schema": schema}}}
        for status in sorted({*every, *statuses})
    }
