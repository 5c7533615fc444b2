"""Baselines on data whose right answer is obvious, and floors under the quality of all models."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import recipe
from fusionrec import baselines
from fusionrec.baselines import Ranker
from fusionrec.baselines.linear import ease_notes
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.movielens.readers import read
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import UsageError
from fusionrec.evaluation.model_source import TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.metrics import ItemSets, popularity_strata, rmse

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
    "popular last 7 days": lambda: baselines.RecentlyPopular(7),
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
    towns = {
        "town": ["even" if n % 2 == 0 else "odd" for n in range(users)],
        "likes": [(f"l{n % 2}",) for n in range(users)],
    }
    goods = {
        "shelf": [(f"s{n % 2}",) for n in range(items)],
        "price": [float("nan"), *(float(n) for n in range(1, items))],
    }
    people = Table([f"u{n}" for n in range(users)], towns)
    things = Table([f"i{n}" for n in range(items)], goods)
    rating = np.where(item < items // 2, 5.0, 2.0).astype(np.float32)
    time = np.arange(len(user), dtype=np.int64) * 3600
    return Dataset(SHOP, "shop", people, things, user, item, rating, time)


SHOPPING = shop()
EVERYTHING = np.arange(len(SHOPPING))
RATED = np.zeros((40, 30))
RATED[SHOPPING.user, SHOPPING.item] = 1


@pytest.mark.parametrize("name", RANKERS)
def test_a_block_answers_as_single_users_do_and_every_score_is_a_number(name):
    for dataset in (SHOPPING, synthetic(seed=1, users=60, items=40, interactions=1500)):
        ranker = RANKERS[name]().fit(dataset, np.arange(len(dataset)))
        users = np.array([5, 0, len(dataset.users) - 1])
        block = ranker.scores(users)
        assert block.shape == (3, len(dataset.items))
        assert np.isfinite(block).all()
        single = np.concatenate([ranker.scores(users[n : n + 1]) for n in range(3)])
        np.testing.assert_allclose(block, single, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["by group", "item knn", "ease", "ridge", "category knn"])
def test_the_users_own_shelf_comes_first(name):
    ranker = RANKERS[name]().fit(SHOPPING, EVERYTHING)
    scores = ranker.scores(np.arange(38))
    own = np.arange(38)[:, None] % 2 == np.arange(30) % 2
    own[:, 29] = False  # nobody has bought it
    if name == "category knn":
        own[1::2, 29] = True  # but it stands on a shelf
    order = np.argsort(-scores, axis=1, kind="stable")
    assert np.take_along_axis(own, order, axis=1)[:, :13].all()


@pytest.mark.parametrize("name", ["by group", "ridge", "item knn", "ease", "category knn"])
def test_a_user_without_interactions_is_answered_from_the_profile_or_a_history(name):
    ranker, profile = RANKERS[name]().fit(SHOPPING, EVERYTHING), name in ("by group", "ridge")
    odd = ItemSets.of(np.array([0, 0]), np.array([1, 3]), len(SHOPPING.users))
    found = ranker.scores(np.array([39])) if profile else ranker.scores(np.array([0]), odd)
    assert (np.argsort(-found[0], kind="stable")[:10] % 2 == 1).all()
    assert profile or (ranker.scores(np.array([39])) == 0).all()  # no history, nothing to tell


def test_only_training_rows_are_learned_from():
    rows = EVERYTHING[SHOPPING.item < 10]
    names = ("popular", "recently popular", "popular last 7 days", "by group", "item knn", "ease")
    for name in (*names, "ridge"):
        scores = RANKERS[name]().fit(SHOPPING, rows).scores(np.arange(40))
        assert (scores[:, 10:] == 0).all(), name


def test_popularity_counts_all_or_the_last_days():
    count = baselines.popularity(SHOPPING, EVERYTHING)
    assert count.tolist() == RATED.sum(axis=0).tolist()
    popular = baselines.Popular().fit(SHOPPING, EVERYTHING).scores(np.array([0, 1]))
    assert (popular == count).all()
    recent = baselines.RecentlyPopular(days=0.5).fit(SHOPPING, EVERYTHING)
    last = EVERYTHING[-12:]
    assert (np.floor(recent.count) == baselines.popularity(SHOPPING, last)).all()
    assert (recent.count[:20:2] > 0).all(), "older ratings break ties"


@pytest.mark.parametrize("protocol", ["next-item", "global-time"])
def test_popular_last_7_days_counts_a_week_and_older_rows_break_ties(protocol):
    offered = named(protocol).baselines(SHOPPING, 0)
    ranker = offered["popular-last-7-days"]().fit(SHOPPING, EVERYTHING)
    week, ever = (
        baselines.popularity(SHOPPING, rows) for rows in (EVERYTHING[-7 * 24 :], EVERYTHING)
    )
    assert (week < ever).any()
    order = np.argsort(-ranker.scores(np.array([0]))[0], kind="stable")
    assert order.tolist() == np.lexsort((np.arange(30), -ever, -week)).tolist()
    assert order.tolist() != np.lexsort((np.arange(30), -week)).tolist(), "ties are broken"


def test_popular_last_7_days_needs_times():
    timeless = replace(SHOPPING, time=None)
    assert "popular-last-7-days" not in named("next-item").baselines(timeless, 0)
    notes = evaluate(timeless, named("next-item"), ProtocolOptions(), resamples=1000).notes
    assert any("cannot serve the baselines popular-last-7-days" in note for note in notes)


def test_newest_puts_the_highest_number_first_and_the_unknown_last():
    order = np.argsort(-baselines.Newest("price").fit(SHOPPING, EVERYTHING).scores([0])[0])
    assert order.tolist() == [*range(29, 0, -1), 0]


def test_ease_is_the_regression_it_says_it_is():
    """Each item's weights are those of a ridge regression on all others."""
    weights = baselines.EASE(3.0).fit(SHOPPING, EVERYTHING).weights
    for item in (0, 7, 28):
        others = np.delete(RATED, item, axis=1)
        left = others.T @ others + 3.0 * np.eye(29)
        expected = np.linalg.solve(left, others.T @ RATED[:, item])
        np.testing.assert_allclose(np.delete(weights[:, item], item), expected, atol=1e-5)
        assert weights[item, item] == 0


