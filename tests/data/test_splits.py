"""Splits refuse overlap, hold what they say, and are the same everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.leakage import check_disjoint, check_fingerprint
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Field, Schema
from fusionrec.data.splits import (
    Split,
    item_split,
    leave_any_out,
    leave_last_out,
    liked_split,
    random_split,
    time_splits,
    user_folds,
)
from fusionrec.errors import UsageError

SHOP = Schema("shop", (Field("who", "user", "id"), Field("what", "item", "id")), (0.0, 1.0))
SAMPLE = synthetic(seed=1, users=60, items=40, interactions=1500)


def shop(user: list[int], item: list[int], time: list[int] | None) -> Dataset:
    """Interactions of a shop's visitors u0.. with goods i0.., in the file's order."""
    people = Table([f"u{n}" for n in range(max(user) + 1)], {})
    goods = Table([f"i{n}" for n in range(max(item) + 1)], {})
    columns = np.array(user, np.int32), np.array(item, np.int32), np.ones(len(user), np.float32)
    times = None if time is None else np.array(time, np.int64)
    return Dataset(SHOP, "shop", people, goods, *columns, times)


def stars(user: list[int], item: list[int], rating: list[int], repeats: bool = False) -> Dataset:
    """The same with ratings of 1 to 5, of which 4 and 5 are likes."""
    schema = replace(SHOP, rating_range=(1.0, 5.0), repeats=repeats)
    return replace(shop(user, item, None), schema=schema, rating=np.array(rating, np.float32))


def events(user: list[int], item: list[int]) -> Dataset:
    """The same with events, repeated."""
    schema = replace(SHOP, events=True, like=0.0, repeats=True)
    return replace(shop(user, item, None), schema=schema)


def rows(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def all_splits(data: Dataset = SAMPLE, seed: int = 0) -> list[Split]:
    """One of each kind."""
    return [
        random_split(data, 0.1, seed),
        leave_last_out(data),
        *user_folds(data, 5, seed),
        item_split(data, 0.1, seed),
        *time_splits(data, (0.5, 0.7, 0.9, 1.0)),
    ]


LIKED = [liked_split(SAMPLE), liked_split(SAMPLE, validation=True)]


@pytest.mark.parametrize("split", [*all_splits(), *LIKED], ids=lambda split: split.name)
def test_parts_are_sorted_apart_and_as_far_as_they_say(split: Split) -> None:
    for part in (split.train, split.validation, split.test):
        assert (np.diff(part) > 0).all()
    rows = np.concatenate([split.train, split.validation, split.test])
    assert len(np.unique(rows)) == len(rows)
    if split.disjoint_by in ("user", "item"):
        column = getattr(SAMPLE, split.disjoint_by)
        assert not set(column[split.train]) & set(column[split.test])
    if split.disjoint_by == "item":
        assert len(set(SAMPLE.item[split.test])) == 4, "a tenth of 40 items"
    if split.disjoint_by == "time":
        assert SAMPLE.time is not None
        assert SAMPLE.time[split.train].max() < SAMPLE.time[split.test].min()
        assert set(SAMPLE.user[split.test]) <= set(SAMPLE.user[split.train])
    else:
        assert len(rows) == len(SAMPLE)


def test_splits_are_the_same_on_every_machine() -> None:
    number = np.arange(600)  # whole numbers alone, which no machine rounds
    data = shop((number % 30).tolist(), (number // 30).tolist(), (number * 7919 % 997).tolist())
    digest = hashlib.sha256()
    for split in all_splits(data, seed=3):
        for part in (split.train, split.validation, split.test):
            digest.update(part.astype("<i8").tobytes())
    # Of the rows drawn when this was written; a change here is a change of every figure.
    assert digest.hexdigest()[:16] == "746d0009143de9f8"
    assert not np.array_equal(random_split(SAMPLE, 0.1, 0).test, random_split(SAMPLE, 0.1, 1).test)


def test_leave_last_out_takes_the_latest_and_ties_keep_the_files_order() -> None:
    #       row  0  1  2  3  4  5  6  7  8; user 2 has too few ratings for a test
    data = shop(
        [0, 1, 0, 0, 1, 1, 0, 2, 2], [0, 1, 2, 3, 0, 2, 1, 0, 1], [9, 5, 7, 9, 5, 5, 1, 1, 2]
    )
    split = leave_last_out(data)
    assert split.test.tolist() == [3, 5]
    assert split.validation.tolist() == [0, 4]
    assert split.train.tolist() == [1, 2, 6, 7, 8]
    assert split.before_test.tolist() == [0, 1, 2, 4, 6, 7, 8]


def test_one_at_random_is_drawn_by_the_seed_and_spares_the_short() -> None:
    data = shop([0] * 5 + [1] * 2, [0, 1, 2, 3, 4, 0, 1], None)
    splits = [leave_any_out(data, seed) for seed in range(20)]
    assert {(len(split.test), len(split.validation)) for split in splits} == {(1, 1)}
    assert {int(split.test[0]) for split in splits} == {0, 1, 2, 3, 4}
    assert all({5, 6} <= set(split.train.tolist()) for split in splits)
    assert np.array_equal(leave_any_out(data, 3).test, splits[3].test)


def test_liked_items_are_hidden_by_share_and_low_ratings_never() -> None:
    liked = SAMPLE.rating >= SAMPLE.schema.like
    counts = np.bincount(SAMPLE.user[liked], minlength=60)
    for share in (0.01, 0.2, 0.5, 0.8):
        split = liked_split(SAMPLE, share, seed=2)
        assert liked[split.test].all()
        hidden = np.clip(np.rint(counts * share), 1, counts - 1)
        assert np.bincount(SAMPLE.user[split.test], minlength=60).tolist() == hidden.tolist()
        assert (np.bincount(SAMPLE.user[split.train][liked[split.train]]) >= 1).all()
        second = liked_split(SAMPLE, share, seed=2, validation=True)
        assert np.array_equal(second.test, split.test)
        assert np.array_equal(second.before_test, split.train)
        assert liked[second.validation].all()
        validated = np.bincount(SAMPLE.user[second.validation], minlength=60)
        assert validated.tolist() == np.minimum(hidden, counts - 1 - hidden).tolist()


def test_liked_items_are_drawn_by_the_seed_and_not_by_the_order_of_rows() -> None:
    number = np.arange(600)  # whole numbers alone, which no machine rounds
    data = stars((number % 30).tolist(), (number // 30).tolist(), (number * 7 % 5 + 1).tolist())
    split = liked_split(data, 0.25, seed=3, validation=True)
    digest = hashlib.sha256()
    for part in (split.train, split.validation, split.test):
        digest.update(part.astype("<i8").tobytes())
    # Of the rows drawn when this was written; a change here is a change of every figure.
    assert digest.hexdigest()[:16] == "98044f0b1e944fde"
    assert not np.array_equal(split.test, liked_split(data, 0.25, seed=4).test)
    order = np.random.default_rng(0).permutation(600)
    columns = {name: getattr(data, name)[order] for name in ("user", "item", "rating")}
    other = liked_split(replace(data, **columns), 0.25, seed=3)
    assert np.array_equal(np.sort(order[other.test]), split.test)
    drawn = [liked_split(stars([0] * 4, [0, 1, 2, 3], [5, 5, 1, 4]), seed=n) for n in range(20)]
    assert {tuple(split.test) for split in drawn} == {(0,), (1,), (3,)}


def test_who_likes_too_little_to_hide_one_and_keep_one_is_trained_on() -> None:
    data = stars([0, 0, 0, 1, 1, 2, 3, 3], [0, 1, 2, 0, 1, 0, 2, 3], [5, 4, 4, 5, 3, 1, 4, 4])
    split = liked_split(data, 0.4, validation=True)
    assert data.user[split.test].tolist() == [0, 3]
    assert data.user[split.validation].tolist() == [0]  # user 3 has none to spare
    assert data.user[split.train].tolist() == [0, 1, 1, 2, 3]
    assert data.user[liked_split(data, 0.99).test].tolist() == [0, 0, 3]


def test_a_hidden_item_is_hidden_with_all_its_repeats() -> None:
    user, item = np.divmod(np.random.default_rng(0).integers(0, 200, 2000), 20)
    rating = np.random.default_rng(1).integers(1, 6, 2000)
    rated = stars(user.tolist(), item.tolist(), rating.tolist(), repeats=True)
    for data in (rated, events(user.tolist(), item.tolist())):
        pair = data.user * 20 + data.item
        liked = np.unique(pair[data.rating >= data.schema.like])
        split = liked_split(data, 0.3, validation=True)
        parts = [np.unique(pair[part]) for part in (split.train, split.validation, split.test)]
        assert sum(map(len, parts)) == len(np.unique(pair))
        for hidden in parts[1:]:
            assert np.isin(hidden, liked).all()
            counts = np.bincount(liked // 20, minlength=10)
            assert np.bincount(hidden // 20).tolist() == np.rint(counts * 0.3).tolist()
    assert (rated.rating[liked_split(rated, 0.3).test] < 4).any()  # low ratings of a liked item


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_folds_test_every_user_once(seed: int, folds: int) -> None:
    splits = user_folds(SAMPLE, folds, seed)
    tested = np.concatenate([np.unique(SAMPLE.user[s.test]) for s in splits])
    assert sorted(tested) == np.unique(SAMPLE.user).tolist()
    sizes = [len(np.unique(SAMPLE.user[s.test])) for s in splits]
    assert max(sizes) - min(sizes) <= 1


def test_time_windows_hold_the_next_ratings_of_known_users() -> None:
    data = shop(
        [0, 1, 0, 1, 2, 0, 1, 0], [0, 0, 1, 1, 0, 2, 2, 3], [10, 20, 30, 40, 50, 60, 70, 80]
    )
    (split,) = time_splits(data, (0.25, 1.0))
    assert split.train.tolist() == [0, 1]
    assert split.test.tolist() == [2, 3, 5, 6, 7]  # user 2 is not known before
    first, second = time_splits(data, (0.25, 0.625, 1.0))
    assert (first.test.tolist(), second.test.tolist()) == ([2, 3], [5, 6, 7])
    assert second.train.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: random_split(SAMPLE, 0), "between 0 and 1, got 0"),
        (lambda: random_split(SAMPLE, float("nan")), "got nan"),
        (lambda: random_split(SAMPLE, 1e-9), "a part is empty"),
        (lambda: item_split(SAMPLE, -0.1), "between 0 and 1"),
        (lambda: user_folds(SAMPLE, 1), "from 2 up to 60"),
        (lambda: user_folds(SAMPLE, 61), "from 2 up to 60"),
        (lambda: leave_last_out(replace(SAMPLE, time=None)), "no times"),
        (lambda: leave_any_out(shop([0, 0], [0, 1], [1, 2])), "no user of .* has 3 ratings"),
        (lambda: liked_split(SAMPLE, 1.0), "between 0 and 1, got 1"),
        (lambda: liked_split(shop([0, 0], [0, 1], None)), "no user of shop has 2 liked items"),
        (lambda: liked_split(stars([0, 0], [0, 1], [5, 3])), "no user of shop has 2 liked items"),
        (
            lambda: liked_split(stars([0, 0], [0, 1], [5, 4]), validation=True),
            "a liked item for validation",
        ),
        (lambda: time_splits(replace(SAMPLE, time=None)), "no times"),
        (lambda: time_splits(SAMPLE, (0.9, 0.8)), "must rise"),
        (lambda: time_splits(SAMPLE, (0.9,)), "two or more"),
        (lambda: time_splits(shop([0, 1], [0, 1], [1, 2]), (0.5, 1.0)), "no user rated both"),
        (lambda: Split("bad", rows(0, 1, 2), rows(1, 2, 3)), "2 rows are in more than one part"),
        (lambda: Split("bad", rows(0), rows(3), rows(3)), "1 rows are in more than one part"),
    ],
)
def test_bad_input_is_said_plainly(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (Split("bad", rows(0, 1), rows(4), disjoint_by="user"), "1 users are in both"),
        (Split("bad", rows(0, 1), rows(3), disjoint_by="item"), "1 items are in both"),
        (Split("bad", rows(0, 4), rows(3, 1), disjoint_by="time"), "2 test rows are not after"),
        (Split("bad", rows(0, 1), rows(5)), "a user and an item that another part"),
        (Split("bad", rows(0, 1), rows(6)), "a row is not among the 6"),
    ],
)
def test_parts_that_are_closer_than_they_say_are_refused(split: Split, says: str) -> None:
    data = shop([0, 1, 2, 2, 0, 0], [0, 1, 2, 0, 3, 0], [1, 2, 3, 4, 5, 6])
    with pytest.raises(UsageError, match=says):
        split.check(data)


def test_training_rows_that_hold_test_rows_are_refused_with_their_number() -> None:
    split = random_split(SAMPLE, 0.1, 0)
    check_disjoint(SAMPLE, split, split.train)
    mask = np.zeros(len(SAMPLE), dtype=bool)
    mask[split.train] = True
    check_disjoint(SAMPLE, split, mask)
    mask[split.test[:7]] = True
    for trained in (mask, np.flatnonzero(mask)):
        with pytest.raises(UsageError, match="7 of 150 test rows were trained on"):
            check_disjoint(SAMPLE, split, trained)


def test_only_the_fingerprint_of_the_splits_own_rows_is_accepted() -> None:
    split = leave_last_out(SAMPLE)
    for accepted in (split.train, split.before_test, split.train[::-1]):
        check_fingerprint(SAMPLE, split, SAMPLE.fingerprint(accepted))
        former = SAMPLE.fingerprints(accepted)[1]  # of a version that 0.1.0 trained
        check_fingerprint(SAMPLE, split, former)
    with pytest.raises(UsageError, match=r"all 1500 rows, all \d+ test rows among them"):
        check_fingerprint(SAMPLE, split, SAMPLE.fingerprint())
    other = random_split(SAMPLE, 0.1, 0).train
    with pytest.raises(UsageError, match="cannot be told"):
        check_fingerprint(SAMPLE, split, SAMPLE.fingerprint(other))
    seen = len(np.intersect1d(other, split.test))
    history = SAMPLE.user[other], SAMPLE.item[other]
    with pytest.raises(UsageError, match=f"{seen} of {len(split.test)} test rows among them"):
        check_fingerprint(SAMPLE, split, SAMPLE.fingerprint(other), history)
    with pytest.raises(UsageError, match="other rows"):
        check_fingerprint(SAMPLE, split, SAMPLE.fingerprint(split.train[:-1]))
