"""How soon a changed item is in the answers of a running service, and what others wait meanwhile.

    python benchmarks/catalog_changes.py --items 100000 --milvus

Makes, in a folder of its own, a version of made-up items with untrained towers, serves it by one
process from a copy in memory, and asks it all the while: so many answers to known users and so many
searches a second, whether or not the ones before are answered. Twenty items are added or changed,
half of them over HTTP, half by this process, as another command would. Told are the milliseconds
from the moment that a change is on disk until it is in /v1/search and in recommendations of that
item alone; and how long the answers took that were due within half a second of a change, beside
those of the same minutes with no change near. With ``--milvus`` the items are indexed in an
embedded Milvus first, and the copy is of that; else nothing was ever indexed. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.item_files import item_of
from fusionrec.data.movielens import MOVIELENS
from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from scale import catalog
from service_load import Service

NEAR = 0.5  # seconds after a change in which an answer counts as beside it
USERS, RATINGS = 500, 50_000
WORDS = 2_000  # that titles are made of


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two changes")
    parser.add_argument("--answers", type=float, default=20.0, help="a second")
    parser.add_argument("--searches", type=float, default=5.0, help="a second")
    parser.add_argument("--milvus", action="store_true", help="index first, and serve a copy")
    parser.add_argument("--home", type=Path, help="a workspace that this made before")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = given.home or Path(temporary)
        if not (home / "models").exists():
            publish(home, given.items, indexed=given.milvus)
        print(json.dumps(measured(home, given), indent=2))


def publish(home: Path, items: int, *, indexed: bool) -> None:
    """A version of so many items, with towers as they are before any training."""
    from fusionrec.deploy.build import build_index
    from fusionrec.features.encoder import Encoder
    from fusionrec.models.fusion import Tower
    from fusionrec.models.presets import FusionSettings, Recipe, TrainingSettings
    from fusionrec.registry import publish as publishing

    random, table = np.random.default_rng(0), catalog(items)
    words = [f"{a}{b}{c}" for a in "bdfgklmnprstvz" for b in "aeiou" for c in "bdklmnrstx"]
    words = [a + b for a, b in zip(random.permutation(words * 3), words * 3, strict=True)][:WORDS]
    titles = [
        " ".join(words[n] for n in picked) for picked in random.integers(0, WORDS, (items, 3))
    ]
    people = Table([f"u{n}" for n in range(USERS)], {
        "gender": ["F"] * USERS, "age": ["25"] * USERS, "occupation": ["0"] * USERS,
    })  # fmt: skip
    pairs = np.unique(random.integers(0, USERS * items, RATINGS))
    user, item = np.divmod(pairs, items)
    columns = {**table.columns, "title": titles}
    dataset = Dataset(
        MOVIELENS, "synthetic items", people, Table(table.ids, columns),
        user.astype(np.int32), item.astype(np.int32),
        random.integers(1, 6, len(pairs)).astype(np.float32),
    )  # fmt: skip
    rows = np.arange(len(dataset))
    encoder, settings = Encoder.fit(dataset, rows), FusionSettings(dim=64)
    training: dict[str, Any] = {"trained_rows": "", "best_epoch": None, "measure": {}, "epochs": []}
    recipe = Recipe(settings, TrainingSettings())
    about = {"model": recipe.name, "recipe": recipe.to_dict(), "training": training}
    user_tower, item_tower = Tower(encoder, "user", settings), Tower(encoder, "item", settings)
    user_tower.eval()
    item_tower.eval()
    models = Workspace(home).models
    artifact = publishing.publish(
        models, dataset, rows, encoder, {"user": user_tower, "item": item_tower}, about
    )
    if indexed:
        build_index(Workspace(home), artifact)


@dataclass
class Load:
    """Requests that are due at fixed times, and what became of them.

    Attributes:
        port: of the service.
        ended: set to end it.
        spans: when each was due, its kind, and the milliseconds from then to its answer.
    """

    port: int
    ended: threading.Event = field(default_factory=threading.Event)
    spans: list[tuple[float, str, float]] = field(default_factory=list)

    def run(self, kind: str, rate: float, path: Callable[[int], str], callers: int = 4) -> None:
        """Asks ``rate`` times a second until it is ended."""
        began = time.perf_counter()

        def call(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            while not self.ended.wait(max(began + number / rate - time.perf_counter(), 0)):
                due = began + number / rate
                _get(connection, path(number))
                self.spans.append((due, kind, 1000 * (time.perf_counter() - due)))
                number += callers

        threads = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def measured(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    artifact, ledger = load(Workspace(home)), Ledger(Workspace(home).ledger)
    users, titles = list(artifact.users.ids), artifact.items.columns["title"]
    secret = ledger.add_key(f"benchmark-{time.time_ns()}", ["read", "feedback", "admin"])
    service = Service(home, "--copy", "1000000")
    try:
        loaded = Load(service.port)

        def answer(number: int) -> str:
            return f"/v1/recommendations?user={users[number % len(users)]}&k=10"

        def search(number: int) -> str:
            return f"/v1/search?q={quote(titles[number * 97 % len(titles)])}&k=10"

        asked = [("answers", given.answers, answer), ("searches", given.searches, search)]
        threads = [threading.Thread(target=loaded.run, args=one) for one in asked]
        for thread in threads:
            thread.start()
        time.sleep(5)  # until all is warm
        began, seen, at = time.perf_counter(), dict[str, list[float]](), list[float]()
        for number in range(given.changes):
            time.sleep(given.pause)
            at.append(time.perf_counter())
            change(service.port, ledger, artifact, secret, number, seen)
        time.sleep(given.pause)
        loaded.ended.set()
        for thread in threads:
            thread.join()
        found: dict[str, Any] = {"items": len(artifact.items), "ready_s": service.ready_s}
        found |= {name: told(spans) for name, spans in seen.items()}
        for kind in ("answers", "searches"):
            found[kind] = beside(loaded, kind, began, at)
        return found | {"memory_mb": service.memory_mb()}
    finally:
        service.end()


def change(
    port: int, ledger: Ledger, artifact: Any, secret: str, number: int, seen: dict[str, list[float]]
) -> None:
    """Adds an item, or changes one, over HTTP or in the ledger; and looks until it is seen."""
    added = number % 4 < 2
    id_ = (
        f"new-{time.time_ns()}"
        if added
        else artifact.items.ids[number * 1009 % len(artifact.items)]
    )
    word = f"zyx{time.time_ns()}"
    content = {"title": f"The {word}", "genres": ["Drama"], "year": 1999}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    if number % 2:
        ledger.change_items({id_: item_of(MOVIELENS, id_, content).to_json()})
        way, began = "by another process", time.perf_counter()
    else:
        way, began = "by PUT", time.perf_counter()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
        connection.request("PUT", f"/v1/items/{id_}", json.dumps(content), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    paths = {
        "search": f"/v1/search?q={word}&k=1",
        "only": f"/v1/recommendations?user=u1&only={id_}&seen=true",
    }
    for name, path in paths.items():
        while not any(
            word in item["title"] for item in json.loads(_get(connection, path))["items"]
        ):
            time.sleep(0.005)
        span = 1000 * (time.perf_counter() - began)
        seen.setdefault(f"{way}, in {name}, ms", []).append(span)


def beside(loaded: Load, kind: str, began: float, at: list[float]) -> dict[str, Any]:
    """The spans of one kind of answers: those near a change, and the others."""
    mine = np.array([(due, span) for due, name, span in loaded.spans if name == kind])
    mine = mine[mine[:, 0] > began]
    near = np.zeros(len(mine), dtype=bool)
    for moment in at:
        near |= (mine[:, 0] > moment - 0.05) & (mine[:, 0] < moment + NEAR)
    return {"near a change, ms": told(mine[near, 1]), "else, ms": told(mine[~near, 1])}


def told(spans: Any) -> dict[str, float]:
    """How many there are, the middle one, and the longest."""
    p50, p95, most = np.percentile(spans, [50, 95, 100]).round(1).tolist()
    return {"count": len(spans), "p50": p50, "p95": p95, "most": most}


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return text


if __name__ == "__main__":
    main()
