"""Minibatches: each rating once per epoch, every pair with equal chance, the same every time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fusionrec.data.dataset import Dataset
from fusionrec.training import batches
from fusionrec.training.batches import Batch, Blocks


@pytest.fixture(params=[50, 300, 10_000])
def blocks(request: pytest.FixtureRequest, dataset: Dataset) -> Blocks:
    return Blocks(dataset.user, dataset.item, dataset.rating, batch=request.param, seed=3)


def ratings(batches: list[Batch]) -> list[tuple[int, int, float]]:
    """User, item and rating of every rating in the batches."""
    return [
        (int(b.users[u]), int(b.items[i]), float(r))
        for b in batches
        for u, i, r in zip(b.user, b.item, b.rating, strict=True)
    ]


def same(a: list[Batch], b: list[Batch]) -> bool:
    pairs = itertools.zip_longest(a, b)
    return all(np.array_equal(vars(x)[n], vars(y)[n]) for x, y in pairs for n in vars(x))


def test_each_rating_stands_in_exactly_one_batch_of_an_epoch(blocks, dataset):
    whole = zip(dataset.user.tolist(), dataset.item.tolist(), dataset.rating.tolist(), strict=True)
    batches = list(blocks.epoch(1))
    assert sorted(ratings(batches)) == sorted(whole)
    assert len(batches) == len(blocks)


def test_a_batch_holds_about_as_many_ratings_as_asked(dataset):
    for batch in (50, 300):
        blocks = Blocks(dataset.user, dataset.item, dataset.rating, batch=batch, seed=0)
        assert batch / 2 < len(dataset) / len(blocks) < batch * 2


def test_epochs_are_reproducible_and_differ(blocks, dataset):
    again = Blocks(dataset.user, dataset.item, dataset.rating, batch=50, seed=3)
    blocks = Blocks(dataset.user, dataset.item, dataset.rating, batch=50, seed=3)
    assert same(list(blocks.epoch(1)), list(again.epoch(1)))
    assert not same(list(blocks.epoch(1)), list(blocks.epoch(2)))
    other = Blocks(dataset.user, dataset.item, dataset.rating, batch=50, seed=4)
    assert ratings(list(blocks.epoch(1))) != ratings(list(other.epoch(1)))


def test_an_epoch_can_be_gone_on_with_from_any_batch(blocks):
    whole = list(blocks.epoch(5))
    for start in {0, 1, len(whole) // 2, len(whole) - 1, len(whole)}:
        assert same(list(blocks.epoch(5, start=start)), whole[start:])


def test_items_that_no_training_row_names_are_in_no_batch():
    user, item = np.array([0, 1, 2, 3]), np.array([0, 9, 9, 5])
    blocks = Blocks(user, item, np.ones(4, np.float32), batch=2, seed=0)
    met = {int(i) for b in blocks.epoch(1) for i in b.items}
    assert met == {0, 5, 9}


def test_pairs_of_users_and_items_meet_uniformly():
    """Over many epochs each pair shares a batch as often as any other, within chance."""
    size, epochs = 12, 600
    user, item = np.divmod(np.arange(size * size), size)
    blocks = Blocks(user, item, np.ones(len(user), np.float32), batch=16, seed=1)
    together = np.zeros((size, size))  # first and another user of a batch
    for epoch in range(epochs):
        for batch in blocks.epoch(epoch):
            together[np.ix_(batch.users, batch.users)] += 1
    apart = together[~np.eye(size, dtype=bool)]
    share = apart.mean() / np.diag(together).mean()
    group = size / blocks.user_groups
    assert share == pytest.approx((group - 1) / (size - 1), abs=0.01)
    assert apart.std() < 0.1 * apart.mean()


def test_each_rating_keeps_its_weight(dataset):
    weight = dataset.rating * 2
    blocks = Blocks(dataset.user, dataset.item, dataset.rating, weight, batch=300, seed=0)
    for batch in blocks.epoch(1):
        assert np.array_equal(batch.weight, batch.rating * 2)


def test_of_a_large_block_the_rated_items_and_a_draw_stand_for_all(monkeypatch):
    monkeypatch.setattr(batches, "MOST_ITEMS", 30)
    user, item = np.repeat(np.arange(20), 10), np.arange(200)
    blocks = Blocks(user, item, np.ones(200, np.float32), batch=100, seed=0)
    members, counted = 200 / blocks.item_groups, []
    assert members > 30
    for epoch in range(200):
        for batch in blocks.epoch(epoch):
            assert (np.diff(batch.items) > 0).all()
            rated = batch.items[np.unique(batch.item)]
            assert np.isin(batch.items[batch.stands_for == 1], rated).all()
            assert len(batch.items) <= len(rated) + 30
            counted.append(batch.stands_for.sum())
    assert np.mean(counted) == pytest.approx(members, rel=0.02)


def test_sparse_blocks_have_few_users():
    """In square blocks each user would have one rating."""
    rng = np.random.default_rng(0)
    user, item = np.repeat(np.arange(20_000), 5), rng.integers(20_000, size=100_000)
    blocks = Blocks(user, item, np.ones(len(user), np.float32), batch=2000, seed=0)
    assert max(len(batch.users) for batch in blocks.epoch(1)) < 1.3 * batches.MOST_USERS
