"""What routes share: the service's state, JSON responses, and the documentation of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from starlette.responses import Response

from fusionrec.errors import UsageError
from fusionrec.service.state import ServiceState


async def _state(request: Request) -> ServiceState:
    state: ServiceState = request.app.state.fusionrec
    return state


StateOf = Annotated[ServiceState, Depends(_state)]
SEVERAL = frozenset(
    {"where", "only", "without", "liked", "item"}
)  # parameters that may be given again


async def check_once(request: Request) -> None:
    """Refuses a parameter that is given twice and may be given once.

    Raises:
        UsageError: which one.
    """
    counts = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in counts.items():
        if count > 1 and name not in SEVERAL:
            raise UsageError(f"{name[:100]!r} is given {count} times", hint="give it once")


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of plain JSON values; NaN and infinity become null."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, "application/json")


_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_ITEM = {
    "type": "object",
    "required": ["rank", "id", "title", "content"],
    "properties": {
        "rank": _WHOLE,
        "id": _TEXT,
        "title": _TEXT,
        "score": {"type": "number"},
        "stars": {
            "type": "number",
            "description": "The rating predicted, on the scale of `/v1/schema`.",
        },
        "ratings": {
            "type": "integer",
            "description": "How many rated the item, or took it, in an answer for nobody.",
        },
        "reason": {
            "type": "object",
            "description": "Where it was asked for: `kind`, `text`, `items`.",
        },
        "content": {
            "type": "object",
            "description": "What else is known of the item, by the names of `/v1/schema`.",
        },
    },
}
_ANSWER = {
    "type": "object",
    "required": ["answer", "items", "kind", "version", "place", "notes", "offset", "more"],
    "properties": {
        "answer": {"type": "string", "description": "Id of this answer."},
        "items": {"type": "array", "items": _ITEM, "description": "The best first."},
        "kind": {
            "enum": ["user", "profile", "history", "mixed", "popular", "similar", "search"],
            "description": "What the answer was made from.",
        },
        "version": _TEXT,
        "place": {
            "type": "string",
            "description": "Where the vectors were searched, such as `exact copy of milvus.db`.",
        },
        "goal": {"type": "string", "description": "Where the request named one."},
        "notes": {"type": "array", "items": _TEXT},
        "suggestions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["text"],
                "properties": {
                    "text": {"type": "string", "description": "What to search for instead."},
                    "id": {"type": "string", "description": "The item with this title."},
                },
            },
            "description": "What misspelt words of a search may mean; left out where none are.",
        },
        "offset": _WHOLE,
        "more": {"type": "boolean", "description": "Whether items follow these."},
    },
}
_EXAMPLE = {
    "answer": "6f1c0b6d9b4f4a3f8f0e1d2c3b4a5968",
    "items": [
        {
            "rank": 1,
            "id": "318",
            "title": "A title",
            "score": 4.31,
            "stars": 4.65,
            "content": {"year": 1994},
        }
    ],
    "kind": "user",
    "version": "v1",
    "place": "milvus.db",
    "notes": [],
    "offset": 0,
    "more": True,
}
_HEADERS = {
    "ETag": "Changes when the answer may.",
    "Fusionrec-Version": "The version that answered.",
    "Fusionrec-Index": "The collection that answers, itself or in a copy of it, or `exact`.",
    "Fusionrec-Kind": "As `kind`.",
}


# An answer, for the documentation of a route.
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer",
        "headers": {n: {"description": d, "schema": _TEXT} for n, d in _HEADERS.items()},
        "content": {"application/json": {"schema": _ANSWER, "example": _EXAMPLE}},
    },
    304: {"description": "The answer that the client has still holds"},
}


# The answer to a request of one, or of many people.
ANSWERS: dict[str, Any] = {
    **ANSWER[200],
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    _ANSWER,
                    {
                        "type": "object",
                        "required": ["answers"],
                        "properties": {
                            "answers": {
                                "type": "array",
                                "items": {"type": "object"},
                                "description": "In the order of `people`, each an answer, or a "
                                "problem with `status`, `code` and `detail`.",
                            }
                        },
                    },
                ]
            },
            "example": _EXAMPLE,
        }
    },
}


def given(description: str, example: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Any other answer, for the documentation of a route."""
    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    return {status: {"description": description, "content": content}}
