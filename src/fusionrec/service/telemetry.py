"""Metrics for Prometheus, of one process, or of several that share a folder."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
    values,
)
from starlette.types import Scope

from fusionrec.service.paths import matching_route
from fusionrec.service.request_limits import PROBES
from fusionrec.service.tally import Tally

_SHARED = "PROMETHEUS_MULTIPROC_DIR"  # of the environment

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

# Nobody uses when a counter began, and it doubles the text.
disable_created_metrics()  # type: ignore[no-untyped-call]


def share_metrics(folder: Path) -> None:
    """Keeps the metrics of this process, and of its forks, in a folder that they share. Call it
    before there are any.
    """
    os.environ[_SHARED] = str(folder)
    # It was chosen when prometheus_client was imported.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of the service in this process.

    Attributes:
        stages: seconds by part of an answer.
        answers: by kind.
        reserve: answers that the store failed to give.
        events: by outcome.
        shown: impressions, by what became of them: ``kept`` or ``lost``.
        tally: what is written to the ledger once a minute.
    """

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self._requests = Counter(
            "fusionrec_requests", "Requests.", ("method", "route", "status"), registry=own
        )
        self._latency = Histogram(
            "fusionrec_request_seconds",
            "Time of a request.",
            ("route",),
            buckets=_SECONDS,
            registry=own,
        )
        stages = Histogram(
            "fusionrec_stage_seconds",
            "Time of a part of an answer: person, search, or all of it.",
            ("stage",),
            buckets=_SECONDS,
            registry=own,
        )
        self.stages = {stage: stages.labels(stage) for stage in ("person", "search", "answer")}
        self.answers = Counter("fusionrec_answers", "Answers.", ("kind",), registry=own)
        self.reserve = Counter(
            "fusionrec_reserve_answers",
            "Answers made exactly, since the store failed.",
            registry=own,
        )
        self.events = Counter(
            "fusionrec_events", "Events by what became of them.", ("outcome",), registry=own
        )
        self.shown = Counter(
            "fusionrec_impressions", "Answers noted as shown, or lost.", ("outcome",), registry=own
        )
        self._version = Gauge(
            "fusionrec_version_info",
            "1 for the version that answers, its collection, and what is searched.",
            ("version", "index", "place"),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._answering: tuple[str, str, str] | None = None
        self.tally = Tally()

    def request(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts a request that has ended."""
        route = scope.get("route")
        if route is None and "app" in scope:  # refused before it was routed
            route = matching_route(scope)[0]
        # Without the kinds of ids, as in the description; what is mounted has no such path.
        path = getattr(route, "path_format", None) or getattr(route, "path", None) or "none"
        known = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
        method = scope["method"] if scope["method"] in known else "other"
        self._requests.labels(method, path, status).inc()
        self._latency.labels(path).observe(seconds)
        if path not in PROBES:
            self.tally.request(path, status, seconds, shed="refused" in scope)

    def answering(self, version: str, index: str, place: str) -> None:
        """Notes which version answers, of which collection, and where its vectors are searched."""
        now = version, index, place
        if self._answering != now:
            if self._answering:
                self._version.labels(*self._answering).set(0)
            self._version.labels(*now).set(1)
            self._answering = now

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        registry = self._registry
        if _SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
