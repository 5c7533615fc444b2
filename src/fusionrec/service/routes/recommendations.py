"""Routes that answer: recommendations, items like an item, search, the map."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from fastapi import Query as Parameters
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.responses import Response

from fusionrec.errors import LedgerError, UsageError
from fusionrec.ledger import Impression
from fusionrec.recommend.answer import Answer
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.query_builder import QueryRequest, build_query, conditions
from fusionrec.recommend.user_feedback import UserFeedback
from fusionrec.service.coalescing import Coalescer
from fusionrec.service.json_bodies import JsonRoute
from fusionrec.service.paths import ITEM
from fusionrec.service.problems import documented
from fusionrec.service.request_limits import address_of
from fusionrec.service.responses import ANSWER, SEVERAL, StateOf, as_json, check_once
from fusionrec.service.schemas import (
    Id,
    ListRequest,
    MapPersonRequest,
    MapRequest,
    RecommendRequest,
    SearchRequest,
)
from fusionrec.service.state import ServiceState
from fusionrec.service.view import VersionView

_PLUS_LOST = re.compile(r"[^=]*\S =\S")  # "tags+=red", of whose + an address made a blank
# Fields of a request that a QueryRequest has under the same name.
_SAME = frozenset(field.name for field in fields(QueryRequest)) - {"rated"}
# Each of these reveals items of a user's history: a reason names liked items; `only` leaves out
# what was rated; `seen` and `fresh` change the answer by what was rated, or shown in vain.
_REVEALING = ("explain", "only", "seen", "fresh")
_FORBIDDEN = "What was asked of a user needs a key that opens `feedback`; or as for every route."
RECOMMENDED = {**ANSWER, 403: {**documented(403)[403], "description": _FORBIDDEN}}
_UNREAD = "without the latest feedback: the ledger cannot be read now"
_NOTHING_KNOWN = "nothing is known of the person: these items are ordered by the words alone"


class _FastPath(APIRoute):
    """Reads requests without FastAPI's validation, which takes longer than the answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            await check_once(request)
            ask = _read(request)
            check_allowed(request, ask)
            state: ServiceState = request.app.state.fusionrec
            here: Coalescer = request.app.state.gathering_here
            made = timed(state, partial(recommended, held(request), state, ask))
            # The event loop itself makes answers that wait for nothing and take a millisecond.
            extra = ask.explain or ask.fresh or ask.diversity or ask.calibration or ask.goal
            response = None
            if ask.user is not None and not extra:
                at_once = partial(state.answer_at_once, made, ask.user)
                if not state.waits_for_server:
                    async with request.app.state.turn:  # between two the loop sees to others
                        await asyncio.sleep(0)
                        response = at_once()
                # A filter may leave so few items that the vectors are searched here after all.
                elif not (ask.where or ask.only or ask.without):
                    response = await here.answer(at_once)
            if response is None:
                gathering: Coalescer = request.app.state.gathering
                response = await gathering.answer(partial(state.answer, made))
            return response

        return handle


fast_router = APIRouter(tags=["answers"], route_class=_FastPath)
router = APIRouter(tags=["answers"], route_class=JsonRoute)


@fast_router.get("/v1/recommendations", summary="What is next for a person", responses=RECOMMENDED)
def recommend(_: Annotated[RecommendRequest, Parameters()]) -> None:
    """Items for a user, or for someone who likes some items. For unknown users the answer is the
    most popular items: `kind` says so.
    """  # answered by ``_FastPath``; this is its documentation


@router.get(f"{ITEM}/similar", summary="Items that are like an item", responses=ANSWER)
def similar(
    request: Request, id: Id, ask: Annotated[ListRequest, Parameters()], state: StateOf
) -> Response:
    """Items whose vectors are nearest to the item's, itself left out."""

    def made(view: VersionView) -> Response:
        view.recommender.finder.row(id, guess=False)
        where = conditions(_query_request(ask), view.recommender.finder)
        tag = _tag(view, UserFeedback(), f"{id}\n{ask.model_dump_json()}")

        def asked() -> Answer:
            found = view.recommender.similar(id, ask.offset + ask.k + 1, where)
            return replace(found, items=found.items[ask.offset :])

        return _response(held(request), view, ask, tag, asked)[0]

    return state.answer(timed(state, made))


