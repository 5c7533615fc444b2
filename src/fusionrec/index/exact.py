"""Exact search over the item vectors with NumPy: the oracle, and the fallback for Milvus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.layered import Rows
from fusionrec.data.schema import Schema
from fusionrec.errors import StoreDamagedError, UsageError
from fusionrec.index.filter_columns import FilterColumns
from fusionrec.index.filters import Condition

# Scores closer than this are compared in double precision: several times the error of a float32
# inner product of normalised vectors.
MARGIN = 1e-5
_LENGTH_TOLERANCE = 1e-3
_GROUP = 16

RowNumbers = np.ndarray | Sequence[int]  # int [e]


@dataclass(frozen=True)
class Hits:
    """The result of a search, best first; ties in the order of rows.

    Attributes:
        rows: int64 [m], positions in the item table.
        scores: float32 [m], inner products: cosines, when the query is normalised.
    """

    rows: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def raised(
        self, rows: np.ndarray, gains: np.ndarray, vectors: Rows, query: np.ndarray, k: int
    ) -> Hits:
        """The best k hits where some items score more than their inner product.

        Args:
            rows, gains: int [n] and float32 [n], the items, and how much more, 0 or above.
            vectors, query: float32 [items, d] and [d], what was searched.
            k: how many, at most; not more than were asked for.
        """
        scores = (vectors[rows] @ query + gains).astype(np.float32)
        kept = ~np.isin(self.rows, rows)
        joined = np.concatenate([self.rows[kept], rows])
        values = np.concatenate([self.scores[kept], scores])
        best = np.lexsort((joined, -values))[:k]
        return Hits(joined[best], values[best])


class Index(Protocol):
    """An index that answers searches.

    Attributes:
        place: where the vectors are, for messages; without secrets.
        name: of the collection; ``exact`` where there is none.
    """

    @property
    def place(self) -> str: ...
    @property
    def name(self) -> str: ...

    def search(
        self, vector: np.ndarray, k: int, where: Sequence[Condition] = (), exclude: RowNumbers = ()
    ) -> Hits:
        """The k items with the highest inner product; see ``ExactIndex.search``."""

    def close(self) -> None:
        """Closes the connection; closing twice does nothing."""


class ExactIndex:
    """Compares every vector in each search.

    Args:
        schema: conditions may name its filterable item fields.
        items: the n items.
        vectors: float32 [n, d], none longer than 1; may be memory-mapped.
        place: name of this index in answers.
        available: bool [n], which items may be returned; all by default.
        columns: of these items, if there are any already.
        checked: whether the vectors were checked before.

    Raises:
        StoreDamagedError: a vector is 0, longer than 1 or NaN, or they do not fit the items.
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
        """Does nothing: there is no connection."""

    def search(
        self, vector: np.ndarray, k: int, where: Sequence[Condition] = (), exclude: RowNumbers = ()
    ) -> Hits:
        """The k items with the highest inner product with a vector.

        Args:
            vector: float [d], a user's or an item's vector.
            k: at least 1; all items if there are fewer.
            where: conditions, all of which an item must meet.
            exclude: int [e], rows to leave out.

        Raises:
            UsageError: k is below 1, the vector is not d finite numbers, or a row or condition
                does not match these items.
        """
        query, excluded = self._checked(vector, k, exclude)
        allowed = self.allowed(where)
        allowed[excluded] = False
        return rank_exactly(
            query, self.vectors, nearest_candidates(query, self.vectors, allowed, k), k
        )

    def _checked(
        self, vector: np.ndarray, k: int, exclude: RowNumbers
    ) -> tuple[np.ndarray, np.ndarray]:
        """The query, float32 [d], and the rows to leave out, rising; see ``search`` for errors."""
        query, excluded = check_query(vector, self.vectors.shape[1]), check_rows(exclude, len(self))
        check_k(k)
        return query, excluded

    def allowed(self, where: Sequence[Condition] = ()) -> np.ndarray:
        """Which items may be returned under these conditions: bool [n].

        Raises:
            UsageError: a condition does not fit these items.
        """
        allowed = self._columns.mask(where)
        return allowed if self._available is None else allowed & self._available


def nearest_candidates(
    query: np.ndarray, vectors: np.ndarray, allowed: np.ndarray, k: int
) -> np.ndarray:
    """The allowed rows, bool [n], that may be among the k ≥ 1 best after exact scoring: int64 [c],
    rising. Query and vectors are float32 [d] and [n, d].
    """
    k = min(k, int(allowed.sum()))
    if k == 0:
        return np.empty(0, dtype=np.int64)
    scores = np.where(allowed, vectors @ query, -np.inf)
    return candidates(scores[None], k, score_margin(query))[1]


