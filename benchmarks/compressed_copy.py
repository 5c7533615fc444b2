"""How fast the compressed copy of many vectors is searched, beside exact search and Milvus' HNSW.

    python benchmarks/compressed_copy.py --items 1000000 --dim 128
    python benchmarks/compressed_copy.py --items 200000 --dim 256 --milvus http://127.0.0.1:19530
    python benchmarks/compressed_copy.py --items 200000 --version .fusionrec/models/v1

Made vectors around centres, in ``--parts`` spans of different spread, as a version of parts has
them; queries are people of the same centres. Or the items of a real ``--version`` and more like
them: each between one and one of its ten nearest, with noise of .3 of their difference in each
number; queries are the version's users, for each goal. Each query leaves out 100 items of its own.
The copy is built and its lists are chosen as the service does it, with other queries than those
that are timed; it is written, and mapped, and so are the vectors themselves. All take turns, in one
thread. Prints one JSON object for each way: milliseconds (p50, p99), the share of the exact top ten
that is found, for k of 100 too, and under a condition that a tenth of the items meet; megabytes;
seconds to build.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field, Schema
from fusionrec.index import Between, Condition, ExactIndex, Index, MilvusIndex, Place
from fusionrec.index.compressed import CompressedIndex, CompressedVectors, Sample
from fusionrec.index.inverted_lists import InvertedLists
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact

LEFT_OUT, TRIED = 100, 300
FIELDS = (
    Field("user", "user", "id"),
    Field("item", "item", "id"),
    Field("tenth", "item", "number", filterable=True, option="tenth"),
)
ASKED: dict[str, tuple[int, list[Condition]]] = {
    "": (10, []),
    "_of_100": (100, []),
    "_of_a_tenth": (10, [Between("tenth", 0, 0)]),
}


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


def grown(version: Path, items: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A version's item vectors and more like them, float32 [items, dim], and its users' vectors for
    each goal.
    """
    rng, artifact = np.random.default_rng(0), Artifact.load(version)
    own = np.asarray(artifact.item_vectors)
    unit = own / np.linalg.norm(own, axis=1, keepdims=True)
    near = np.argsort(-(unit @ unit.T), axis=1)[:, 1:11]
    vectors = np.empty((items, own.shape[1]), np.float32)
    for begin in range(0, items, 50_000):
        size = min(50_000, items - begin)
        one = rng.integers(0, len(own), size)
        other = near[one, rng.integers(0, 10, size)]
        share = rng.uniform(0.5, 1, (size, 1)).astype(np.float32)
        noise = 0.3 * np.abs(own[one] - own[other])
        noise *= rng.standard_normal(noise.shape, np.float32)
        vectors[begin : begin + size] = own[one] * share + own[other] * (1 - share) + noise
    vectors /= np.linalg.norm(vectors, axis=1).max()
    recommender, asked = Recommender(Catalog.of(artifact), None), {}
    users = rng.choice(len(artifact.users), 2 * TRIED, replace=False)
    for goal in artifact.goals or (None,):
        queries = [Query(user=artifact.users.ids[user], goal=goal) for user in users]
        people = [recommender.person(query).vector for query in queries]
        asked[str(goal)] = np.stack([one for one in people if one is not None])
    return vectors, asked


def main() -> None:
    """Prints one JSON object for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--version", type=Path, help="a version's folder, whose items are grown")
    parser.add_argument("--milvus", default="", help="the address of a server")
    parser.add_argument("--apart", action="store_true", help="parts that agree in nothing")
    given = parser.parse_args()
    if given.version:
        vectors, asked = grown(given.version, given.items)
    else:
        made_ones = made(given.items, given.dim, given.parts, 2 * TRIED, apart=given.apart)
        vectors, asked = made_ones[0], {"made": made_ones[1]}
    rng = np.random.default_rng(3)
    tables = {
        name: [Sample(part, rng.integers(0, given.items, (len(part), LEFT_OUT)).tolist())
               for part in np.array_split(people, 2)]
        for name, people in asked.items()
    }  # fmt: skip
    for pair in tables.values():
        for sample in pair:
            sample.excluded[:] = [np.unique(one) for one in sample.excluded]  # type: ignore[index]
    compare(vectors, {name: pair[0] for name, pair in tables.items()}, tables, given.milvus)


def compare(
    vectors: np.ndarray, samples: dict[str, Sample], tables: dict[str, list[Sample]], milvus: str
) -> None:
    """Builds each way, asks all the same queries in turn, and prints what came of it."""
    n, dim = vectors.shape
    schema = Schema("made", FIELDS, (1.0, 5.0))
    tenth = [float(row % 10) for row in range(n)]
    items = Table(list(map(str, range(n))), {"tenth": tenth})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "item_vectors.npy")
        np.save(file, vectors)
        mapped = np.asarray(np.load(file, mmap_mode="r"))
        parts = (schema, items, mapped)
        exact = ExactIndex(*parts, checked=True)
        began = time.perf_counter()
        copy = CompressedVectors.build(mapped, list(samples.values()))
        took = time.perf_counter() - began
        copy.lists.write(Path(folder, "lists"))
        size = Path(folder, "lists").stat().st_size >> 20
        lists = InvertedLists.read(Path(folder, "lists"), n, dim)
        told = {"lists": lists.count, "probes": copy.probes, "recall": round(copy.recall, 4)}
        print(json.dumps({"built": told, "items": n, "dim": dim}), flush=True)
        read = CompressedVectors(lists, copy.probes, copy.recall)
        none = np.empty(0, dtype=np.int64)
        ways: dict[str, tuple[Index, int, float]] = {
            "exact": (exact, vectors.nbytes >> 20, 0.0),
            "compressed": (CompressedIndex(read, none, *parts, checked=True), size, took),
        }
        closing: Callable[[], None] = lambda: None  # noqa: E731
        if milvus:
            began = time.perf_counter()
            index = MilvusIndex.build(
                Place(milvus), schema, items, mapped, "fusionrec_v1_compressed", "0"
            )
            ways["Milvus"] = (index, 0, time.perf_counter() - began)

            def closing() -> None:
                index.store.drop(index.name)
                index.close()

        for name, pair in tables.items():
            for line in measured(ways, pair[1], name):
                print(json.dumps(line), flush=True)
        closing()


def measured(
    ways: dict[str, tuple[Index, int, float]], sample: Sample, name: str
) -> list[dict[str, Any]]:
    """One line for each way, of the queries of one kind."""
    lines: dict[str, dict[str, Any]] = {
        way: {"way": way, "queries": name, "mb": size, "build_s": round(took, 1)}
        for way, (_, size, took) in ways.items()
    }
    for kind, (k, where) in ASKED.items():
        times: dict[str, list[float]] = {way: [] for way in ways}
        shares: dict[str, list[float]] = {way: [] for way in ways}
        asked = list(zip(*sample, strict=True))
        for query, excluded in asked if not kind else asked[:100]:
            wanted = np.empty(0)
            for way, (index, _, _) in ways.items():
                began = time.perf_counter()
                rows = index.search(query, k, where, excluded).rows
                times[way].append(1000 * (time.perf_counter() - began))
                wanted = rows if way == "exact" else wanted
                shares[way].append(float(np.isin(wanted, rows).mean()))
        for way, line in lines.items():
            p50, p99 = np.percentile(times[way], [50, 99])
            line |= {f"ms_p50{kind}": round(p50, 2), f"ms_p99{kind}": round(p99, 2)}
            line[f"recall{kind}"] = round(float(np.mean(shares[way])), 4)
    return list(lines.values())


if __name__ == "__main__":
    main()
