"""The linear model's training: what it learns, the same again, bad data, and no Paddle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from builders import checkerboard, cycle, library, python, walks
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.errors import ConfigError, TrainingError
from fusionrec.features.history import History
from fusionrec.models.linear_settings import LinearRecipe, LinearSettings, LinearTraining
from fusionrec.models.presets import PRESETS, with_goals
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact

QUICK = PRESETS["linear"]["quick"]
GOALS = ("later", "next", "taste")
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
        made = LinearRecipe(LinearSettings(**{"stars": False, **model}), how or LinearTraining())
        return train(data, made, Workspace(tmp_path), rows=rows)

    return call


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes what ``--data synthetic`` names in this process small."""
    made = synthetic(seed=1, users=60, items=40, interactions=1500)
    monkeypatch.setattr("fusionrec.data.catalog.load", lambda *_, **__: made)


def likes(data: Dataset) -> np.ndarray:
    return np.flatnonzero(data.rating >= 4)


def weights(artifact: Artifact, goal: str | None = None) -> dict[str, float]:
    """The weights of a goal, or of the version's own."""
    blend = artifact.manifest["blend"]
    return blend["weights"][goal or blend["goal"]]


def ranked(artifact: Artifact, *items: int, goal: str | None = None) -> np.ndarray:
    """All items but these, for someone who took these, the best first."""
    vector = artifact.vectors_of([None], {}, [History.of(items)], goal=goal)[0]
    scores = artifact.item_vectors @ vector
    scores[list(items)] = -np.inf
    return np.argsort(-scores)[: len(scores) - len(items)]


def answers(artifact: Artifact) -> None:
    """That a version is finite and answers known users, new ones and nobody."""
    assert np.isfinite(artifact.item_vectors).all()
    assert np.isfinite(artifact.user_vectors).all()
    assert np.linalg.norm(artifact.item_vectors, axis=1).max() == pytest.approx(1.0, abs=1e-5)
    recommender = exact(artifact)
    ids = artifact.items.ids
    people = [Query(user=artifact.users.ids[0]), Query(history=[Rated(ids[0])]), Query()]
    for query in people:
        answer = recommender.recommend(Query(user=query.user, history=query.history, seen=True))
        assert 1 <= len(answer.items) <= len(ids)
        assert np.isfinite([item.score for item in answer.items if item.score is not None]).all()


# --- what it learns -------------------------------------------------------------------------------


def test_what_always_follows_is_ranked_first(fit):
    artifact = fit(cycle(), goal="next")
    assert max(weights(artifact), key=weights(artifact).get) == "next"
    for last in range(24):
        before = [(last - back) % 24 for back in (3, 2, 1, 0)]
        assert ranked(artifact, *before)[0] == (last + 1) % 24


def test_next_reads_the_order_of_a_history(fit):
    how = LinearTraining(halvings=(1.0,), ridges=(1.0,))
    artifact = fit(cycle(), how=how, goal="next", goals=("next",))
    assert ranked(artifact, 3, 15)[0] == 16
    assert ranked(artifact, 15, 3)[0] == 4


def test_taste_finds_the_group_in_any_order(fit):
    data = checkerboard()
    artifact = fit(data, likes(data))
    assert artifact.manifest["blend"]["goal"] == "taste"  # the checkerboard has no times
    assert "taste" in weights(artifact)
    for group in (0, 1):
        own = np.arange(group, 30, 2)
        for order in (own[:6], own[5::-1]):
            assert {item % 2 for item in ranked(artifact, *order)[:9]} == {group}
    one, other = ([History.of([2, 4, 8])], [History.of([8, 2, 4])])
    vectors = [artifact.vectors_of([None], {}, history) for history in (one, other)]
    assert_allclose(*vectors, atol=1e-6)