def test_item_knn_is_the_shrunk_cosine():
    knn = baselines.ItemKNN(neighbours=30, shrinkage=2.0).fit(SHOPPING, EVERYTHING, block=7)
    count = RATED.sum(axis=0)
    expected = (RATED.T @ RATED) / (np.sqrt(np.outer(count, count)) + 2.0)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(knn.weights.toarray(), expected, atol=1e-6)
    few = baselines.ItemKNN(neighbours=3, shrinkage=2.0).fit(SHOPPING, EVERYTHING)
    assert np.diff(few.weights.indptr).max() == 3


def test_bias_finds_planted_biases_and_stays_within_the_scale():
    bias = baselines.Bias(damping=0.0).fit(SHOPPING, EVERYTHING)
    predicted = bias.predict(SHOPPING.user, SHOPPING.item)
    assert rmse(predicted, SHOPPING.rating) < 0.05
    assert predicted.max() <= 5.0
    unknown = bias.predict(np.array([39]), np.array([29]))
    assert unknown[0] == pytest.approx(SHOPPING.rating.mean(), abs=1e-6)


BARE = replace(
    SHOPPING,
    schema=Schema("bare", (Field("who", "user", "id"), Field("what", "item", "id")), (1.0, 5.0)),
    users=Table(SHOPPING.users.ids, {}),
    items=Table(SHOPPING.items.ids, {}),
)


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
        (lambda _: baselines.PopularByGroup().fit(BARE, EVERYTHING), "shop has no categories"),
        (lambda _: baselines.ProfileRidge().fit(BARE, EVERYTHING), "shop has no categories"),
        (lambda _: baselines.CategoryKNN().fit(BARE, EVERYTHING), "shop has no categories"),
        (lambda _: baselines.Newest().fit(BARE, EVERYTHING), "shop orders items by no number"),
    ],
)
def test_what_a_data_set_or_a_setting_lacks_is_said(make: Callable[[Any], Any], says: str):
    with pytest.raises(UsageError, match=says):
        make(SHOPPING)


def test_ease_of_a_large_catalog_is_exact_among_the_most_taken_and_folds_in_the_others(monkeypatch):
    """At a width that keeps all, an item of the tail is regressed on the head."""
    whole = baselines.EASE(3.0).fit(SHOPPING, EVERYTHING)
    assert ease_notes(30) == []
    monkeypatch.setattr(baselines.linear, "EASE_LIMIT", 29)
    monkeypatch.setattr(baselines.linear, "HEAD", 20)
    found = baselines.EASE(3.0).fit(SHOPPING, EVERYTHING)
    assert "exact among the 20 most-taken" in ease_notes(30)[0]
    order = np.argsort(-RATED.sum(axis=0), kind="stable")
    head = RATED[:, order[:20]]
    for place, item in enumerate(order[:20]):
        others = np.delete(head, place, axis=1)
        left = others.T @ others + 3.0 * np.eye(19)
        expected = np.linalg.solve(left, others.T @ RATED[:, item])
        np.testing.assert_allclose(np.delete(found.weights[:, place], place), expected, atol=1e-5)
    left = head.T @ head + 3.0 * np.eye(20)
    expected = head @ np.linalg.solve(left, head.T @ RATED[:, order[20:]])
    users, in_head = np.arange(40), np.isin(SHOPPING.item, order[:20])
    known = ItemSets.of(SHOPPING.user[in_head], SHOPPING.item[in_head], 40)
    scores = found.scores(users, known)
    np.testing.assert_allclose(scores[:, order[20:]], expected, atol=1e-4)
    np.testing.assert_allclose(scores[:, order[:20]], head @ found.weights, atol=1e-4)
    likeness = np.corrcoef(found.scores(users).ravel(), whole.scores(users).ravel())[0, 1]
    assert 0.9 < likeness < 1  # what the tail says counts too


