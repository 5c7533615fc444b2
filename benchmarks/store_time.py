"""How long a search takes through the project's own call, and through a bare call of pymilvus.

    python benchmarks/store_time.py                                    # Milvus Lite
    python benchmarks/store_time.py --milvus http://127.0.0.1:19530    # a server

4,000 made items of 64 dimensions under MovieLens' schema, ten wanted. The bare call is given the
finished filter expression and asks for the ten alone; the project's own builds the expression, asks
for a few more so that ties are seen, scores them again and checks the scores. Both take turns, so
that they meet the same machine. The collection is dropped in the end.

A server of the development dependencies, in a network of its own, for as long as that shell runs:

    unshare -rn --pid --fork --kill-child --mount-proc bash
    ip link set lo up
    .venv/bin/milvus-server --data /tmp/milvus-data --extra-config common.session.ttl=5 &
    sleep 20 && .venv/bin/python benchmarks/store_time.py --milvus http://127.0.0.1:19530
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.movielens import GENRES, MOVIELENS
from fusionrec.index import AnyOf, Between, Condition, MilvusIndex, Place
from fusionrec.index.filters import expression
from fusionrec.index.layout import ROW, VECTOR, layout_of
from fusionrec.index.milvus_client import connect
from shared import unit_vectors

CASES: dict[str, tuple[list[Condition], int]] = {
    "no filter": ([], 0),
    "genre and years": ([AnyOf("genres", ("Drama", "Comedy")), Between("year", 1960, 1999)], 0),
    "the same, 100 left out": (
        [AnyOf("genres", ("Drama", "Comedy")), Between("year", 1960, 1999)],
        100,
    ),
}
K = 10


def main() -> None:
    """Prints one JSON object: of each case the medians in milliseconds, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milvus", default="", help="a path or an address")
    parser.add_argument("--items", type=int, default=4_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--searches", type=int, default=1_000)
    parser.add_argument("--kind", default="FLAT", choices=["FLAT", "HNSW"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(arguments.milvus or f"{folder}/milvus.db")
        items, vectors = made(arguments.items, arguments.dim)
        built = MilvusIndex.build(
            place, MOVIELENS, items, vectors, "fusionrec_vbenchmark", "0" * 8, kind=arguments.kind
        )
        with built as index:
            client = connect(place)
            try:
                found = {
                    name: compared(index, client, items, vectors, case, arguments.searches)
                    for name, case in CASES.items()
                }
            finally:
                client.close()
            software = index.store.server.title
            index.store.drop(index.name)
    shape = {"items": arguments.items, "dim": arguments.dim, "kind": arguments.kind, "k": K}
    print(json.dumps({"place": software, **shape, "ms_p50": found}, indent=2))


def made(n: int, d: int) -> tuple[Table, np.ndarray]:
    """Items and their vectors, float32 [n, d], L2-normalised; the same every time."""
    random = np.random.default_rng(1)
    genres = list(GENRES)
    columns = {
        "title": [f"Film {i}" for i in range(n)],
        "genres": [tuple(random.choice(genres, random.integers(1, 4), False)) for _ in range(n)],
        "year": random.integers(1930, 2001, n).astype(float).tolist(),
    }
    return Table([str(i) for i in range(n)], columns), unit_vectors(random, n, d)


def compared(
    index: MilvusIndex,
    client: Any,
    items: Table,
    vectors: np.ndarray,
    case: tuple[list[Condition], int],
    searches: int,
) -> dict[str, float]:
    """Both calls' medians in milliseconds, with a new vector every time."""
    where, left_out = case
    random = np.random.default_rng(2)
    excluded = np.sort(random.choice(len(items), left_out, replace=False))
    text = expression(where, excluded, layout_of(MOVIELENS, items))
    params = {"metric_type": "IP", "params": {"ef": 128} if index.kind == "HNSW" else {}}

    def bare(vector: np.ndarray) -> list[int]:
        hits = client.search(
            index.name,
            [vector],
            filter=text,
            limit=K,
            anns_field=VECTOR,
            search_params=params,
            output_fields=[ROW],
            consistency_level="Bounded",
        )[0]
        return [hit["entity"][ROW] for hit in hits]

    def own(vector: np.ndarray) -> list[int]:
        rows: list[int] = index.search(vector, K, where, excluded).rows.tolist()
        return rows

    times: dict[Callable[[np.ndarray], list[int]], list[float]] = {bare: [], own: []}
    for number, row in enumerate(random.integers(0, len(items), searches + 50)):
        answers = []
        for call in (bare, own) if number % 2 else (own, bare):
            start = time.perf_counter()
            answers.append(call(vectors[row]))
            if number >= 50:  # both are warm then
                times[call].append(1000 * (time.perf_counter() - start))
        assert index.kind != "FLAT" or set(answers[0]) == set(answers[1])
    medians = {call: statistics.median(spans) for call, spans in times.items()}
    found = {"bare": medians[bare], "own": medians[own], "ratio": medians[own] / medians[bare]}
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
