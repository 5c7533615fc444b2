"""The page on traffic: what the service stands on, and what it is asked."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from fusionrec.errors import LedgerError
from fusionrec.service.condition import condition
from fusionrec.service.desk.pages import page, shown_rate, shown_seconds
from fusionrec.service.desk.plots import Plot, Series
from fusionrec.service.desk.route import DeskRoute
from fusionrec.service.responses import StateOf
from fusionrec.service.schemas import TrafficRequest
from fusionrec.service.traffic_report import ALL, TrafficReport, traffic_report

router = APIRouter(route_class=DeskRoute, include_in_schema=False)

_SPANS = (("hour", "Last hour"), ("day", "Last day"), ("month", "Last 30 days"))


@router.get("/ops/traffic")
def traffic(request: Request, state: StateOf, ask: Annotated[TrafficRequest, Query()]) -> Response:
    """Plots and figures of a span of time."""
    shown: dict[str, Any] = {"unread": ""}
    try:
        found = traffic_report(state.ledger, ask.span, time.time(), ask.route)
    except LedgerError as error:
        shown["unread"] = state.folders.hide(error.message)
    else:
        shown |= {"plots": _plots(found), "routes": found.routes, "sentence": _sentence(found)}
    given = None if ask.route == ALL else ask.route
    about: dict[str, Any] = {"spans": _SPANS, "span": ask.span, "route_given": given}
    about["parts_now"] = condition(state)
    return page(request, "traffic.html", title="Traffic", **about, **shown)


def _sentence(found: TrafficReport) -> str:
    total = found.total
    if not total.requests:
        return "Nothing was asked in this time; what was is counted once a minute."
    said = f"{total.requests:,} requests, {shown_rate(total.rate)} a second"
    if total.p50 is not None:
        said += f"; half answered within {shown_seconds(total.p50)}"
        said += f", 99% within {shown_seconds(total.p99)}"
    amiss = [f"{total.errors:,} failed" if total.errors else ""]
    amiss += [f"{total.shed:,} were shed" if total.shed else ""]
    return f"{said}; {' and '.join(filter(None, amiss)) or 'none failed, none were shed'}."


def _plots(found: TrafficReport) -> list[Plot]:
    form = {"hour": "%H:%M", "day": "%H:%M", "month": "%d %b %H:%M"}[found.span]
    labels = [datetime.fromtimestamp(begin, UTC).strftime(form) for begin, _ in found.points]
    figures = [one for _, one in found.points]
    total = found.total
    rates, p50 = [one.rate for one in figures], [one.p50 for one in figures]
    p99 = [one.p99 for one in figures]
    amiss = ("errors", "Errors"), ("shed", "Shed"), ("refused", "Refused")
    counts = [Series(word, [getattr(one, name) for one in figures]) for name, word in amiss]
    says = f"Requests a second: {shown_rate(total.rate)} on average"
    if rates:
        says += f", {shown_rate(max(rates))} at most"
    return [
        Plot("Requests a second", says, labels, [Series("A second", rates)], shown_rate),
        Plot(
            "Time of an answer",
            f"Time of an answer: half within {shown_seconds(total.p50)}, 99% within "
            f"{shown_seconds(total.p99)}",
            labels,
            [Series("p50", p50), Series("p99", p99)],
            shown_seconds,
            logarithmic=True,
        ),
        Plot(
            "Not answered",
            f"Not answered: {total.errors:,} errors, {total.shed:,} shed, {total.refused:,} "
            "refused",
            labels,
            counts,
            lambda value: f"{value:,.0f}",
            bars=True,
        ),
    ]