def test_dislikes_tell_groups_apart_where_everybody_takes_of_both(fit):
    artifact = fit(checkerboard())  # half of all that a user rated is of the other group
    parts = {part["name"]: part for part in artifact.manifest["blend"]["parts"]}
    assert parts["taste"]["weakest"] < 1
    for group in (0, 1):
        rated = History.of(np.arange(12), np.where(np.arange(12) % 2 == group, 5.0, 1.0))
        vector = artifact.vectors_of([None], {}, [rated])[0]
        best = 12 + np.argsort(-(artifact.item_vectors @ vector)[12:])[:8]
        assert set(best % 2) == {group}


def test_lists_are_better_where_light_events_are_noise_and_count_less(fit):
    """Heavy events are of a user's own group of 15 items, light ones of any among 45."""
    rng, lists, weight = np.random.default_rng(0), [], []
    for user in range(400):
        own, other = rng.permutation(15)[:8], 15 + rng.permutation(45)[:7]
        items = np.r_[15 * (user % 4) + own, (15 * (user % 4) + other) % 60]
        order = rng.permutation(15)
        lists.append(list(items[order]))
        weight += list(np.where(order < 8, 1.0, 0.1))
    data = replace(walks(*lists, same_time=True), rating=np.array(weight, dtype="f4"))
    how, shares = LinearTraining(ridges=(30.0,)), []
    for weakest in ((), how.weakest):
        artifact = fit(data, how=replace(how, weakest=weakest), goals=("taste",))
        parts = {part["name"]: part for part in artifact.manifest["blend"]["parts"]}
        assert (parts["taste"]["weakest"] < 1) == bool(weakest)
        right = []
        for user in range(400):  # five of the group's 7 other items would be perfect
            vector, taken = artifact.user_vectors[user], lists[user]
            scores = artifact.item_vectors @ vector
            scores[taken] = -np.inf
            right.append(np.mean(np.argsort(-scores)[:5] // 15 == user % 4))
        shares.append(np.mean(right))
    assert shares[1] > shares[0] + 0.05, shares


def test_later_goes_by_what_was_taken_lately_where_nothing_else_tells(fit):
    """Everyone takes what came up lately, and each window has other items than that before it."""
    rng, lists, times = np.random.default_rng(0), [], []
    for user in range(200):
        first = sorted(rng.integers(0, 100, 4))
        lists.append(list(dict.fromkeys(int(day) // 4 + 2 * int(rng.integers(2)) for day in first)))
        times += first[: len(lists[-1])]
        assert len(lists[-1]) <= 4, user
    data = replace(walks(*lists), time=86_400 * np.array(times, dtype=np.int64))
    artifact = fit(data, how=LinearTraining(days=(3.0, 300.0)))
    assert artifact.manifest["blend"]["goal"] == "later"
    assert weights(artifact)["trend-3d"] == 1.0
    first = ranked(artifact, 20)[:3]
    assert first.min() >= 22  # of 0 to 26


def test_auto_is_later_where_times_differ_else_taste(fit):
    ordered = [[0, 1, 2], [1, 2, 3], [2, 3, 0]]
    blends = [fit(walks(*ordered, same_time=same)).manifest["blend"] for same in (0, 1)]
    assert [blend["goal"] for blend in blends] == ["later", "taste"]
    assert set(blends[0]["weights"]) == set(GOALS)
    assert "later" not in blends[1]["weights"]  # the data cannot serve it
    for goal in GOALS:
        assert fit(walks(*ordered), goal=goal).manifest["blend"]["goal"] == goal


def test_with_one_goal_no_other_is_weighed_unless_the_recipe_names_its_own(fit):
    made = with_goals(QUICK, ("next",), stars=False).model
    assert (made.goal, made.goals, made.stars) == ("next", ("next",), False)
    both = with_goals(PRESETS["auto"]["quick"], ("taste", "next"), stars=True).model
    assert (both.goal, both.goals, both.stars) == ("taste", ("taste", "next"), True)
    own = replace(QUICK, model=replace(QUICK.model, goal="taste"))
    assert with_goals(own, ("next",), stars=True) is own
    sequence = PRESETS["sequence"]["quick"]
    assert with_goals(sequence, ("next",), stars=True) is sequence
    artifact = fit(cycle(users=40), goal="next", goals=("next",))
    assert set(artifact.manifest["blend"]["weights"]) == {"next"}


def test_without_a_holdout_the_parts_weigh_the_same(fit):
    how = LinearTraining(halvings=(1.0, 9.0), ridges=(1.0, 5.0), validation=0)
    artifact = fit(cycle(), how=how, goal="next", dims=(8, 24))
    for goal in GOALS:
        assert weights(artifact, goal) == {"taste": 1.0, "next": 1.0, "profile": 1.0}
    parts = {part["name"]: part for part in artifact.manifest["blend"]["parts"]}
    assert (parts["next"]["width"], parts["next"]["decay"]) == (24, 0.5)
    assert artifact.manifest["worth"]["sentence"].startswith("nothing was held out")
    assert ranked(artifact, 15, 3)[0] == 4


def test_how_long_the_vectors_of_profiles_are_changes_no_list(fit, monkeypatch):
    data, scores = cycle(), []
    for scale in (0.3, 2.0):
        monkeypatch.setattr("fusionrec.training.parts._short", lambda _, scale=scale: scale)
        artifact = fit(data, how=LinearTraining(validation=0))  # all parts weigh the same
        scores.append(
            [
                artifact.vectors_of(
                    data.users.ids,
                    data.users.columns,
                    [artifact.histories.of(user) for user in range(len(data.users))],
                    goal=goal,
                )
                @ artifact.item_vectors.T
                for goal in artifact.goals
            ]
        )
    one, other = (of / of.std(axis=-1, keepdims=True) for of in np.array(scores))
    assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("dims", [(64, 128, 192, 256, 352, 448), (448,)])
def test_vectors_are_at_most_512_wide(dims, fit):
    """Of data in whose parts no width is enough."""
    rng = np.random.default_rng(0)
    data = walks(*rng.integers(0, 700, (300, 6)), items=700, repeats=True)
    how = LinearTraining(halvings=(2.0,), ridges=(100.0,), validation=0)
    artifact = fit(data, how=how, dims=dims)
    parts = artifact.manifest["blend"]["parts"]
    assert sum(part["width"] for part in parts) == artifact.item_vectors.shape[1]
    assert 400 < artifact.item_vectors.shape[1] <= 512


# --- the same again -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(fit):
    data = synthetic(seed=1, users=60, items=40, interactions=1200)
    first, second = fit(data), fit(data)
    for name in ("item_vectors.npy", "user_vectors.npy", "user_tower.safetensors"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name


def test_a_seed_matters_to_what_is_held_out_alone(tmp_path):
    """Where nothing is chosen, another seed gives the same predictions."""
    data, found = synthetic(seed=1, users=60, items=40, interactions=1200), []
    for seed in (0, 5):
        only = LinearTraining(halvings=(2.0,), ridges=(100.0,), validation=0, seed=seed)
        recipe = LinearRecipe(LinearSettings(dims=(40,), stars=False), only)
        found.append(train(data, recipe, Workspace(tmp_path / str(seed))))
    scores = [one.user_vectors @ one.item_vectors.T for one in found]
    assert_allclose(scores[0], scores[1], atol=1e-4)


# --- without Paddle -------------------------------------------------------------------------------

_WITHOUT_PADDLE = """
import sys
sys.modules["paddle"] = None
import fusionrec
from fusionrec.data.samples.movielens import synthetic
data = synthetic(1, 60, 40, 1500)
for name in ("linear", "auto"):
    said, home = [], f"{sys.argv[1]}/{name}"
    model = fusionrec.train(data, name, home=home, log=said.append)
    with fusionrec.Recommender(home) as recommender:
        known = recommender.recommend(user=model.artifact.users.ids[3], k=5)
        liked = recommender.recommend(liked=[model.artifact.items.ids[0]], k=5)
    notes = [one for one in said if "PaddlePaddle is not installed" in one]
    print(name, len(known.items), len(liked.items), len(notes))
"""


def test_they_train_and_answer_where_paddle_is_not_installed(tmp_path):
    assert python(_WITHOUT_PADDLE, tmp_path).splitlines() == ["linear 5 5 0", "auto 5 5 1"]


@pytest.mark.usefixtures("small")
def test_training_from_the_command_line_starts_no_paddle_and_says_what_it_is_worth(
    fusionrec, tmp_path
):
    ended = fusionrec(Workspace(tmp_path), "train", "--data", "synthetic", "--model", "linear")
    assert (ended.code, ended.out) == (0, "v1\n"), ended.err
    assert "addle" not in ended.err
    manifest = json.loads((tmp_path / "models" / "v1" / "manifest.json").read_text("utf-8"))
    assert manifest["worth"]["sentence"] in ended.err


# --- bad data -------------------------------------------------------------------------------------

BAD = {
    "one user": [[0, 1, 2, 3]],
    "one interaction each": [[0], [1], [2], [0]],
    "two items": [[0, 1], [1, 0], [0]],
    "one user who took one item, and one another": [[0], [1]],
    "everything taken by everybody": [[0, 1, 2, 3]] * 30,
    "nobody has three": [[0, 1], [1, 2], [2, 3], [3, 0]],
}


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", BAD)
def test_little_data_gives_a_version_that_answers(name, goal, fit):
    artifact = fit(walks(*BAD[name]), goal=goal)
    answers(artifact)
    assert "too little data" in artifact.manifest["worth"]["sentence"]


@pytest.mark.parametrize("goal", GOALS)
def test_equal_times_give_a_version_that_answers(goal, fit):
    answers(fit(walks(*[[n % 5, (n + 1) % 5, 5] for n in range(30)], same_time=True), goal=goal))


def test_items_that_nobody_took_or_few_did_have_vectors(fit):
    """Beside profiles with a text, which have more columns than there are people."""
    data = library()
    rows = np.flatnonzero(data.item < 12)
    artifact = fit(data, rows, items=8)
    answers(artifact)
    assert np.linalg.norm(artifact.item_vectors, axis=1).min() > 0


def test_a_single_item_is_nothing_to_learn_from(fit):
    with pytest.raises(TrainingError, match="single item"):
        fit(walks([0], [0], items=3))


def test_where_people_take_items_again_they_are_recommended_again(fit):
    rng = np.random.default_rng(0)
    lists = [
        [n % 5, *rng.integers(5, 15, 2), n % 5, *rng.integers(5, 15, 2), n % 5] for n in range(60)
    ]
    artifact = fit(walks(*lists, repeats=True), goal="next")
    answer = exact(artifact).recommend(Query(user="u7", k=15))
    assert "i2" in [item.id for item in answer.items]
    once = fit(walks(*([*dict.fromkeys(one)] for one in lists)), goal="taste")
    assert "i2" not in [item.id for item in exact(once).recommend(Query(user="u7", k=15)).items]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.goal", "order"),
        ("model.goals", "[]"),
        ("model.goals", '["order"]'),
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
        ("training.weakest", "[-0.1]"),
        ("training.weakest", "[1.1]"),
        ("training.weakest", "[nan]"),
        ("training.days", "[]"),
        ("training.days", "[0.0]"),
        ("training.days", "[inf]"),
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
    assert "linear" in listed
    for options in (given, ()):
        ended = fusionrec(home, "report", *options)
        assert ended.code == 0, ended.err
        page = Path(ended.out.strip()).read_text("utf-8")
        assert "fitted in closed form" in page
        assert "nan" not in page.lower().replace("nano", "")
