"""Whether a collection is what the artifact says: rows, vectors, answers, scores."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.errors import StoreDamagedError
from fusionrec.index.dialect import MAX_LIMIT
from fusionrec.index.error_mapping import damaged
from fusionrec.index.exact import MARGIN, ExactIndex, Hits, margin
from fusionrec.index.filters import AnyOf, Between, Condition
from fusionrec.index.layout import BATCH, ID, ROW, VECTOR, filter_fields
from fusionrec.index.milvus_store import MilvusStore

_SAMPLE = 32  # vectors compared
_QUERIES = 20  # searches compared
_PAGE = 4_096  # rows asked for at a time, so that doubled ones fit an answer too
_LEAST_RECALL = 0.9  # of a graph or of rounded vectors
_ROUNDED = 0.02  # what rounding a vector to a byte a number may change in a cosine


class _Searched(Protocol):
    store: MilvusStore
    name: str

    def search(self, vector: np.ndarray, k: int, where: list[Condition]) -> Hits: ...


def unlike(store: MilvusStore, name: str, what: str) -> StoreDamagedError:
    """The error for a collection that differs from the artifact."""
    return damaged(f"{store.place}, collection {name},", what)


def check_rows(store: MilvusStore, name: str, rows: np.ndarray) -> int:
    """Some rows, int64 [n] rising, are there and no others, by asking for them: a kill may leave
    some of them twice and others out, so that the count is right and the collection is not.

    Returns:
        Rows in the collection, doubled ones counted twice.

    Raises:
        StoreDamagedError: rows are missing, or others are there.
    """
    stored, n = store.count(name), len(rows)
    # All of them while that is quick; of more, the first and last of each batch that was written.
    ends = np.arange(0, n, BATCH)
    asked = rows if n <= MAX_LIMIT else rows[np.union1d(ends, np.r_[ends[1:] - 1, n - 1])]
    missing, known = n - stored, set(rows.tolist()) if n <= MAX_LIMIT else None
    for start in range(0, len(asked), _PAGE):
        wanted = asked[start : start + _PAGE].tolist()
        inside = f"{ROW} >= {wanted[0]} and {ROW} <= {wanted[-1]}"
        if n > MAX_LIMIT:
            inside = f"{ROW} in {wanted}"
        found = {row[ROW] for row in store.query(name, inside, [ROW])}
        missing = max(missing, len(set(wanted) - found))
        if known is not None and not found <= known:
            raise unlike(store, name, f"it holds items, such as row {min(found - known)}, too many")
    if missing > 0:
        raise unlike(store, name, f"{missing} or more of the model's {n} items are missing")
    return stored


def check_sample(
    store: MilvusStore, name: str, items: Table, vectors: np.ndarray, rows: np.ndarray
) -> None:
    """Ids and vectors of some rows are the artifact's, by a sample that is the same every time.

    Raises:
        StoreDamagedError: one is not.
    """
    rows = _sample(rows, _SAMPLE)
    for held in store.query(name, f"{ROW} in {rows.tolist()}", [ROW, ID, VECTOR]):
        row, vector = held[ROW], np.asarray(held[VECTOR], dtype=np.float32)
        if held[ID] != items.ids[row] or not np.allclose(vector, vectors[row], atol=MARGIN):
            raise unlike(store, name, f"row {row} is not the model's item {items.ids[row]!r}")


def check_scores(
    store: MilvusStore,
    name: str,
    query: np.ndarray,
    vectors: np.ndarray,
    *,
    rows: np.ndarray,
    scores: np.ndarray,
    rounded: bool = False,
) -> None:
    """The scores that Milvus gave some rows, int64 [m] ascending, are those of the vectors, or
    (``rounded``) near them.

    Raises:
        StoreDamagedError: they are not, or a row is none of the model's.
    """
    if len(rows) and (rows[0] < 0 or rows[-1] >= len(vectors)):
        raise unlike(store, name, "it answers with rows that the model does not have")
    apart = np.abs(vectors[rows] @ query - scores).max(initial=0.0)
    most = margin(query) / MARGIN * _ROUNDED if rounded else margin(query)
    if not apart <= most:  # a NaN is not
        raise unlike(store, name, "its scores are not those of the model's vectors")


def check_answers(
    index: _Searched,
    oracle: ExactIndex,
    schema: Schema,
    items: Table,
    rows: np.ndarray,
    *,
    exact: bool,
) -> None:
    """Milvus' top ten are the oracle's: all of them, or (not ``exact``) most.

    Raises:
        StoreDamagedError: they are not.
    """
    rows = _sample(rows, _QUERIES)
    asked: list[tuple[int, list[Condition]]] = [(int(row), []) for row in rows]
    asked += [(int(rows[0]), [c]) for c in _conditions(schema, items, int(rows[0]))]
    found = wanted = 0
    for row, where in asked:
        query = oracle.vectors[row]
        right, given = oracle.search(query, 10, where), index.search(query, 10, where)
        if exact and not np.array_equal(given.rows, right.rows):
            what = f"its answer to the vector of row {row} is not the exact one ({where})"
            raise unlike(index.store, index.name, what)
        found += len(np.intersect1d(given.rows, right.rows))
        wanted += len(right)
    if found < _LEAST_RECALL * wanted:
        what = f"it finds {found} of the {wanted} items nearest to a sample"
        raise unlike(index.store, index.name, what)


def _conditions(schema: Schema, items: Table, row: int) -> list[Condition]:
    """One condition for every filterable field, which the item in this row meets."""
    conditions: list[Condition] = []
    for field in filter_fields(schema):
        value = items.columns[field.name][row]
        if field.kind == "number":
            if value is not None and np.isfinite(value):
                conditions.append(Between(field.name, float(value), float(value)))
        elif field.kind == "category":
            conditions.append(AnyOf(field.name, (value or "",)))
        elif value:
            conditions.append(AnyOf(field.name, (value[0],)))
    return conditions


def _sample(rows: np.ndarray, size: int) -> np.ndarray:
    """Some of the rows in order, the same for as many: int64 [min(n, size)]."""
    n = len(rows)
    chosen = np.random.default_rng(n).choice(n, size=min(n, size), replace=False)
    sample: np.ndarray = rows[np.sort(chosen)]
    return sample
