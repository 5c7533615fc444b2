"""The linear model's training: what it learns, that each step is the one it claims, bad data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from builders import checkerboard, library, python
from fusionrec.baselines import EASE
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import ConfigError, TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.features.history import History
from fusionrec.models.linear_settings import LinearRecipe, LinearSettings, LinearTraining
from fusionrec.models.presets import PRESETS
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry import Artifact
from fusionrec.registry.tables import Histories
from fusionrec.training import linear
from fusionrec.training.linear import Holdout, Sequences, profile_scores
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact

QUICK = PRESETS["linear"]["quick"]
IDS = (Field("who", "user", "id"), Field("what", "item", "id"))
Fit = Callable[..., Artifact]


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """Trains in the test's workspace; ``model`` are settings of ``LinearSettings`` by name."""

    def call(
        data: Dataset,
        rows: np.ndarray | None = None,
        how: LinearTraining | None = None,
        **model: Any,
    ) -> Artifact:
        made = LinearRecipe(LinearSettings(**model), how or LinearTraining())
        return train(data, made, Workspace(tmp_path), rows=rows)

    return call


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes what ``--data synthetic`` names in this process small."""
    made = synthetic(seed=1, users=60, items=40, interactions=1500)
    monkeypatch.setattr("fusionrec.data.catalog.load", lambda *_: made)


def walks(*lists: list[int], items: int = 0, repeats: bool = False, same_time: bool = False):
    """Events of users u0, u1, ... who take these items in this order, one each second."""
    user = np.repeat(np.arange(len(lists)), [len(one) for one in lists]).astype(np.int32)
    item = np.concatenate([np.array(one, dtype=np.int32) for one in lists])
    time = np.concatenate([np.arange(len(one)) for one in lists]) + 1000
    people = Table([f"u{n}" for n in range(len(lists))], {})
    things = Table([f"i{n}" for n in range(items or int(item.max()) + 1)], {})
    schema = Schema("walks", IDS, (0.0, 1.0), like=0.0, events=True, repeats=repeats)
    time = np.full(len(time), 1000) if same_time else time
    return Dataset(schema, "walks", people, things, user, item, np.ones(len(user), "f4"), time)


def cycle(users: int = 150, items: int = 24, noise: float = 0.15) -> Dataset:
    """After each item comes the next of a cycle, but for leaps to any item, without repeats."""
    rng, lists = np.random.default_rng(0), []
    for _ in range(users):
        walk = [int(rng.integers(items))]
        for _ in range(8):
            leap = int(rng.integers(items)) if rng.random() < noise else (walk[-1] + 1) % items
            walk += [leap] if leap not in walk else []
        lists.append(walk)
    return walks(*lists)


def likes(data: Dataset) -> np.ndarray:
    return np.flatnonzero(data.rating >= 4)


def ranked(artifact: Artifact, *items: int) -> np.ndarray:
    """All items but these, for someone who took these, the best first."""
    vector = artifact.vectors_of([None], {}, [History.of(items)])[0]
    scores = artifact.item_vectors @ vector
    scores[list(items)] = -np.inf
    return np.argsort(-scores)[: len(scores) - len(items)]


def answers(artifact: Artifact) -> None:
    """That a version is finite and answers known users, new ones and nobody."""
    assert np.isfinite(artifact.item_vectors).all()
    assert np.isfinite(artifact.user_vectors).all()
    recommender = exact(artifact)
    ids = artifact.items.ids
    people = [Query(user=artifact.users.ids[0]), Query(history=[Rated(ids[0])]), Query()]
    for query in people:
        answer = recommender.recommend(Query(user=query.user, history=query.history, seen=True))
        assert 1 <= len(answer.items) <= len(ids)
        assert np.isfinite([item.score for item in answer.items if item.score is not None]).all()


# --- what it learns -------------------------------------------------------------------------------


def test_what_always_follows_is_ranked_first(fit):
    artifact = fit(cycle())
    assert artifact.manifest["linear"]["goal"] == "next"
    for last in range(24):
        before = [(last - back) % 24 for back in (3, 2, 1, 0)]
        assert ranked(artifact, *before)[0] == (last + 1) % 24


def test_next_reads_the_order_of_a_history(fit):
    artifact = fit(cycle(), how=LinearTraining(halvings=(1.0,), ridges=(1.0,)))
    assert ranked(artifact, 3, 15)[0] == 16
    assert ranked(artifact, 15, 3)[0] == 4


def test_taste_finds_the_group_in_any_order(fit):
    data = checkerboard()
    artifact = fit(data, likes(data))
    assert artifact.manifest["linear"]["goal"] == "taste"  # the checkerboard has no times
    for group in (0, 1):
        own = np.arange(group, 30, 2)
        for order in (own[:6], own[5::-1]):
            assert {item % 2 for item in ranked(artifact, *order)[:9]} == {group}
    one, other = ([History.of([2, 4, 8])], [History.of([8, 2, 4])])
    vectors = [artifact.vectors_of([None], {}, history) for history in (one, other)]
    assert_allclose(*vectors, atol=1e-6)


def test_auto_is_next_where_times_differ_else_taste(fit):
    ordered = [[0, 1, 2], [1, 2, 3], [2, 3, 0]]
    goals = [fit(walks(*ordered, same_time=same)).manifest["linear"]["goal"] for same in (0, 1)]
    assert goals == ["next", "taste"]
    assert fit(walks(*ordered), goal="taste").manifest["linear"]["goal"] == "taste"


# --- each step ------------------------------------------------------------------------------------


def made_histories(users: int = 9, items: int = 7) -> Histories:
    rng = np.random.default_rng(1)
    lists = [list(rng.permutation(items)[: rng.integers(0, items)]) for _ in range(users - 1)]
    data = walks(list(range(items)), *lists)
    return Histories.build(data, np.arange(len(data)))


@pytest.mark.parametrize("block", [200_000, 5])
@pytest.mark.parametrize(("decay", "window"), [(0.5, 2), (1.0, 10), (0.8, 3)])
def test_the_regression_is_a_sum_over_users_and_places(decay, window, block, monkeypatch):
    monkeypatch.setattr(linear, "_ROWS", block)
    histories, columns = made_histories(), np.array([0, 1, -1, 2, 3, 4, 5])
    hidden = np.zeros(len(histories.item), dtype=bool)
    hidden[[3, -1]] = True
    gram, targets = np.zeros((6, 6)), np.zeros((6, 6))
    for begin, end in zip(histories.offsets[:-1], histories.offsets[1:], strict=True):
        row = [columns[histories.item[n]] for n in range(begin, end) if not hidden[n]]
        row = [column for column in row if column >= 0]
        for place, came in enumerate(row):
            past = np.zeros(6)
            for back in range(1, min(window, place) + 1):
                past[row[place - back]] += decay ** (back - 1)
            gram += np.outer(past, past)
            targets[:, came] += past
    found = linear.next_regression(Sequences(histories, columns, hidden), decay, window)
    assert_allclose(found[0], gram, rtol=1e-5)
    assert_allclose(found[1], targets, rtol=1e-5)
    weights = linear.next_weights(*found, 3.0)
    assert_allclose(weights, np.linalg.solve(gram + 3 * np.eye(6), targets), rtol=1e-4, atol=1e-6)


def test_taste_weights_are_those_of_ease():
    data = synthetic(seed=2, users=50, items=30, interactions=600)
    histories = Histories.build(data, np.arange(len(data)))
    sequences = Sequences(histories, np.arange(30), np.zeros(len(data), dtype=bool))
    gram, _ = linear.regression(sequences, "taste", 1.0, 0)
    wanted = EASE(40.0).fit(data, np.arange(len(data))).weights
    assert_allclose(linear.taste_weights(gram, 40.0), wanted, atol=1e-5)


def drawn_regression(size: int = 60, rank: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, their Gram matrix, and weights of few strong directions and some noise."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(200, size))
    weights = rng.normal(size=(size, rank)) @ rng.normal(size=(rank, size))
    weights += rng.normal(scale=0.1, size=(size, size))
    return inputs, (inputs.T @ inputs).astype("f4"), weights.astype("f4")


def test_narrow_predictions_are_those_of_the_exact_eigenvectors():
    inputs, gram, weights = drawn_regression()
    basis = linear.directions(weights, gram, 5, seed=0)
    assert_allclose(basis.T @ basis, np.eye(5), atol=1e-5)
    exact_weights = weights.astype(np.float64)
    _, vectors = np.linalg.eigh(exact_weights.T @ (inputs.T @ inputs) @ exact_weights)
    best, predicted = vectors[:, -5:], inputs @ exact_weights
    wanted = predicted @ best @ best.T
    assert np.abs(predicted @ basis @ basis.T - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_predictions_at_full_width_are_exact():
    inputs, gram, weights = drawn_regression()
    basis = linear.directions(weights, gram, 500, seed=0)
    predicted = inputs @ weights
    assert basis.shape == (60, 60)
    assert np.abs(predicted @ basis @ basis.T - predicted).max() < 1e-4 * np.abs(predicted).max()


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("goal", ["next", "taste"])
def test_the_holdouts_ndcg_is_that_of_a_loop(goal, repeats):
    data = synthetic(seed=4, users=40, items=60, interactions=500)
    histories = Histories.build(data, np.arange(len(data)))
    columns = np.where(np.arange(60) % 9 == 8, -1, np.arange(60) - np.arange(60) // 9)
    hold = Holdout(histories, columns, goal, 25, 0, repeats)
    assert hold.hidden.sum() == 25
    read = Sequences(histories, columns, hold.hidden).histories(1.0, 0)
    scores = np.random.default_rng(0).integers(0, 12, (len(hold.users), read.shape[1]))
    figures = []
    for user, own, row in zip(hold.users, hold.target, scores, strict=True):
        span = slice(histories.offsets[user], histories.offsets[user + 1])
        hidden = hold.hidden[span]
        assert hidden.sum() == 1
        assert goal == "taste" or hidden[-1]
        assert columns[histories.item[span][hidden][0]] == own
        seen = {int(columns[item]) for item in histories.item[span][~hidden]}
        others = [n for n in range(len(row)) if n != own and (repeats or n not in seen)]
        above = sum(row[n] > row[own] for n in others)
        above = above + sum(row[n] == row[own] for n in others) / 2
        figures.append(1 / np.log2(above + 2) if above < 10 else 0.0)
    assert 0 < np.mean(figures) < 1
    found = hold.ndcg(scores.astype(np.float32), read)
    assert found == pytest.approx(np.mean(figures), abs=1e-6)


def test_popularity_beside_the_holdout_does_not_know_what_is_hidden():
    data = walks([0, 1, 2], [0, 1, 3], [0, 1, 3])
    rows = np.arange(len(data))
    histories, encoder = Histories.build(data, rows), Encoder.fit(data, rows)
    last = np.zeros(len(rows), dtype=bool)
    last[histories.offsets[1:] - 1] = True
    weights, _, _ = profile_scores(data, histories, encoder, last)
    assert_allclose(weights[-1], [1, 1, 0, 0])
    weights, _, _ = profile_scores(data, histories, encoder, ~last)
    assert_allclose(weights[-1], [0, 0, 1 / 3, 2 / 3], atol=1e-6)


# --- the same again -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(fit):
    data = synthetic(seed=1, users=60, items=40, interactions=1200)
    first, second = fit(data), fit(data)
    for name in ("item_vectors.npy", "user_vectors.npy", "user_tower.safetensors"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name


def test_a_seed_matters_to_what_is_held_out_alone(tmp_path):
    """Where one thing can be chosen, another seed gives the same predictions."""
    data, found = synthetic(seed=1, users=60, items=40, interactions=1200), []
    for seed in (0, 5):
        only = LinearTraining(halvings=(2.0,), ridges=(100.0,), shares=(0.1,), seed=seed)
        recipe = LinearRecipe(LinearSettings(dims=(40,)), only)
        found.append(train(data, recipe, Workspace(tmp_path / str(seed))))
    scores = [one.user_vectors @ one.item_vectors.T for one in found]
    longest = [np.linalg.norm(one.item_vectors, axis=1).max() for one in found]
    assert_allclose(longest, 1.0, atol=1e-5)
    assert_allclose(scores[0], scores[1], atol=1e-4)


# --- without Paddle -------------------------------------------------------------------------------

_WITHOUT_PADDLE = """
import sys
sys.modules["paddle"] = None
import fusionrec
from fusionrec.data.samples.movielens import synthetic
model = fusionrec.train(synthetic(1, 60, 40, 1500), "linear", home=sys.argv[1])
with fusionrec.Recommender(sys.argv[1]) as recommender:
    known = recommender.recommend(user=model.artifact.users.ids[3], k=5)
    liked = recommender.recommend(liked=[model.artifact.items.ids[0]], k=5)
