"""Whether categories filter faster as one BOOL column each or as one array: what the layout chose.

    python benchmarks/filter_time.py --items 4000 100000 --categories 18 32
    python benchmarks/filter_time.py --milvus http://127.0.0.1:19530

Builds the same made catalog both ways and searches it with the same conditions, the two in turn,
each answer checked against the exact one. Prints one JSON object per size and number of categories:
p50 and p95 in ms, and how long each collection took to build.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from exclude_time import K, catalog, figures
from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.index import AllOf, AnyOf, Condition, ExactIndex, MilvusIndex, NoneOf, layout
from shared import take_turns

CONDITIONS: dict[str, Condition] = {
    "any of 1": AnyOf("kinds", ("category 2",)),
    "any of 3": AnyOf("kinds", ("category 2", "category 7", "category 11")),
    "all of 2": AllOf("kinds", ("category 0", "category 5")),
    "none of 2": NoneOf("kinds", ("category 0", "category 5")),
}


def build(
    place: str, made: tuple[Schema, Table, np.ndarray], version: str, most: int
) -> tuple[MilvusIndex, float]:
    """A collection in which fields of ``most`` categories or fewer have columns, and seconds."""
    chosen, layout.MAX_CATEGORY_COLUMNS = layout.MAX_CATEGORY_COLUMNS, most
    began = time.perf_counter()
    try:
        index = MilvusIndex.build(place, *made, f"fusionrec_v{version}", "00c0ffee")
    finally:
        layout.MAX_CATEGORY_COLUMNS = chosen
    return index, round(time.perf_counter() - began, 1)


def measure(
    held: dict[str, MilvusIndex], made: tuple[Schema, Table, np.ndarray], runs: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Condition -> way -> figures.

    Raises:
        SystemExit: a way's answer is not the exact one.
    """
    vectors, exact = made[2], ExactIndex(*made)
    queries = vectors[np.random.default_rng(1).choice(len(vectors), runs + 3)]

    def way(index: MilvusIndex, where: list[Condition]) -> Callable[[int], object]:
        return lambda run: index.search(queries[run], K, where)

    found = {}
    for name, condition in CONDITIONS.items():
        where = [condition]
        right = exact.search(queries[0], K, where)
        for stored, index in held.items():
            if not np.array_equal(index.search(queries[0], K, where).rows, right.rows):
                raise SystemExit(f"{name}, {stored}: not the exact answer")
        ways = {stored: way(index, where) for stored, index in held.items()}
        found[name] = figures(take_turns(ways, runs, warm=3))
    return found


def main() -> None:
    """Builds the collections of each size and measures in them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[4_000, 100_000])
    parser.add_argument("--categories", type=int, nargs="+", default=[18, 32])
    parser.add_argument("--milvus", default="", help="a server; an embedded Milvus by default")
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    for n in arguments.items:
        for categories in arguments.categories:
            made = catalog(n, categories)
            with tempfile.TemporaryDirectory() as folder:
                held, seconds = {}, {}
                for stored, most in (("columns", categories), ("array", 0)):
                    # An embedded Milvus is one process' folder, so each has its own.
                    place = arguments.milvus or str(Path(folder) / f"{stored}.db")
                    held[stored], seconds[stored] = build(place, made, stored, most)
                about = {"items": n, "categories": categories, "build, s": seconds}
                print(json.dumps(about | measure(held, made, arguments.runs)), flush=True)
                for index in held.values():
                    index.store.drop(index.name)
                    index.close()


if __name__ == "__main__":
    main()
