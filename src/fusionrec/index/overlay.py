"""What changed since a collection was built, laid over it: searched exactly, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusionrec.index.base import Index
from fusionrec.index.exact import Hits, among, check_rows, check_vectors, nearest, ranked
from fusionrec.index.filter_columns import FilterColumns
from fusionrec.index.filters import Condition


class OverlaidIndex:
    """An index of some rows, and beside it those that were changed since.

    A collection is never written again once it answers. What is added or changed later is few, so
    it is searched exactly beside it; the collection's own copies of such rows are left out. So a
    change is seen at once and by every process, whoever holds the store, and no search ever meets
    a half-written one. The next build takes all changes in.

    Args:
        base: the index of the rows ``0`` to ``size`` − 1 as they were when it was built.
        size: how many these are.
        columns: of the n items as they are now, n ≥ ``size``.
        vectors: float32 [n, d], L2-normalised.
        available: bool [n], which may be found.
        changed: int64 [m], distinct rows whose item is not what ``base`` holds.

    Raises:
        StoreDamagedError: a changed item's vector is not normalised.
    """

    def __init__(
        self,
        base: Index,
        size: int,
        columns: FilterColumns,
        vectors: np.ndarray,
        available: np.ndarray,
        changed: np.ndarray,
    ) -> None:
        self._base, self._size, self._columns, self._vectors = base, size, columns, vectors
        self._hidden = changed[changed < size]
        self._rows = changed[available[changed]]
        self._beside = vectors[self._rows]
        check_vectors(self._beside, len(self._rows))

    @property
    def place(self) -> str:
        """Where the unchanged vectors are."""
        return self._base.place

    @property
    def name(self) -> str:
        """The collection that holds them."""
        return self._base.name

    def __len__(self) -> int:
        return len(self._vectors)

    def close(self) -> None:
        """Lets go of the index below."""
        self._base.close()

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """The k items with the highest inner product; see ``ExactIndex.search``."""
        left_out = check_rows(exclude, len(self))
        below = np.union1d(left_out[left_out < self._size], self._hidden)
        query = np.asarray(vector, dtype=np.float32)
        found = self._base.search(query, k, where, below).rows  # which refuses what is no question
        if len(self._rows):
            allowed = self._columns.mask(where)[self._rows] & ~among(self._rows, left_out)
            found = np.r_[found, self._rows[nearest(query, self._beside, allowed, k)]]
        return ranked(query, self._vectors, found, k)
