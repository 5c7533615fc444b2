"""Items: look one up, see where it stands in a user's list, change it, withdraw it, restore it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from fusionrec.data.item_files import plain_content
from fusionrec.data.schema import Field
from fusionrec.errors import UsageError
from fusionrec.recommend.answer import whole
from fusionrec.recommend.why_not import WhyNot
from fusionrec.service import actions
from fusionrec.service.desk.pages import page, see
from fusionrec.service.desk.route import DeskRoute, FormOf, VisitorOf
from fusionrec.service.responses import StateOf
from fusionrec.service.routes.items import standing
from fusionrec.service.schemas import WhyNotRequest
from fusionrec.service.state import ServiceState
from fusionrec.service.view import VersionView

router = APIRouter(route_class=DeskRoute, include_in_schema=False)

_SHOWN = 50  # items of a list
_K = 10


@dataclass(frozen=True)
class _Entry:
    """An attribute of an item in a form; ``text`` as it is written there."""

    field: Field
    text: str


@router.get("/ops/items")
def items(request: Request, state: StateOf) -> Response:
    """Items by words or id, and those that are withdrawn."""
    words = request.query_params.get("q", "").strip()

    def made(view: VersionView) -> dict[str, Any]:
        found, notes = _found(view, words) if words else ([], ())
        gone = np.flatnonzero(~view.catalog.available)
        ids = view.catalog.items.ids
        withdrawn = [_named(view, ids[row]) for row in gone[:_SHOWN].tolist()]
        return {"found": found, "notes": notes, "withdrawn": withdrawn, "gone": len(gone)}

    return page(request, "items.html", title="Items", words=words, **state.answer(made))


def _found(view: VersionView, words: str) -> tuple[list[tuple[str, str, bool]], tuple[str, ...]]:
    """Items with an id or with words, and notes."""
    finder = view.recommender.finder
    by_id = [_named(view, words)] if words in finder.rows else []
    try:
        hits = finder.hits(words, (), np.empty(0, np.int64), prefix=False, limit=_SHOWN)
    except UsageError as error:  # there is no word in it
        return by_id, () if by_id else (error.message,)
    return by_id + [_named(view, hit.id) for hit in hits.hits if hit.id != words], hits.notes


def _named(view: VersionView, id: str) -> tuple[str, str, bool]:
    """An item's id, title, and whether it is available."""
    row = view.catalog.positions[id]
    return id, view.recommender.finder.title(id) or id, bool(view.catalog.available[row])


@router.get("/ops/why")
def why(request: Request, state: StateOf) -> Response:
    """Finds the item by id or words, and shows where it stands in the user's list."""
    asked = {n: request.query_params.get(n, "").strip() for n in ("item", "user", "where")}
    named = asked["item"]

    def found(view: VersionView) -> str:
        finder = view.recommender.finder
        id = finder.item(named) or named
        finder.row(id)
        return id

    given = {name: value for name, value in asked.items() if value}
    return see("/ops/item", **{**given, "item": None}, id=state.answer(found))


@router.get("/ops/item")
def item(request: Request, state: StateOf) -> Response:
    """One item, and where it stands in a user's list."""
    asked = {n: request.query_params.get(n, "") for n in ("id", "user", "where")}

    def made(view: VersionView) -> dict[str, Any]:
        row = view.recommender.finder.row(asked["id"])
        values = plain_content(view.catalog.items.row(row))
        schema = view.artifact.schema
        entries = [_Entry(f, _written(values[f.name])) for f in schema.attributes("item")]
        return {
            "item": actions.shown_item(view.catalog, row),
            "entries": entries,
            "count": int(view.catalog.counts[row]),
            "events": schema.events,
            "can_change": view.artifact.has_towers,
            "skipped": view.catalog.skipped.get(asked["id"], ""),
        }

    about = state.answer(made)
    told = _standing(state, **asked) if asked["user"] else None
    shown = {**about, "user": asked["user"], "where": asked["where"], "told": told}
    return page(request, "item.html", title=about["item"]["title"], **shown)


def _standing(state: ServiceState, id: str, user: str, where: str) -> WhyNot:
    """Where an item stands in a user's list."""
    conditions = [one.strip() for one in where.split(";") if one.strip()]
    try:
        ask = WhyNotRequest(user=user, k=_K, where=conditions)
    except ValidationError:
        raise UsageError("a user's id is one line of 1 to 500 characters") from None
    return state.answer(lambda view: standing(state, view, id, ask))


def _written(value: Any) -> str:
    """A value as it stands in a form."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return "|".join(value) if isinstance(value, list) else str(whole(value))


@router.post("/ops/item/change")
def change(state: StateOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Changes the attributes whose text is another one than when the form was made."""
    id = form.need("id")
    schema = state.answer(lambda view: view.artifact.schema)
    names = [field.name for field in schema.attributes("item")]
    given: dict[str, Any] = {}
    for name in names:
        text, before = form.get(f"field-{name}"), form.get(f"was-{name}")
        if text is not None and text != before:
            given[name] = text or None
    if given:
        actions.put_item(state, visitor.who, id, given)
    return see("/ops/item", id=id, done="changed" if given else None)


@router.post("/ops/item/withdraw")
def withdraw(state: StateOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Takes the item out of every answer."""
    id = form.need("id")
    actions.withdraw_item(state, visitor.who, id)
    return see("/ops/item", id=id, done="withdrawn")


@router.post("/ops/item/restore")
def restore(state: StateOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Brings the item back."""
    id = form.need("id")
    actions.restore_item(state, visitor.who, id)
    return see("/ops/item", id=id, done="restored")
