"""What an answer and a change cost with more users and items, and by what exponent they grow.

    python benchmarks/cost_of_answers.py
    python benchmarks/cost_of_answers.py --milvus http://127.0.0.1:19530 --sizes 1000 10000 100000

Publishes made-up data (``cost_of_size.py``) with untrained towers, 64 wide, and serves it: from a
copy in memory, or with ``--milvus`` from an index there, built first. One caller asks, one request
after the other: for a known user's ten items; then rates an item and asks again, and changes an
item and asks again, all over HTTP. Told are medians in milliseconds, the processor time of a change
(``item_cpu_ms``, ``event_cpu_ms``: a mean, which other load moves little), the worker's memory, and
the exponents (log-log) over all sizes. A user has rated ten items.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cost_of_size import made, slope
from fusionrec.ledger import Ledger
from fusionrec.workspace import Workspace
from service_load import Service

EACH, ASKED, CHANGED = 10, 300, 40
CHANGES = ("event", "item")
TOLD = ("answer_ms", *(f"{one}_ms" for one in CHANGES), *(f"after_{one}_ms" for one in CHANGES),
        *(f"{one}_cpu_ms" for one in CHANGES), "memory_mib")  # fmt: skip


def main() -> None:
    """Prints a JSON object for each size, and the exponents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--milvus", default="", help="a server's address")
    given = parser.parse_args()
    found = []
    for size in given.sizes:
        with tempfile.TemporaryDirectory() as home, served(Path(home), size, given.milvus) as one:
            found.append({"size": size, **measured(size, *one)})
        print(json.dumps(found[-1]), flush=True)
    print(json.dumps({"exponents": {name: slope(found, name) for name in TOLD}}))


@contextmanager
def served(home: Path, size: int, milvus: str) -> Iterator[tuple[Service, str, float]]:
    """A service of so many users and items, an admin's key, and the seconds to build its index."""
    from fusionrec.deploy.build import build_index
    from fusionrec.features.encoder import Encoder
    from fusionrec.models.fusion import Tower
    from fusionrec.models.presets import FusionSettings, Recipe, TrainingSettings
    from fusionrec.registry.publish import publish

    dataset, settings = made(size, EACH), FusionSettings(id_width=32, dim=64)
    rows, workspace = np.arange(len(dataset)), Workspace(home)
    encoder = Encoder.fit(dataset, rows)
    towers: dict[Any, Any] = {side: Tower(encoder, side, settings) for side in ("user", "item")}
    for tower in towers.values():
        tower.eval()
    training: dict[str, Any] = {"trained_rows": "", "best_epoch": None, "measure": {}, "epochs": []}
    recipe = Recipe(settings, TrainingSettings())
    about = {"model": recipe.name, "recipe": recipe.to_dict(), "training": training}
    artifact = publish(workspace.models, dataset, rows, encoder, towers, about)
    began = time.monotonic()
    if milvus:
        build_index(workspace, artifact, milvus)
    built = time.monotonic() - began
    secret = Ledger.of(workspace).add_key("benchmark", ["read", "feedback", "admin"])
    service = Service(home, "--no-copy") if milvus else Service(home, "--copy", str(10**9))
    try:
        yield service, secret, built
    finally:
        service.end()


def measured(size: int, service: Service, secret: str, built: float) -> dict[str, float]:
    """Medians of one size."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    random = np.random.default_rng(1)

    def ask(method: str, path: str, body: object = None) -> float:
        began = time.perf_counter()
        head = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
        connection.request(method, path, None if body is None else json.dumps(body), head)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return 1000 * (time.perf_counter() - began)

    def answer(user: int) -> float:
        return ask("GET", f"/v1/recommendations?user=u{user}&k=10")

    users = random.integers(0, size, ASKED + 2 * CHANGED).tolist()
    for user in users[:50]:
        answer(user)
    spans: dict[str, list[float]] = {"answer_ms": [answer(user) for user in users[2 * CHANGED :]]}
    cpu = dict.fromkeys(CHANGES, 0.0)
    for number, user in enumerate(users[: 2 * CHANGED]):
        item = int(random.integers(size))
        event = {"user": f"u{user}", "item": f"i{item}", "kind": "rating", "rating": 4}
        kind = CHANGES[number // CHANGED]
        before = service.cpu_ms()
        if kind == "item":
            took = ask("PUT", f"/v1/items/new{number}", {})
        else:
            took = ask("POST", "/v1/feedback", event)
        cpu[kind] += service.cpu_ms() - before
        spans.setdefault(f"{kind}_ms", []).append(took)
        spans.setdefault(f"after_{kind}_ms", []).append(answer(user))
    found = {name: round(float(np.median(some)), 2) for name, some in spans.items()}
    p99 = round(float(np.percentile(spans["answer_ms"], 99)), 2)
    found |= {f"{kind}_cpu_ms": round(took / CHANGED, 2) for kind, took in cpu.items()}
    about = {"memory_mib": service.memory_mb()[0], "ready_s": service.ready_s}
    return {**found, "answer_p99_ms": p99, "build_s": round(built, 1), **about}


if __name__ == "__main__":
    main()
