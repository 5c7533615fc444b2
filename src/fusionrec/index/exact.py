"""Exact search over the item vectors with NumPy: the oracle, and a reserve for Milvus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.errors import StoreDamagedError, UsageError
from fusionrec.index.filter_columns import FilterColumns
from fusionrec.index.filters import Condition

# Scores closer than this are settled in double precision: several times the error of a float32
# inner product of normalised vectors.
MARGIN = 1e-5
_LENGTH_TOLERANCE = 1e-3
_GROUP = 16


@dataclass(frozen=True)
class Hits:
    """What a search found, best first; equal scores in the order of their rows.

    Attributes:
        rows: int64 [m], positions in the item table.
        scores: float32 [m], inner products: cosines, when the query is normalised.
    """

    rows: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


class ExactIndex:
    """Searches all vectors, every time.

    Args:
        schema: whose filterable item fields conditions may name.
        items: the n items.
        vectors: float32 [n, d], L2-normalised; may be memory-mapped.
        place: what answers call this index.
        available: bool [n], which may be found; all by default.
        columns: of these items, where they are at hand.
        checked: whether another index of these vectors has been made before.

    Raises:
        StoreDamagedError: the vectors are not normalised, hold a NaN, or do not fit the items.
    """

    def __init__(
        self,
        schema: Schema,
        items: Table,
        vectors: np.ndarray,
        place: str = "exact",
        available: np.ndarray | None = None,
        *,
        columns: FilterColumns | None = None,
        checked: bool = False,
    ) -> None:
        if not checked:
            check_vectors(vectors, len(items))
        self.place, self.name = place, "exact"
        self.vectors, self._available = vectors, available
        self._columns = columns or FilterColumns(schema, items)

    def __len__(self) -> int:
        return len(self.vectors)

    def close(self) -> None:
        """Does nothing: there is no place to let go of."""

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """The k items with the highest inner product with a vector.

        Args:
            vector: float [d], a user's or an item's vector.
            k: how many, at least 1; all that there are if there are fewer.
            where: conditions, all of which an item must meet.
            exclude: int [e], rows to leave out.

        Raises:
            UsageError: k is below 1, the vector is not d finite numbers, or a row or condition
                is none of these items.
        """
        query = check_query(vector, self.vectors.shape[1])
        left_out = check_rows(exclude, len(self))
        check_k(k)
        allowed = self.allowed(where)
        allowed[left_out] = False
        return ranked(query, self.vectors, nearest(query, self.vectors, allowed, k), k)

    def allowed(self, where: Sequence[Condition] = ()) -> np.ndarray:
        """Which items may be found under these conditions: bool [n].

        Raises:
            UsageError: a condition does not fit these items.
        """
        allowed = self._columns.mask(where)
        return allowed if self._available is None else allowed & self._available


def nearest(query: np.ndarray, vectors: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """The rows that may be among the k best of those allowed, when they are scored again: int64 [c]
    rising.

    Args:
        query: float32 [d].
        vectors: float32 [n, d].
        allowed: bool [n].
        k: 1 or more.
    """
    k = min(k, int(allowed.sum()))
    if k == 0:
        return np.empty(0, dtype=np.int64)
    scores = np.where(allowed, vectors @ query, -np.inf)
    return contenders(scores[None], k, margin(query))[1]


def contenders(scores: np.ndarray, k: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """The columns of each row that may be among its k best when they are scored again.

    Args:
        scores: float [b, n]; −inf leaves a column out.
        k: 1 to n.
        apart: how far a score may be from the exact one.

    Returns:
        int64 [c] each, rows and columns, rising: all columns that are not left out and whose score
        is no more than ``apart`` below the row's k-th best, and perhaps some more.
    """
    n = scores.shape[1]
    width = n // _GROUP
    peaks = scores
    if width >= 4 * k:
        # The k-th best of the groups' best is at most the k-th best of all, seldom less, and found
        # many times faster.
        grouped = scores[:, : width * _GROUP].reshape(len(scores), _GROUP, width)
        peaks = np.concatenate([grouped.max(axis=1), scores[:, width * _GROUP :]], axis=1)
    last = peaks.shape[1] - k
    worst = np.partition(peaks, last, axis=1)[:, last]
    floor = np.maximum(worst - scores.dtype.type(apart), np.finfo(scores.dtype).min)
    # Of two dimensions, np.nonzero takes ten times as long.
    found = np.flatnonzero(scores >= floor[:, None])
    return found // n, found % n


def ranked(query: np.ndarray, vectors: np.ndarray, rows: np.ndarray, k: int) -> Hits:
    """The best k of some rows, scored so that equal vectors score equal wherever they stand.

    Args:
        query: float32 [d].
        vectors: float32 [n, d].
        rows: int64 [c], the candidates, distinct.
        k: how many.
    """
    # A float32 product may differ in its last bits between rows of equal vectors, and ties would
    # then not break by row. In float64, rounded to float32, they are equal.
    scores = (vectors[rows].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    order = np.lexsort((rows, -scores))[:k]
    return Hits(rows[order].astype(np.int64), scores[order])


def margin(query: np.ndarray) -> float:
    """How far a float32 score may be from the exact one, for this query, or for any of several:
    float32 [d] or [b, d].
    """
    return MARGIN * max(1.0, float(np.linalg.norm(query, axis=-1).max(initial=0.0)))


def among(rows: np.ndarray, rising: np.ndarray) -> np.ndarray:
    """Which of some rows, int [m], are among others, int [n] distinct and rising: bool [m]. For few
    rows np.isin takes ten times as long.
    """
    if not len(rising):
        return np.zeros(len(rows), dtype=bool)
    places = np.searchsorted(rising, rows)
    found: np.ndarray = rising[np.minimum(places, len(rising) - 1)] == rows
    return found


def check_vectors(vectors: np.ndarray, n: int) -> None:
    """Refuses vectors that no index can be made of.

    Raises:
        StoreDamagedError: they are not float32 [n, d], or one is not of length 1 (a NaN is not).
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != n:
        raise StoreDamagedError(
            f"item vectors must be float32 [{n}, d], got {vectors.dtype} {list(vectors.shape)}"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= _LENGTH_TOLERANCE))
    if len(wrong):
        raise StoreDamagedError(
            f"{len(wrong)} of {n} item vectors are not of length 1, the first is row {wrong[0]} "
            f"with length {lengths[wrong[0]]:.4g}",
            hint="the model's item vectors are damaged; train or restore it, then index again",
        )


