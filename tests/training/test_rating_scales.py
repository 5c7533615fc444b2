"""Ratings of any scale, and data at the edges: all must train, answer and be shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import paddle
import pytest

from builders import LIBRARY, checkerboard, library, recipe, sequence_recipe
from event_data import data_set, schema
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import TrainingError
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.report.document import version_page
from fusionrec.evaluation.report.holdout import find_holdout
from fusionrec.evaluation.run import evaluate
from fusionrec.features.history import rating_levels
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry import Artifact
from fusionrec.training.fusion_network import withhold
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact

SCALES = {
    "half stars": (0.5, 5.0),
    "ten": (1.0, 10.0),
    "thumbs": (0.0, 1.0),
    "signs": (-1.0, 1.0),
    "hundred": (0.0, 100.0),
}


def of_scale(low: float, high: float) -> Dataset:
    """The checkerboard's 5 and 1 as the highest and the lowest rating."""
    plain = checkerboard()
    like = low + 0.75 * (high - low)
    scale = replace(plain.schema, rating_range=(low, high), like=like)
    rating = np.where(plain.rating == 5, high, low).astype(np.float32)
    return replace(plain, schema=scale, rating=rating)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_a_scale_of_ratings(scale, tmp_path):
    low, high = scale
    data = of_scale(low, high)
    artifact = train(data, recipe(epochs=8, batch=200), Workspace(tmp_path))
    with exact(artifact) as opened:
        for query in (Query(user="u0", k=30), Query(user="u0", k=30, seen=True), Query(k=3)):
            stars = [item.stars for item in opened.recommend(query).items]
            assert all(one is None or low <= one <= high for one in stars)
        best = opened.recommend(Query(user="u0", k=5))
        assert all(int(item.id[1:]) % 2 == 0 for item in best.items)
        assert best.items[0].stars > (low + high) / 2
        one = opened.people.find(Query(history=[Rated("i1", low), Rated("i2", high)]))
        assert one.vector @ artifact.item_vectors[2] > one.vector @ artifact.item_vectors[1]
    if scale == SCALES["signs"]:
        assert f"within {low:g} to {high:g}" in version_page(artifact, find_holdout(artifact, data))


def test_levels_of_ratings_of_any_scale():
    halves = np.arange(1, 11) / 2
    assert rating_levels(halves, (0.5, 5.0)).tolist() == list(range(1, 11))
    for scale in SCALES.values():
        assert rating_levels(np.array([*scale, np.nan]), scale).tolist() == [1, 10, 0]


@pytest.mark.parametrize("scale", [(-1.0, 1.0), (0.5, 5.0)])
def test_protocol_rating_in_the_unit_of_the_scale(scale):
    low, high = scale
    result = evaluate(of_scale(low, high), named("rating"), ProtocolOptions(), None)
    # Nothing tells the groups from biases, so the best guess is the middle.
    assert result.row("bias").figure("rmse") == pytest.approx((high - low) / 2, rel=0.15)


# At the edges.


def finite(artifact: Artifact) -> bool:
    vectors = (artifact.item_vectors, artifact.user_vectors)
    return all(np.allclose(np.linalg.norm(v, axis=1), 1.0, atol=1e-3) for v in vectors)


def rated(user: list[int], item: list[int], rating: list[float]) -> Dataset:
    made = data_set(schema(), user, item)
    plain = replace(made.schema, rating_range=(1.0, 5.0), like=4.0, events=False)
    return replace(made, schema=plain, rating=np.array(rating, np.float32))


EDGES = {
    "one user": rated([0] * 6, [0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 5]),
    "one item": rated([0, 1, 2, 3], [0] * 4, [1, 2, 4, 5]),
    "one rating": rated([0], [0], [3]),
    "all equal": rated([0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 0], [4] * 6),
    "nobody likes anything": rated([0, 0, 1, 1], [0, 1, 1, 2], [1] * 4),
    "one user's events": data_set(schema(), [0] * 6, [0, 1, 2, 3, 4, 5]),
    "faint events": data_set(schema(), [0, 1, 2], [0, 1, 2], weight=[1e-6] * 3),
    "two events": data_set(schema(), [0, 1], [0, 1]),
}


@pytest.mark.parametrize("data", EDGES.values(), ids=EDGES)
def test_little_data_trains_without_going_astray(data, tmp_path):
    artifact = train(data, recipe(), Workspace(tmp_path))
    assert finite(artifact)
    with exact(artifact) as opened:
        assert opened.recommend(Query(user="u0", k=3, seen=True)).items


@pytest.mark.parametrize("name", ["one user", "one item", "all equal", "two events"])
def test_the_report_of_little_data(name, tmp_path):
    data = EDGES[name]
    artifact = train(data, recipe(epochs=1, validation=0.3), Workspace(tmp_path))
    version_page(artifact, find_holdout(artifact, data))