print(len(known.items), len(liked.items))
"""


def test_it_trains_and_answers_where_paddle_is_not_installed(tmp_path):
    assert python(_WITHOUT_PADDLE, tmp_path).split() == ["5", "5"]


@pytest.mark.usefixtures("small")
def test_training_from_the_command_line_starts_no_paddle(fusionrec, tmp_path):
    ended = fusionrec(Workspace(tmp_path), "train", "--data", "synthetic", "--model", "linear")
    assert (ended.code, ended.out) == (0, "v1\n"), ended.err
    assert "addle" not in ended.err
    assert "linear for next" in ended.err


# --- bad data -------------------------------------------------------------------------------------

BAD = {
    "one user": [[0, 1, 2, 3]],
    "one interaction each": [[0], [1], [2], [0]],
    "two items": [[0, 1], [1, 0], [0]],
    "one user who took one item, and one another": [[0], [1]],
    "everything taken by everybody": [[0, 1, 2, 3]] * 6,
    "nobody has three": [[0, 1], [1, 2], [2, 3], [3, 0]],
}


@pytest.mark.parametrize("goal", ["next", "taste"])
@pytest.mark.parametrize("name", BAD)
def test_little_data_gives_a_version_that_answers(name, goal, fit):
    answers(fit(walks(*BAD[name]), goal=goal))


def test_items_that_nobody_took_or_few_did_have_vectors(fit):
    """Beside profiles with a text, which have more columns than there are people."""
    data = library()
    rows = np.flatnonzero(data.item < 12)
    artifact = fit(data, rows, items=8)
    answers(artifact)
    lengths = np.linalg.norm(artifact.item_vectors, axis=1)
    assert lengths.min() > 0
    assert lengths.max() == pytest.approx(1.0, abs=1e-5)


def test_a_single_item_is_nothing_to_learn_from(fit):
    with pytest.raises(TrainingError, match="single item"):
        fit(walks([0], [0], items=3))


def test_where_people_take_items_again_they_are_recommended_again(fit):
    rng = np.random.default_rng(0)
    lists = [
        [n % 5, *rng.integers(5, 15, 2), n % 5, *rng.integers(5, 15, 2), n % 5] for n in range(60)
    ]
    artifact = fit(walks(*lists, repeats=True), goal="taste")
    answer = exact(artifact).recommend(Query(user="u7", k=15))
    assert "i2" in [item.id for item in answer.items]
    once = fit(walks(*([*dict.fromkeys(one)] for one in lists)), goal="taste")
    assert "i2" not in [item.id for item in exact(once).recommend(Query(user="u7", k=15)).items]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.goal", "order"),
        ("model.dims", "[]"),
        ("model.dims", "[128, 64]"),
        ("model.dims", "[0, 64]"),
        ("model.dims", "[64, 5000]"),
        ("model.profile_dims", "0"),
        ("model.items", "0"),
        ("training.halvings", "[]"),
        ("training.halvings", "[0.0]"),
        ("training.halvings", "[2.0, inf]"),
        ("training.ridges", "[-1.0]"),
        ("training.ridges", "[100.0, nan]"),
        ("training.shares", "[]"),
        ("training.shares", "[-0.1]"),
        ("training.shares", "[inf]"),
        ("training.window", "0"),
        ("training.validation", "-1"),
        ("training.content_ridge", "0.0"),
        ("training.content_ridge", "inf"),
        ("training.seed", "-1"),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        QUICK.change({name: value})


# --- beside the other models ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "protocol", ["next-item", "random-holdout", "new-user", "new-item", "global-time"]
)
@pytest.mark.usefixtures("small")
def test_evaluate_measures_it_by_each_ranking_protocol(protocol, fusionrec, tmp_path):
    folds = ("--folds", "0") if protocol in ("new-user", "global-time") else ()
    given = ("--data", "synthetic", "--model", "linear", *folds)
    baseline = "chance" if protocol == "new-item" else "popular"
    shown = ("--baseline", baseline, "--json", "--through-index", "0")
    ended = fusionrec(Workspace(tmp_path), "evaluate", "--protocol", protocol, *given, *shown)
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)["rows"]
    assert [row["name"] for row in rows] == ["linear", baseline]
    assert 0 < rows[0]["figures"]["ndcg@10"] <= 1


@pytest.mark.usefixtures("small")
def test_its_report_its_row_of_models_and_no_checkpoint(fusionrec, tmp_path):
    home, given = Workspace(tmp_path), ("--data", "synthetic")
    refused = fusionrec(home, "train", *given, "--model", "linear", "--resume")
    assert (refused.code, refused.out) == (2, "")
    assert "there is no checkpoint" in refused.err
    assert fusionrec(home, "train", *given, "--model", "linear").code == 0
    listed = fusionrec(home, "models").out
    figure = json.loads((tmp_path / "models" / "v1" / "manifest.json").read_text("utf-8"))
    figure = figure["training"]["epochs"][0]["validation"]
    assert f"{figure:.4f} NDCG@10" in listed
    assert "linear" in listed
    for options in (given, ()):
        ended = fusionrec(home, "report", *options)
        assert ended.code == 0, ended.err
        page = Path(ended.out.strip()).read_text("utf-8")
        assert "fitted in closed form" in page
        assert "nan" not in page.lower().replace("nano", "")
