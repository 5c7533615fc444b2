"""What changed since a collection was built, laid over it: searched exactly, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.index.base import Index
from fusionrec.index.exact import ExactIndex, Hits, among, check_rows, ranked
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
        schema: whose filterable item fields conditions may name.
        items: the n items as they are now, n ≥ ``size``.
        vectors: float32 [n, d], L2-normalised.
        available: bool [n], which may be found.
        changed: int64 [m], distinct rows whose item is not what ``base`` holds.
    """

    def __init__(
        self,
        base: Index,
        size: int,
        schema: Schema,
        items: Table,
        vectors: np.ndarray,
        available: np.ndarray,
        changed: np.ndarray,
    ) -> None:
        self._base, self._size, self._vectors = base, size, vectors
        self._hidden = changed[changed < size]
        self._rows = changed[available[changed]]
        self._beside = ExactIndex(schema, items.take(self._rows), vectors[self._rows])

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
        found = self._base.search(vector, k, where, below).rows
        if len(self._rows):
            own = np.flatnonzero(among(self._rows, left_out))
            found = np.r_[found, self._rows[self._beside.search(vector, k, where, own).rows]]
        return ranked(np.asarray(vector, dtype=np.float32), self._vectors, found, k)
