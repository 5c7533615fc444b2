"""How many rows an index should read at first, so that ten are left of what someone took.

    python benchmarks/over_fetching.py --home .fusionrec --factors 2 3 6 12
    python benchmarks/over_fetching.py --home .fusionrec --milvus http://127.0.0.1:19530

Of a version made of parts, known users ask for ten items for each goal. The first request reads
ten rows and as many as a factor times the root of what the user took; where that leaves fewer than
ten, another reads four times as many. Ways take turns: each factor, the condition that leaves out
the rows in Milvus, and NumPy. Prints one JSON object for each goal: mean, p50 and p95 in
milliseconds, and of the factors the share of users of whom one request sufficed. The index is
FLAT, so that all ways give the same answer, or the run ends. The collection is dropped in the end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from fusionrec.index import ExactIndex, MilvusIndex, milvus_index
from fusionrec.index.exact import rank_exactly
from fusionrec.index.filters import expression
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from shared import asked, take_turns

K = 10
Way = Callable[[int], np.ndarray]  # the number of a user -> the rows of the answer


def main() -> None:
    """Prints one JSON object for each goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".fusionrec"))
    parser.add_argument("--version", help="the active one by default")
    parser.add_argument("--milvus", default="", help="an embedded Milvus by default")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--factors", type=float, nargs="+", default=[3.0, 6.0, 12.0])
    given = parser.parse_args()
    artifact = load(Workspace(given.home), given.version)
    content = artifact.schema, artifact.items, artifact.item_vectors
    with tempfile.TemporaryDirectory() as folder:
        place = given.milvus or str(Path(folder) / "milvus.db")
        name, checksum = "fusionrec_vfetching", artifact.checksum
        with MilvusIndex.build(place, *content, name, checksum, kind="FLAT") as index:
            exact = ExactIndex(*content)
            for goal in artifact.goals:
                vectors, taken = asked(artifact, goal, given.users)
                found = measure(index, exact, vectors, taken, given.factors)
                print(json.dumps({"place": index.store.server.title, "goal": goal} | found))
            index.store.drop(index.name)


def measure(
    index: MilvusIndex,
    exact: ExactIndex,
    vectors: np.ndarray,
    taken: list[np.ndarray],
    factors: list[float],
) -> dict[str, object]:
    """Each way's times, and how often a first request sufficed."""
    requests, search = [0], index._search_batch

    def counted(*request: object) -> object:
        requests[0] += 1
        return search(*request)  # type: ignore[arg-type]

    def over_fetching(factor: float) -> Way:
        def way(user: int) -> np.ndarray:
            with mock.patch.object(milvus_index, "DROPPED_FACTOR", factor):
                rows = index._candidates(vectors[user], K, "", taken[user])
            return rank_exactly(vectors[user], exact.vectors, rows, K).rows

        return way

    def by_condition(user: int) -> np.ndarray:
        text = expression((), taken[user], index._layout)
        rows = index._candidates(vectors[user], K, text, taken[user][:0])
        return rank_exactly(vectors[user], exact.vectors, rows, K).rows

    def by_numpy(user: int) -> np.ndarray:
        return exact.search(vectors[user], K, (), taken[user]).rows

    ways: dict[str, Way] = {f"factor {one:g}": over_fetching(one) for one in factors}
    once: dict[str, float] = {}
    with mock.patch.object(index, "_search_batch", counted):
        for name, way in ways.items():
            requests_of = []
            for user in range(len(taken)):
                requests[0] = 0
                if not np.array_equal(way(user), by_numpy(user)):
                    raise SystemExit(f"not the exact answer: user {user}, {name}")
                requests_of.append(requests[0])
            once[name] = round(float(np.mean(np.array(requests_of) == 1)), 3)
    spans = take_turns({**ways, "condition": by_condition, "numpy": by_numpy}, len(taken))
    times = {name: 1000 * span[:, 0] for name, span in spans.items()}
    return {
        "users": len(taken),
        "once": once,
        "ms": {
            name: {
                "mean": round(float(of.mean()), 2),
                "p50": round(float(np.percentile(of, 50)), 2),
                "p95": round(float(np.percentile(of, 95)), 2),
            }
            for name, of in times.items()
        },
    }


if __name__ == "__main__":
    main()
