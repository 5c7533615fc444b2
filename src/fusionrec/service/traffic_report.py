"""What the ledger knows of the traffic, in points for a plot and by routes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fusionrec.ledger import Ledger, Traffic
from fusionrec.service.tally import quantile

Span = Literal["hour", "day", "month"]
ALL = "/v1"  # stands for all routes below it
OWN = "/v1/traffic"  # which is not counted among these: it asks for nothing but this


@dataclass(frozen=True)
class _Shape:
    """How a span of time is divided: the width of the ledger's sums, that of a point's, and how
    many points there are.
    """

    sums: int
    point: int
    points: int


_SHAPES: dict[str, _Shape] = {
    "hour": _Shape(60, 60, 60),
    "day": _Shape(60, 900, 96),
    "month": _Shape(3_600, 10_800, 240),
}


@dataclass(frozen=True)
class Figures:
    """What was asked within some time.

    Attributes:
        requests, errors, shed, refused: as of ``Traffic``.
        rate: requests a second.
        p50, p99: the seconds in which half of the answers came, and 99 of a hundred; None where
            there were none.
    """

    requests: int
    rate: float
    p50: float | None
    p99: float | None
    errors: int
    shed: int
    refused: int


@dataclass(frozen=True)
class TrafficReport:
    """The traffic of a span of time.

    Attributes:
        span: its name.
        route: what ``total`` and ``points`` are of; ``/v1`` for all below it.
        begin, end: in seconds since 1970, UTC.
        width: of a point, in seconds.
        total: of all points.
        points: when each begins, and its figures.
        routes: of each route, the one that was asked most first.
    """

    span: Span
    route: str
    begin: int
    end: int
    width: int
    total: Figures
    points: list[tuple[int, Figures]]
    routes: list[tuple[str, Figures]]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "span": self.span,
            "route": self.route,
            "begin": self.begin,
            "end": self.end,
            "width": self.width,
            "total": asdict(self.total),
            "points": [{"begin": begin, **asdict(one)} for begin, one in self.points],
            "routes": [{"route": route, **asdict(one)} for route, one in self.routes],
        }


def traffic_report(ledger: Ledger, span: Span, now: float, route: str = ALL) -> TrafficReport:
    """The traffic until the last full minute.

    Args:
        ledger: holds it.
        span: the last hour, day, or 30 days.
        now: seconds since 1970, UTC.
        route: which one; by default all below ``/v1``.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    shape = _SHAPES[span]
    end = int(now) // 60 * 60
    last = (end - 1) // shape.point * shape.point  # when the last point begins
    begin = last - (shape.points - 1) * shape.point
    found = ledger.traffic(shape.sums, begin)
    chosen = [one for one in found if _is_of(one.route, route)]
    by_point, by_route = defaultdict(list), defaultdict(list)
    for one in chosen:
        by_point[one.start // shape.point * shape.point].append(one)
    for one in found:
        by_route[one.route].append(one)
    points = [
        (start, _sum(by_point[start], min(start + shape.point, end) - start))
        for start in range(begin, last + 1, shape.point)
    ]
    routes = [(name, _sum(parts, end - begin)) for name, parts in by_route.items()]
    routes.sort(key=lambda pair: (-pair[1].requests, pair[0]))
    return TrafficReport(
        span, route, begin, end, shape.point, _sum(chosen, end - begin), points, routes
    )


def _is_of(route: str, wanted: str) -> bool:
    if wanted == ALL:
        return route.startswith(f"{ALL}/") and route != OWN
    return route == wanted


def _sum(parts: Iterable[Traffic], seconds: int) -> Figures:
    requests = errors = shed = refused = 0
    latency: dict[int, int] = {}
    for one in parts:
        requests, errors = requests + one.requests, errors + one.errors
        shed, refused = shed + one.shed, refused + one.refused
        for number, count in one.latency.items():
            latency[number] = latency.get(number, 0) + count
    p50, p99 = quantile(latency, 0.5), quantile(latency, 0.99)
    return Figures(requests, requests / max(seconds, 1), p50, p99, errors, shed, refused)
