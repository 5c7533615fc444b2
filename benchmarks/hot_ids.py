"""What everybody else waits while one id has tens of thousands of events, and one item too.

    python benchmarks/hot_ids.py
    python benchmarks/hot_ids.py --events 200000 --home .fusionrec

Makes a version of 4,000 made-up items in a folder of its own, or takes a workspace, and serves it
by one process from a copy in memory. Known users, strangers (for whom popularity is counted) and
``/healthz`` are asked all the while, whether or not the answers before have come: first alone, then
while one id has so many events on 3,000 items, gets another one ten times a second, and asks for
answers, also with reasons, and for what it said. Then one item gets an event of as many ids at
once, as an import makes them, and at the end the id is forgotten. Everything is written by this
process, as another worker would. Prints one JSON object: milliseconds by phase and kind, and the
ratios of the phases to the first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from catalog_changes import Load, publish
from fusionrec.ledger import Event, Ledger
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from service_load import Service

ITEMS = 3_000  # that the hot id says something of
BLOCK = 20_000  # events of one transaction


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each phase")
    parser.add_argument("--answers", type=float, default=40.0, help="a second, to known users")
    parser.add_argument("--strangers", type=float, default=5.0, help="a second")
    parser.add_argument("--id", default="hot-id", help="the hot id; u0 to u499 are known users")
    parser.add_argument("--home", type=Path, help="a workspace with a version")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = given.home or Path(temporary)
        if given.home is None:
            publish(home, 4_000, indexed=False)
            (home / "settings.toml").write_text("[service]\nrate = 0\n")
        print(json.dumps(measured(home, given), indent=2))


def measured(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    artifact, ledger = load(Workspace(home)), Ledger(Workspace(home).ledger)
    users, items, seconds = artifact.users.ids, artifact.items.ids[:ITEMS], given.seconds
    hot_id = given.id
    service = Service(home, "--copy", "1000000")
    loaded, phases = Load(service.port), dict[str, tuple[float, float]]()

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        time.sleep(max(began + seconds - time.perf_counter(), 0))
        phases[name] = began, time.perf_counter()

    asked = [
        (
            "known users",
            given.answers,
            lambda n: f"/v1/recommendations?user={users[n % len(users)]}",
        ),
        ("strangers", given.strangers, lambda n: f"/v1/recommendations?user=stranger-{n}"),
        ("/healthz", 20.0, lambda _: "/healthz"),
    ]
    asked = [one for one in asked if one[1]]
    try:
        with background(loaded, asked):
            time.sleep(5)  # until all is warm
            with phase("quiet"):
                pass
            record(ledger, given.events, lambda n: (hot_id, items[n % len(items)]))
            own = f"/v1/recommendations?user={hot_id}"
            hot = [
                ("hot id", 5.0, lambda _: own),
                ("hot id, reasons", 1.0, lambda _: f"{own}&explain=true"),
                ("hot id, said", 1.0, lambda _: f"/v1/users/{hot_id}/feedback"),
            ]
            of_hot = Load(service.port)
            with phase("one hot id"), background(of_hot, hot):
                for number in range(int(seconds * 10)):
                    record(ledger, 1, lambda _: (hot_id, items[number % len(items)]))  # noqa: B023
                    time.sleep(0.1)
            with phase("an import on one item"):
                record(ledger, given.events, lambda n: (f"import-{n}", items[0]))
            with phase("the hot id is forgotten"):
                ledger.forget(hot_id)
        kinds = [kind for kind, *_ in asked]
        found = {name: {kind: told(loaded, kind, *span) for kind in kinds}
                 for name, span in phases.items()}  # fmt: skip
        found["one hot id"] |= {kind: told(of_hot, kind, 0, np.inf) for kind, *_ in hot}
        quiet = found["quiet"]
        ratios = {
            name: {
                kind: {part: round(figures[kind][part] / quiet[kind][part], 2)
                       for part in ("p50", "p99", "most")}
                for kind in kinds
            }
            for name, figures in found.items() if name != "quiet"
        }  # fmt: skip
        return {"events": given.events, "ms": found, "times quiet": ratios,
                "memory_mb": service.memory_mb()}  # fmt: skip
    finally:
        service.end()


@contextmanager
def background(
    loaded: Load, asked: list[tuple[str, float, Callable[[int], str]]]
) -> Iterator[None]:
    """Asks for several kinds at their rates."""
    threads = [threading.Thread(target=loaded.run, args=one) for one in asked]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        loaded.ended.set()
        for thread in threads:
            thread.join()


def record(ledger: Ledger, count: int, of: Callable[[int], tuple[str, str]]) -> None:
    """So many likes of now, in the order of their times; ``of`` gives user and item of each."""
    now, first = time.time(), ledger.revision().event
    for start in range(0, count, BLOCK):
        ledger.record(
            Event(f"hot-{first + n}", *of(n), "like", time=now - 1e-3 * (count - n))
            for n in range(start, min(start + BLOCK, count))
        )


def told(loaded: Load, kind: str, began: float, ended: float) -> dict[str, float]:
    """Of the answers that were due in a span."""
    spans = [span for due, name, span in loaded.spans if name == kind and began <= due < ended]
    p50, p99, most = np.percentile(spans, [50, 99, 100]).round(1).tolist()
    return {"count": len(spans), "p50": p50, "p99": p99, "most": most}


if __name__ == "__main__":
    main()
