"""Windows of histories: everybody once an epoch, in the order of time, the same every time."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from fusionrec.registry.tables import Histories
from fusionrec.training.windows import STEP, SequenceBatch, Windows

COUNTS = (0, 1, 3, 40, 5, 0, 2, 17, 16, 100, 64, 33, 8, 1, 90, 31, 4, 4, 50, 0)
LENGTH = 24


def histories_of(counts: tuple[int, ...]) -> Histories:
    """Nobody's items are another's; an item's number tells its owner and its place."""
    item = [1000 * user + place for user, count in enumerate(counts) for place in range(count)]
    places = np.array(item, dtype=np.int32)
    offsets = np.r_[0, np.cumsum(counts)].astype(np.int64)
    ratings = (places % 7 / 2 + 1).astype(np.float32)
    return Histories(offsets, places, ratings, 10 * places.astype(np.int64))


HISTORIES = histories_of(COUNTS)


def windows(batch: int = 100, seed: int = 3, length: int = LENGTH) -> Windows:
    return Windows(HISTORIES, length=length, batch=batch, draws=2, seed=seed)


def same(a: list[SequenceBatch], b: list[SequenceBatch]) -> bool:
    pairs = itertools.zip_longest(a, b)
    return all(
        x is not None and y is not None and np.array_equal(vars(x)[n], vars(y)[n])
        for x, y in pairs
        for n in vars(x or y)
    )


def rows(batches: list[SequenceBatch]) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """User, items and ratings without their padding, and what is drawn, of every window."""
    return [
        (int(user), items[:count], ratings[:count], drawn)
        for b in batches
        for user, items, ratings, count, drawn in zip(
            b.users, b.items, b.ratings, b.count, b.drawn, strict=True
        )
    ]


@pytest.mark.parametrize("batch", [1, 50, 100, 10_000])
def test_everybody_with_a_row_stands_in_an_epoch_once(batch):
    made = windows(batch)
    for epoch in (1, 2, 3):
        batches = list(made.epoch(epoch))
        assert len(batches) == len(made)
        assert sorted(user for user, *_ in rows(batches)) == list(np.flatnonzero(COUNTS))
        there = sum(int(b.count.sum()) for b in batches)
        assert there == sum(min(count, LENGTH) for count in COUNTS)


@pytest.mark.parametrize("batch", [1, 30, 50, 100, 300])
def test_padding_is_bounded(batch):
    made = windows(batch)
    for epoch in range(1, 6):
        for b in made.epoch(epoch):
            assert b.items.shape == b.ratings.shape == (len(b.users), int(b.count.max()))
            assert b.items.size <= batch or len(b.users) == 1


@pytest.mark.parametrize("batch", [50, 100, 300])
def test_a_batch_is_filled(batch):
    """One more of the next windows in length would be too many."""
    lengths = sorted(
        (-(-int(b.count.min()) // STEP), -(-int(b.count.max()) // STEP), -len(b.users))
        for b in windows(batch).epoch(1)
    )
    for (_, _, less), (following, _, _) in itertools.pairwise(lengths):
        assert (1 - less) * following * STEP > batch


@pytest.mark.parametrize("length", [1, 2, 5, LENGTH, 1000])
def test_a_window_is_consecutive_and_in_order(length):
    for epoch in range(1, 6):
        for user, items, ratings, _ in rows(list(windows(length=length).epoch(epoch))):
            stored = HISTORIES.of(user)
            history, rated = stored.items, stored.ratings
            assert len(items) == min(length, COUNTS[user])
            begin = int(items[0]) - 1000 * user
            assert np.array_equal(items, history[begin : begin + len(items)])
            assert np.array_equal(ratings, rated[begin : begin + len(items)])


def test_long_histories_give_the_newest_window_half_of_the_time():
    made, epochs = windows(), 400
    ends: dict[int, Counter[int]] = {user: Counter() for user in range(len(COUNTS))}
    for epoch in range(epochs):
        for user, items, _, _ in rows(list(made.epoch(epoch))):
            ends[user][int(items[-1]) - 1000 * user + 1] += 1
    for user, count in enumerate(COUNTS):
        if count <= LENGTH:
            assert set(ends[user]) <= {count}
            continue
        places = count - LENGTH + 1
        newest = 0.5 + 0.5 / places
        # Four deviations of a share that is drawn so often.
        assert ends[user][count] / epochs == pytest.approx(
            newest, abs=4 * np.sqrt(newest * (1 - newest) / epochs)
        )
        assert min(ends[user]) >= LENGTH
        others = np.array([ends[user][end] for end in range(LENGTH, count)])
        # Anywhere alike: about as early as late on average.
        if len(others) > 5:
            mean = others @ np.arange(len(others)) / others.sum()
            assert mean == pytest.approx((len(others) - 1) / 2, abs=len(others) / 6)
        assert others.max() < 0.5 * epochs / places + 5 * np.sqrt(0.5 * epochs / places)


def test_every_epoch_has_batches_of_the_same_number_and_sizes():
    made = windows()

    def sizes(epoch: int) -> list[tuple[int, int]]:
        return sorted((len(b.users), -(-int(b.count.max()) // STEP)) for b in made.epoch(epoch))

    assert len(made) > 3
    assert all(sizes(epoch) == sizes(1) for epoch in range(2, 20))


def test_an_epoch_depends_on_seed_and_number_alone():
    made = windows()
    first = list(made.epoch(1))
    list(made.epoch(7))
    assert same(first, list(made.epoch(1)))
    assert same(first, list(windows().epoch(1)))
    assert not same(first, list(made.epoch(2)))
    assert not same(first, list(windows(seed=4).epoch(1)))


def test_batches_come_in_another_order_and_company_in_every_epoch():
    made = windows()
    epochs = [[tuple(b.users) for b in made.epoch(epoch)] for epoch in range(1, 9)]
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)
    assert len({frozenset(map(frozenset, epoch)) for epoch in epochs}) > 1
    longest = {int(np.argmax([len(b.items[0]) for b in made.epoch(e)])) for e in range(1, 9)}
    assert len(longest) > 1, "the longest windows always come at one place"


def test_an_epoch_can_be_gone_on_with_from_any_batch():
    made = windows()
    whole = list(made.epoch(5))
    for start in range(len(whole) + 1):
        assert same(list(made.epoch(5, start)), whole[start:])


def test_what_is_drawn_is_any_item_that_the_user_rated():
    made, epochs = windows(), 150
    met: dict[int, Counter[int]] = {user: Counter() for user in np.flatnonzero(COUNTS)}
    for epoch in range(epochs):
        for user, _, _, drawn in rows(list(made.epoch(epoch))):
            assert drawn.shape == (2,)
            met[user].update(drawn.tolist())
    for user, found in met.items():
        assert set(found) <= set(HISTORIES.of(user).items.tolist())
        # Each with the same chance, also where a window does not reach.
        expected = 2 * epochs / COUNTS[user]
        assert max(found.values()) < expected + 6 * np.sqrt(expected) + 1
        if COUNTS[user] <= 8:
            assert len(found) == COUNTS[user]
