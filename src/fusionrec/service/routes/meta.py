"""Routes of the service itself: the page's form, health, metrics."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from fusionrec.errors import LedgerError, UsageError
from fusionrec.service.people_access import opens_people
from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import FacetsRequest
from fusionrec.service.view import VersionView

_READY_SECONDS = 2.0  # in which it must be known whether the service is ready
router = APIRouter(tags=["service"])

_FORM = given(
    "The form",
    {"name": "shop", "user": [], "filters": [], "version": "v1", "open": ["read"], "people": False},
)
_CHOICE = {"value": "acme", "label": "Acme", "count": 12}
_CHOICES = given("The values", {"choices": [_CHOICE], "more": False})
_READY = {
    **given("It should", {"ready": True, "reasons": []}),
    **given("It should not", {"ready": False, "reasons": ["..."]}, 503),
}
_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus' text", "content": {"text/plain": {}}}
}


@router.get(
    "/v1/schema", summary="What can be said of a person and asked of an answer", responses=_FORM
)
def form(request: Request, state: StateOf) -> Response:
    """All that a page needs to draw its forms; `open` lists the scopes that the caller may use, and
    `people` says whether they may read what others rated; `images` where pictures come from.
    """
    form = state.answer(lambda view: view.form)
    people = False
    with suppress(LedgerError):  # then nobody's profile can be read anyway
        people = opens_people(request, state)
    hosts = list(state.settings.image_hosts)
    images = {"files": state.images is not None, "hosts": hosts}
    opened = sorted(request.state.open)
    return as_json({**form, "open": opened, "people": people, "images": images})


@router.get("/v1/choices", summary="The values that a field holds", responses=_CHOICES)
def choices(ask: Annotated[FacetsRequest, Query()], state: StateOf) -> Response:
    """Of a category with many values those that hold a text: those that begin with it first, and
    of these the most frequent.
    """

    def chosen(view: VersionView) -> dict[str, Any]:
        schema = view.artifact.schema
        user = schema.attributes("user") if view.artifact.has_towers else ()
        fields = {
            field.name: field
            for field in (*user, *schema.attributes("item"))
            if field.kind in ("category", "categories")
        }
        if ask.field not in fields:
            names = ", ".join(fields) or "none"
            said = f"no category is called {ask.field!r}"
            raise UsageError(said, f"categories are: {names}", code="not_found")
        found = view.choices.holding(fields[ask.field], ask.q)
        end = ask.offset + ask.k
        shown = [asdict(one) for one in found[ask.offset : end]]
        return {"choices": shown, "more": len(found) > end}

    return as_json(state.answer(chosen))


@router.get(
    "/healthz",
    summary="Whether the process is alive",
    responses=given("It is", {"status": "alive"}),
)
async def alive() -> Response:
    """Always 200."""
    return as_json({"status": "alive"})


@router.get("/readyz", summary="Whether the service should be asked", responses=_READY)
async def ready(state: StateOf) -> Response:
    """503 where the store or the ledger fails, to programs of the same machine with the reasons;
    answers may still come, exactly from the version's own vectors. `notes` say why the version
    before goes on answering, where the active one cannot be opened.
    """
    try:
        # Not in a thread that answers: all of these may be waiting for the ledger.
        found = asyncio.to_thread(state.troubles)
        reasons = await asyncio.wait_for(found, _READY_SECONDS)
    except TimeoutError:
        reasons = [f"the ledger has not been read within {_READY_SECONDS:g} s"]
    shown, notes = (reasons, state.notes()) if state.settings.loopback else ([], [])
    told = {"ready": not reasons, "reasons": shown, **({"notes": notes} if notes else {})}
    return as_json(told, 503 if reasons else 200)


@router.get("/metrics", summary="Figures for Prometheus", responses=_METRICS)
def figures(state: StateOf) -> Response:
    """Requests, times, answers, events."""
    return Response(state.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
