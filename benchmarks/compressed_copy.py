"""Whether a compressed copy of many vectors in memory is searched faster than they themselves.

    python benchmarks/compressed_copy.py --items 1000000 --dim 128
    python benchmarks/compressed_copy.py --items 200000 --dim 256 --milvus http://127.0.0.1:19530

Made vectors around centres, in ``--parts`` spans of different spread, as a version of parts has
them; queries are people of the same centres. Each way finds a pool of candidates, which are scored
again in float32 from a file that is mapped into memory, so that scores are exact: what may be lost
is an item that is not in the pool. Ways: NumPy in float32 (exact), and of faiss, which comes with
milvus-lite, IVF with one byte a number (of residuals, with a scale for each dimension, and so for
each part), and with ``--hnsw`` HNSW over the same bytes; with ``--milvus`` the HNSW of a server, as
this project builds and asks it. All take turns, in one thread. Prints one JSON object for each way:
milliseconds (p50, p99), the share of the exact top ten that is found, megabytes, seconds to build.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from fusionrec.index.exact import nearest_candidates, rank_exactly

K, POOL = 10, 100
Search = Callable[[np.ndarray], np.ndarray]


def made(
    items: int, dim: int, parts: int, queries: int, *, apart: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 [items, dim], the longest of length 1, and queries [queries, dim] of length
    1. Each part shows 1,000 groups of items in its own way, with a spread of its own: the same
    groups in all parts, or ``apart`` others in each. A person likes three; items differ in length.
    """
    rng = np.random.default_rng(0)
    span, spans, asked = dim // parts, [], []
    group, liked = rng.integers(0, 1_000, items), rng.integers(0, 1_000, (queries, 3))
    for part in range(parts):
        if apart:
            group = rng.permutation(group)
        width = span if part < parts - 1 else dim - span * (parts - 1)
        centres, spread = rng.standard_normal((1_000, width), np.float32), np.float32(0.5**part)
        one = centres[group] + 0.8 * rng.standard_normal((items, width), np.float32)
        spans.append(one * spread)
        likes = centres[liked].sum(axis=1) + rng.standard_normal((queries, width), np.float32)
        asked.append(likes / spread)
    vectors, people = np.hstack(spans), np.hstack(asked)
    vectors *= rng.beta(8, 2, (items, 1)).astype(np.float32)  # lengths
    vectors /= np.linalg.norm(vectors, axis=1).max()
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors), np.ascontiguousarray(people)


def main() -> None:
    """Prints one JSON object for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--milvus", default="", help="the address of a server")
    parser.add_argument("--hnsw", action="store_true", help="faiss' HNSW too, which builds slowly")
    parser.add_argument("--apart", action="store_true", help="parts that agree in nothing")
    given = parser.parse_args()
    faiss.omp_set_num_threads(1)
    vectors, people = made(given.items, given.dim, given.parts, given.queries, apart=given.apart)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "item_vectors.npy")
        np.save(file, vectors)
        mapped = np.load(file, mmap_mode="r")
        ways = {"NumPy, float32": (exact(vectors), vectors.nbytes, 0.0)}
        lists = max(64, int(4 * np.sqrt(given.items)))
        began = time.perf_counter()
        ivf = inverted(vectors, lists)
        took = time.perf_counter() - began
        for probes in (lists // 64, lists // 16, lists // 8):
            name = f"faiss IVF{lists},SQ8, {probes} lists"
            ways[name] = (rescored(ivf, mapped, nprobe=probes), vectors.size, took)
        if given.hnsw:
            began = time.perf_counter()
            faiss.omp_set_num_threads(2)
            kind, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
            graph: Any = faiss.IndexHNSWSQ(given.dim, kind, 16, metric)  # type: ignore[arg-type]
            graph.hnsw.efConstruction = 120
            graph.train(vectors[:100_000])
            graph.add(vectors)
            faiss.omp_set_num_threads(1)
            took = time.perf_counter() - began
            for ef in (100, 400):
                size = vectors.size + 4 * 2 * 16 * given.items
                ways[f"faiss HNSW16,SQ8, ef {ef}"] = (rescored(graph, mapped, ef=ef), size, took)
        closing: Callable[[], None] = nothing
        if given.milvus:
            began = time.perf_counter()
            search, closing = server(given.milvus, vectors)
            ways["Milvus, HNSW"] = (search, 0, time.perf_counter() - began)
        compare(ways, people)
        closing()


def nothing() -> None:
    """There is no server to be left."""


def compare(ways: dict[str, tuple[Search, int, float]], people: np.ndarray) -> None:
    """Asks every way each query in turn, and prints what came of it."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for query in people:
        for name, (search, _, _) in ways.items():
            began = time.perf_counter()
            rows = search(query)
            times[name].append(1000 * (time.perf_counter() - began))
            found[name].append(rows)
    truth = found["NumPy, float32"]
    for name, (_, size, took) in ways.items():
        pairs = zip(found[name], truth, strict=True)
        share = np.mean([len(np.intersect1d(a, b)) / K for a, b in pairs])
        p50, p99 = np.percentile(times[name], [50, 99])
        result = {"ms_p50": round(p50, 2), "ms_p99": round(p99, 2), "recall": round(share, 4)}
        print(json.dumps({"way": name} | result | {"mb": size >> 20, "build_s": round(took, 1)}))


def exact(vectors: np.ndarray) -> Search:
    """The project's exact search."""
    allowed = np.ones(len(vectors), dtype=bool)

    def search(query: np.ndarray) -> np.ndarray:
        return rank_exactly(query, vectors, nearest_candidates(query, vectors, allowed, K), K).rows

    return search


def inverted(vectors: np.ndarray, lists: int) -> Any:
    """Vectors in lists by their nearest centre, a byte a number, a scale for each dimension."""
    dim, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    centres = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        centres, dim, lists, faiss.ScalarQuantizer.QT_8bit, metric, True
    )
    index.cp.niter = 6
    faiss.omp_set_num_threads(2)
    rows = np.random.default_rng(1).permutation(len(vectors))[: 40 * lists]
    index.train(vectors[rows])
    index.add(vectors)
    faiss.omp_set_num_threads(1)
    return index


def rescored(index: Any, mapped: np.ndarray, nprobe: int = 0, ef: int = 0) -> Search:
    """The best of a pool that an index finds, by the vectors themselves."""

    def search(query: np.ndarray) -> np.ndarray:
        if nprobe:
            index.nprobe = nprobe
        if ef:
            index.hnsw.efSearch = ef
        rows = index.search(query[None], POOL)[1][0]
        rows = np.sort(rows[rows >= 0])
        return rank_exactly(query, mapped, rows, K).rows

    return search


def server(uri: str, vectors: np.ndarray) -> tuple[Search, Callable[[], None]]:
    """A Milvus server's HNSW, as this project builds and asks it."""
    from fusionrec.data.dataset import Table
    from fusionrec.data.schema import Field, Schema
    from fusionrec.index import MilvusIndex, Place

    fields = (Field("user", "user", "id"), Field("item", "item", "id"))
    schema = Schema("made", fields, (1.0, 5.0))
    items = Table(list(map(str, range(len(vectors)))), {})
    index = MilvusIndex.build(Place(uri), schema, items, vectors, "fusionrec_v1_compressed", "0")

    def close() -> None:
        index.store.drop(index.name)
        index.close()

    return (lambda query: index.search(query, K).rows), close


if __name__ == "__main__":
    main()
