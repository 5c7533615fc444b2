"""Measures an index: its recall, and the time of a search."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from fusionrec.index.exact import Index

K = 10
QUERIES = 1_000


@dataclass(frozen=True)
class SearchTimes:
    """Recall and times of searches for ten items.

    Attributes:
        queries: number of searches.
        recall: share of the exact top ten that the index returned, in [0, 1].
        p50_ms, p99_ms: percentiles of the time of a search, in milliseconds.
    """

    queries: int
    recall: float
    p50_ms: float
    p99_ms: float


def measure_search(index: Index, oracle: Index, queries: np.ndarray) -> SearchTimes:
    """Runs searches one by one, and compares each with an exact index.

    Args:
        index: the index to measure.
        oracle: an exact index of the same items.
        queries: float32 [n, d], n ≥ 1.

    Raises:
        StoreError: the store failed.
    """
    times, found, total = [], 0, 0
    for query in queries:
        began = time.perf_counter()
        rows = index.search(query, K).rows
        times.append(1000 * (time.perf_counter() - began))
        expected = oracle.search(query, K).rows
        found += len(np.intersect1d(rows, expected))
        total += len(expected)
    p50, p99 = np.percentile(times, [50, 99])
    return SearchTimes(len(queries), found / total, float(p50), float(p99))


def sample(*tables: np.ndarray) -> np.ndarray:
    """A fixed sample of queries: rows of the first non-empty table, float32 [n, d]."""
    vectors = next(table for table in tables if len(table))
    size = min(len(vectors), QUERIES)
    return vectors[np.sort(np.random.default_rng(0).choice(len(vectors), size, replace=False))]
