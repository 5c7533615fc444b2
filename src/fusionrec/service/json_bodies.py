"""Routes that read bodies as JSON in UTF-8 alone, in which no name stands twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fusionrec.errors import UsageError


class JsonRoute(APIRoute):
    """A route whose body is read by ``read_json``. Python's own reader takes UTF-16, and of a name
    that is given twice the last value, while a proxy may have judged the first.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            try:
                return await handle(_JsonRequest(request.scope, request.receive))
            except HTTPException as error:  # FastAPI's, of whatever ``read_json`` raised
                if isinstance(error.__cause__, UsageError):
                    raise error.__cause__ from None
                raise

        return strict


class _JsonRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


def read_json(body: bytes) -> Any:
    """The value of a body.

    Raises:
        json.JSONDecodeError: it is no JSON.
        UsageError: it is not UTF-8, a name is given twice, values are nested too deeply, or a
            number has too many digits (code ``invalid_json``).
    """
    try:
        text = body.decode("utf-8-sig")
        if "\0" in text:  # as in UTF-16 and UTF-32; JSON writes it as an escape
            raise _refused("must be UTF-8, without a NUL")
        return json.loads(text, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise _refused(f"must be UTF-8; it is not at byte {error.start}") from None
    except RecursionError:
        raise _refused("has values within values too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python's limit for whole numbers
        raise _refused("has a number of too many digits") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise _refused(f"gives {name[:100]!r} twice in one object")
        made[name] = value
    return made


def _refused(why: str) -> UsageError:
    return UsageError(f"the body {why}", "send JSON in UTF-8", code="invalid_json")
