"""Schema and Dataset refuse what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionrec.data import dataset as dataset_module
from fusionrec.data.dataset import Dataset, Table, keep_last_of_pairs
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import DataError

BOOKS = Schema(
    "books",
    (
        Field("reader", "user", "id"),
        Field("book", "item", "id"),
        Field("topics", "item", "categories", filterable=True, option="topic"),
    ),
    rating_range=(0.0, 10.0),
)


def books(**changes) -> Dataset:
    """A data set of string ids in another schema than MovieLens'."""
    parts = {
        "schema": BOOKS,
        "name": "books",
        "users": Table(["ann", "bo"], {}),
        "items": Table(["x-1", "x-2"], {"topics": [("sea",), ()]}),
        "user": np.array([0, 1, 1], np.int32),
        "item": np.array([0, 0, 1], np.int32),
        "rating": np.array([0, 10, 5], np.float32),
        **changes,
    }
    return Dataset(**parts)


def test_a_good_one_is_taken():
    dataset = books()
    assert (len(dataset), dataset.synthetic) == (3, False)
    assert dataset.items.row(0) == {"topics": ("sea",)}
    assert dataset.users.positions() == {"ann": 0, "bo": 1}
    assert list(dataset.users.take(np.array([1, 0])).ids) == ["bo", "ann"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rating": np.array([0, 11, 5])}, "0..10"),
        ({"rating": np.array([0, np.nan, 5])}, "0..10"),
        ({"rating": np.array([0, -1, 5])}, "0..10"),
        ({"time": np.array([1])}, "lengths"),
        ({"user": np.array([0, 1, 2])}, "user outside the table of 2"),
        ({"item": np.array([0, 1, -1])}, "item outside the table of 2"),
        ({"users": Table(["ann", "ann"], {})}, "distinct"),
        ({"users": Table(["ann", "bo"], {"age": ["1", "2"]})}, "columns"),
        ({"items": Table(["x", "y"], {})}, "topics"),
        ({"items": Table(["x", "y"], {"topics": [()]})}, "one value per id"),
        ({n: np.array([]) for n in ("user", "item", "rating")}, "no interactions"),
    ],
)
def test_what_cannot_be_is_refused(changes, said):
    with pytest.raises(DataError, match=said):
        books(**changes)


SAMPLE = synthetic(0, 30, 20, 200)
FOURTH = np.arange(200) == 3  # whether a row is the one that is changed
CHANGES = {
    "a time": lambda d: replace(d, time=d.time + FOURTH),
    "no times": lambda d: replace(d, time=None),
    "a rating": lambda d: replace(d, rating=np.where(FOURTH, d.rating % 5 + 1, d.rating)),
    "a user": lambda d: replace(d, user=(d.user + FOURTH) % len(d.users)),
    "an item": lambda d: replace(d, item=(d.item + FOURTH) % len(d.items)),
    "the order": lambda d: replace(
        d, **{name: getattr(d, name)[::-1] for name in ("user", "item", "rating", "time")}
    ),
    "an item's content": lambda d: replace(d, items=changed(d.items, "title", 3, "Other")),
    "a user's profile": lambda d: replace(d, users=changed(d.users, "age", 3, "56")),
    "an item's id": lambda d: replace(d, items=Table(["other", *d.items.ids[1:]], d.items.columns)),
    "where a column ends": lambda d: replace(d, users=ended_elsewhere(d.users)),
}


def changed(table: Table, name: str, row: int, value: object) -> Table:
    column = [*table.columns[name][:row], value, *table.columns[name][row + 1 :]]
    return Table(table.ids, {**table.columns, name: column})


def ended_elsewhere(table: Table) -> Table:
    """The last user's age is a letter shorter, and the first gender begins with that letter."""
    *ages, last = table.columns["age"]
    first, *genders = table.columns["gender"]
    moved = {"age": [*ages, last[:-1]], "gender": [last[-1] + first, *genders]}
    return Table(table.ids, {**table.columns, **moved})


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("rows", [None, np.arange(2, 9)])
def test_whatever_training_reads_moves_the_fingerprint(change, rows):
    assert CHANGES[change](SAMPLE).fingerprint(rows) != SAMPLE.fingerprint(rows)


def test_neither_other_rows_nor_the_order_move_it():
    rows = np.flatnonzero(~FOURTH)
    for change in ("a time", "a rating", "a user", "an item"):
        assert CHANGES[change](SAMPLE).fingerprint(rows) == SAMPLE.fingerprint(rows)
    assert (
        SAMPLE.fingerprint(rows[::-1]) == SAMPLE.fingerprint(rows) != SAMPLE.fingerprint(rows[1:])
    )


def test_the_fingerprint_of_0_1_0_is_still_known():
    """As it was written then of a data set without times, and of one with times."""
    dataset = books()
    wanted = "bbb5df14bb17d115989170020ec2e36c6d2f6157bc54fe555f49373113996a06"
    assert dataset.fingerprints()[1] == wanted
    timed = books(time=np.array([3, 2, 1]))
    assert timed.fingerprints()[1] == wanted
    assert len({*dataset.fingerprints(), *timed.fingerprints()}) == 3


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40
    ),
    st.booleans(),
    st.sampled_from([3, 1000]),
)
def test_last_of_pairs_as_a_plain_loop_keeps_it(rows, timed, at_once):
    user, item, time = (np.array(column) for column in zip(*rows, strict=True))
    last: dict[tuple[int, int], int] = {}
    for row, (u, i, t) in enumerate(rows):
        seen = last.get((u, i))
        if seen is None or not timed or t >= rows[seen][2]:
            last[u, i] = row
    with patch.object(dataset_module, "ROWS_AT_ONCE", at_once):
        kept, left_out = keep_last_of_pairs(user, item, time if timed else None)
    assert kept.tolist() == sorted(last.values())
    assert left_out == len(rows) - len(last)


NO_SCHEMAS = ({"rating_range": [1]}, {"fields": [{}]}, {"like": None})


@pytest.mark.parametrize("schema", [MOVIELENS, BOOKS])
def test_schema_survives_json(schema):
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Field("a b", "user", "id"), "letters"),
        (lambda: Field("a", "user", "picture"), "picture"),
        (lambda: Field("a", "shop", "id"), "shop"),
        (lambda: Schema("s", BOOKS.fields[:1], (0, 1)), "one id field"),
        (lambda: Schema("s", (*BOOKS.fields, BOOKS.fields[0]), (0, 1)), "unique"),
        (lambda: replace(BOOKS, rating_range=(5.0, 5.0)), "rating range"),
        (lambda: replace(BOOKS, events=True), "events weigh"),
        (lambda: replace(BOOKS.fields[2], buckets=True), "only numbers"),
        *((lambda v=v: Schema.from_json(BOOKS.to_json() | v), "not a schema") for v in NO_SCHEMAS),
    ],
)
def test_impossible_schemas_are_refused(make, said):
    with pytest.raises(DataError, match=said):
        make()


def test_fields_by_side():
    assert [f.name for f in MOVIELENS.attributes("user")] == ["gender", "age", "occupation"]
    assert [f.name for f in MOVIELENS.filters()] == ["genres", "year"]
    assert MOVIELENS.id("item").name == "movie_id"
    assert BOOKS.filters()[0].flag == "topic"
