"""Stars for any version: never worse than the biases, shrunk, and known for every pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from builders import python
from fusionrec.baselines import Bias
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Field, Schema
from fusionrec.data.splits import random_split
from fusionrec.errors import ArtifactError, TrainingError, UsageError
from fusionrec.evaluation.model_source import ModelRater, TrainedVersion
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.metrics import rmse
from fusionrec.models.presets import PRESETS
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry import Artifact
from fusionrec.registry.rating_head import NOBODY, RatingHead, read_rating_head
from fusionrec.training import stars
from fusionrec.training.low_rank import LowRankSum
from fusionrec.training.stars import Settings, fit_stars
from fusionrec.training.stars_biases import NEVER, Ratings, choose_damping, fit_biases
from fusionrec.training.stars_factors import grouped, wishart
from fusionrec.training.stars_features import presence_directions
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact

FEW = Settings(factors=3, directions=8, sweeps=24, trial=18)
IDS = (Field("who", "user", "id"), Field("where", "item", "id"))


def places(
    count: int, taste: float = 0.0, own: float = 0.4, kinds: float = 0.0, seed: int = 0
) -> Dataset:
    """Ratings, 0 to 2, by 60 people of 50 places of two kinds; the last two of either have none.

    Args:
        count: ratings.
        taste: standard deviation of what one pair of latent factors adds.
        own: of what a person, and a place, adds.
        kinds: what a place's kind adds or takes.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    user, item = np.divmod(rng.permutation(58 * 48)[:count], 48)
    kind = np.arange(50) % 2
    value = 1.0 + rng.normal(0, own, 60)[user] + rng.normal(0, own, 50)[item]
    value += taste * rng.normal(0, 1, 60)[user] * rng.normal(0, 1, 50)[item]
    value += kinds * (2 * kind - 1)[item] + rng.normal(0, 0.3, count)
    schema = Schema("places", (*IDS, Field("kind", "item", "category")), rating_range=(0.0, 2.0))
    people = Table([f"u{n}" for n in range(60)], {})
    spots = Table([f"i{n}" for n in range(50)], {"kind": [("bar", "café")[k] for k in kind]})
    columns = user.astype(np.int32), item.astype(np.int32), np.clip(value, 0, 2).astype(np.float32)
    return Dataset(replace(schema, like=2.0), "places", people, spots, *columns)


def predicted(head: RatingHead, user: object, item: object) -> np.ndarray:
    user, item = np.atleast_1d(user), np.atleast_1d(item)
    return head.rating(user, item, np.full(len(user), np.nan), 0.0, 2.0)


def errors(data: Dataset, settings: Settings = FEW) -> tuple[float, float, RatingHead]:
    """RMSE on held-out rows of the head and of the biases; and the head."""
    split = random_split(data, 0.2, 0)
    head = fit_stars(data, split.train, settings=settings)
    user, item, actual = data.user[split.test], data.item[split.test], data.rating[split.test]
    biases = Bias().fit(data, split.train).predict(user, item)
    return rmse(predicted(head, user, item), actual), rmse(biases, actual), head


def test_factors_are_used_where_they_help():
    head_error, bias_error, head = errors(places(1500, taste=0.5))
    assert head_error < 0.85 * bias_error
    assert head.about["factors"] > 0
    held = head.about["validation"]
    assert held["stars"] < held["biases"] < held["mean"]


@pytest.mark.parametrize("own", [0.0, 0.2])
@pytest.mark.parametrize("count", [400, 800])
def test_without_tastes_the_error_is_that_of_biases_at_most(count, own):
    found = [errors(places(count, own=own, seed=seed)) for seed in range(4)]
    assert np.mean([one[0] for one in found]) <= 1.005 * np.mean([one[1] for one in found])
    assert sum(one[2].about["factors"] > 0 for one in found) <= 1


def test_damping_is_chosen_by_what_is_held_out():
    noise = places(600, own=0.0)
    ratings = Ratings.of(noise, np.arange(600))
    folds = stars.held_out(600, 0)
    assert min(choose_damping(ratings, folds)) >= 12
    told = Ratings.of(places(600, own=0.6), np.arange(600))
    assert max(choose_damping(told, folds)) <= 4
    assert_allclose(fit_biases(ratings, (NEVER, NEVER)).user, 0.0, atol=1e-6)


