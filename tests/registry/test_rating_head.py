"""A rating head that is not complete, as some versions of fusion have one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fusionrec.errors import ArtifactError
from fusionrec.evaluation.model_source import ModelRater
from fusionrec.features.score_scale import SCALE
from fusionrec.recommend.query import Query
from fusionrec.registry import Artifact
from fusionrec.registry.rating_head import RatingHead
from swap_stress import exact


@pytest.fixture(scope="module")
def starred(published: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version with a head, which does not know the first three users and two items."""
    folder = tmp_path_factory.mktemp("starred") / "v1"
    shutil.copytree(published.folder, folder)
    rng = np.random.default_rng(0)
    users = rng.normal(0, 1, (len(published.users), 6)).astype(np.float32)
    items = rng.normal(0, 1, (len(published.items), 6)).astype(np.float32)
    users[:, -2] += 3
    users[:, -1] = items[:, -2] = 1
    users[:3], items[:2] = 0, 0
    head = RatingHead(users, items)
    head.save(folder)
    return Artifact(folder, {**published.manifest, "stars": head.manifest}, published.encoder)


def test_a_damaged_head_is_refused(starred: Artifact, tmp_path: Path) -> None:
    head = starred.rating_head
    RatingHead(head.users[:-1], head.items).save(tmp_path)
    with pytest.raises(ArtifactError, match="rating head's arrays"):
        Artifact(tmp_path, starred.manifest, starred.encoder).rating_head  # noqa: B018


def test_known_pairs_are_rated_by_the_head_and_others_by_the_score(starred, dataset):
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
    with exact(starred) as recommender:
        answer = recommender.recommend(Query(user="10", k=100))
        assert [i.score for i in answer.items] == sorted(
            (i.score for i in answer.items), reverse=True
        )
        rows = np.array([int(i.id) - 1 for i in answer.items])
        wanted = ModelRater(starred, dataset).predict(np.full(len(rows), 9), rows)
        assert [i.stars for i in answer.items] == pytest.approx(wanted.tolist(), abs=1e-4)
        for query in (Query(user="10", profile={"gender": "F"}), Query(profile={"gender": "F"})):
            for shown in recommender.recommend(query).items:
                assert shown.stars == pytest.approx(starred.scores.rating(shown.score), abs=1e-6)
