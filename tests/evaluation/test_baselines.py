"""Baselines on data whose right answer is obvious, and a floor under their quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.movielens.readers import read
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Field, Schema
from fusionrec.data.splits import item_split, leave_last_out, random_split, user_folds
from fusionrec.errors import UsageError
from fusionrec.evaluation import baselines
from fusionrec.evaluation.baselines import Ranker, item_sets
from fusionrec.metrics import ItemSets, Ranking, mean, popularity_strata, rmse

SHOP = Schema(
    "shop",
    (
        Field("who", "user", "id"),
        Field("town", "user", "category"),
        Field("likes", "user", "categories"),
        Field("what", "item", "id"),
        Field("shelf", "item", "categories"),
        Field("price", "item", "number"),
    ),
    (1.0, 5.0),
)
RANKERS: dict[str, Callable[[], Ranker]] = {
    "popular": baselines.Popular,
    "recently popular": baselines.RecentlyPopular,
    "by group": baselines.PopularByGroup,
    "taken before": baselines.TakenBefore,
    "item knn": baselines.ItemKNN,
    "ease": lambda: baselines.EASE(5.0),
    "ridge": lambda: baselines.ProfileRidge(1.0),
    "category knn": baselines.CategoryKNN,
    "newest": baselines.Newest,
    "chance": baselines.RandomOrder,
}


def shop(users: int = 40, items: int = 30) -> Dataset:
    """Two towns and two shelves: everyone buys half of the shelf of their town's parity.

    The last user and the last item have no interactions; item n costs n, item 0's price is lost.
    """
    user, item = np.divmod(np.arange(users * items), items)
    bought = np.random.default_rng(0).random(len(user)) < 0.5
    bought &= (user % 2 == item % 2) & (user < users - 1) & (item < items - 1)
    user, item = user[bought].astype(np.int32), item[bought].astype(np.int32)
    people = Table(
        [f"u{n}" for n in range(users)],
        {
            "town": ["even" if n % 2 == 0 else "odd" for n in range(users)],
            "likes": [(f"l{n % 2}",) for n in range(users)],
        },
    )
    goods = Table(
        [f"i{n}" for n in range(items)],
        {
            "shelf": [(f"s{n % 2}",) for n in range(items)],
            "price": [float("nan"), *(float(n) for n in range(1, items))],
        },
    )
    rating = np.where(item < items // 2, 5.0, 2.0).astype(np.float32)
    time = np.arange(len(user), dtype=np.int64) * 3600
    return Dataset(SHOP, "shop", people, goods, user, item, rating, time)


SHOPPING = shop()
EVERYTHING = np.arange(len(SHOPPING))


@pytest.mark.parametrize("name", RANKERS)
def test_a_block_answers_as_single_users_do_and_every_score_is_a_number(name: str) -> None:
    for dataset in (SHOPPING, synthetic(seed=1, users=60, items=40, interactions=1500)):
        ranker = RANKERS[name]().fit(dataset, np.arange(len(dataset)))
        users = np.array([5, 0, len(dataset.users) - 1])
        block = ranker.scores(users)
        assert block.shape == (3, len(dataset.items))
        assert np.isfinite(block).all()
        for row, user in zip(block, users, strict=True):
            single = ranker.scores(np.array([user]))[0]
            np.testing.assert_allclose(row, single, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["by group", "item knn", "ease", "ridge", "category knn"])
def test_the_users_own_shelf_comes_first(name: str) -> None:
    ranker = RANKERS[name]().fit(SHOPPING, EVERYTHING)
    scores = ranker.scores(np.arange(38))
    own = np.arange(38)[:, None] % 2 == np.arange(30) % 2
    own[:, 29] = False  # nobody has bought it
    if name == "category knn":
        own[1::2, 29] = True  # but it stands on a shelf
    order = np.argsort(-scores, axis=1, kind="stable")
    assert np.take_along_axis(own, order, axis=1)[:, :13].all()


@pytest.mark.parametrize("name", ["by group", "ridge"])
def test_a_user_without_interactions_is_answered_from_the_profile(name: str) -> None:
    scores = RANKERS[name]().fit(SHOPPING, EVERYTHING).scores(np.array([39]))[0]
    assert (np.argsort(-scores, kind="stable")[:10] % 2 == 1).all()


@pytest.mark.parametrize("name", ["item knn", "ease", "category knn"])
def test_a_history_given_later_is_what_is_answered_from(name: str) -> None:
    ranker = RANKERS[name]().fit(SHOPPING, EVERYTHING)
    odd = ItemSets.of(np.array([0, 0]), np.array([1, 3]), len(SHOPPING.users))
    scores = ranker.scores(np.array([0]), odd)[0]
    assert (np.argsort(-scores, kind="stable")[:10] % 2 == 1).all()
    assert (ranker.scores(np.array([39]))[0] == 0).all()  # no history, nothing to tell


def test_only_training_rows_are_learned_from() -> None:
    rows = EVERYTHING[SHOPPING.item < 10]
    for name in ("popular", "recently popular", "by group", "item knn", "ease", "ridge"):
        scores = RANKERS[name]().fit(SHOPPING, rows).scores(np.arange(40))
        assert (scores[:, 10:] == 0).all(), name


def test_popularity_counts_all_or_the_last_days() -> None:
    count = baselines.popularity(SHOPPING, EVERYTHING)
    assert count.sum() == len(SHOPPING)
    popular = baselines.Popular().fit(SHOPPING, EVERYTHING).scores(np.array([0, 1]))
    assert (popular == count).all()
    recent = baselines.RecentlyPopular(days=0.5).fit(SHOPPING, EVERYTHING)
    last = EVERYTHING[-12:]
    assert (np.floor(recent.count) == baselines.popularity(SHOPPING, last)).all()
    assert (recent.count[:20:2] > 0).all(), "older ratings break ties"


def test_newest_puts_the_highest_number_first_and_the_unknown_last() -> None:
    order = np.argsort(-baselines.Newest("price").fit(SHOPPING, EVERYTHING).scores([0])[0])
    assert order.tolist() == [*range(29, 0, -1), 0]


def test_ease_is_the_regression_it_says_it_is() -> None:
    """Each item's weights are those of a ridge regression on all others."""
    rated = np.zeros((40, 30))
    rated[SHOPPING.user, SHOPPING.item] = 1
    weights = baselines.EASE(3.0).fit(SHOPPING, EVERYTHING).weights
    for item in (0, 7, 28):
        others = np.delete(rated, item, axis=1)
        left = others.T @ others + 3.0 * np.eye(29)
        expected = np.linalg.solve(left, others.T @ rated[:, item])
        np.testing.assert_allclose(np.delete(weights[:, item], item), expected, atol=1e-5)
        assert weights[item, item] == 0


