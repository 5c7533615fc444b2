"""Verifies that a collection matches the artifact: rows, vectors, answers, scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.errors import StoreDamagedError
from fusionrec.index.error_mapping import damaged_error
from fusionrec.index.exact import MARGIN, ExactIndex, Hits
from fusionrec.index.filters import AnyOf, Between, Condition
from fusionrec.index.index_types import IndexType, is_exact, is_rounded
from fusionrec.index.layout import BATCH, ID, ROW, VECTOR, filter_fields
from fusionrec.index.milvus_store import MilvusStore
from fusionrec.index.server_info import MAX_LIMIT

_SAMPLE = 32  # vectors compared
_QUERIES = 20  # searches compared
_PAGE = 4_096  # rows of one query, so that its answer has room for duplicates
_MIN_RECALL = 0.9  # of a graph or of quantized vectors
_ROUNDED = 0.02  # largest change of a cosine by quantization to a byte a number


def mismatch(store: MilvusStore, name: str, what: str) -> StoreDamagedError:
    """The error for a collection that differs from the artifact."""
    return damaged_error(f"{store.place}, collection {name},", what)


def check_rows(store: MilvusStore, name: str, rows: np.ndarray) -> int:
    """Checks by queries that exactly these rows, int64 [n] rising, are in the collection: after a
    kill some may be there twice and others missing, with the right count.

    Returns:
        Number of rows in the collection, with duplicates.

    Raises:
        StoreDamagedError: rows are missing, or there are others.
    """
    stored, n = store.count(name), len(rows)
    # All rows if there are few; otherwise the first and last of each batch that was written.
    ends = np.arange(0, n, BATCH)
    sampled = rows if n <= MAX_LIMIT else rows[np.union1d(ends, np.r_[ends[1:] - 1, n - 1])]
    missing, known = n - stored, set(rows.tolist()) if n <= MAX_LIMIT else None
    for start in range(0, len(sampled), _PAGE):
        page = sampled[start : start + _PAGE].tolist()
        condition = f"{ROW} >= {page[0]} and {ROW} <= {page[-1]}"
        if n > MAX_LIMIT:
            condition = f"{ROW} in {page}"
        found = {row[ROW] for row in store.query(name, condition, [ROW])}
        missing = max(missing, len(set(page) - found))
        if known is not None and not found <= known:
            raise mismatch(
                store, name, f"it holds items, such as row {min(found - known)}, too many"
            )
    if missing > 0:
        raise mismatch(store, name, f"{missing} or more of the model's {n} items are missing")
    return stored


def check_sample(
    store: MilvusStore, name: str, items: Table, vectors: np.ndarray, rows: np.ndarray
) -> None:
    """Raises StoreDamagedError where an id or vector in a sample of rows is not the model's."""
    rows = _sample(rows, _SAMPLE)
    for stored in store.query(name, f"{ROW} in {rows.tolist()}", [ROW, ID, VECTOR]):
        row, vector = stored[ROW], np.asarray(stored[VECTOR], dtype=np.float32)
        if stored[ID] != items.ids[row] or not np.allclose(vector, vectors[row], atol=MARGIN):
            raise mismatch(store, name, f"row {row} is not the model's item {items.ids[row]!r}")


def check_scores(
    store: MilvusStore, name: str, kind: IndexType, vectors: np.ndarray, rows: np.ndarray
) -> None:
    """Checks the rows and scores that Milvus answers to some of the vectors; those of quantized
    vectors may differ a little.

    Raises:
        StoreDamagedError: a score differs, or a row is not one of the model's.
    """
    queries, n = vectors[_sample(rows, _QUERIES)], len(vectors)
    tolerance = _ROUNDED if is_rounded(kind) else MARGIN
    results = store.search(name, list(queries), min(10, len(rows)), "", kind, n)
    for query, (found, scores) in zip(queries, results, strict=True):
        if not np.isin(found, rows).all():
            raise mismatch(store, name, "it answers with rows that the model does not have")
        error = np.abs(vectors[found] @ query - scores).max(initial=0.0)
        if not error <= tolerance:  # also true for NaN
            raise mismatch(store, name, "its scores are not those of the model's vectors")


def check_answers(
    store: MilvusStore,
    name: str,
    kind: IndexType,
    search: Callable[[np.ndarray, int, list[Condition]], Hits],
    oracle: ExactIndex,
    schema: Schema,
    items: Table,
    rows: np.ndarray,
) -> None:
    """Checks the top ten of a search in Milvus against the exact ones: they are equal, or mostly
    where the index is not exact.

    Raises:
        StoreDamagedError: they differ.
    """
    rows = _sample(rows, _QUERIES)
    queries: list[tuple[int, list[Condition]]] = [(int(row), []) for row in rows]
    queries += [(int(rows[0]), [c]) for c in _conditions(schema, items, int(rows[0]))]
    found = wanted = 0
    for row, where in queries:
        query = oracle.vectors[row]
        expected, actual = oracle.search(query, 10, where), search(query, 10, where)
        if is_exact(kind) and not np.array_equal(actual.rows, expected.rows):
            what = f"its answer to the vector of row {row} is not the exact one ({where})"
            raise mismatch(store, name, what)
        found += len(np.intersect1d(actual.rows, expected.rows))
        wanted += len(expected)
    if found < _MIN_RECALL * wanted:
        what = f"it finds {found} of the {wanted} items nearest to a sample"
        raise mismatch(store, name, what)


def _conditions(schema: Schema, items: Table, row: int) -> list[Condition]:
    """One condition for every filterable field that the item in this row has a value of."""
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
    """A sample of the rows, rising, fixed by their number: int64 [min(n, size)]."""
    n = len(rows)
    chosen = np.random.default_rng(n).choice(n, size=min(n, size), replace=False)
    sample: np.ndarray = rows[np.sort(chosen)]
    return sample
