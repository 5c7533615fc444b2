"""How long a search takes that must leave out many items, and by which way it is quicker.

    python benchmarks/exclude_time.py --items 4000 100000 --seen 20 200 2000
    python benchmarks/exclude_time.py --milvus http://127.0.0.1:19530

On a made catalog of unit vectors, as people have seen them: half of what is left out lies nearest
to the query, half anywhere. Three ways take turns: the condition ``row not in [..]``; asking for
as many items more as are left out, and dropping these; and NumPy on the model's own vectors, whose
answer is the right one. Prints one JSON object per size and number: p50 and p95 in ms, and
recall@10, which is 1 with a FLAT index or the run ends.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field, Schema
from fusionrec.index import ExactIndex, MilvusIndex, collection_name
from fusionrec.index.exact import rank_exactly
from fusionrec.index.filters import expression
from shared import take_turns, unit_vectors

K, D = 10, 64


def catalog(n: int, categories: int = 18, seed: int = 0) -> tuple[Schema, Table, np.ndarray]:
    """A made catalog of n items with up to four of the categories each, and a year.

    Returns:
        Schema, items, and unit vectors, float32 [n, 64].
    """
    random = np.random.default_rng(seed)
    names = [f"category {number}" for number in range(categories)]
    schema = Schema(
        "made",
        (
            Field("who", "user", "id"),
            Field("what", "item", "id"),
            Field("kinds", "item", "categories", filterable=True),
            Field("year", "item", "number", filterable=True),
        ),
        rating_range=(1.0, 5.0),
    )
    # The first categories are held by many, the last ones by few, as genres are.
    share = 1 / np.arange(1, categories + 1)
    drawn = random.choice(categories, size=(n, 4), p=share / share.sum())
    held = [tuple(names[c] for c in sorted(set(row[: 1 + i % 4]))) for i, row in enumerate(drawn)]
    years = random.integers(1920, 2001, n).astype(float).tolist()
    table = Table([str(i) for i in range(n)], {"kinds": held, "year": years})
    return schema, table, unit_vectors(random, n, D)


def figures(spans: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """p50 and p95 of each way, in milliseconds."""
    return {
        name: {
            f"p{cut}": round(float(np.percentile(1e3 * taken[:, 0], cut)), 2) for cut in (50, 95)
        }
        for name, taken in spans.items()
    }


def measure(
    index: MilvusIndex, vectors: np.ndarray, exact: ExactIndex, seen: int, runs: int
) -> str:
    """The ways' figures for this many items left out.

    Raises:
        SystemExit: a FLAT index gives another answer than the exact one.
    """
    random, n = np.random.default_rng(seen), len(vectors)
    queries = vectors[random.choice(n, runs + 3)]
    left_out = []
    for query in queries:
        near = np.argpartition(-(vectors @ query), seen // 2)[: seen // 2]
        anywhere = random.choice(n, seen - len(near), replace=False)
        left_out.append(np.union1d(near, anywhere))

    def by_condition(run: int) -> np.ndarray:
        text = expression([], left_out[run], index._layout)
        [(rows, _)] = index.store.search(
            index.name, [queries[run]], K + 16, text, index.kind, len(index)
        )
        return rank_exactly(queries[run], vectors, np.unique(rows), K).rows

    def by_over_fetching(run: int) -> np.ndarray:
        limit = min(K + 16 + len(left_out[run]), n)
        [(rows, _)] = index.store.search(
            index.name, [queries[run]], limit, "", index.kind, len(index)
        )
        kept = np.setdiff1d(rows, left_out[run])
        return rank_exactly(queries[run], vectors, kept, K).rows

    def by_numpy(run: int) -> np.ndarray:
        return exact.search(queries[run], K, exclude=left_out[run]).rows

    ways = {"condition": by_condition, "over-fetching": by_over_fetching, "numpy": by_numpy}
    recall = {
        name: np.mean([_share(way(r), by_numpy(r)) for r in range(10)])
        for name, way in ways.items()
    }
    if index.kind == "FLAT" and min(recall.values()) < 1:
        raise SystemExit(f"not the exact answer: {recall}")
    timed = figures(take_turns(ways, runs, warm=3))
    for name, share in recall.items():
        timed[name]["recall"] = round(float(share), 3)
    about = {"place": "server" if "://" in index.place else "Lite", "index": index.kind}
    return json.dumps(about | {"items": n, "left out": seen} | timed)


def _share(found: np.ndarray, right: np.ndarray) -> float:
    return len(np.intersect1d(found, right)) / len(right)


def main(given: Sequence[str] | None = None) -> None:
    """Builds a collection per size and measures in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[4_000, 100_000])
    parser.add_argument("--seen", type=int, nargs="+", default=[20, 200, 2_000])
    parser.add_argument("--kind", choices=["FLAT", "HNSW"], default="FLAT")
    parser.add_argument("--milvus", default="", help="a server; an embedded Milvus by default")
    parser.add_argument("--runs", type=int, default=50)
    arguments = parser.parse_args(given)
    for n in arguments.items:
        made = catalog(n)
        with tempfile.TemporaryDirectory() as folder:
            place = arguments.milvus or str(Path(folder) / "milvus.db")
            checksum = "00c0ffee"
            with MilvusIndex.build(
                place, *made, collection_name("exclude", checksum), checksum, kind=arguments.kind
            ) as index:
                exact = ExactIndex(*made)
                for seen in arguments.seen:
                    print(measure(index, made[2], exact, seen, arguments.runs), flush=True)
                index.store.drop(index.name)


if __name__ == "__main__":
    main()
