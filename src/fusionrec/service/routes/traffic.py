"""GET /v1/traffic: how much the service is asked, and how it fares."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from fusionrec.service.responses import StateOf, as_json, given
from fusionrec.service.schemas import TrafficRequest
from fusionrec.service.traffic_report import traffic_report

router = APIRouter(tags=["service"])

_FIGURES = {
    "requests": 120, "rate": 2.0, "p50": 0.002, "p99": 0.011, "errors": 0, "shed": 0, "refused": 1,
}  # fmt: skip
_TRAFFIC = given(
    "The traffic",
    {
        "span": "hour",
        "route": "/v1",
        "begin": 1_700_000_000,
        "end": 1_700_003_600,
        "width": 60,
        "total": _FIGURES,
        "points": [{"begin": 1_700_000_000, **_FIGURES}],
        "routes": [{"route": "/v1/recommendations", **_FIGURES}],
    },
)


@router.get("/v1/traffic", summary="How much was asked, and how that went", responses=_TRAFFIC)
def traffic(ask: Annotated[TrafficRequest, Query()], state: StateOf) -> Response:
    """Of all workers, until the last full minute; `rate` is in requests a second, `p50` and `p99`
    in seconds, of what was answered. `errors` are failures of the service or of what it needs,
    `shed` what was refused since too much was asked, `refused` what was wrong or not allowed.
    `total` and `points` are of all below `/v1`, or of one `route`.
    """
    return as_json(traffic_report(state.ledger, ask.span, time.time(), ask.route).to_json())