def test_the_search_for_damping_ends():
    for seed in range(4):
        ratings = Ratings.of(places(150, own=0.0, seed=seed), np.arange(150))
        assert min(choose_damping(ratings, stars.held_out(150, seed))) >= 2


def test_biases_are_those_of_the_baseline():
    data = places(500)
    ours, theirs = fit_biases(Ratings.of(data, np.arange(500)), (4.0, 4.0)), Bias()
    theirs.fit(data, np.arange(500))
    assert_allclose(ours.user, theirs.user, atol=1e-9)
    assert_allclose(ours.item, theirs.item, atol=1e-9)


def test_every_pair_is_predicted():
    """Without attributes that help: the mean, plus the bias of whichever side has ratings."""
    data = places(1500, taste=0.5)
    head = fit_stars(data, np.arange(1500), settings=FEW)
    assert (head.users.shape[0], head.items.shape[0]) == (61, 51)
    biases = fit_biases(Ratings.of(data, np.arange(1500)), tuple(head.about["damping"]))
    unrated, later, nobody = 49, 53, NOBODY
    for item in (unrated, later):
        expected = np.clip(biases.mean + biases.user[7], 0, 2)
        assert_allclose(predicted(head, 7, item), expected, atol=1e-5)
    for user in (59, nobody):
        expected = np.clip(biases.mean + biases.item[7], 0, 2)
        assert_allclose(predicted(head, user, 7), expected, atol=1e-5)
        assert_allclose(predicted(head, [user, user], [unrated, later]), biases.mean, atol=1e-5)


def test_what_two_people_praise_is_not_acclaimed():
    data = places(800, own=0.2)
    user, item = data.user.copy(), data.item.copy()
    user[:2], item[:2] = (3, 4), 49
    praised = replace(data, user=user, item=item, rating=np.r_[2.0, 2.0, data.rating[2:]])
    head = fit_stars(praised, np.arange(800), settings=FEW)
    assert fit_mean(praised) < predicted(head, NOBODY, 49) < 1.6


def test_unrated_items_are_rated_by_their_attributes():
    data = places(1200, own=0.1, kinds=0.5)
    head = fit_stars(data, np.arange(1200), settings=FEW)
    assert head.about["by_attributes"] == [False, True]
    low, high = predicted(head, [5, 5], [48, 49])
    assert 0.3 < low < 0.8
    assert 1.2 < high < 1.7
    assert_allclose(predicted(head, 5, 60), fit_mean(data) + head.users[5, -3], atol=1e-5)


def fit_mean(data: Dataset) -> float:
    return float(data.rating.mean(dtype=np.float64))


def test_times_and_order_of_rows_are_not_read():
    data = places(700, taste=0.4)
    order = np.random.default_rng(5).permutation(700)
    columns = {name: getattr(data, name)[order] for name in ("user", "item", "rating")}
    other = replace(data, **columns, time=np.arange(700))
    one, two = (fit_stars(each, np.arange(700), settings=FEW) for each in (data, other))
    assert np.array_equal(one.users, two.users)
    assert np.array_equal(one.items, two.items)
    third = fit_stars(data, np.arange(700), settings=FEW, seed=1)
    assert not np.array_equal(one.items, third.items)


def test_rows_of_the_test_are_not_read():
    data = places(700, taste=0.4)
    rows = np.arange(500)
    other = replace(data, rating=np.r_[data.rating[:500], 2.0 - data.rating[500:]])
    one, two = (fit_stars(each, rows, settings=FEW) for each in (data, other))
    assert np.array_equal(one.items, two.items)


@pytest.mark.parametrize("count", [1, 2, 31])
def test_hardly_any_ratings(count):
    data = places(count)
    head = fit_stars(data, np.arange(count), settings=FEW)
    assert np.isfinite(predicted(head, np.arange(60), np.arange(60) % 50)).all()
    if count == 1:
        assert_allclose(predicted(head, NOBODY, 60), data.rating[0])


def test_equal_ratings():
    data = places(200)
    head = fit_stars(replace(data, rating=np.full(200, 1.5, np.float32)), np.arange(200))
    assert_allclose(predicted(head, np.arange(60), np.arange(60) % 50), 1.5, atol=1e-6)


