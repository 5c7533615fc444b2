"""The rating head: it reads nothing of what it is asked, learns, and comes back as it was saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest

from builders import checkerboard, library, recipe
from fusionrec.baselines import Bias
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import random_split
from fusionrec.errors import ArtifactError, ConfigError, TrainingError
from fusionrec.evaluation.model_source import ModelRater
from fusionrec.features.score_scale import SCALE, ScoreMap
from fusionrec.index.exact import ExactIndex
from fusionrec.metrics import rmse
from fusionrec.models.presets import RatingSettings, Recipe
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.rating_head import RatingHead
from fusionrec.training.batches import Batch
from fusionrec.training.rating_head_trainer import (
    Bags,
    RatingHeadTrainer,
    average,
    blend_with_towers,
)
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

HEAD = RatingSettings(networks=2, width=8, epochs=3, batch=300, learning_rate=0.01)


def headed(settings: RatingSettings = HEAD) -> Recipe:
    """A small recipe with a rating head."""
    return replace(recipe(), rating=settings)


@pytest.fixture(scope="module")
def starred(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version with a rating head; the first users and items are not trained."""
    rows = ((dataset.user > 2) & (dataset.item > 1)).nonzero()[0]
    return train(dataset, headed(), Workspace(tmp_path_factory.mktemp("starred")), rows=rows)


def task_of(dataset: Dataset, rating: np.ndarray | None = None) -> RatingHeadTrainer:
    changed = dataset if rating is None else replace(dataset, rating=rating)
    task = RatingHeadTrainer(changed, np.arange(len(dataset)), HEAD, seed=0)
    task.network.eval()
    return task


def rows_of(dataset: Dataset, batch: Batch) -> np.ndarray:
    """The data set's rows of a minibatch's ratings."""
    at = {(u, i): n for n, (u, i) in enumerate(zip(dataset.user, dataset.item, strict=True))}
    pairs = zip(batch.users[batch.user], batch.items[batch.item], strict=True)
    return np.array([at[u, i] for u, i in pairs])


def test_a_blocks_ratings_do_not_reach_their_own_predictions(dataset):
    low, high = dataset.schema.rating_range
    plain = task_of(dataset)
    assert len(plain.blocks) > 2
    for batch in plain.blocks.epoch(1):
        rows = rows_of(dataset, batch)
        rating = dataset.rating.copy()
        rating[rows] = low + high - rating[rows]
        other = task_of(dataset, rating)
        assert np.array_equal(plain.predict(batch).numpy(), other.predict(batch).numpy())
        # Nor that they were rated at all, while every other rating does reach them.
        rest = np.setdiff1d(np.arange(len(dataset)), rows)
        without = RatingHeadTrainer(dataset, rest, HEAD, seed=0)
        without.network.set_state_dict(plain.network.state_dict())
        without.network.eval()
        assert np.array_equal(plain.predict(batch).numpy(), without.predict(batch).numpy())
        rating = dataset.rating.copy()
        rating[rest] = low + high - rating[rest]
        assert not np.array_equal(
            plain.predict(batch).numpy(), task_of(dataset, rating).predict(batch).numpy()
        )


def test_bags_hold_every_rating_and_hide_what_is_asked():
    own, other = np.array([2, 0, 2, 0]), np.array([1, 3, 0, 1])
    bags = Bags(own, other, np.array([1, -2, 0, 0.5], np.float32), (3, 4))
    ids, values, presence = (x.numpy() for x in bags.of(np.array([0, 1, 2])))
    assert ids.tolist() == [0, 1, 2]
    assert values.tolist() == [[0, 0.5, 0, -2], [0] * 4, [0, 1, 0, 0]]
    assert presence.tolist() == [[0, 1, 0, 1], [0] * 4, [1, 1, 0, 0]]
    _, values, presence = (x.numpy() for x in bags.of(np.array([2, 0]), np.array([1, 2])))
    assert values.tolist() == [[0] * 4, [0, 0, 0, -2]]
    assert presence.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("batch", [100, 10**9])
