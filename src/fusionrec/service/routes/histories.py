"""Routes of known users: a few of them, and what each rated or took."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fusionrec.recommend.user_history import known_user
from fusionrec.service.json_bodies import JsonRoute
from fusionrec.service.paths import USER
from fusionrec.service.people_access import check_people, is_own
from fusionrec.service.problems import documented
from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import Id, PageRequest

router = APIRouter(tags=["users"], route_class=JsonRoute)

_SAID = {"item": "318", "title": "A title", "kind": "rating", "rating": 5.0, "time": 9.7e8}
_HISTORY = {
    **given(
        "What is known of them",
        {
            "id": "42",
            "known": True,
            "profile": {"town": "Ghent"},
            "trained": 231,
            "events": {},
            "history": [{**_SAID, "since": False}],
            "offset": 0,
            "more": True,
        },
    ),
    **documented(403),
}
_PERSON = {"id": "42", "count": 231, "likes": ["Comedy"], "favourite": "A title"}
_PEOPLE = {**given("The users", {"people": [_PERSON]}), **documented(403)}


@router.get("/v1/users", summary="Some users to look at", responses=_PEOPLE)
def some_users(ask: Annotated[PageRequest, Query()], request: Request, state: StateOf) -> Response:
    """Users of the training data who differ: one who said much, one who said little, others by
    what they like more than most do. Needs a key that opens `feedback`, or none where none exists
    and only programs of the same machine can ask.
    """
    check_people(request, state)
    people = state.answer(lambda view: view.examples)
    forgotten = state.ledger.forgotten(one.id for one in people)
    here = [one.to_json() for one in people if one.id not in forgotten]
    return as_json({"people": here[ask.offset : ask.offset + ask.k]})


@router.get(f"{USER}/history", summary="A user's profile, and what they rated", responses=_HISTORY)
def history(
    id: Id, page: Annotated[PageRequest, Query()], request: Request, state: StateOf
) -> Response:
    """What training knew of the user and what they said since, the newest first; `since` tells the
    two apart, and `known` says whether training knows them. Needs a key that opens `feedback`, or
    none where none exists and only programs of the same machine can ask; whoever has the random id
    that the page made for a visitor may read what is kept under it.
    """
    if not is_own(id):
        check_people(request, state)
    found = state.answer(
        lambda view: known_user(view.catalog, state.ledger, id, page.k, page.offset)
    )
    return as_json(found.to_json() | {"offset": page.offset})
