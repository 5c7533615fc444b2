"""How long one answer of the exact search takes at several sizes, and how it grows with them.

    python benchmarks/answer_size.py --dim 64
    python benchmarks/answer_size.py --dim 256 --sizes 1000 10000 100000

Made vectors and queries of length 1; ten wanted, 100 rows left out, in one thread: the search that
answers from a copy in memory. Prints one JSON object: of each size the median and the 99th
percentile in milliseconds; ``exponent`` of the medians (log-log, by least squares, over all sizes
and over those from 10,000 on, where the fixed cost is small); and nanoseconds for each number of
the largest vectors, which is the constant of the linear part.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from cost_of_size import exponent
from fusionrec.index.exact import nearest_candidates, rank_exactly
from shared import unit_vectors

_K, _LEFT_OUT = 10, 100


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--searches", type=int, default=200)
    given = parser.parse_args()
    found = {size: answer_ms(size, given.dim, given.searches) for size in given.sizes}
    medians = {size: float(np.median(times)) for size, times in found.items()}
    largest = max(medians)
    result = {
        "dim": given.dim,
        "ms": {
            str(size): {"p50": round(medians[size], 3), "p99": round(np.percentile(times, 99), 3)}
            for size, times in found.items()
        },
        "exponent": round(exponent(list(medians), list(medians.values())), 2),
        "exponent from 10,000": round(
            exponent(
                [size for size in medians if size >= 10_000],
                [ms for size, ms in medians.items() if size >= 10_000],
            ),
            2,
        ),
        "ns_per_number": round(1e6 * medians[largest] / largest / given.dim, 3),
    }
    print(json.dumps(result, indent=1))


def answer_ms(items: int, dim: int, searches: int) -> np.ndarray:
    """Milliseconds of each of some searches among so many items, float [searches]."""
    random = np.random.default_rng(0)
    vectors, queries = unit_vectors(random, items, dim), unit_vectors(random, searches, dim)
    allowed = np.ones(items, dtype=bool)
    allowed[random.integers(0, items, _LEFT_OUT)] = False
    times = np.empty(searches)
    for n, query in enumerate(queries):
        began = time.perf_counter()
        rank_exactly(query, vectors, nearest_candidates(query, vectors, allowed, _K), _K)
        times[n] = 1000 * (time.perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