@pytest.mark.parametrize(("users", "items"), [(60, 40), (200, 12), (12, 200)])
def test_no_block_hides_more_than_a_share_of_a_bag(users, items, batch):
    data = checkerboard(users, items)
    settings = replace(HEAD, batch=batch)
    task = RatingHeadTrainer(data, np.arange(len(data)), settings, seed=0)
    assert task.blocks.user_groups >= 4
    assert task.blocks.item_groups >= 4


def test_vectors_predict_as_the_network_does(dataset):
    task = task_of(dataset)
    task.fit(lambda _: None)
    stars = average([task.vectors()])
    task.network.eval()
    users, items = np.arange(len(dataset.users)), np.arange(len(dataset.items))
    with paddle.no_grad():
        grid = task.network(task.users.of(users), task.items.of(items)).numpy()
    wanted = 3.0 + grid * task.unit
    user, item = np.unravel_index(np.arange(grid.size), grid.shape)
    rated = task.rated[0][user] & task.rated[1][item]
    found = stars.rating(user, item, np.full(grid.size, 9.0), -99.0, 99.0)
    assert found[rated] == pytest.approx(wanted.ravel()[rated], abs=1e-4)
    assert (found[~rated] == 9.0).all()


def test_several_networks_and_the_towers_are_averaged():
    rng = np.random.default_rng(0)

    def made() -> tuple[np.ndarray, np.ndarray]:
        users, items = rng.normal(size=(3, 6)), rng.normal(size=(4, 6))
        users[:, -1], items[:, -2] = 1.0, 1.0
        users[2], items[3] = 0.0, 0.0
        return users.astype(np.float32), items.astype(np.float32)

    found = [made(), made()]
    stars = average(found)
    grid = np.mean([users @ items.T for users, items in found], axis=0)
    assert stars.users @ stars.items.T == pytest.approx(grid, abs=1e-5)
    towers = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    scores = ScoreMap(1.0, 5.0)
    both = blend_with_towers(stars, towers, 0.25, scores)
    by_score = scores.unit * SCALE * towers[0] @ towers[1].T + scores.rating(0.0)
    wanted = 0.75 * grid + 0.25 * by_score
    assert (both.users @ both.items.T)[:2, :3] == pytest.approx(wanted[:2, :3], abs=1e-5)
    assert not both.users[2].any()
    assert not both.items[3].any()


@pytest.mark.parametrize("make", [checkerboard, library])
def test_the_head_beats_the_biases(make):
    """Two groups like opposite things, or three: of that biases know nothing."""
    data = make()
    split = random_split(data, 0.2, seed=0)
    settings = RatingSettings(networks=1, width=16, epochs=40, learning_rate=0.01)
    task = RatingHeadTrainer(data, split.train, settings, seed=0)
    task.fit(lambda _: None)
    user, item, actual = (x[split.test] for x in (data.user, data.item, data.rating))
    bias = Bias().fit(data, split.train).predict(user, item)
    found = average([task.vectors()]).rating(user, item, bias, *data.schema.rating_range)
    assert rmse(found, actual) < 0.5 * rmse(bias, actual)


def test_the_seed_decides_everything(dataset):
    def fitted(seed: int) -> np.ndarray:
        task = RatingHeadTrainer(dataset, np.arange(len(dataset)), HEAD, seed)
        task.fit(lambda _: None)
        return task.vectors()[0]

    first = fitted(1)
    assert np.array_equal(first, fitted(1))
    assert not np.array_equal(first, fitted(2))


def test_an_error_that_is_not_finite_is_raised(dataset):
    task = task_of(dataset)
    task.step = lambda _: float("nan")
    with pytest.raises(TrainingError, match="rating head's error is") as caught:
        task.fit(lambda _: None)
    assert "rating.learning_rate" in caught.value.hint


def test_a_version_keeps_its_head(starred, dataset):
    assert starred.manifest["recipe"]["rating"]["networks"] == 2
    stars = starred.rating_head
    assert isinstance(stars, RatingHead)
    width = starred.manifest["stars"]["width"]
    assert stars.users.shape == (len(dataset.users), width)
    assert stars.items.shape == (len(dataset.items), width)
    assert (stars.users.dtype, stars.items.dtype) == (np.float32, np.float32)
    assert {"star_users.npy", "star_items.npy"} <= starred.manifest["files"].keys()