def test_one_user_and_one_item():
    data = places(400)
    for name in ("user", "item"):
        same = replace(data, **{name: np.zeros(400, dtype=np.int32)})
        head = fit_stars(same, np.arange(400), settings=FEW)
        assert np.isfinite(predicted(head, np.arange(60), np.arange(60) % 50)).all()


def test_without_time_there_are_biases_alone():
    data = places(1500, taste=0.5)
    head = fit_stars(data, np.arange(1500), settings=FEW, seconds=0.0)
    assert head.about["factors"] == 0.0
    biases = fit_biases(Ratings.of(data, np.arange(1500)), tuple(head.about["damping"]))
    expected = np.clip(biases.mean + biases.user[3] + biases.item[4], 0, 2)
    assert_allclose(predicted(head, 3, 4), expected, atol=1e-5)


def test_events_are_refused():
    data = places(100)
    schema = replace(data.schema, rating_range=(0.0, 1.0), like=0.0, events=True)
    events = replace(data, schema=schema, rating=np.ones(100, dtype=np.float32))
    with pytest.raises(TrainingError, match="no ratings to predict"):
        fit_stars(events, np.arange(100))


def test_it_says_what_was_chosen():
    lines: list[str] = []
    fit_stars(places(300, own=0.2), np.arange(300), settings=FEW, log=lines.append)
    assert len(lines) == 1
    assert "no factors (RMSE held out: mean" in lines[0]


def test_a_head_is_read_back_equal(tmp_path):
    head = fit_stars(places(300), np.arange(300), settings=FEW)
    head.save(tmp_path)
    manifest = {"users": 60, "items": 50, "stars": head.manifest}
    again = read_rating_head(tmp_path, manifest)
    assert np.array_equal(again.users, head.users)
    assert (again.complete, again.about) == (True, head.about)
    with pytest.raises(ArtifactError, match="arrays are"):
        read_rating_head(tmp_path, manifest | {"users": 61})


def test_a_sum_of_products_keeps_its_rank():
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(30, 4)), rng.normal(size=(20, 4))
    total, exact_sum = LowRankSum(4), np.zeros((30, 20))
    for _ in range(21):
        left, right = (side @ rng.normal(size=(4, 2)) for side in basis)
        total.add(left.astype(np.float32), right.astype(np.float32))
        exact_sum += left @ right.T
    left, right = total.product()
    assert left.shape == (30, 4)
    assert_allclose(left @ right.T, exact_sum, atol=1e-3)


def test_draws_of_wishart_have_its_mean():
    scatter = np.array([[2.0, 0.5], [0.5, 1.0]])
    rng = np.random.default_rng(0)
    mean = np.mean([wishart(scatter, 5.0, rng) for _ in range(4000)], axis=0)
    assert_allclose(mean, 5 * np.linalg.inv(scatter), rtol=0.1)


def test_pairs_that_repeat_stay_apart():
    pattern, order = grouped(np.array([1, 0, 1, 1]), np.array([0, 1, 2, 0]))
    assert pattern.indptr.tolist() == [0, 1, 4]
    assert pattern.indices.tolist() == [1, 0, 2, 0]
    assert order.tolist() == [1, 0, 2, 3]


def test_directions_tell_apart_who_rates_what():
    user, item = np.divmod(np.arange(20 * 10), 10)
    some = user % 2 == item % 2
    found = presence_directions(user[some], item[some], 3, seed=0)
    assert found.shape == (20, 3)
    assert_allclose(found.mean(axis=0), 0.0, atol=1e-6)
    assert np.ptp(np.sign(found[::2, 0])) == 0
    assert np.all(np.sign(found[::2, 0]) == -np.sign(found[1::2, 0]))


def test_repeated_pairs_and_items_are_fitted():
    data = places(400)
    schema = replace(data.schema, repeats=True)
    twice = {name: np.tile(getattr(data, name), 2) for name in ("user", "item", "rating")}
    head = fit_stars(replace(data, schema=schema, **twice), np.arange(800), settings=FEW)
    assert np.isfinite(head.users).all()