# Floors under the quality, each between the figure of today and that of a wrong or untrained model.


@pytest.mark.parametrize(
    ("protocol", "floors", "wrong"),
    [  # an untrained model has .05 under next-item, .05, .06, .46 and .08
        (
            "next-item",
            {"fusion": 0.2, "popular-by-group": 0.28, "item-knn": 0.3, "ease": 0.3},
            "popular",
        ),
        (
            "random-holdout",
            {"fusion": 0.4, "popular-by-group": 0.25, "item-knn": 0.25, "ease": 0.25},
            "popular",
        ),
        ("new-user", {"fusion": 0.35, "popular-by-group": 0.42, "profile-ridge": 0.42}, "popular"),
        ("new-item", {"fusion": 0.7, "category-knn": 0.7}, "chance"),
        ("global-time", {"fusion": 0.28, "item-knn": 0.3, "ease": 0.3}, "popular"),
        ("rating", {"fusion": 1.0, "bias": 0.6}, None),  # from above: an untrained model has 1.9
    ],
)
def test_floors_on_made_up_data(protocol, floors, wrong):
    bought = shop(100, 40)
    bought = replace(bought, time=np.random.default_rng(0).permutation(bought.time))
    takes = named(protocol).takes
    options = ProtocolOptions(
        folds=(0,) if "folds" in takes else None, share=0.2 if "share" in takes else None
    )
    dropout = {"user_id_dropout": 0.5, "item_id_dropout": 0.5}
    source = TrainOnSplit(recipe(epochs=12, batch=200, **dropout))
    result = evaluate(bought, named(protocol), options, source, through_index=0, resamples=1000)
    figures = {r.name: r.figure("ndcg@10" if wrong else "rmse") for r in result.rows}
    for name, floor in floors.items():
        if wrong:
            assert figures[wrong] < floor <= figures[name], (name, figures)
        else:
            assert figures[name] < floor, (name, figures)


@pytest.fixture(scope="module")
def of_movielens(movielens_dir: Path) -> Callable[..., dict[str, dict[str, float]]]:
    """Measures baselines on a release: name and metric -> figure."""
    read_once = functools.cache(read)

    def measure(release: str, protocol: str, **options: Any) -> dict[str, dict[str, float]]:
        dataset = read_once(movielens_dir / f"{release}.zip")
        assert popularity_strata(np.bincount(dataset.item)).max() == 2
        result = evaluate(dataset, named(protocol), ProtocolOptions(**options), resamples=1000)
        return {row.name: {m: row.figure(m) for m in row.metrics} for row in result.rows}

    return measure


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("protocol", "options", "metrics", "floors"),
    [
        (
            "next-item",
            {},
            ("hr@10", "ndcg@10"),
            {"popular": (0.036, 0.0175), "item-knn": (0.070, 0.035), "ease": (0.096, 0.047)},
        ),
        (
            "random-holdout",
            {},
            ("ndcg@10", "recall@10"),
            {"popular": (0.173, 0.086), "item-knn": (0.272, 0.156), "ease": (0.382, 0.226)},
        ),
        (
            "new-user",
            {"folds": (0,)},  # a little below the mean of all five
            ("ndcg@10", "ndcg@10 liked"),
            {
                "popular": (0.475, 0.395),
                "popular-by-group": (0.490, 0.410),
                "profile-ridge": (0.493, 0.417),
            },
        ),
    ],
)
def test_floors_on_ml_1m(of_movielens, protocol, options, metrics, floors):
    found = of_movielens("ml-1m", protocol, baselines=tuple(floors), **options)
    for name, least in floors.items():
        for metric, floor in zip(metrics, least, strict=True):
            assert found[name][metric] >= floor, (name, metric)


@pytest.mark.real_data
def test_floors_of_ratings_and_of_new_items(of_movielens):
    assert of_movielens("ml-1m", "rating")["bias"]["rmse"] < 0.908
    found = of_movielens("ml-100k", "new-item")
    assert found["category-knn"]["ndcg@10"] > 1.5 * found["chance"]["ndcg@10"]
