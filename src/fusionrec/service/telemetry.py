"""What is counted, as Prometheus reads it; of one process, or of several that share a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # of the environment, to be set before this is imported
Stage = Literal["person", "search", "answer"]

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

# When a figure began is of no use to anyone, and doubles the text.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The figures of one service in this process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
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
        self._stages = {stage: stages.labels(stage) for stage in get_args(Stage)}
        self._answers = Counter("fusionrec_answers", "Answers.", ("kind",), registry=own)
        self._reserve = Counter(
            "fusionrec_reserve_answers",
            "Answers made exactly, since the store failed.",
            registry=own,
        )
        self._outcomes = Counter(
            "fusionrec_events", "Events by what became of them.", ("outcome",), registry=own
        )
        self._shown = Counter(
            "fusionrec_impressions", "Answers noted as shown, or lost.", ("outcome",), registry=own
        )
        self._version = Gauge(
            "fusionrec_version_info",
            "1 for the version that answers.",
            ("version", "index"),
            multiprocess_mode="livemax",
            registry=own,
        )
        self._answering: tuple[str, str] | None = None

    def request(self, scope: Scope, status: int, seconds: float) -> None:
        """Takes in a request that has ended."""
        route = _route(scope)
        known = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
        method = scope["method"] if scope["method"] in known else "other"
        self._requests.labels(method, route, status).inc()
        self._latency.labels(route).observe(seconds)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Measures a part of an answer."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._stages[stage].observe(time.perf_counter() - began)

    def answer(self, kind: str) -> None:
        """Counts an answer."""
        self._answers.labels(kind).inc()

    def reserve(self) -> None:
        """Counts an answer that the store failed to give."""
        self._reserve.inc()

    def events(self, outcome: str, count: int) -> None:
        """Counts events."""
        self._outcomes.labels(outcome).inc(count)

    def shown(self, count: int, outcome: Literal["kept", "lost"]) -> None:
        """Counts impressions."""
        self._shown.labels(outcome).inc(count)

    def answering(self, version: str, index: str) -> None:
        """Notes which version answers."""
        if self._answering != (version, index):
            if self._answering:
                self._version.labels(*self._answering).set(0)
            self._version.labels(version, index).set(1)
            self._answering = version, index

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _route(scope: Scope) -> str:
    """The template of a request's route, also where it was refused before it was led there."""
    route = scope.get("route")
    if route is None and "app" in scope:
        fits = [(one.matches(scope)[0], one) for one in _flat(scope["app"].routes)]
        # A route of the method before one of the path alone.
        best = [one for fit in (Match.FULL, Match.PARTIAL) for f, one in fits if f == fit]
        route = best[0] if best else None
    # Without the kinds of ids, as in the description; what is mounted has no such path.
    return getattr(route, "path_format", None) or getattr(route, "path", None) or "none"


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Routes, with those of a router that was included in its place."""
    for one in routes:
        router = getattr(one, "original_router", None)
        yield from (one,) if router is None else _flat(router.routes)