def candidates(scores: np.ndarray, k: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """The columns of each row that may be among its k best after exact scoring.

    Args:
        scores: float [b, n]; −inf leaves a column out.
        k: 1 to n.
        tolerance: largest difference between a score and the exact one.

    Returns:
        int64 [c] each, rows and columns, rising: all columns that are not left out and whose score
        is no more than ``tolerance`` below the row's k-th best, and perhaps some more.
    """
    n = scores.shape[1]
    width = n // _GROUP
    peaks = scores
    if width >= 4 * k:
        # The k-th best of the groups' maxima is a lower bound of the k-th best, mostly equal, and
        # many times faster.
        grouped = scores[:, : width * _GROUP].reshape(len(scores), _GROUP, width)
        peaks = np.concatenate([grouped.max(axis=1), scores[:, width * _GROUP :]], axis=1)
    last = peaks.shape[1] - k
    worst = np.partition(peaks, last, axis=1)[:, last]
    floor = np.maximum(worst - scores.dtype.type(tolerance), np.finfo(scores.dtype).min)
    # In two dimensions, np.nonzero takes ten times as long.
    flat = np.flatnonzero(scores >= floor[:, None])
    return flat // n, flat % n


def rank_exactly(query: np.ndarray, vectors: Rows, rows: np.ndarray, k: int) -> Hits:
    """The best k of some distinct rows, int64 [c]; equal vectors get equal scores, whatever their
    rows. Query and vectors are float32 [d] and [n, d].
    """
    # A float32 product may differ in its last bits between rows of equal vectors, and ties would
    # then not break by row. In float64, rounded to float32, they are equal.
    scores = (vectors[rows].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    order = np.lexsort((rows, -scores))[:k]
    return Hits(rows[order].astype(np.int64), scores[order])


def score_margin(query: np.ndarray) -> float:
    """Largest difference between a float32 score and the exact one, for one query or several:
    float32 [d] or [b, d].
    """
    return MARGIN * max(1.0, float(np.linalg.norm(query, axis=-1).max(initial=0.0)))


def distinct(*rows: np.ndarray) -> np.ndarray:
    """Some rows, int [n] each, every one once and rising: int [m]. NumPy's ``unique`` puts them
    into a hash table, and takes ten times as long for some hundred.
    """
    joined = np.sort(np.concatenate(rows))
    first = np.ones(len(joined), dtype=bool)
    np.not_equal(joined[1:], joined[:-1], out=first[1:])
    return np.asarray(joined[first])


def is_among(rows: np.ndarray, rising: np.ndarray) -> np.ndarray:
    """Which rows, int [m], are among others, int [n] distinct and rising: bool [m]. On few rows it
    is ten times as fast as np.isin.
    """
    if not len(rising):
        return np.zeros(len(rows), dtype=bool)
    positions = np.searchsorted(rising, rows)
    result: np.ndarray = rising[np.minimum(positions, len(rising) - 1)] == rows
    return result


def check_vectors(vectors: np.ndarray, n: int) -> None:
    """Raises StoreDamagedError where vectors are not float32 [n, d], or one is 0 or longer than 1.

    A rating model's vectors are of length 1; a linear model's longest is.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != n:
        raise StoreDamagedError(
            f"item vectors must be float32 [{n}, d], got {vectors.dtype} {list(vectors.shape)}"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(~((lengths > 0.0) & (lengths <= 1.0 + _LENGTH_TOLERANCE)))
    if len(wrong):
        raise StoreDamagedError(
            f"{len(wrong)} of {n} item vectors are 0 or longer than 1, the first is row "
            f"{wrong[0]} with length {lengths[wrong[0]]:.4g}",
            hint="the model's item vectors are damaged; train or restore it, then index again",
        )


def check_query(vector: np.ndarray, d: int) -> np.ndarray:
    """The query as float32 [d]; raises UsageError where it is not d finite numbers."""
    query = np.asarray(vector, dtype=np.float32)
    if query.shape != (d,) or not np.isfinite(query).all():
        raise UsageError(f"a query must be {d} finite numbers, got shape {list(query.shape)}")
    return query


def check_rows(rows: RowNumbers, n: int) -> np.ndarray:
    """The rows to leave out, distinct and rising: int64 [e]. Raises UsageError where one is not a
    row of the n items; a negative one would count from the end.
    """
    array = np.asarray(rows)
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise UsageError(f"rows to leave out must be whole numbers, got {array.dtype}")
    rising = bool((array[1:] > array[:-1]).all())  # mostly true, and ten times faster than sorting
    distinct = (array if rising else np.unique(array)).astype(np.int64)
    if distinct[0] < 0 or distinct[-1] >= n:
        raise UsageError(f"rows to leave out must be in 0..{n - 1}, got {distinct[[0, -1]]}")
    return distinct


def check_k(k: int) -> None:
    """Raises UsageError where the number of hits is below 1."""
    if k < 1:
        raise UsageError(f"a search needs k of at least 1, got {k}")