@router.get("/v1/search", summary="Items by words", responses=ANSWER)
def search(
    request: Request, ask: Annotated[SearchRequest, Parameters()], state: StateOf
) -> Response:
    """Items that hold one of the words or more, the best match first; for a user, those that match
    equally well in the order of their taste. What the user has hidden is left out where the key
    opens `feedback`: to others, what is missing would tell it.
    """

    def made(view: VersionView) -> Response:
        wanted = replace(_query_request(ask), seen=True)
        query, said = build_query(wanted, view.recommender.finder, state.feedback)
        hides = "feedback" in request.state.open
        if not hides:
            query = replace(query, hidden=())
        tag = _tag(view, said, f"{hides}\n{ask.model_dump_json()}")

        def asked() -> Answer:
            found = view.recommender.search(ask.q, query, prefix=ask.prefix)
            known = query.user or query.profile or query.history
            unknown = () if known or ask.user is None else (_NOTHING_KNOWN,)
            return replace(found, notes=(*unknown, *found.notes))

        response, answer, _ = _response(held(request), view, ask, tag, asked, _notes(said))
        # Not of words half typed, and not where a condition may be what leaves nothing.
        if answer and not (answer.items or ask.where or ask.offset or ask.prefix):
            state.metrics.tally.missed(ask.q, ask.user or address_of(request.scope))
        return response

    return state.answer(timed(state, made))


@router.get("/v1/map", summary="The best known items in two dimensions")
def chart(ask: Annotated[MapRequest, Parameters()], state: StateOf) -> Response:
    """`points` are [id, title, x, y, group], the best known items first; `axes` is how much of the
    vectors' variance each of the two main directions shows; `you` is where the user is, if anything
    is known of them. `way` says how the items are laid out: neighbourhoods, where they are not
    `ready` yet, are the main directions, and may be in the `making`.
    """
    return _charted(state, RecommendRequest(user=ask.user), ask.way)


@router.post("/v1/map", summary="The same, with someone on it")
def chart_person(ask: MapPersonRequest, state: StateOf) -> Response:
    """The person is described as in `POST /v1/recommendations`; `mark` names more items that are
    to be on the map, at its end.
    """
    return _charted(state, ask, ask.way, ask.mark)