def check_query(vector: np.ndarray, d: int) -> np.ndarray:
    """The query as float32 [d].

    Raises:
        UsageError: it is not d finite numbers.
    """
    query = np.asarray(vector, dtype=np.float32)
    if query.shape != (d,) or not np.isfinite(query).all():
        raise UsageError(f"a query must be {d} finite numbers, got shape {list(query.shape)}")
    return query


def check_rows(rows: np.ndarray | Sequence[int], n: int) -> np.ndarray:
    """Rows to leave out, distinct and in order: int64 [e].

    Raises:
        UsageError: one is not a row of the n items; a negative one would count from the end.
    """
    given = np.asarray(rows)
    if given.size == 0:
        return np.empty(0, dtype=np.int64)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise UsageError(f"rows to leave out must be whole numbers, got {given.dtype}")
    rising = bool((given[1:] > given[:-1]).all())  # as most are; a tenth of the time of sorting
    distinct = (given if rising else np.unique(given)).astype(np.int64)
    if distinct[0] < 0 or distinct[-1] >= n:
        raise UsageError(f"rows to leave out must be in 0..{n - 1}, got {distinct[[0, -1]]}")
    return distinct


def check_k(k: int) -> None:
    """Refuses to search for nothing.

    Raises:
        UsageError: k is below 1.
    """
    if k < 1:
        raise UsageError(f"a search needs k of at least 1, got {k}")
