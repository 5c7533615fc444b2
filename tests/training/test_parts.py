"""Each part of a version is the regression that it claims to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from builders import EVENT_IDS, checkerboard, walks
from fusionrec.baselines import EASE
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Schema
from fusionrec.features.encoder import Encoder
from fusionrec.models.linear_settings import LinearTraining
from fusionrec.registry.blend import Part
from fusionrec.registry.tables import Histories
from fusionrec.regression import sequences as sequences_module
from fusionrec.regression.fold_in import item_vectors
from fusionrec.regression.item_weights import item_weights
from fusionrec.regression.ridge import principal
from fusionrec.regression.sequences import HistoryChoice, Sequences, regression
from fusionrec.training import linear
from fusionrec.training.holdouts import Holdout, drawn_users, next_holdouts, taste_holdouts
from fusionrec.training.linear import choose
from fusionrec.training.parts import DAY, history_part, profile_part, trend_part

NEXT = HistoryChoice(True, 0.5, 4, 1.0, 3.0, 0)
TASTE = HistoryChoice(False, 1.0, 0, 1.0, 40.0, 0)


def histories_of(data: Dataset) -> Histories:
    return Histories.build(data, np.arange(len(data)))


def all_of(data: Dataset) -> Sequences:
    """The sequences of all interactions with all items."""
    shown = np.ones(len(data), dtype=bool)
    return Sequences(histories_of(data), np.arange(len(data.items)), shown, data.schema)


def weights_of(choice: HistoryChoice, sequences: Sequences) -> np.ndarray:
    """The whole matrix of weights, float32 [items, items]."""
    found = item_weights(choice.ordered, *regression(sequences, choice), choice.ridge)
    return found.times(np.eye(sequences.size, dtype="f4"))


def made_histories(users: int = 9, items: int = 7) -> Histories:
    rng = np.random.default_rng(1)
    lists = [list(rng.permutation(items)[: rng.integers(0, items)]) for _ in range(users - 1)]
    made = histories_of(walks(list(range(items)), *lists))
    return replace(made, rating=rng.random(len(made.item)).astype("f4"))


# --- regressions from items to items --------------------------------------------------------------


def test_taste_counts_an_item_once_when_training_and_when_answering():
    data = walks([0, 1, 0, 2, 0, 1], [2, 2, 2], [1, 0], items=3, repeats=True)
    read = all_of(data).histories(TASTE).toarray()
    assert_array_equal(read, [[1, 1, 1], [0, 0, 1], [1, 1, 0]])
    part = Part("taste", "history", 2)
    for user, row in enumerate(read):
        history = histories_of(data).of(user)
        summed = np.bincount(history.items, part.weights(history, data.schema), minlength=3)
        assert_array_equal(summed, row)


RATED = Schema("rated", EVENT_IDS, (0.0, 1.0), like=0.5)
TAKEN = Schema("taken", EVENT_IDS, (0.0, 1.0), like=0.0, events=True)


@pytest.mark.parametrize("schema", [RATED, TAKEN])
@pytest.mark.parametrize("block", [1_000, 4])
@pytest.mark.parametrize(
    ("decay", "window", "weakest"), [(0.5, 2, 1.0), (1.0, 10, 0.0), (0.8, 3, 0.4)]
)
def test_next_is_a_regression_over_users_and_places(
    decay, window, weakest, block, schema, monkeypatch
):
    monkeypatch.setattr(sequences_module, "_COLUMNS", block)
    histories, columns = made_histories(), np.array([0, 1, -1, 2, 3, 4, 5])
    visible = np.ones(len(histories.item), dtype=bool)
    visible[[3, -1]] = False
    gram, targets = np.zeros((6, 6)), np.zeros((6, 6))
    for begin, end in zip(histories.offsets[:-1], histories.offsets[1:], strict=True):
        rows = [n for n in range(begin, end) if visible[n] and columns[histories.item[n]] >= 0]
        row = [columns[histories.item[n]] for n in rows]
        rating = histories.rating[rows]
        strength = rating if schema.events else np.where(rating < 0.5, 0.0, 1.0)
        weight = weakest + (1 - weakest) * strength
        for place, came in enumerate(row):
            past = np.zeros(6)
            for back in range(1, min(window, place) + 1):
                past[row[place - back]] += weight[place - back] * decay ** (back - 1)
            gram += np.outer(past, past)
            targets[:, came] += past
    choice = HistoryChoice(True, decay, window, weakest, 3.0, 0)
    sequences = Sequences(histories, columns, visible, schema)
    found = regression(sequences, choice)
    assert_allclose(found[0], gram, rtol=1e-5, atol=1e-6)
    assert_allclose(found[1], targets, rtol=1e-5, atol=1e-6)
    weights = weights_of(choice, sequences)
    assert_allclose(weights, np.linalg.solve(gram + 3 * np.eye(6), targets), rtol=1e-4, atol=1e-6)


def test_taste_weights_are_those_of_ease():
    data = synthetic(seed=2, users=50, items=30, interactions=600)
    wanted = EASE(40.0).fit(data, np.arange(len(data))).weights
    assert_allclose(weights_of(TASTE, all_of(data)), wanted, atol=1e-5)


def test_disliked_items_weigh_less_in_a_history_too():
    data = checkerboard()
    sequences = all_of(data)
    whole, some = (
        sequences.histories(replace(TASTE, weakest=weight)).toarray() for weight in (1.0, 0.25)
    )
    assert_array_equal(whole.nonzero(), some.nonzero())
    odd = (np.arange(40)[:, None] + np.arange(30)) % 2 == 1  # rated 1, below the schema's 4
    assert_allclose(some, np.where(odd, 0.25 * whole, whole))


def test_a_history_falls_with_each_item_that_follows():
    sequences = all_of(walks([0, 1, 2, 3], [3, 0]))
    assert_allclose(
        sequences.histories(replace(NEXT, window=3)).toarray(), [[0, 0.25, 0.5, 1], [1, 0, 0, 0.5]]
    )


def test_dislikes_are_left_out_where_that_predicts_better():
    """What follows depends on the liked one of two items, which stand in any order."""
    rng, lists, ratings = np.random.default_rng(0), [], []
    for _ in range(400):
        likes = rng.permutation([1.0, 0.1])
        pair = rng.integers(10, size=2)
        lists.append([*pair, 10 + pair[np.argmax(likes)]])
        ratings += [*likes, 1.0]
    data = replace(walks(*lists, repeats=True), rating=np.array(ratings, dtype="f4"))
    histories, schema = histories_of(data), replace(data.schema, events=False, like=0.5)
    held = next_holdouts(histories, schema, drawn_users(histories, 100, 0), 20, 0)[0]
    settings = LinearTraining(halvings=(100.0,), ridges=(1.0,), weakest=(0.0,))
    found = choose(True, histories, np.arange(20), schema, held, settings, (20,))
    assert (found.weakest, found.whole) == (0.0, pytest.approx(1.0))
    unrated = replace(histories, rating=np.full(len(data), np.nan))
    found = choose(True, unrated, np.arange(20), schema, held, settings, (20,))
    assert found.weakest == 1.0
    assert found.whole < 0.9


def pairs_and_what_follows(weight: Sequence[float]) -> tuple[Histories, Schema, Holdout]:
    """Two events of these weights in any order, what the first weight's item is followed by, and a
    holdout of the followers.
    """
    rng, lists, weights = np.random.default_rng(0), [], []
    for _ in range(400):
        order, pair = rng.permutation(2), rng.integers(10, size=2)
        lists.append([*pair, 10 + pair[np.flatnonzero(order == 0)[0]]])
        weights += [*np.array(weight)[order], 1.0]
    data = replace(walks(*lists, repeats=True), rating=np.array(weights, dtype="f4"))
    histories = histories_of(data)
    drawn = drawn_users(histories, 100, 0)
    return histories, data.schema, next_holdouts(histories, data.schema, drawn, 20, 0)[0]


def test_light_events_count_less_where_heavy_ones_predict():
    settings = LinearTraining(halvings=(100.0,), ridges=(1.0,))
    histories, schema, held = pairs_and_what_follows((1.0, 0.1))
    found = choose(True, histories, np.arange(20), schema, held, settings, (20,))
    assert found.weakest < 1
    assert found.whole == pytest.approx(1.0)
    even = replace(settings, weakest=())
    assert choose(True, histories, np.arange(20), schema, held, even, (20,)).whole < 0.9
    histories, schema, held = pairs_and_what_follows((0.1, 1.0))  # the light ones predict
    assert choose(True, histories, np.arange(20), schema, held, settings, (20,)).weakest == 1.0
    histories, schema, held = pairs_and_what_follows((0.4, 0.4))
    histories = replace(histories, rating=np.full(len(histories.item), 0.4, dtype="f4"))
    assert choose(True, histories, np.arange(20), schema, held, settings, (20,)).weakest == 1.0


@pytest.mark.parametrize("lowest", [0.05, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_event_weights_that_say_nothing_stay_unread(seed, lowest):
    rng, lists = np.random.default_rng(seed), []
    for user in range(300):  # of a group of 15 items, with some of another one
        own, other = rng.permutation(15)[:6], rng.permutation(15)[:3]
        lists.append([*(15 * (user % 2) + own), *(15 * (1 - user % 2) + other)])
    data = walks(*lists)
    weight = rng.uniform(lowest, 1.0, len(data)).astype("f4")
    histories = histories_of(replace(data, rating=weight))
    held = taste_holdouts(histories, data.schema, drawn_users(histories, 300, seed), 30, seed)[0]
    found = choose(False, histories, np.arange(30), data.schema, held, LinearTraining(), (30,))
    assert found.weakest == 1.0


@pytest.mark.parametrize("schema", [RATED, TAKEN])
@pytest.mark.parametrize("choice", [replace(NEXT, weakest=0.3), replace(TASTE, weakest=0.7)])
def test_a_history_weighs_the_same_to_the_bit_in_training_and_in_an_answer(choice, schema):
    histories = made_histories()
    histories.rating[::4] = np.nan
    everything = np.ones(len(histories.item), dtype=bool)
    read = Sequences(histories, np.arange(7), everything, schema).histories(choice).toarray()
    part = Part("some", "history", 7, choice.decay, choice.window, choice.weakest)
    for user in range(len(read)):
        history, row = histories.of(user), np.zeros(7, dtype="f4")
        weights = part.weights(history, schema)
        row[history.items[len(history) - len(weights) :]] = weights
        assert_array_equal(row, read[user])


# --- cut to a width -------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [NEXT, TASTE])
def test_at_full_width_it_is_the_whole_matrix(choice):
    data = synthetic(seed=2, users=50, items=30, interactions=600)
    shown, wide = np.ones(len(data), dtype=bool), replace(choice, width=500)
    found = item_vectors(histories_of(data), np.arange(30), shown, data.schema, wide, 0)
    assert_array_equal(found[0], np.arange(30))
    vectors, matrix = found[2], weights_of(choice, all_of(data))
    assert vectors.items.shape == vectors.history.shape == (30, 30)
    assert_allclose(vectors.history @ vectors.items.T, matrix, atol=1e-4 * np.abs(matrix).max())


@pytest.mark.parametrize("choice", [NEXT, TASTE])
def test_a_part_at_full_width_scores_as_the_whole_matrix_but_for_one_scale(choice):
    data = synthetic(seed=2, users=50, items=30, interactions=600)
    shown, wide = np.ones(len(data), dtype=bool), replace(choice, width=30)
    part = history_part("some", histories_of(data), np.arange(30), shown, data.schema, wide, 0)
    users, sequences = np.array([4, 9, 30]), all_of(data)
    wanted = sequences.histories(choice)[users] @ weights_of(choice, sequences)
    found = part.vectors(users) @ part.items.T
    scale = np.square(part.items).sum(axis=1).mean()
    assert scale == pytest.approx(1.0, abs=1e-5)
    assert_allclose(found / found.std(), wanted / wanted.std(), atol=1e-3)


def drawn_regression(size: int = 60, rank: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, their Gram matrix, and weights of few strong directions and some noise."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(200, size))
    weights = rng.normal(size=(size, rank)) @ rng.normal(size=(rank, size))
    weights += rng.normal(scale=0.1, size=(size, size))
    return inputs, (inputs.T @ inputs).astype("f4"), weights.astype("f4")


def directions(weights: np.ndarray, gram: np.ndarray, width: int) -> np.ndarray:
    return principal(lambda x: weights @ x, lambda x: weights.T @ x, gram, width, seed=0)


def test_narrow_predictions_are_those_of_the_exact_eigenvectors():
    inputs, gram, weights = drawn_regression()
    basis = directions(weights, gram, 5)
    assert_allclose(basis.T @ basis, np.eye(5), atol=1e-5)
    exact_weights = weights.astype(np.float64)
    _, vectors = np.linalg.eigh(exact_weights.T @ (inputs.T @ inputs) @ exact_weights)
    best, predicted = vectors[:, -5:], inputs @ exact_weights
    wanted = predicted @ best @ best.T
    assert np.abs(predicted @ basis @ basis.T - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_predictions_at_full_width_are_exact():
    inputs, gram, weights = drawn_regression()
    basis = directions(weights, gram, 500)
    predicted = inputs @ weights
    assert basis.shape == (60, 60)
    assert np.abs(predicted @ basis @ basis.T - predicted).max() < 1e-4 * np.abs(predicted).max()


def test_the_first_width_that_keeps_the_figure_is_taken():
    """Pairs of items need a direction each, so a narrow part loses what they say."""
    rng = np.random.default_rng(0)
    lists = [[n % 20, 20 + n % 20, *rng.integers(40, 60, 2)] for n in range(300)]
    lists = [[one[2], one[0], one[3], one[1]] for one in lists]  # a pair, with an item between
    data = walks(*lists, items=60, repeats=True)
    histories = histories_of(data)
    held = next_holdouts(histories, data.schema, drawn_users(histories, 60, 0), 60, 0)[0]
    settings = LinearTraining(halvings=(5.0,), ridges=(1.0,))
    found = choose(True, histories, np.arange(60), data.schema, held, settings, (1, 30, 59, 60))
    assert 1 < found.width < 60
    assert found.whole > 0.9
    assert found.figure >= linear.KEPT * found.whole


# --- popularity -----------------------------------------------------------------------------------


def test_a_trend_counts_half_for_each_half_life():
    data = walks([0, 1, 1, 2, 3], items=5, repeats=True)
    data = replace(data, time=np.array([0, 7, 14, 21, 28]) * DAY)
    shown = np.array([True, True, True, False, True])
    part = trend_part(histories_of(data), shown, 7.0, 5)
    assert (part.part.name, part.part.kind, part.part.width) == ("trend-7d", "constant", 1)
    weights = np.array([1 / 16, 1 / 8 + 1 / 4, 0.0, 1.0, 0.0])
    assert_allclose(part.items[:, 0] / part.items[3, 0], weights, atol=1e-6)
    assert part.items.max() == pytest.approx(1.0)  # short, beside parts of histories
    assert_array_equal(part.vectors(np.array([0, 0])), np.ones((2, 1)))


def test_popularity_does_not_know_what_is_hidden():
    data = walks([0, 1, 2], [0, 1, 3], [0, 1, 3])
    rows = np.arange(len(data))
    histories, encoder = histories_of(data), Encoder.fit(data, rows)
    last = np.zeros(len(rows), dtype=bool)
    last[histories.offsets[1:] - 1] = True
    for visible, share in ((~last, [1, 1, 0, 0]), (last, [0, 0, 1 / 3, 2 / 3])):
        part = profile_part("profile", data, histories, encoder, visible, 8)
        scores = part.vectors(np.array([1]))[0] @ part.items.T
        assert_allclose(scores / scores.max(), np.array(share) / max(share), atol=1e-6)