def test_a_head_leaves_the_vectors_as_they_are(starred, published, dataset, tmp_path):
    rows = ((dataset.user > 2) & (dataset.item > 1)).nonzero()[0]
    plain = train(dataset, recipe(), Workspace(tmp_path), rows=rows)
    assert plain.rating_head is None
    assert not list(plain.folder.glob("star_*"))
    assert np.array_equal(plain.item_vectors, starred.item_vectors)
    assert np.array_equal(plain.user_vectors, starred.user_vectors)


def test_a_damaged_head_is_refused(starred, dataset, tmp_path):
    np.save(tmp_path / "star_users.npy", starred.rating_head.users[:-1])
    np.save(tmp_path / "star_items.npy", starred.rating_head.items)
    with pytest.raises(ArtifactError, match="rating head's arrays"):
        Artifact(tmp_path, starred.manifest, starred.encoder).rating_head  # noqa: B018


def test_known_pairs_are_rated_by_the_head_and_others_by_the_score(starred, published, dataset):
    low, high = dataset.schema.rating_range
    user, item = dataset.user, dataset.item
    rated = ModelRater(starred, dataset).predict(user, item)
    by_score = SCALE * (starred.user_vectors[user] * starred.item_vectors[item]).sum(axis=1)
    affine = starred.scores.rating(by_score.astype(np.float64))
    known = (user > 2) & (item > 1)
    product = (starred.rating_head.users[user] * starred.rating_head.items[item]).sum(axis=1)
    assert rated[known] == pytest.approx(np.clip(product, low, high)[known], abs=1e-4)
    assert rated[~known] == pytest.approx(affine[~known], abs=1e-4)
    assert np.abs(rated - affine)[known].max() > 0.01


def test_answers_rank_by_cosine_and_show_the_heads_stars(starred, dataset):
    index = ExactIndex(starred.schema, starred.items, starred.item_vectors)
    recommender = Recommender(Catalog.of(starred), index)
    answer = recommender.recommend(Query(user="10", k=100))
    assert [i.score for i in answer.items] == sorted((i.score for i in answer.items), reverse=True)
    rows = np.array([int(i.id) - 1 for i in answer.items])
    wanted = ModelRater(starred, dataset).predict(np.full(len(rows), 9), rows)
    assert [i.stars for i in answer.items] == pytest.approx(wanted.tolist(), abs=1e-4)
    for query in (Query(user="10", profile={"gender": "F"}), Query(profile={"gender": "F"})):
        for shown in recommender.recommend(query).items:
            assert shown.stars == pytest.approx(starred.scores.rating(shown.score), abs=1e-6)


def test_a_training_that_is_stopped_in_the_head_goes_on(dataset, tmp_path, starred):
    rows = ((dataset.user > 2) & (dataset.item > 1)).nonzero()[0]

    def stop(text: str) -> None:
        if "network 2" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataset, headed(), Workspace(tmp_path), rows=rows, log=stop)
    assert not list(Workspace(tmp_path).models.glob("v*"))
    steps: list[int] = []
    resumed = train(
        dataset,
        headed(),
        Workspace(tmp_path),
        lambda p: steps.append(p.step),
        rows=rows,
        resume=True,
    )
    assert not steps, "the towers were trained already"
    assert np.array_equal(resumed.item_vectors, starred.item_vectors)
    assert np.array_equal(resumed.rating_head.users, starred.rating_head.users)
    assert not list(Path(tmp_path).glob("checkpoints/*"))


@pytest.mark.parametrize(
    "values", [{"networks": -1}, {"towers": 1.0}, {"batch": 0}, {"learning_rate": float("nan")}]
)
def test_settings_are_checked(values):
    with pytest.raises(ConfigError, match=f"rating.{next(iter(values))}"):
        RatingSettings(**values)
