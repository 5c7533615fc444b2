"""Routes of users: feedback, their profile, and forgetting them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Body, Query
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from fusionrec.data.schema import Schema
from fusionrec.errors import UsageError
from fusionrec.ledger import Event, Outcome
from fusionrec.service.json_bodies import JsonRoute
from fusionrec.service.paths import USER
from fusionrec.service.problems import documented
from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import (
    EventBody,
    EventId,
    EventRequest,
    EventsRequest,
    HistoryRequest,
    Id,
    Profile,
)
from fusionrec.service.view import VersionView

router = APIRouter(tags=["users"], route_class=JsonRoute)

_USER = given("The user", {"id": "7", "profile": {}, "events": {"like": 2}, "known": True})
_RECORDED = {
    **given("They are on disk", {"events": [{"id": "a1", "outcome": "new"}]}, 201),
    **documented(409),
}
_EVENT = {"id": "a1", "item": "318", "title": "A title", "kind": "like", "time": 1.7e9}
_EVENTS = given("Their events", {"events": [_EVENT], "offset": 0, "more": False})


def _itself(given: Any) -> Any:
    if isinstance(given, dict) and isinstance(given.get("profile"), dict):
        hint = 'the body is the profile itself, such as {"age": "25"}, without "profile" around it'
        raise PydanticCustomError("profile_around", "profile is not known here", {"hint": hint})
    return given


@router.post(
    "/v1/feedback", summary="Tell what a user said or did", status_code=201, responses=_RECORDED
)
async def feedback(body: EventBody, state: StateOf) -> Response:
    """One event, or several. They are on disk when the answer comes, and count from the next
    question on. An `id` that was sent before changes nothing (`known`), so sending again is safe.
    An event on an item that is not there, or not yet, is kept all the same; its `note` says so.
    """
    catalog = state.answer(lambda view: view.catalog)
    schema = catalog.artifact.schema
    given = body.events if isinstance(body, EventsRequest) else [body]
    _check_kinds(given, schema)
    events = [_event(one, schema) for one in given]
    outcomes = await state.recorder.written(events)
    _check_outcomes(events, outcomes)
    note = {"note": f"no item of {catalog.artifact.version} has this id"}
    said = [
        {"id": event.id, "outcome": outcome, **({} if event.item in catalog.positions else note)}
        for event, outcome in zip(events, outcomes, strict=True)
    ]
    return as_json({"events": said}, 201)


@router.get(f"{USER}/feedback", summary="What a user said and did", responses=_EVENTS)
def list_events(id: Id, page: Annotated[HistoryRequest, Query()], state: StateOf) -> Response:
    """The events that were sent here and not taken back, the newest first."""
    events = state.ledger.newest_events(id, page.k + 1, page.offset, page.item or None)
    listed = state.answer(lambda view: [_listed(event, view) for event in events[: page.k]])
    return as_json({"events": listed, "offset": page.offset, "more": len(events) > page.k})


@router.delete(
    f"{USER}/feedback/{{event:event}}",
    summary="Take back what a user said",
    status_code=204,
    responses={204: {"description": "It counts no more"}},
)
def retract(id: Id, event: EventId, state: StateOf) -> Response:
    """The event counts nowhere from the next question on, as if it had never been: an earlier
    rating of the item counts again. The ledger keeps it, with a retraction beside it. Taking it
    back again changes nothing; sending it again is a 409.
    """
    if not state.recorder.perform(lambda: state.ledger.retract(id, event)):
        raise UsageError(
            f"user {id!r} has sent no event with the id {event!r}",
            f"/v1/users/{quote(id, safe='')}/feedback lists those that can be taken back",
            code="not_found",
        )
    return Response(status_code=204)


@router.get(USER, summary="A user's profile, and how much they said", responses=_USER)
def user(id: Id, state: StateOf) -> Response:
    """What is known of a user since the training; `known` is whether training knows them."""
    kinds = state.ledger.event_kinds(id)
    known = state.answer(lambda view: id in view.artifact.user_positions)
    about: dict[str, Any] = {"id": id, "profile": state.ledger.profile(id) or {}}
    forgotten = state.ledger.is_forgotten(id)
    return as_json(about | {"events": kinds, "known": known and not forgotten})


@router.put(USER, summary="Set a user's profile", responses=_USER)
def set_profile(
    id: Id,
    profile: Annotated[Profile, BeforeValidator(_itself), Body(examples=[{}])],
    state: StateOf,
) -> Response:
    """The body is the profile itself; it takes the place of the one before."""
    state.answer(lambda view: view.artifact.encoder.profile(profile))
    state.recorder.perform(lambda: state.ledger.set_profile(id, profile))
    return user(id, state)


@router.delete(
    USER,
    summary="Forget a user",
    status_code=204,
    responses={204: {"description": "Nothing is left"}},
)
def forget(id: Id, state: StateOf) -> Response:
    """Events, what was shown, and the profile are deleted; what training knows of the user is not
    used any more.
    """
    state.recorder.perform(lambda: state.ledger.forget(id))
    state.shown.forget(id)
    return Response(status_code=204)


_CONFLICTS = {"other": "{!r} was used for something else", "retracted": "{!r} was taken back"}


def _check_outcomes(events: Sequence[Event], outcomes: Sequence[Outcome]) -> None:
    """Refuses events whose id is another one's, or of one that was taken back."""
    refused = [
        {"where": f"events.{n}.id", "message": _CONFLICTS[outcome].format(event.id)}
        for n, (event, outcome) in enumerate(zip(events, outcomes, strict=True))
        if outcome in _CONFLICTS
    ]
    if refused:
        raise UsageError(
            f"{len(refused)} of {len(events)} events have an id that was used for something else, "
            "or was taken back; the others were taken",
            "an id that is new each time, such as a UUID, is never used twice",
            code="conflict",
            errors=refused,
        )


def _check_kinds(events: Sequence[EventRequest], schema: Schema) -> None:
    """Refuses ratings where interactions are events: nobody would ever read them."""
    rated = [n for n, event in enumerate(events) if event.kind == "rating"]
    if rated and schema.events:
        message = "kind must be 'like', 'dislike', 'view' or 'hide'"
        raise UsageError(
            f"ratings mean nothing here: {schema.name} knows what people took, not how they rated "
            "it",
            "send kind 'like' without a rating for what they took or like, 'dislike' or 'hide' for "
            "what they do not want to see, 'view' for what they looked at",
            code="ratings_mean_nothing",
            errors=[{"where": f"events.{n}.kind", "message": message} for n in rated],
        )


def _event(body: EventRequest, schema: Schema) -> Event:
    low, high = schema.rating_range
    if body.rating is not None and not low <= body.rating <= high:
        raise UsageError(
            f"item {body.item}: a rating is {low:g} to {high:g} here, got {body.rating:g}"
        )
    now = time.time()
    # A time that is ahead counts as now: else the event would win over what comes in a moment.
    when = now if body.time is None else min(body.time, now)
    id = body.id or uuid.uuid4().hex
    return Event(id, body.user, body.item, body.kind, body.rating, when)


def _listed(event: Event, view: VersionView) -> dict[str, Any]:
    name, row = view.artifact.schema.title, view.catalog.positions.get(event.item)
    title = view.catalog.items.columns[name][row] if name and row is not None else ""
    about = {"id": event.id, "item": event.item, "title": title or event.item}
    rating = {} if event.rating is None else {"rating": event.rating}
    return {**about, "kind": event.kind, **rating, "time": event.time}
