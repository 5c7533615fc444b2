"""What is held out: that it is what the goal asks for, and that nothing hidden can be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from builders import carousel, checkerboard, walks
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.metrics import ItemSets, Ranking
from fusionrec.models.presets import PRESETS
from fusionrec.registry.tables import Histories
from fusionrec.training.blend_train import add_likes
from fusionrec.training.holdouts import (
    Holdout,
    by_user,
    drawn_users,
    later_holdouts,
    ndcg,
    next_holdouts,
    taste_holdouts,
)
from fusionrec.training.job import Job


def histories_of(data: Dataset) -> Histories:
    return Histories.build(data, np.arange(len(data)))


def owners(histories: Histories) -> np.ndarray:
    """The user of each interaction."""
    return np.repeat(np.arange(len(histories.offsets) - 1), np.diff(histories.offsets))


def holdouts_of(goal: str, data: Dataset, seed: int = 0) -> list[Holdout]:
    histories, items = histories_of(data), len(data.items)
    if goal == "later":
        return later_holdouts(histories, data.schema, items, 1000, seed)
    make = next_holdouts if goal == "next" else taste_holdouts
    return make(histories, data.schema, drawn_users(histories, 1000, seed), items, seed)


def rated_twice(repeats: bool) -> Dataset:
    """Users who take few items many times, in a schema with or without repeats."""
    rng = np.random.default_rng(0)
    lists = [list(rng.integers(0, 12, rng.integers(1, 14))) for _ in range(60)]
    return walks(*lists, items=12, repeats=repeats)


# --- what is hidden -------------------------------------------------------------------------------


def test_next_hides_the_last_interaction():
    data = walks([0, 1, 2], [3, 1], [4, 0, 3, 2])
    histories = histories_of(data)
    found = next_holdouts(histories, data.schema, np.array([0, 2]), 5, seed=0)[0]
    assert_array_equal(np.flatnonzero(~found.visible), [2, 8])
    assert_array_equal(found.users, [0, 2])
    assert_array_equal(found.relevant.toarray().nonzero(), [[0, 1], [2, 2]])
    assert_array_equal(found.seen.toarray().nonzero(), [[0, 0, 1, 1, 1], [0, 1, 0, 3, 4]])


def test_few_users_are_asked_for_the_one_before_too_and_see_nothing_of_later():
    data = walks([0, 1, 2, 3], [3, 1, 0], [4, 0, 3, 2, 1])
    found, histories = holdouts_of("next", data), histories_of(data)
    assert [one.users.tolist() for one in found] == [[0, 1, 2], [0, 2], [2]]
    for back, one in enumerate(found):
        for row, user in enumerate(one.users):
            span = slice(histories.offsets[user], histories.offsets[user + 1])
            own = histories.item[span].tolist()
            seen = own[: len(own) - 1 - back]
            assert histories.item[span][one.visible[span]].tolist() == seen
            assert one.relevant.toarray()[row].nonzero()[0].tolist() == [own[-1 - back]]


def test_few_users_are_asked_for_everything_they_like_once():
    data = checkerboard()
    histories, asked = histories_of(data), np.zeros(len(data.user), dtype=int)
    for one in holdouts_of("taste", data):
        asked += ~one.visible
    liked = histories.rating >= data.schema.like
    assert asked.max() == 1
    assert asked[liked].mean() > 0.9


@pytest.mark.parametrize("goal", ["next", "taste"])
def test_many_users_are_asked_once(goal):
    assert len(holdouts_of(goal, walks(*[[0, 1, 2, 3, 4, 5]] * 200))) == 1


def test_each_user_counts_once():
    values, users = np.array([0.2, 0.4, 1.0, 0.6]), np.array([7, 3, 9, 7])
    assert_array_equal(by_user(values, users), [0.4, 0.4, 1.0])


def test_next_hides_any_one_where_there_are_no_times():
    data = checkerboard()
    histories = histories_of(data)
    found = next_holdouts(histories, data.schema, np.arange(40), 30, seed=0)[0]
    assert_array_equal(owners(histories)[~found.visible], np.arange(40))
    place = np.flatnonzero(~found.visible) - histories.offsets[:-1]
    share = place / (np.diff(histories.offsets) - 1)
    assert share.min() < 0.2
    assert share.max() > 0.8


def test_taste_hides_a_fifth_of_what_each_user_likes():
    data = checkerboard()
    histories, owner = histories_of(data), owners(histories_of(data))
    found = taste_holdouts(histories, data.schema, np.arange(40), 30, seed=0)[0]
    liked = histories.rating >= data.schema.like
    assert liked[~found.visible].all()
    hidden = np.bincount(owner[~found.visible], minlength=40)
    assert_array_equal(hidden, np.maximum(np.rint(0.2 * np.bincount(owner[liked])), 1))
    assert_array_equal(found.relevant.sum(axis=1), hidden)


def test_taste_leaves_everyone_something_and_nobody_else_is_asked():
    data = walks([0, 1], [2], [0, 3])
    found = taste_holdouts(histories_of(data), data.schema, np.array([0, 1]), 4, seed=0)[0]
    assert_array_equal(found.users, [0])
    assert (~found.visible).sum() == 1
    assert (~found.visible)[:2].any()


def test_later_hides_all_from_an_instant_and_asks_for_the_window_behind_it():
    data = carousel()
    histories, owner = histories_of(data), owners(histories_of(data))
    found = holdouts_of("later", data)
    assert len(found) == 4  # of all windows, since less than 600 users are in each
    end = np.inf
    for one in found:
        begin = histories.time[~one.visible].min()
        assert histories.time[one.visible].max() < begin < end
        for user, relevant in zip(one.users, one.relevant.toarray(), strict=True):
            own = owner == user
            window = own & (histories.time >= begin) & (histories.time < end)
            before = histories.item[own & one.visible]
            assert set(np.flatnonzero(relevant)) == set(histories.item[window]) - set(before)
            assert len(before)
        asked = np.intersect1d(owner[one.visible], owner[~one.visible & (histories.time < end)])
        assert set(one.users) <= set(asked)
        end = begin


def test_later_needs_no_earlier_window_where_many_users_are_in_the_last_two():
    data = walks(*[[n % 7, (n + 1) % 7, (n + 2) % 7] for n in range(700)])
    found = holdouts_of("later", data)
    assert sum(len(one.users) for one in found) >= 600
    assert len(found) < 4


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("goal", ["later", "next", "taste"])
def test_nothing_visible_is_relevant_unless_people_take_items_again(goal, repeats):
    data = rated_twice(repeats)
    repeats = repeats and goal != "taste"  # what else people like is what they have not taken
    histories, owner = histories_of(data), owners(histories_of(data))
    found, again = holdouts_of(goal, data), 0
    assert found
    for one in found:
        assert (np.diff(one.users) > 0).all()
        assert one.relevant.sum(axis=1).min() >= 1
        for row, user in enumerate(one.users):
            visible = np.unique(histories.item[(owner == user) & one.visible])
            hidden = np.unique(histories.item[(owner == user) & ~one.visible])
            relevant = np.flatnonzero(one.relevant[[row]].toarray())
            assert set(relevant) <= set(hidden)
            again += len(np.intersect1d(visible, relevant))
            if not repeats:
                assert_array_equal(np.flatnonzero(one.seen[[row]].toarray()), visible)
        assert (one.seen is None) == repeats
    assert (again > 0) == repeats


@pytest.mark.parametrize("same_time", [True, False])
def test_without_an_order_of_time_nothing_is_held_out_as_later(same_time):
    data = walks([0, 1, 2], [1, 2, 3], [2, 3, 0], same_time=True)
    data = data if same_time else replace(data, time=None)
    assert holdouts_of("later", data) == []
    assert holdouts_of("taste", data)


def test_there_is_no_holdout_where_nobody_has_enough():
    data = walks([0], [1], [0, 1])
    assert holdouts_of("next", data) == []
    assert holdouts_of("taste", data) == []


def test_users_of_a_holdout_have_three_interactions_and_are_a_draw():
    data = walks(*[[0, 1, 2]] * 30, *[[0, 1]] * 30)
    histories = histories_of(data)
    assert_array_equal(drawn_users(histories, 100, 0), np.arange(30))
    some = [drawn_users(histories, 10, seed) for seed in (0, 0, 1)]
    assert_array_equal(some[0], some[1])
    assert set(some[0]) != set(some[2])
    assert all(len(one) == 10 and (np.diff(one) > 0).all() for one in some)


# --- the figure -----------------------------------------------------------------------------------


def by_metrics(one: Holdout, scores: np.ndarray) -> np.ndarray:
    """NDCG@10 of the metrics package."""
    sets = [None if x is None else ItemSets.of(*x.nonzero(), x.shape[0])
            for x in (one.relevant, one.seen)]  # fmt: skip
    ranking = Ranking(sets[0], scores.shape[1], 10, sets[1])
    ranking.add(np.arange(len(scores)), scores)
    return ranking.result().ndcg(10)


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("goal", ["later", "next", "taste"])
def test_ndcg_is_that_of_the_metrics(goal, repeats):
    data = synthetic(seed=4, users=40, items=60, interactions=900)
    data = replace(data, schema=replace(data.schema, repeats=repeats))
    one, rng = holdouts_of(goal, data)[0], np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(60.0), (len(one.users), 1)), axis=1).astype("f4")
    wanted = by_metrics(one, scores)
    assert 0 < wanted.mean() < 1
    assert_allclose(one.ndcg(scores.copy()), wanted, atol=1e-12)
    some = slice(2, 9)
    assert_allclose(one.take(some).ndcg(scores[some].copy()), wanted[some], atol=1e-12)


def test_a_relevant_item_of_no_column_counts_as_not_found():
    data = synthetic(seed=4, users=40, items=60, interactions=700)
    one, rng = holdouts_of("taste", data)[0], np.random.default_rng(0)
    columns = np.flatnonzero(np.arange(60) % 4 > 0)
    scores = rng.permuted(np.tile(np.arange(60.0), (len(one.users), 1)), axis=1).astype("f4")
    low = scores - 1000 * (np.arange(60) % 4 == 0).astype("f4")
    assert_allclose(one.ndcg(scores[:, columns], columns), by_metrics(one, low), atol=1e-12)


def test_fewer_than_ten_items_and_items_that_are_not_ranked():
    scores = np.array([[3.0, 2.0, 1.0], [-np.inf, -np.inf, 1.0]])
    relevant = np.array([[False, True, False], [True, False, True]])
    found = ndcg(scores, relevant, np.array([1, 2]))
    assert_allclose(found, [1 / np.log2(3), 1 / (1 + 1 / np.log2(3))])


@pytest.mark.parametrize(
    ("users", "repeats", "more"), [(40, False, True), (40, True, False), (200, False, False)]
)
def test_where_few_can_be_asked_for_later_they_are_asked_for_what_they_like_too(
    users, repeats, more
):
    rng = np.random.default_rng(0)
    data = walks(*[rng.permutation(30)[:8] for _ in range(users)], items=30, repeats=repeats)
    job = Job.of(data, np.arange(len(data)), PRESETS["linear"]["quick"], lambda _: None)
    holdouts = {goal: job.holdouts(goal) for goal in ("later", "taste")}
    later = list(holdouts["later"])
    add_likes(holdouts, repeats=repeats)
    assert len(later) > 0
    assert holdouts["later"] == later + (holdouts["taste"] if more else [])
