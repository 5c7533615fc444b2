"""Overlays a collection with the items that changed since it was built, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusionrec.data.layered import Rows
from fusionrec.index.exact import (
    Hits,
    Index,
    RowNumbers,
    check_rows,
    check_vectors,
    is_among,
    nearest_candidates,
    rank_exactly,
)
from fusionrec.index.filter_columns import FilterColumns
from fusionrec.index.filters import Condition


class OverlayIndex:
    """An index, combined with an exact search of the rows that changed since.

    A collection is never written after its activation. Later changes are few: they are searched
    exactly in memory, and the collection's own copies of these rows are excluded. So every process
    sees a change at once, whichever process has the store open, and no search sees a partial write.
    The next build includes all changes.

    Args:
        base: the index of the rows ``0`` to ``size`` − 1, as of its build.
        size: number of its rows.
        columns: of the n current items, n ≥ ``size``.
        vectors: float32 [n, d], none longer than 1.
        available: bool [n], which items may be returned.
        changed: int64 [m], distinct rows whose item differs from the one in ``base``.

    Raises:
        StoreDamagedError: a changed item's vector is longer than 1, or 0.
    """

    def __init__(
        self,
        base: Index,
        size: int,
        columns: FilterColumns,
        vectors: Rows,
        available: np.ndarray,
        changed: np.ndarray,
    ) -> None:
        self._base, self._size, self._columns, self._vectors = base, size, columns, vectors
        self._hidden = changed[changed < size]
        self._changed_rows = changed[available[changed]]
        self._changed_vectors = vectors[self._changed_rows]
        check_vectors(self._changed_vectors, len(self._changed_rows))

    @property
    def place(self) -> str:
        """Where the unchanged vectors are."""
        return self._base.place

    @property
    def name(self) -> str:
        """The collection of the unchanged vectors."""
        return self._base.name

    def __len__(self) -> int:
        return len(self._vectors)

    def close(self) -> None:
        """Closes the base index."""
        self._base.close()

    def search(
        self, vector: np.ndarray, k: int, where: Sequence[Condition] = (), exclude: RowNumbers = ()
    ) -> Hits:
        """The k items with the highest inner product; see ``ExactIndex.search``."""
        excluded = check_rows(exclude, len(self))
        hidden = np.union1d(excluded[excluded < self._size], self._hidden)
        query = np.asarray(vector, dtype=np.float32)
        rows = self._base.search(query, k, where, hidden).rows  # checks the arguments, too
        if len(self._changed_rows):
            allowed = ~is_among(self._changed_rows, excluded)
            if where:
                allowed &= self._columns.mask(where)[self._changed_rows]
            near = nearest_candidates(query, self._changed_vectors, allowed, k)
            rows = np.r_[rows, self._changed_rows[near]]
        return rank_exactly(query, self._vectors, rows, k)
