"""Exact search for many vectors at once: one matrix product for each block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.index.coalescing import RowsAndScores, coalesced_search
from fusionrec.index.exact import ExactIndex, Hits, RowNumbers, candidates, check_k, score_margin
from fusionrec.index.filters import Condition

_SCORES = 4_000_000  # of a block, which bounds memory
_LEAST, _MOST = 32, 256  # queries of a block: fewer multiply slowly, more do not fit the cache

_RESCORE_BATCH = 16_384  # pairs, so that ties of all items do not fill memory


def block_size(items: int) -> int:
    """How many vectors are searched by one matrix product among so many items."""
    return min(max(_LEAST, _SCORES // items), _MOST)


class BatchSearch:
    """Searches the same items for blocks of vectors, with the results of ``ExactIndex.search``.

    Args:
        vectors: float32 [n, d], of length 1.
        allowed: bool [n], which items may be returned.
    """

    def __init__(self, vectors: np.ndarray, allowed: np.ndarray) -> None:
        self._items = np.flatnonzero(allowed)
        self._column = np.cumsum(allowed) - 1  # of an item that is allowed
        self._allowed = allowed
        self._vectors = vectors if allowed.all() else vectors[self._items]

    def search(
        self,
        queries: np.ndarray,
        k: int,
        excluded: tuple[np.ndarray, np.ndarray] | None = None,
        added: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k items with the highest inner product with each vector; ties in the order of rows.

        Args:
            queries: float32 [b, d].
            k: how many, at least 1.
            excluded: int [p] each, positions of queries in the block and rows of the items that
                these must not return.
            added: float32 [b, n], what is added to the inner products.

        Returns:
            int64 [b, min(k, allowed)] rows, −1 after the end of a list, and float32 of that shape:
            scores, NaN there.

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
        if added is not None:
            added = added[:, self._items]
            rough += added
        if excluded is not None:
            query, item = excluded
            indexed = self._allowed[item]
            rough[query[indexed], self._column[item[indexed]]] = -np.inf
        query, column = candidates(rough, k, score_margin(queries))
        exact = self._exact(queries, query, column)
        if added is not None:
            exact += added[query, column]
        order = np.lexsort((column, -exact, query))
        query, column, exact = query[order], column[order], exact[order]
        rank = np.arange(len(query)) - np.searchsorted(query, query)
        kept = rank < k
        rows[query[kept], rank[kept]] = self._items[column[kept]]
        scores[query[kept], rank[kept]] = exact[kept]
        return rows, scores

    def each(
        self, queries: np.ndarray, k: int, excluded: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """``search`` of any number of queries, block by block.

        Args:
            queries: float32 [n, d].
            k: how many, at least 1.
            excluded: n arrays, rows that each query must not return.
        """
        found = []
        block = block_size(len(self._allowed))
        for begin in range(0, len(queries), block):
            barred = excluded[begin : begin + block]
            query = np.repeat(np.arange(len(barred)), [len(rows) for rows in barred])
            pairs = query, np.concatenate(barred).astype(np.int64)
            found.append(self.search(queries[begin : begin + block], k, pairs))
        rows, scores = zip(*found, strict=True)
        return np.concatenate(rows), np.concatenate(scores)

    def _exact(self, queries: np.ndarray, query: np.ndarray, column: np.ndarray) -> np.ndarray:
        """The inner product of each pair: float32 [p]; equal vectors have equal products."""
        products = np.empty(len(query), dtype=np.float32)
        for begin in range(0, len(query), _RESCORE_BATCH):
            part = slice(begin, begin + _RESCORE_BATCH)
            left, right = queries[query[part]], self._vectors[column[part]]
            products[part] = np.einsum("pd,pd->p", left, right, dtype=np.float64)
        return products


class CoalescingExactIndex(ExactIndex):
    """An exact index that answers all searches of one ``run_coalesced`` by matrix products."""

    def search(
        self, vector: np.ndarray, k: int, where: Sequence[Condition] = (), exclude: RowNumbers = ()
    ) -> Hits:
        """The k items with the highest inner product; see ``ExactIndex.search``."""
        query, excluded = self._checked(vector, k, exclude)
        asked = _Asked(query, k, excluded)
        return Hits(*coalesced_search(self._together, asked, k, tuple(where)))

    def _together(
        self, asked: Sequence[_Asked], limit: int, where: Sequence[Condition]
    ) -> list[RowsAndScores]:
        if len(asked) == 1:
            [one] = asked
            hits = super().search(one.query, one.k, where, one.excluded)
            return [(hits.rows, hits.scores)]
        search = BatchSearch(self.vectors, self.allowed(where))
        queries = np.stack([one.query for one in asked])
        all_rows, all_scores = search.each(queries, limit, [one.excluded for one in asked])
        found: list[RowsAndScores] = []
        for one, rows, scores in zip(asked, all_rows, all_scores, strict=True):
            kept = rows[: one.k] >= 0
            found.append((rows[: one.k][kept], scores[: one.k][kept]))
        return found


class _Asked(NamedTuple):
    """One search of a block: a vector, float32 [d], how many, and rows to leave out, rising."""

    query: np.ndarray
    k: int
    excluded: np.ndarray
