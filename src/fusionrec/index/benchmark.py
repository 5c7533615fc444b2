"""How good an index is: the share of the nearest items that it finds, and how long that takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from fusionrec.index.base import Index

K = 10
QUERIES = 1_000


@dataclass(frozen=True)
class SearchTimes:
    """What searches for ten items came to.

    Attributes:
        queries: how many searches.
        recall: share of the exact ten that the index found, in [0, 1].
        p50_ms, p99_ms: what half of the searches, and all but 1% of them, took at most, in
            milliseconds.
    """

    queries: int
    recall: float
    p50_ms: float
    p99_ms: float


def measured(index: Index, oracle: Index, queries: np.ndarray) -> SearchTimes:
    """Searches one by one, each compared with an exact index.

    Args:
        index: what is measured.
        oracle: an exact index of the same items.
        queries: float32 [n, d], n ≥ 1.

    Raises:
        StoreError: the store failed.
    """
    spans, found, wanted = [], 0, 0
    for query in queries:
        began = time.perf_counter()
        rows = index.search(query, K).rows
        spans.append(1000 * (time.perf_counter() - began))
        right = oracle.search(query, K).rows
        found += len(np.intersect1d(rows, right))
        wanted += len(right)
    p50, p99 = np.percentile(spans, [50, 99])
    return SearchTimes(len(queries), found / wanted, float(p50), float(p99))


def sample(*tables: np.ndarray) -> np.ndarray:
    """Queries, the same every time: rows of the first table, float32 [n, d], that has any."""
    vectors = next(table for table in tables if len(table))
    size = min(len(vectors), QUERIES)
    return vectors[np.sort(np.random.default_rng(0).choice(len(vectors), size, replace=False))]