def _read(request: Request) -> RecommendRequest:
    """The request in the address's parameters.

    Raises:
        RequestValidationError: which of them are wrong.
    """
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in SEVERAL:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    try:
        return RecommendRequest.model_validate(given)
    except ValidationError as error:
        errors = [{**one, "loc": ("query", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(errors) from error


def check_allowed(request: Request, ask: RecommendRequest) -> None:
    """Refuses to reveal a user's history to a caller to whom feedback is not open. What the request
    itself says of a person is the caller's own.

    Raises:
        UsageError: the request asks for a user with one of ``_REVEALING`` (code ``forbidden``).
    """
    if ask.user is None or "feedback" in request.state.open:
        return
    names = " and ".join(f"{name!r}" for name in _REVEALING if getattr(ask, name))
    if names:
        raise UsageError(
            f"with 'user', {names} would tell what that user rated, viewed or hid: this needs a "
            "key that opens 'feedback'",
            f"leave {names} out, or send a key with the scope 'feedback'",
            code="forbidden",
        )


def timed(
    state: ServiceState, made: Callable[[VersionView], Response]
) -> Callable[[VersionView], Response]:
    def timed(view: VersionView) -> Response:
        with state.metrics.stages["answer"].time():
            return made(view)

    return timed


def recommended(
    has: Sequence[str], state: ServiceState, ask: RecommendRequest, view: VersionView
) -> Response:
    """The answer to one request; ``has`` are the tags of answers that the client has."""
    query, said = build_query(_query_request(ask), view.recommender.finder, state.feedback)
    if ask.fresh and ask.user is not None:  # of what the user did not react to
        try:
            shown = state.shown.counts(ask.user, ask.offset)
            reacted = state.feedback.reacted(ask.user, shown, view.catalog)
        except LedgerError:
            said = replace(said, unread=True)
        else:
            fresh = {item: n for item, n in shown.items() if item not in reacted}
            query = replace(query, fresh=fresh)
    tag = _tag(view, said, ask.model_dump_json(), query)
    asked = partial(view.recommend, query)
    # An answer that the client still has is shown once more: it must be known what is in it.
    again = None if ask.user is None else state.shown.again(tag)
    known = ask.user is None or again is not None
    notes = _notes(said)
    response, answer, id = _response(has, view, ask, tag, asked, notes, known=known)
    if answer is not None:
        state.metrics.answers.labels(answer.kind).inc()
        if ask.user is not None:
            items = tuple(item.id for item in answer.items)
            again = Impression(id, ask.user, answer.kind, answer.version, items, time.time())
            state.shown.keep(tag, again)
    if again is not None:
        state.recorder.show(again)
    return response


def _charted(
    state: ServiceState, ask: RecommendRequest, way: str, mark: Sequence[str] = ()
) -> Response:
    def made(view: VersionView) -> Response:
        query, _ = build_query(_query_request(ask), view.recommender.finder, state.feedback)
        vector = view.recommender.people.find(query).vector
        if way == "directions":
            return as_json(view.chart.drawn(view.catalog, None, mark, vector))
        near, making = state.maps.of(view.artifact)
        made = view.chart.drawn(view.catalog, near, mark, vector)
        return as_json({**made, "ready": near is not None, "making": making})

    return state.answer(made)


def _query_request(ask: ListRequest) -> QueryRequest:
    """A request of HTTP, for one item more than is wanted, so that ``more`` is known.

    Raises:
        UsageError: an address has made a blank of the plus in a condition.
    """
    for text in ask.where:
        if _PLUS_LOST.match(text):
            raise UsageError(
                f"{text!r}: expected no blank before the sign alone", "in an address + is %2B"
            )
    given = {name: value for name, value in ask if name in _SAME}
    rated = [Rated(one.item, one.rating, one.time) for one in getattr(ask, "history", ())]
    return QueryRequest(**given | {"k": ask.k + 1}, rated=rated, titles=False, visitors=True)


def _tag(view: VersionView, said: UserFeedback, asked: str, query: Query | None = None) -> str:
    """What an answer depends on, as an entity tag: a weak one, since each answer has its own id."""
    artifact = view.artifact
    parts: list[Any] = [artifact.version, view.index, view.failed, view.catalog.number]
    parts += [said.events, dict(said.profile), said.forgotten, said.unread, asked]
    if query is not None:
        parts += [dict(query.fresh or {}), query.recent.users, dict(query.recent.takers)]
    untimed = query is not None and any(one.time is None for one in query.history)
    if artifact.reads_clock or (untimed and artifact.reads_times):
        parts.append(int(time.time() / 60))
    return f'W/"{hashlib.blake2b(orjson.dumps(parts), digest_size=12).hexdigest()}"'


def _notes(said: UserFeedback) -> tuple[str, ...]:
    return (_UNREAD,) if said.unread else ()


def held(request: Request) -> list[str]:
    """The tags of the answers that the client has, by ``If-None-Match``."""
    return [one.strip() for one in request.headers.get("if-none-match", "").split(",")]


def _response(
    has: Sequence[str],
    view: VersionView,
    ask: ListRequest,
    tag: str,
    asked: Callable[[], Answer],
    notes: Sequence[str] = (),
    *,
    known: bool = True,
) -> tuple[Response, Answer | None, str]:
    """The answer as it is sent, what is in it, and its id; the last two empty on a 304.

    Args:
        has: the tags of answers that the client has.
        view: answers.
        ask: says which page is wanted.
        tag: of the answer.
        asked: gives the answer, with one item more than is wanted where there is one.
        notes: of the answer, before its own.
        known: whether it need not be made where the client has it.
    """
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Fusionrec-Version": view.artifact.version,
        "Fusionrec-Index": "exact" if view.failed else view.index,
    }
    if known and tag in has:
        return Response(status_code=304, headers=headers), None, ""
    found = asked()
    answer = replace(found, items=found.items[: ask.k], notes=(*notes, *found.notes))
    id = uuid.uuid4().hex
    page = {"offset": ask.offset, "more": len(found.items) > ask.k}
    headers["Fusionrec-Kind"] = answer.kind
    return as_json({"answer": id, **answer.to_json(), **page}, headers=headers), answer, id