def test_item_knn_is_the_shrunk_cosine() -> None:
    rated = np.zeros((40, 30))
    rated[SHOPPING.user, SHOPPING.item] = 1
    knn = baselines.ItemKNN(neighbours=30, shrinkage=2.0).fit(SHOPPING, EVERYTHING, block=7)
    count = rated.sum(axis=0)
    expected = (rated.T @ rated) / (np.sqrt(np.outer(count, count)) + 2.0)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(knn.weights.toarray(), expected, atol=1e-6)
    few = baselines.ItemKNN(neighbours=3, shrinkage=2.0).fit(SHOPPING, EVERYTHING)
    assert np.diff(few.weights.indptr).max() == 3


def test_bias_finds_planted_biases_and_stays_within_the_scale() -> None:
    bias = baselines.Bias(damping=0.0).fit(SHOPPING, EVERYTHING)
    predicted = bias.predict(SHOPPING.user, SHOPPING.item)
    assert rmse(predicted, SHOPPING.rating) < 0.05
    assert predicted.max() <= 5.0
    unknown = bias.predict(np.array([39]), np.array([29]))
    assert unknown[0] == pytest.approx(SHOPPING.rating.mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: baselines.RecentlyPopular().fit(replace(d, time=None), EVERYTHING), "no times"),
        (lambda d: baselines.PopularByGroup(["hue"]).fit(d, EVERYTHING), "by town, not by 'hue'"),
        (lambda d: baselines.Newest("weight").fit(d, EVERYTHING), "by price, not by 'weight'"),
        (lambda _: baselines.RecentlyPopular(0), "days must be above 0"),
        (lambda _: baselines.PopularByGroup(smoothing=-1), "smoothing"),
        (lambda _: baselines.EASE(0), "l2 must be above 0"),
        (lambda _: baselines.ProfileRidge(-1), "l2 must be above 0"),
        (lambda _: baselines.ItemKNN(0), "neighbours must be 1"),
        (lambda _: baselines.CategoryKNN(0), "neighbours must be 1"),
    ],
)
def test_what_a_data_set_or_a_setting_lacks_is_said(make: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make(SHOPPING)


def test_a_data_set_without_profiles_or_contents_is_said() -> None:
    bare = Schema("bare", (Field("who", "user", "id"), Field("what", "item", "id")), (1.0, 5.0))
    tables = Table(SHOPPING.users.ids, {}), Table(SHOPPING.items.ids, {})
    dataset = replace(SHOPPING, schema=bare, users=tables[0], items=tables[1])
    for name in ("by group", "ridge", "category knn", "newest"):
        with pytest.raises(UsageError, match="shop"):
            RANKERS[name]().fit(dataset, EVERYTHING)


def test_ease_refuses_a_catalog_it_cannot_invert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines.linear, "EASE_LIMIT", 29)
    with pytest.raises(UsageError, match="at most 29, got 30 items"):
        baselines.EASE().fit(SHOPPING, EVERYTHING)


