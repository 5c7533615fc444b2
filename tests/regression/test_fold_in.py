"""Items beyond the most-taken ones: their vectors are those of the regression that is claimed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from builders import checkerboard, walks
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.features.history import History
from fusionrec.models.linear_settings import LinearRecipe, LinearSettings, LinearTraining
from fusionrec.registry.tables import Histories
from fusionrec.regression import item_weights
from fusionrec.regression import sequences as sequences_module
from fusionrec.regression.fold_in import FoldIn, item_vectors
from fusionrec.regression.sequences import HistoryChoice, Sequences, regression
from fusionrec.training import linear
from fusionrec.training.linear import most_taken, sampled
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

ITEMS, HEAD, L2 = 40, 25, 7.0
DATA = synthetic(seed=3, users=70, items=ITEMS, interactions=900)
HISTORIES = Histories.build(DATA, np.arange(len(DATA)))
ALL = np.ones(len(DATA), dtype=bool)
WEAKEST = 0.5
READS = {
    "next": HistoryChoice(True, 0.7, 4, WEAKEST, L2, ITEMS),
    "taste": HistoryChoice(False, 1.0, 0, WEAKEST, L2, ITEMS),
}


@pytest.fixture(autouse=True)
def _blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks, so that what is summed over them is right."""
    monkeypatch.setattr(sequences_module, "_ROWS", 13)
    monkeypatch.setattr(sequences_module, "_COLUMNS", 7)
    monkeypatch.setattr(item_weights, "_COLUMNS", 7)


def fold_in(goal: str, columns: np.ndarray | None = None) -> FoldIn:
    """Of the made data, the first ``HEAD`` columns as the head."""
    columns = np.arange(ITEMS) if columns is None else columns
    sequences, choice = Sequences(HISTORIES, columns, ALL, DATA.schema), READS[goal]
    gram, targets = regression(sequences, choice, HEAD)
    weights = item_weights.item_weights(choice.ordered, gram, targets, L2)
    make, tail = sequences.examples(choice), sequences.tail_gram(choice, HEAD)
    even = np.ones(ITEMS, dtype=np.float32)
    return FoldIn(weights, gram, make, even, L2, tail, excludes=not choice.ordered)


def matrices(goal: str) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix and the targets of all items, float64 [items, items], from dense rows."""
    gram, targets = np.zeros((ITEMS, ITEMS)), np.zeros((ITEMS, ITEMS))
    decay, window = READS[goal].decay, READS[goal].window
    for user in range(len(DATA.users)):
        taken = HISTORIES.of(user).items
        weight = np.where(HISTORIES.of(user).ratings < DATA.schema.like, WEAKEST, 1.0)
        if goal == "taste":
            row = np.bincount(taken, weight, minlength=ITEMS).astype(float)
            gram += np.outer(row, row)
            continue
        for place in range(1, len(taken)):
            row = np.zeros(ITEMS)
            for back in range(1, min(window, place) + 1):
                row[taken[place - back]] += weight[place - back] * decay ** (back - 1)
            gram += np.outer(row, row)
            targets[:, taken[place]] += row
    return gram, gram if goal == "taste" else targets


def exact_weights(goal: str) -> np.ndarray:
    """The head's weights for all items, float64 [HEAD, items], each by a regression of its own."""
    gram, targets = matrices(goal)
    penalised, weights = gram[:HEAD, :HEAD] + L2 * np.eye(HEAD), np.zeros((HEAD, ITEMS))
    for item in range(ITEMS):
        kept = np.array([n for n in range(HEAD) if goal == "next" or n != item])
        weights[kept, item] = np.linalg.solve(penalised[np.ix_(kept, kept)], targets[kept, item])
    return weights


@pytest.mark.parametrize("goal", READS)
def test_the_heads_weights_for_all_items_are_those_of_a_regression_of_each(goal):
    found, wanted = fold_in(goal), exact_weights(goal)
    assert_allclose(found.times(np.eye(ITEMS, dtype="f4")), wanted, atol=1e-4)
    assert_allclose(found.transposed_times(np.eye(HEAD, dtype="f4")), wanted.T, atol=1e-4)


@pytest.mark.parametrize("goal", READS)
def test_the_tail_says_what_the_head_leaves_unexplained(goal, monkeypatch):
    """At full width: a ridge regression of the residuals on the tail items."""
    monkeypatch.setattr("fusionrec.regression.fold_in._ITERATIONS", 30)
    gram, targets = matrices(goal)
    rest = targets[HEAD:] - gram[HEAD:, :HEAD] @ exact_weights(goal)
    if goal == "taste":  # not of the item on itself
        rest -= np.diag(np.diag(gram))[HEAD:]
    wanted = np.linalg.solve(gram[HEAD:, HEAD:] + L2 * np.eye(ITEMS - HEAD), rest)
    found = fold_in(goal).read_of_tail(np.eye(ITEMS, dtype="f4"), exact_weights(goal).astype("f4"))
    assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("goal", READS)
def test_vectors_predict_as_the_weights_do_in_the_best_directions(goal):
    gram = matrices(goal)[0][:HEAD, :HEAD]
    weights = exact_weights(goal)
    vectors = fold_in(goal).vectors(HEAD, seed=0)
    assert_allclose(vectors.items.T @ vectors.items, np.eye(HEAD), atol=1e-4)
    assert_allclose(vectors.history[:HEAD] @ vectors.items.T, weights, atol=1e-3)
    narrow = fold_in(goal).vectors(6, seed=0)
    _, best = np.linalg.eigh(weights.T @ gram @ weights)
    best = best[:, -6:]

    def kept(basis: np.ndarray) -> float:
        return float(np.trace(basis.T @ weights.T @ gram @ weights @ basis))

    assert kept(narrow.items) == pytest.approx(kept(best), rel=1e-3)


