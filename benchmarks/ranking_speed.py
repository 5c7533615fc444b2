"""Seconds to rank every item for every user and read all metrics, given the scores in blocks.

    python benchmarks/ranking_speed.py [--users 6040 --items 3706 --block 512 --targets 1]

The sizes of ml-1m, with random scores. Beside it, in the same run, what a plain ``np.argsort`` of
the same blocks takes. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from fusionrec.metrics import (
    CatalogStats,
    ItemSets,
    Ranking,
    by_stratum,
    figures,
    popularity_strata,
)
from shared import peak_mib

KS = (10, 50, 200)


def main() -> None:
    """Reads the sizes, makes blocks one at a time, and times both on each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=6040)
    parser.add_argument("--items", type=int, default=3706)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--targets", type=int, default=1, help="relevant items of each user")
    parser.add_argument("--seen", type=int, default=163, help="excluded items of each user")
    sizes = parser.parse_args()
    found = {name: round(seconds, 2) for name, seconds in measure(sizes).items()}
    print(json.dumps({**vars(sizes), **found, "peak MiB": int(peak_mib())}))


def measure(sizes: argparse.Namespace) -> dict[str, float]:
    """Seconds of each step, by name; making the scores is in none of them."""
    rng = np.random.default_rng(0)
    relevant, seen = _sets(rng, sizes)
    count = rng.integers(1, sizes.users, sizes.items)
    catalog = CatalogStats(count, sizes.users, rng.integers(0, 2, (sizes.items, 18)))
    ranking = Ranking(relevant, sizes.items, k=max(KS), exclude=seen)
    ours = plain = 0.0
    for start in range(0, sizes.users, sizes.block):
        users = np.arange(start, min(start + sizes.block, sizes.users))
        scores = rng.standard_normal((len(users), sizes.items), dtype=np.float32)
        began = time.perf_counter()
        ranking.add(users, scores)
        ranked = time.perf_counter()
        np.argsort(scores, axis=1)
        ours, plain = ours + ranked - began, plain + time.perf_counter() - ranked
    began = time.perf_counter()
    result = ranking.result()
    figures(result, catalog, KS)
    read = time.perf_counter()
    by_stratum(result, catalog, popularity_strata(count), KS)
    return {
        "ranking s": ours,
        "metrics s": read - began,
        "ranking and metrics s": ours + read - began,
        "by stratum s": time.perf_counter() - read,
        "plain argsort s": plain,
    }


def _sets(rng: np.random.Generator, sizes: argparse.Namespace) -> tuple[ItemSets, ItemSets]:
    """Disjoint relevant and seen items of every user, at random."""
    each = sizes.targets + sizes.seen
    drawn = [rng.choice(sizes.items, each, replace=False) for _ in range(sizes.users)]
    items = np.array(drawn)
    users = np.repeat(np.arange(sizes.users), each).reshape(items.shape)
    relevant, seen = (
        ItemSets.of(users[:, part].ravel(), items[:, part].ravel(), sizes.users)
        for part in (slice(sizes.targets), slice(sizes.targets, None))
    )
    return relevant, seen


if __name__ == "__main__":
    main()
