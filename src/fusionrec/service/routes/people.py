"""POST /v1/recommendations: for a person of whom much is said, or for many people at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import orjson
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from fusionrec.errors import StoreError, UsageError
from fusionrec.index import run_coalesced
from fusionrec.service.json_bodies import JsonRoute
from fusionrec.service.problems import Refused, problem_of
from fusionrec.service.responses import ANSWERS, StateOf, as_json
from fusionrec.service.routes.recommendations import (
    RECOMMENDED,
    check_allowed,
    held,
    recommended,
    timed,
)
from fusionrec.service.schemas import PersonBody, PersonRequest
from fusionrec.service.state import ServiceState
from fusionrec.service.view import VersionView

# Answered together: their searches are one matrix product, or one request to Milvus. Between two
# groups the service sees to others.
_GROUP = 100
_PAUSE = 0.01  # seconds between two looks whether a group may begin

router = APIRouter(tags=["answers"], route_class=JsonRoute)


@router.post(
    "/v1/recommendations",
    summary="The same, with a profile and a history, or for many people",
    responses={**RECOMMENDED, 200: ANSWERS},
)
async def recommend_person(request: Request, ask: PersonBody, state: StateOf) -> Response:
    """What is said here wins over what is stored of the user, and comes after it. With `people` the
    response has `answers`, in their order: each as it would be alone, or, where that request could
    not be answered, the problem.
    """
    if isinstance(ask, PersonRequest):
        check_allowed(request, ask)
        made = timed(state, partial(recommended, held(request), state, ask))
        return await to_thread.run_sync(partial(state.answer, made))
    limits, charge = request.state.limits, request.state.charge
    charge(len(ask.people) - 1)  # the request itself has paid for one
    answers: list[orjson.Fragment] = []
    for begin in range(0, len(ask.people), _GROUP):
        group = ask.people[begin : begin + _GROUP]
        together = partial(_group, request, state, group)
        while True:
            try:
                with limits.several(len(group)):
                    answers += await to_thread.run_sync(partial(state.answer, together))
                break
            except Refused:
                if not begin:  # later ones wait, so that nothing is made in vain
                    raise
                await asyncio.sleep(_PAUSE)
    return as_json({"answers": answers})


def _group(
    request: Request, state: ServiceState, people: Sequence[PersonRequest], view: VersionView
) -> list[orjson.Fragment]:
    """The answers to some people, or the problems, as JSON."""

    def answer(ask: PersonRequest) -> Response:
        try:
            check_allowed(request, ask)
            return recommended((), state, ask, view)
        except UsageError as error:
            return problem_of(error, state.folders.hide)

    ended = run_coalesced([partial(answer, ask) for ask in people])
    for one in ended:
        if isinstance(one.exception(), StoreError):  # before others: all are then asked again
            one.result()
    return [orjson.Fragment(one.result().body) for one in ended]
