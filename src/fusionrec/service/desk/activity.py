"""The page on what people do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from fusionrec.errors import LedgerError
from fusionrec.service.desk.activity_figures import (
    DAYS,
    LEAST_ASKED,
    MOST_LISTS,
    MOST_PEOPLE,
    Activity,
    activity,
)
from fusionrec.service.desk.pages import page
from fusionrec.service.desk.plots import Plot, Series
from fusionrec.service.desk.route import DeskRoute
from fusionrec.service.responses import StateOf

router = APIRouter(route_class=DeskRoute, include_in_schema=False)

# Of an event, as a heading of many of them.
_KINDS = {
    "rating": "Ratings",
    "like": "Likes",
    "dislike": "Dislikes",
    "view": "Views",
    "hide": "Hidden",
}


@router.get("/ops/activity")
def people(request: Request, state: StateOf) -> Response:
    """Figures of the last 30 days, at most a minute old."""
    shown: dict[str, Any] = {"unread": ""}
    try:
        found = activity(state)
    except LedgerError as error:
        shown["unread"] = state.folders.hide(error.message)
    else:
        shown |= {"found": found, "sentence": _sentence(found), "plot": _plot(found)}
        shown["limits"] = {"people": MOST_PEOPLE, "lists": MOST_LISTS, "least": LEAST_ASKED}
        shown["days"] = DAYS
    return page(request, "activity.html", title="What people do", **shown)


def _sentence(found: Activity) -> str:
    events = sum(map(sum, found.events.values()))
    name, known, new = found.people[-1]
    said = f"{name}: {events:,} events"
    if known + new:
        said += f"; {known + new:,} people, {new / (known + new):.0%} of them new to the model"
    catalog = found.catalog
    if catalog.lists:
        said += f"; {catalog.shown / max(catalog.items, 1):.0%} of the catalog shown"
    return f"{said}."


def _plot(found: Activity) -> Plot:
    labels = [datetime.fromtimestamp(day, UTC).strftime("%d %b") for day in found.days]
    series = [Series(_KINDS.get(kind, kind), row) for kind, row in found.events.items()]
    totals = [
        f"{sum(row):,} {_KINDS.get(kind, kind).lower()}" for kind, row in found.events.items()
    ]
    says = f"Events a day: in all {', '.join(totals) or 'none'}"
    return Plot("Events a day", says, labels, series[:6], lambda value: f"{value:,.0f}", bars=True)
