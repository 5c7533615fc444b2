"""A catalog of a million items in a real Milvus: load time, memory, recall, times of searches.

    python benchmarks/scale.py --milvus http://127.0.0.1:19530 --items 1000000 --kind HNSW

The vectors are made: 32 intrinsic dimensions turned into 128, noise, length 1; the same every time.
Queries are made the same way and are none of the items. Recall is the share of the exact ten that
the index finds. Prints one JSON object per kind of index. ``store_time.py`` tells how to start a
server; ``--server PID`` adds that process' memory. The collections are dropped in the end.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.cli.output import ProgressLines
from fusionrec.data.dataset import Table
from fusionrec.data.movielens import GENRES, MOVIELENS
from fusionrec.index import AnyOf, Between, Condition, ExactIndex, MilvusIndex
from fusionrec.index.benchmark import K, measure_search
from shared import peak_mib

INTRINSIC = 32
NOISE = 0.1  # of each coordinate, where the signal's is 1
CALLERS = 16
FILTER: list[Condition] = [AnyOf("genres", ("Drama", "Comedy")), Between("year", 1980, 1989)]


def main() -> None:
    """Prints one JSON object for every kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milvus", required=True, help="a path or an address")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--kind", nargs="+", default=["HNSW"])
    parser.add_argument("--server", type=int, help="process id of the server")
    given = parser.parse_args()
    items, vectors = catalog(given.items), made(given.items, given.dim, seed=1)
    queries = made(given.queries, given.dim, seed=2)
    exact = ExactIndex(MOVIELENS, items, vectors)
    print(f"client before loading: {peak_mib():.0f} MB", flush=True)
    for number, kind in enumerate(given.kind):
        began = time.perf_counter()
        name = f"fusionrec_vscale{number}"
        built = MilvusIndex.build(
            given.milvus,
            MOVIELENS,
            items,
            vectors,
            name,
            "0" * 8,
            kind=kind,
            progress=ProgressLines(kind, "items"),
        )
        with built as index:
            found: dict[str, Any] = {"kind": kind, "items": given.items, "dim": given.dim}
            found |= {"built_s": round(time.perf_counter() - began), "client_mb": round(peak_mib())}
            found |= {"server_mb": server_mb(given.server)}
            found |= figures(index, exact, queries)
            print(json.dumps(found, indent=2), flush=True)
            index.store.drop(index.name)


def made(n: int, d: int, seed: int) -> np.ndarray:
    """Vectors of length 1 near a subspace of 32 dimensions: float32 [n, d]."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0][:INTRINSIC]
    random, vectors = np.random.default_rng(seed), np.empty((n, d), dtype=np.float32)
    for begin in range(0, n, 50_000):
        part = vectors[begin : begin + 50_000]
        part[:] = random.normal(size=(len(part), INTRINSIC)) @ turn
        part += NOISE * random.normal(size=part.shape).astype(np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def catalog(n: int) -> Table:
    """Items of MovieLens' schema, the same every time."""
    random, genres = np.random.default_rng(3), list(GENRES)
    several = [tuple(random.choice(genres, size, False)) for size in (1, 2, 3) for _ in range(300)]
    columns: dict[str, Any] = {
        "title": [f"Film {i}" for i in range(n)],
        "genres": [several[i] for i in random.integers(0, len(several), n)],
        "year": random.integers(1930, 2001, n).astype(float),
    }
    return Table([str(i) for i in range(n)], columns)


def figures(index: MilvusIndex, exact: ExactIndex, queries: np.ndarray) -> dict[str, Any]:
    """Recall, and times of searches alone and among 16 callers."""
    found = measure_search(index, exact, queries)
    told: dict[str, Any] = {"recall_at_10": round(found.recall, 4)}
    told["alone"] = {"p50_ms": round(found.p50_ms, 2), "p99_ms": round(found.p99_ms, 2)}
    told["filtered, alone"] = times([timed(index, query, FILTER) for query in queries])
    for name, where in (("", []), ("filtered, ", FILTER)):
        told[f"{name}{CALLERS} callers"] = together(index, queries, where)
    return told


def timed(index: MilvusIndex, query: np.ndarray, where: list[Condition]) -> float:
    """Milliseconds of one search."""
    began = time.perf_counter()
    index.search(query, K, where)
    return 1000 * (time.perf_counter() - began)


def together(index: MilvusIndex, queries: np.ndarray, where: list[Condition]) -> dict[str, float]:
    """Times of searches while 16 callers ask without a rest, and how many are answered."""
    start = threading.Barrier(CALLERS + 1)

    def caller(number: int) -> list[float]:
        start.wait()
        return [timed(index, query, where) for query in queries[number::4]]

    with ThreadPoolExecutor(CALLERS) as pool:
        futures = [pool.submit(caller, number) for number in range(CALLERS)]
        start.wait()
        began = time.perf_counter()
        spans = [span for future in futures for span in future.result()]
        lasted = time.perf_counter() - began
    return times(spans) | {"per_s": round(len(spans) / lasted)}


def times(spans: list[float]) -> dict[str, float]:
    """The median and the 99th percentile, in milliseconds."""
    p50, p99 = np.percentile(spans, [50, 99])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}


def server_mb(pid: int | None) -> int | None:
    """What the server holds now; None where it is not known."""
    if pid is None:
        return None
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [held] = [int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")]
    return held


if __name__ == "__main__":
    main()
