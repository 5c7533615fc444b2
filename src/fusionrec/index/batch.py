"""Exact search for many vectors at once: one product of matrices for a block of them."""

from __future__ import annotations

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.index.exact import check_k, contenders, margin

_AT_ONCE = (
    16_384  # pairs that are scored again at once, so that ties of all items do not fill memory
)


class BatchSearch:
    """Answers for blocks of vectors over the same items, each as ``ExactIndex.search`` gives it.

    Args:
        vectors: float32 [n, d], of length 1.
        allowed: bool [n], which items may be found.
    """

    def __init__(self, vectors: np.ndarray, allowed: np.ndarray) -> None:
        self._items = np.flatnonzero(allowed)
        self._column = np.cumsum(allowed) - 1  # of an item that is allowed
        self._allowed = allowed
        self._vectors = vectors if allowed.all() else vectors[self._items]

    def search(
        self, queries: np.ndarray, k: int, barred: tuple[np.ndarray, np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k items with the highest inner product with each vector; equal scores in the order of
        their rows.

        Args:
            queries: float32 [b, d].
            k: how many, at least 1.
            barred: int [p] each, a query's place in the block with the row of an item that it is
                not to find.

        Returns:
            int64 [b, min(k, allowed)] rows, −1 where a list has ended, and float32 of that shape:
            inner products, NaN there.

        Raises:
            UsageError: k is below 1, or the queries are not vectors of d finite numbers.
        """
        check_k(k)
        if queries.ndim != 2 or not np.isfinite(queries).all():
            raise UsageError(f"queries must be rows of finite numbers, got {queries.shape}")
        k = min(k, len(self._items))
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        if k == 0:
            return rows, scores
        rough = queries @ self._vectors.T
        if barred is not None:
            query, item = barred
            there = self._allowed[item]
            rough[query[there], self._column[item[there]]] = -np.inf
        query, column = contenders(rough, k, margin(queries))
        exact = self._exact(queries, query, column)
        order = np.lexsort((column, -exact, query))
        query, column, exact = query[order], column[order], exact[order]
        place = np.arange(len(query)) - np.searchsorted(query, query)
        kept = place < k
        rows[query[kept], place[kept]] = self._items[column[kept]]
        scores[query[kept], place[kept]] = exact[kept]
        return rows, scores

    def _exact(self, queries: np.ndarray, query: np.ndarray, column: np.ndarray) -> np.ndarray:
        """The inner product of each pair: float32 [p], the same of equal vectors."""
        found = np.empty(len(query), dtype=np.float32)
        for begin in range(0, len(query), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            ours, theirs = queries[query[part]], self._vectors[column[part]]
            found[part] = np.einsum("pd,pd->p", ours, theirs, dtype=np.float64)
        return found