def of_movielens(
    dataset: Dataset, ranker: Ranker, fitted: np.ndarray, test: np.ndarray, before: np.ndarray
) -> tuple[float, float]:
    """HR@10 and NDCG@10 of a full ranking of all rated films, all that came ``before`` left out."""
    count = np.bincount(dataset.item, minlength=len(dataset.items))
    history = item_sets(dataset, before)
    ranking = Ranking(item_sets(dataset, test), len(count), 10, history, count > 0)
    ranker.fit(dataset, fitted)
    for users in np.array_split(np.unique(dataset.user[test]), 8):
        ranking.add(users, ranker.scores(users, history))
    ranked = ranking.result()
    return mean(ranked.hit_rate(10)), mean(ranked.ndcg(10))


@pytest.fixture(scope="module")
def ml_1m(movielens_dir: Path) -> Dataset:
    """The large one."""
    return read(movielens_dir / "ml-1m.zip")


@pytest.mark.real_data
def test_floor_rating(ml_1m: Dataset) -> None:
    split = random_split(ml_1m, 0.1, 0)
    bias = baselines.Bias().fit(ml_1m, split.train)
    predicted = bias.predict(ml_1m.user[split.test], ml_1m.item[split.test])
    assert rmse(predicted, ml_1m.rating[split.test]) < 0.908


@pytest.mark.real_data
def test_floor_next_item(ml_1m: Dataset) -> None:
    split = leave_last_out(ml_1m)
    floors = [
        (baselines.Popular(), 0.036, 0.0175),
        (baselines.ItemKNN(), 0.070, 0.035),
        (baselines.EASE(), 0.096, 0.047),
    ]
    for ranker, hit_rate, ndcg in floors:
        found = of_movielens(ml_1m, ranker, split.train, split.test, split.before_test)
        assert found[0] >= hit_rate, (ranker, found)
        assert found[1] >= ndcg, (ranker, found)


@pytest.mark.real_data
def test_floor_new_user(ml_1m: Dataset) -> None:
    """Of the first fold of five, which is a little below the mean of all."""
    split = user_folds(ml_1m)[0]
    like = ml_1m.rating >= ml_1m.schema.like
    nothing = np.zeros(0, dtype=np.int64)
    for ranker, any_rating, liked in (
        (baselines.Popular(), 0.475, 0.395),
        (baselines.PopularByGroup(["gender", "age"]), 0.490, 0.410),
        (baselines.ProfileRidge(), 0.493, 0.417),
    ):
        found = of_movielens(ml_1m, ranker, split.train, split.test, nothing)
        assert found[1] >= any_rating, (ranker, found)
        train, test = (part[like[part]] for part in (split.train, split.test))
        found = of_movielens(ml_1m, ranker, train, test, nothing)
        assert found[1] >= liked, (ranker, found)


@pytest.mark.real_data
def test_floor_new_item(movielens_dir: Path) -> None:
    dataset = read(movielens_dir / "ml-100k.zip")
    split = item_split(dataset, 0.1, 0)
    hidden = np.zeros(len(dataset.items), dtype=bool)
    hidden[dataset.item[split.test]] = True
    liked = split.test[dataset.rating[split.test] >= dataset.schema.like]
    found = {}
    for name in ("chance", "newest", "category knn"):
        ranking = Ranking(item_sets(dataset, liked), len(hidden), 10, candidates=hidden)
        users = np.unique(dataset.user[liked])
        ranking.add(users, RANKERS[name]().fit(dataset, split.train).scores(users))
        found[name] = mean(ranking.result().ndcg(10))
    assert found["category knn"] > 1.5 * found["chance"], found
    assert popularity_strata(np.bincount(dataset.item)).max() == 2
