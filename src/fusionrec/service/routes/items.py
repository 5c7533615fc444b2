"""Routes of items: show, add or change, withdraw, restore one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.responses import Response

from fusionrec.data.item_files import item_of, plain_content
from fusionrec.ledger import Ledger
from fusionrec.recommend import catalog
from fusionrec.recommend.answer import whole
from fusionrec.recommend.catalog import Catalog
from fusionrec.service.json_bodies import JsonRoute
from fusionrec.service.paths import ITEM
from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import Id, Name, Text
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


@router.get(ITEM, summary="One item", responses=_ITEM)
def item(id: Id, state: StateOf) -> Response:
    """What is known of an item; one that was withdrawn is not `available`."""
    return as_json(state.answer(lambda view: _shown(view.catalog, _row(view, id))))


@router.put(ITEM, summary="Add an item, or change it", responses=_ITEM)
def put(id: Id, content: Attributes, state: StateOf) -> Response:
    """The item is in the next answer, placed by its content. One that is withdrawn is changed, and
    stays withdrawn until it is brought back.
    """
    now = _now(state)
    catalog.check_takes(now)
    changed = item_of(now.artifact.schema, id, content)
    state.recorder.perform(lambda: catalog.put(state.ledger, now, [changed]))
    return _changed(state, now, id)


@router.delete(ITEM, summary="Withdraw an item", responses=_ITEM)
def withdraw(id: Id, state: StateOf) -> Response:
    """The item is in no answer any more, until it is brought back."""
    return _set_available(state, id, catalog.withdraw)


@router.post(f"{ITEM}/restore", summary="Bring an item back", responses=_ITEM)
def restore(id: Id, state: StateOf) -> Response:
    """The item is in the next answer, with the content that it was last given."""
    return _set_available(state, id, catalog.restore)


def _row(view: VersionView, id: str) -> int:
    return view.recommender.finder.row(id, guess=False)


def _set_available(
    state: ServiceState, id: str, write: Callable[[Ledger, Catalog, list[str]], Any]
) -> Response:
    state.answer(lambda view: _row(view, id))  # or a 404
    now = _now(state)
    state.recorder.perform(lambda: write(state.ledger, now, [id]))
    return _changed(state, now, id)


def _now(state: ServiceState) -> Catalog:
    """The items as the ledger has them now, whatever the answers follow so far."""
    return state.answer(lambda view: view.catalog).until_now(state.ledger)


def _changed(state: ServiceState, before: Catalog, id: str) -> Response:
    """The item after a change; it was written, so this is never a 404."""
    state.follow()
    now = state.answer(lambda view: view.catalog)
    if id not in now.positions:  # another version answers by now
        now = before.until_now(state.ledger)
    return as_json(_shown(now, now.positions[id]))


def _shown(now: Catalog, row: int) -> dict[str, Any]:
    values, title = plain_content(now.items.row(row)), now.artifact.schema.title
    content = {name: whole(value) for name, value in values.items()}
    return {
        "id": now.items.ids[row],
        "title": (title and content[title]) or now.items.ids[row],
        "available": bool(now.available[row]),
        "content": content,
    }