def test_a_head_of_all_items_is_the_whole_regression():
    columns = most_taken(HISTORIES, np.arange(ITEMS), ITEMS)
    places, _, vectors = item_vectors(HISTORIES, columns, ALL, DATA.schema, READS["next"], seed=0)
    gram, targets = matrices("next")
    wanted = np.linalg.solve(gram + L2 * np.eye(ITEMS), targets)
    taken = places >= 0
    found = (vectors.history @ vectors.items.T)[np.ix_(places[taken], places[taken])]
    assert_allclose(found, wanted[np.ix_(taken, taken)], atol=1e-3)


def test_the_cut_of_ordered_histories_keeps_rare_items(monkeypatch):
    """Popular items follow each other in many ways, and rare ones always in one."""
    rng, lists = np.random.default_rng(0), []
    for user in range(300):
        rare = 20 + 2 * (user % 10)
        lists.append(
            [*rng.permutation(20)[:6], *([rare, rare + 1] if user % 10 == user // 30 else [])]
        )
    data = walks(*lists)
    histories, shown = Histories.build(data, np.arange(len(data))), np.ones(len(data), dtype=bool)
    choice, columns = HistoryChoice(True, 0.7, 4, 1.0, 1.0, 40), np.arange(40)

    def matrix(width: int) -> np.ndarray:
        cut = replace(choice, width=width)
        found = item_vectors(histories, columns, shown, data.schema, cut, seed=0)[2]
        return found.history @ found.items.T

    def lost(width: int) -> float:
        """Of what is said of the rare ones, the share that the cut loses."""
        whole = matrix(40)[:, 21::2]
        return float(np.square(matrix(width)[:, 21::2] - whole).sum() / np.square(whole).sum())

    scaled = lost(15)
    even = lambda sequences, _: np.ones(sequences.size, dtype="f4")  # noqa: E731
    monkeypatch.setattr("fusionrec.regression.fold_in.popularity_scale", even)
    assert scaled < 0.5 * lost(15)


def trained(data: Dataset, home: Path, rows: np.ndarray | None = None, **model: object):
    recipe = LinearRecipe(LinearSettings(stars=False, **model), LinearTraining())  # type: ignore[arg-type]
    return train(data, recipe, Workspace(home), rows=rows)


def test_items_beyond_the_head_are_learned_from_histories(tmp_path):
    """Half of the items are beyond it, and the data says nothing else of them."""
    data = checkerboard()
    rows = np.flatnonzero(data.rating >= 4)
    artifact = trained(data, tmp_path, rows, items=15)
    learned = most_taken(Histories.build(data, rows), np.arange(30), 15) >= 0
    assert 0 < learned.sum() < 16
    for group in (0, 1):
        of_group = np.arange(30) % 2 == group
        for known in (of_group & learned, of_group & ~learned):  # what each says of all
            history = np.flatnonzero(known)[:4]
            vector = artifact.vectors_of([None], {}, [History.of(history)])[0]
            scores = artifact.item_vectors @ vector
            scores[history] = -np.inf
            assert {item % 2 for item in np.argsort(-scores)[:9]} == {group}


def test_a_large_catalog_chooses_among_some_items_and_users(monkeypatch, tmp_path):
    whole = trained(DATA, tmp_path / "whole").item_vectors
    monkeypatch.setattr(linear, "SEARCHED", 10)
    monkeypatch.setattr(linear, "ROWS", 300)
    artifact = trained(DATA, tmp_path / "some")
    assert artifact.item_vectors.shape[0] == ITEMS
    assert np.isfinite(artifact.item_vectors).all()
    assert np.linalg.norm(artifact.item_vectors, axis=1).min() > 0
    assert whole.shape[0] == ITEMS


def test_a_sample_has_the_users_that_are_asked_for_and_about_so_many_rows():
    users = np.array([3, 50])
    found = sampled(HISTORIES, users, 300, seed=0)
    of = np.repeat(np.arange(len(DATA.users)), np.diff(HISTORIES.offsets))
    assert found[np.isin(of, users)].all()
    assert 250 < found.sum() <= 300
    for user in range(len(DATA.users)):
        assert len(set(found[of == user])) <= 1
    assert sampled(HISTORIES, users, len(DATA), seed=0).all()
    assert set(of[sampled(HISTORIES, users, 1, seed=0)]) == {3, 50}


def test_a_penalty_too_small_for_float32_is_solved_in_float64():
    inputs = np.random.default_rng(0).integers(0, 4, (5, 30))
    gram = (4096 * inputs.T @ inputs).astype("f4")  # without rounding
    assert item_weights.cholesky(gram, 1e-2).dtype == np.float64
    found = item_weights.next_weights(gram, gram, 1e-2)
    exact = np.linalg.solve(gram.astype("f8") + 1e-2 * np.eye(30), gram.astype("f8"))
    assert_allclose(found, exact, atol=1e-4)


def test_large_matrices_in_float32_give_the_weights_of_small_ones(monkeypatch):
    sequences = Sequences(HISTORIES, np.arange(ITEMS), ALL, DATA.schema)
    gram = regression(sequences, READS["taste"])[0]
    exact = item_weights.taste_weights(gram, L2)
    monkeypatch.setattr(item_weights, "EXACT", 0)
    before = gram.copy()
    assert_allclose(item_weights.taste_weights(gram, L2), exact, atol=1e-4)
    assert_allclose(gram, before)