CODE = """
import sys
import numpy as np
sys.modules["paddle"] = None
from fusionrec.training.stars import fit_stars
from fusionrec.data.samples.movielens import synthetic
print(fit_stars(synthetic(seed=1, users=30, items=20, interactions=300), np.arange(300)).complete)
"""


def test_it_needs_no_paddle():
    assert python(CODE) == "True\n"


@pytest.fixture(scope="module")
def films() -> Dataset:
    return synthetic(seed=1, users=60, items=40, interactions=1500)


RATING = named("rating")


@pytest.fixture(scope="module")
def ranked(films: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version whose scores only rank, with a complete head."""
    data = RATING.prepare(films)
    rows = random_split(data, 0.1, 0).train
    workspace = Workspace(tmp_path_factory.mktemp("ranked"))
    recipe = PRESETS["linear"]["quick"].change({"model.stars": "false"})
    made = train(data, recipe, workspace, rows=rows)
    return with_head(made, fit_stars(data, rows, settings=FEW))


def with_head(made: Artifact, head: RatingHead) -> Artifact:
    """The version with a head beside it."""
    starred = Artifact(made.folder, {**made.manifest, "stars": head.manifest}, made.encoder)
    vars(starred)["rating_head"] = head
    return starred


def test_a_version_that_only_ranks_shows_the_heads_stars(ranked):
    head = ranked.rating_head
    with exact(ranked) as recommender:
        answer = recommender.recommend(Query("7"))
        rows = recommender.catalog.positions
        user = ranked.user_positions["7"]
        for one in answer.items:
            row = rows[one.id]
            product = head.users[user] @ head.items[row]
            assert one.stars == pytest.approx(np.clip(product, 1, 5), abs=1e-4)
        assert not any("stars" in note for note in answer.notes)


def test_a_version_of_parts_on_ratings_has_a_complete_head_and_shows_stars(parted):
    user, item = np.divmod(np.arange(60 * 40), 40)
    head = parted.rating_head
    assert head is not None
    stars = parted.ratings(user, item, np.full(len(user), np.nan))
    assert ((stars >= 1) & (stars <= 5)).all()
    for asked in (Query("7"), Query(history=(Rated("3", 5.0),))):
        answer = exact(parted).recommend(asked)
        assert all(1 <= one.stars <= 5 for one in answer.items)


def test_stars_remain_after_new_ratings(ranked):
    with exact(ranked) as recommender:
        before = recommender.recommend(Query("7", k=40))
        after = recommender.recommend(Query("7", [], (Rated("3", 5.0), Rated("4", 1.0)), k=40))
    assert any("before your last ratings" in note for note in after.notes)
    stars_before = {one.id: one.stars for one in before.items}
    common = [one for one in after.items if one.id in stars_before]
    assert common
    assert all(one.stars == pytest.approx(stars_before[one.id], abs=1e-6) for one in common)


def test_visitors_get_what_people_give_on_average(ranked):
    with exact(ranked) as recommender:
        answer = recommender.recommend(Query(history=(Rated("3", 5.0),)))
        nobody = recommender.recommend(Query())
        rows = recommender.catalog.positions
    assert any("on average" in note for note in answer.notes)
    for one in answer.items:
        items = np.array([rows[one.id]])
        expected = ranked.ratings(np.array([NOBODY]), items, np.zeros(1))
        assert one.stars == pytest.approx(expected[0])
    assert all(one.stars is None for one in nobody.items)


def test_a_head_answers_the_protocol_for_ratings(ranked, films):
    result = evaluate(films, RATING, ProtocolOptions(), TrainedVersion(ranked))
    model, bias = result.rows[0], result.rows[1]
    assert (model.is_model, bias.is_model) == (True, False)
    assert model.figure("rmse") < 1.02 * bias.figure("rmse")


def test_a_version_without_a_head_is_still_refused(ranked, films):
    plain = Artifact(
        ranked.folder,
        {name: value for name, value in ranked.manifest.items() if name != "stars"},
        ranked.encoder,
    )
    with pytest.raises(UsageError, match="predicts no ratings"):
        evaluate(films, RATING, ProtocolOptions(), TrainedVersion(plain))
    rater = ModelRater(plain, films)
    assert np.isnan(rater.predict(films.user[:3], films.item[:3])).all()
