"""Changes laid over an index are searched as if it had been built with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_data import shop, unit

from fusionrec.data.dataset import Table
from fusionrec.errors import UsageError
from fusionrec.index import AnyOf, Between, ExactIndex, FilterColumns, OverlayIndex

SCHEMA, ITEMS, VECTORS = shop(60)
SIZE = 40
BASE = ExactIndex(SCHEMA, ITEMS.take(np.arange(SIZE)), VECTORS[:SIZE], "below")


def over(available: np.ndarray, changed: np.ndarray, vectors: np.ndarray = VECTORS):
    return OverlayIndex(BASE, SIZE, FilterColumns(SCHEMA, ITEMS), vectors, available, changed)


@settings(deadline=None, max_examples=60)
@given(
    changed=st.sets(st.integers(0, SIZE - 1), max_size=15),
    gone=st.sets(st.integers(0, 59), max_size=20),
    exclude=st.sets(st.integers(0, 59), max_size=30),
    k=st.integers(1, 70),
    where=st.sampled_from(
        [[], [AnyOf("brand", ("茶", "b\\"))], [Between("row", -10, 4)], [AnyOf("in", ("ж",))]]
    ),
    seed=st.integers(0, 5),
)
def test_it_answers_as_one_index_of_all(changed, gone, exclude, k, where, seed):
    """Whatever was changed, added or withdrawn; also where vectors are equal."""
    now = VECTORS.copy()
    moved = sorted(changed)
    now[moved] = unit(len(moved), VECTORS.shape[1], seed) if moved else now[moved]
    available = np.ones(60, dtype=bool)
    available[list(gone)] = False
    touched = np.union1d(np.union1d(moved, sorted(gone)), np.arange(SIZE, 60)).astype(np.int64)
    laid = over(available, touched, now)
    query = unit(1, VECTORS.shape[1], seed + 100)[0]
    found = laid.search(query, k, where, sorted(exclude))
    barred = np.union1d(sorted(exclude), np.flatnonzero(~available)).astype(np.int64)
    wanted = ExactIndex(SCHEMA, ITEMS, now).search(query, k, where, barred)
    assert np.array_equal(found.rows, wanted.rows)
    assert np.array_equal(found.scores, wanted.scores)


def test_nothing_changed_is_the_index_below():
    laid = OverlayIndex(
        BASE,
        SIZE,
        FilterColumns(SCHEMA, ITEMS.take(np.arange(SIZE))),
        VECTORS[:SIZE],
        np.ones(SIZE, dtype=bool),
        np.zeros(0, dtype=np.int64),
    )
    found, wanted = (index.search(VECTORS[3], 10) for index in (laid, BASE))
    assert np.array_equal(found.rows, wanted.rows)
    assert laid.place == "below"
    assert len(laid) == SIZE


def test_all_withdrawn_is_an_empty_answer():
    laid = over(np.zeros(60, dtype=bool), np.arange(60))
    assert len(laid.search(VECTORS[0], 5)) == 0


def test_bad_questions_are_refused_as_everywhere():
    laid = over(np.ones(60, dtype=bool), np.arange(SIZE, 60))
    for bad in (
        lambda: laid.search(VECTORS[0], 0),
        lambda: laid.search(VECTORS[0][:3], 5),
        lambda: laid.search(VECTORS[0], 5, (), [60]),
        lambda: laid.search(VECTORS[0], 5, [AnyOf("no such", ("x",))]),
    ):
        with pytest.raises(UsageError):
            bad()


def test_closing_closes_what_is_below():
    class Below:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    below = Below()
    nothing = np.zeros(0, dtype=np.int64)
    table = Table([], {name: [] for name in ITEMS.columns})
    columns = FilterColumns(SCHEMA, table)
    OverlayIndex(below, 0, columns, VECTORS[:0], nothing.astype(bool), nothing).close()
    assert below.closed == 1
