"""Users: look one up, see their list, forget one. The log of who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from fusionrec.errors import UsageError
from fusionrec.ledger import Event
from fusionrec.recommend.fuzzy import MOST_NAMES, alike
from fusionrec.recommend.query_builder import QueryRequest, build_query
from fusionrec.service import actions
from fusionrec.service.desk.pages import page, see
from fusionrec.service.desk.route import DeskRoute, FormOf, VisitorOf
from fusionrec.service.responses import StateOf
from fusionrec.service.view import VersionView

router = APIRouter(route_class=DeskRoute, include_in_schema=False)

_EXAMPLES, _LATEST, _PAGE, _K = 12, 15, 100, 10
_FURTHEST = 1_000_000  # entries of the log that may be passed over


@router.get("/ops/users")
def users(request: Request, state: StateOf) -> Response:
    """The form that takes an id, and some users to begin with."""
    asked = request.query_params.get("id", "").strip()

    def made(view: VersionView) -> dict[str, Any]:
        ids = view.artifact.users.ids if view.artifact.has_towers else []
        step = max(len(ids) // _EXAMPLES, 1)
        return {"examples": list(ids[::step][:_EXAMPLES]), "n": len(ids)}

    if asked:
        return see("/ops/user", id=asked)
    return page(request, "users.html", title="Users", **state.answer(made))


@router.get("/ops/user")
def user(request: Request, state: StateOf) -> Response:
    """What is known of a user, and their list."""
    id = request.query_params.get("id", "")
    events, kinds = state.ledger.newest_events(id, _LATEST), state.ledger.event_kinds(id)
    forgotten = state.ledger.is_forgotten(id)
    given = state.ledger.profile(id) or {}

    def made(view: VersionView) -> dict[str, Any]:
        row = None if forgotten else view.artifact.user_positions.get(id)
        asked = QueryRequest(user=id, k=_K, titles=False, visitors=True, explain=True)
        query, _ = build_query(asked, view.recommender.finder, state.feedback)
        users, strange = view.artifact.user_positions, row is None and not kinds and not forgotten
        return {
            "known": row is not None,
            "near": alike(id, users, MOST_NAMES) if strange else [],
            "profile": _profile(view, row, given),
            "trained": [] if row is None else _trained(view, row),
            "events": [_event(view, event) for event in events],
            "answer": view.recommend(query),
        }

    about = state.answer(made)
    shown = {"id": id, "kinds": kinds, "forgotten": forgotten, **about}
    return page(request, "user.html", title=f"User {id}", **shown)


def _profile(view: VersionView, row: int | None, given: dict[str, str]) -> list[tuple[str, str]]:
    """Headings and values of the training data, over which goes what was given since."""
    known = {} if row is None else view.artifact.users.row(row)
    values = {**known, **given}
    shown = []
    for field in view.artifact.schema.attributes("user"):
        value = values.get(field.name)
        if value not in (None, ""):
            shown.append((field.heading, field.choices.get(str(value), str(value))))
    return shown


def _trained(view: VersionView, row: int) -> list[tuple[str, str, str]]:
    """Id, title and rating of the last items in the training data, the newest first."""
    history, schema = view.artifact.histories.of(row), view.artifact.schema
    newest = range(len(history) - 1, max(len(history) - 1 - _LATEST, -1), -1)
    ids = view.catalog.items.ids
    rows = [(ids[int(history.items[n])], float(history.ratings[n])) for n in newest]
    return [
        (id, _title(view, id), "" if schema.events or np.isnan(rating) else f"{rating:g}")
        for id, rating in rows
    ]


def _event(view: VersionView, event: Event) -> dict[str, str]:
    rating = "" if event.rating is None else f" {event.rating:g}"
    at = datetime.fromtimestamp(event.time, UTC).isoformat()
    shown = {"id": event.item, "title": _title(view, event.item), "at": at}
    return {**shown, "kind": f"{event.kind}{rating}"}


def _title(view: VersionView, id: str) -> str:
    return view.recommender.finder.title(id) or id if id in view.catalog.positions else id


@router.get("/ops/user/forget")
def before_forgetting(request: Request, state: StateOf) -> Response:
    """What is deleted; then the button."""
    id = request.query_params.get("id", "")
    count = sum(state.ledger.event_kinds(id).values())
    return page(request, "forget.html", title=f"Forget user {id}", id=id, count=count)


@router.post("/ops/user/forget")
def forget(state: StateOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Forgets the user."""
    id = form.need("id")
    if form.get("sure") != "yes":
        raise UsageError("the box is not ticked, so nobody was forgotten")
    actions.forget_user(state, visitor.who, id)
    return see("/ops/users", done="forgotten")


@router.get("/ops/log")
def log(request: Request, state: StateOf) -> Response:
    """Who did what, the newest first."""
    text = request.query_params.get("offset", "0")
    offset = min(int(text), _FURTHEST) if text.isascii() and text.isdecimal() else 0
    entries = state.ledger.log_entries(_PAGE + 1, offset)
    more = offset + _PAGE if len(entries) > _PAGE else None
    shown: dict[str, Any] = {"entries": entries[:_PAGE], "offset": offset, "more": more}
    return page(request, "log.html", title="Log", **shown)
