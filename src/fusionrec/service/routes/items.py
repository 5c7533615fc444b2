"""Routes of items: show, add or change, withdraw, restore one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi import Query as Parameters
from pydantic import Field
from starlette.responses import Response

from fusionrec.recommend.query_builder import QueryRequest, build_query
from fusionrec.recommend.why_not import WhyNot, why_not
from fusionrec.service import actions
from fusionrec.service.json_bodies import JsonRoute
from fusionrec.service.paths import ITEM
from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import Id, Name, Text, WhyNotRequest
from fusionrec.service.state import ServiceState
from fusionrec.service.view import VersionView

router = APIRouter(tags=["items"], route_class=JsonRoute)

_Value = Annotated[str, Field(max_length=10_000)] | float | list[Text] | None
Attributes = Annotated[
    dict[Name, _Value],
    Body(
        max_length=100,
        description="Attribute -> text, number, or list of categories; `/v1/schema` lists some. "
        "What is left out is not known of a new item, and stays as it is of another.",
        examples=[{}],
    ),
]
_EXAMPLE = {"id": "318", "title": "A title", "available": True, "content": {}}
_ITEM = given("The item", _EXAMPLE)
_STANDING = {"item": "318", "status": "ranked", "rank": 412, "of": 3000, "text": "it has rank ..."}
_WHY = given("Where the item stands", _STANDING)


@router.get(ITEM, summary="One item", responses=_ITEM)
def item(id: Id, state: StateOf) -> Response:
    """What is known of an item; one that was withdrawn is not `available`."""

    def made(view: VersionView) -> dict[str, Any]:
        return actions.shown_item(view.catalog, view.recommender.finder.row(id, guess=False))

    return as_json(state.answer(made))


@router.get(f"{ITEM}/why-not", summary="Why an item is not in a user's list", responses=_WHY)
def why(id: Id, ask: Annotated[WhyNotRequest, Parameters()], state: StateOf) -> Response:
    """`status` and `text` say it: the item is `shown` after all, `withdrawn`, `hidden` or `taken`
    by the user, `filtered` by conditions (`failed`), or it has the `rank` among `of` items, with
    its `score`, the `last_score` that is shown, and what the version's `parts` give to both. It
    does not count as shown.
    """
    found = state.answer(lambda view: standing(state, view, id, ask))
    return as_json(found.to_json())


def standing(state: ServiceState, view: VersionView, id: str, ask: WhyNotRequest) -> WhyNot:
    """Where an item stands in a user's list.

    Raises:
        UsageError: there is no such item, or a condition cannot be read.
    """
    given = {**dict(ask), "titles": False, "visitors": True}
    query, _ = build_query(QueryRequest(**given), view.recommender.finder, state.feedback)
    return why_not(view.recommender, query, id)


@router.put(ITEM, summary="Add an item, or change it", responses=_ITEM)
def put(id: Id, content: Attributes, request: Request, state: StateOf) -> Response:
    """The item is in the next answer, placed by its content. One that is withdrawn is changed, and
    stays withdrawn until it is brought back.
    """
    return as_json(actions.put_item(state, request.state.who, id, content))


@router.delete(ITEM, summary="Withdraw an item", responses=_ITEM)
def withdraw(id: Id, request: Request, state: StateOf) -> Response:
    """The item is in no answer any more, until it is brought back."""
    return as_json(actions.withdraw_item(state, request.state.who, id))


@router.post(f"{ITEM}/restore", summary="Bring an item back", responses=_ITEM)
def restore(id: Id, request: Request, state: StateOf) -> Response:
    """The item is in the next answer, with the content that it was last given."""
    return as_json(actions.restore_item(state, request.state.who, id))