def test_what_teaches_nothing_is_said(tmp_path):
    asked = recipe(squared=0.0, exposure=0.0, ranking=1.0, validation=0.0)
    with pytest.raises(TrainingError, match="counts as liking"):
        train(EDGES["nobody likes anything"], asked, Workspace(tmp_path))


@pytest.mark.parametrize("repeats", [False, True])
def test_someone_with_very_many_interactions(repeats, tmp_path):
    rng = np.random.default_rng(0)
    many = 100_000 if repeats else 20_000
    item = rng.integers(500, size=many) if repeats else np.arange(many)
    user = np.r_[np.zeros(many, int), rng.integers(1, 20, 200)]
    data = data_set(
        schema(repeats=repeats), user, np.r_[item, rng.integers(500, size=200)],
        time=np.arange(many + 200),
    )  # fmt: skip
    asked = recipe(epochs=1, batch=20_000)
    artifact = train(data, asked, Workspace(tmp_path))
    assert finite(artifact)
    short = train(data, sequence_recipe(epochs=1, negatives=64), Workspace(tmp_path))
    assert finite(short)


def test_very_many_categories_and_words(tmp_path):
    size = 3_000
    plain = Schema(
        "wide",
        (
            Field("who", "user", "id"),
            Field("job", "user", "category"),
            Field("what", "item", "id"),
            Field("tags", "item", "categories"),
            Field("title", "item", "text"),
        ),
        rating_range=(1.0, 5.0),
        title="title",
    )
    rng = np.random.default_rng(0)
    people = Table([f"u{n}" for n in range(size)], {"job": [f"job {n}" for n in range(size)]})
    tags = [(f"tag {n}", "all", f"pair {n // 2}") for n in range(size)]
    titles = [f"word{n} word{n + 1} common" for n in range(size)]
    things = Table([f"i{n}" for n in range(size)], {"tags": tags, "title": titles})
    user, item = (rng.permutation(size).astype(np.int32) for _ in range(2))
    rating = rng.integers(1, 6, size).astype(np.float32)
    data = Dataset(plain, "wide", people, things, user, item, rating)
    artifact = train(data, recipe(epochs=1, batch=1000), Workspace(tmp_path))
    assert finite(artifact)
    tagged = artifact.encoder.vocabularies["tags"].values
    assert len(tagged) == 1000
    assert "all" in tagged  # the most frequent are kept
    assert sum(tag.startswith("pair") for tag in tagged) == 999


def test_numbers_by_bucket_all_the_way(tmp_path):
    """Even decades of birth like even hundreds of pages: a number's size predicts nothing."""
    plain = library(readers=80, volumes=60)
    fields = tuple(replace(f, buckets=f.name in ("born", "pages")) for f in LIBRARY.fields)
    rng = np.random.default_rng(1)
    born = rng.integers(0, 8, 80) * 10.0 + 1920
    pages = rng.integers(0, 6, 60) * 100.0 + 100
    born[5], pages[5] = np.nan, np.nan
    user, item = np.divmod(rng.permutation(80 * 60)[:2400], 60)
    alike = (born[user] // 10) % 2 == (pages[item] // 100) % 2
    data = replace(
        plain,
        schema=replace(LIBRARY, fields=fields),
        users=replace(plain.users, columns={**plain.users.columns, "born": born.tolist()}),
        items=replace(plain.items, columns={**plain.items.columns, "pages": pages.tolist()}),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        rating=np.where(alike, 9.0, 1.0).astype(np.float32),
    )
    asked = recipe(epochs=8, batch=200, user_id_dropout=0.9, item_id_dropout=0.9)
    artifact = train(data, asked, Workspace(tmp_path))
    assert artifact.encoder.vocabularies["born"].edges == tuple(np.unique(born[born > 0]))
    for decade in range(1920, 2000, 10):
        person = artifact.vectors_of([None], {"born": [float(decade)]})[0]
        scores = artifact.item_vectors @ person
        even = (pages // 100) % 2 == 0
        known = np.isfinite(pages)
        gap = scores[known & even].mean() - scores[known & ~even].mean()
        assert gap * (1 if decade // 10 % 2 == 0 else -1) > 0.2


def test_a_hidden_bucket_is_the_one_of_unknown_numbers():
    field = Field("n", "item", "number", buckets=True)
    inputs = {"n": paddle.to_tensor(np.eye(4, dtype=np.float32)[[1, 2, 3, 0] * 50])}
    withhold(inputs, field, 0.5, np.random.default_rng(0))
    values = inputs["n"].numpy()
    assert (values.sum(axis=1) == 1).all()
    assert 100 < values[:, 0].sum() < 180  # 50 were not known before
