"""A linear version answers by the formula that it claims, alone and through the index."""

from __future__ import annotations

import numpy as np
import pytest
from fusionrec.registry.inference.linear import LinearParts
from numpy.testing import assert_allclose
from safetensors.numpy import load_file

from fusionrec.baselines import ProfileRidge
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.item_files import plain_content
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.schema import Field, Schema
from fusionrec.deploy.build import build_index
from fusionrec.deploy.open import open_version
from fusionrec.errors import ArtifactError, StoreDamagedError, UsageError
from fusionrec.features.history import History
from fusionrec.index.exact import check_vectors
from fusionrec.ledger import ItemChange
from fusionrec.models.linear_settings import LinearRecipe, LinearSettings, LinearTraining
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry import Artifact, unit
from fusionrec.registry.weights import weights_file, write_weights
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact

WINDOW, SHARE = 4, 0.5
TRAINING = LinearTraining(halvings=(2.0,), ridges=(50.0,), shares=(SHARE,), window=WINDOW)
RECIPE = LinearRecipe(LinearSettings(dims=(12,)), TRAINING)
PROFILE = {"gender": "F", "age": "25"}
SHOP = Schema(
    "shop",
    (
        Field("who", "user", "id"),
        Field("town", "user", "category"),
        Field("trade", "user", "category"),
        Field("what", "item", "id"),
        Field("kind", "item", "category"),
    ),
    rating_range=(0.0, 1.0),
    like=0.0,
    events=True,
)
KINDS = ("tea", "nail", "book")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one linear version, whose first users and items are not trained."""
    made = Workspace(tmp_path_factory.mktemp("linear"))
    data = synthetic(seed=1, users=80, items=50, interactions=1500)
    train(data, RECIPE, made, rows=np.flatnonzero((data.user > 2) & (data.item > 1)))
    return made


@pytest.fixture(scope="module")
def version(home: Workspace) -> Artifact:
    return Artifact.load(home.models / "v1")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Artifact]:
    """Customers of 2 towns and 3 trades, as many of each pair, who take mostly the kind of item
    that belongs to their trade, and its version.
    """
    users, items, rng = 60, 24, np.random.default_rng(0)
    of_user, of_item = np.arange(users) % 3, np.arange(items) % 3
    chance = np.where(of_user[:, None] == of_item, 0.7, 0.1)
    user, item = np.nonzero(rng.random((users, items)) < chance)
    people = {
        "town": [("north", "south")[n // 3 % 2] for n in range(users)],
        "trade": [("cook", "smith", "clerk")[n] for n in of_user],
    }
    things = {"kind": [KINDS[n] for n in of_item]}
    tables = (
        Table([f"{x}{n}" for n in range(m)], c)
        for x, m, c in (("u", users, people), ("i", items, things))
    )
    columns = (user.astype(np.int32), item.astype(np.int32), np.ones(len(user), np.float32))
    data = Dataset(SHOP, "shop", *tables, *columns)
    recipe = LinearRecipe(LinearSettings(goal="taste"), LinearTraining(shares=(SHARE,)))
    return data, train(data, recipe, Workspace(tmp_path_factory.mktemp("shop")))


def vector(artifact: Artifact, items=(), profile=None, vectors=None) -> np.ndarray:
    columns = {name: [value] for name, value in (profile or {}).items()}
    return artifact.vectors_of([None], columns, [History.of(items)], items=vectors)[0]


# --- the user's vector ----------------------------------------------------------------------------


def by_hand(artifact: Artifact, items: list[int], profile: dict[str, str]) -> np.ndarray:
    """The formula with loops, and spreads from the scores themselves."""
    saved, decay = load_file(weights_file(artifact.folder, "user")), 0.5**0.5
    base, place = saved["base"].copy(), 0
    for field in artifact.schema.attributes("user"):
        values = artifact.encoder.vocabularies[field.name].values
        if field.name in profile:
            own = slice(place, place + len(values))
            flat = np.array([value == profile[field.name] for value in values])
            base += (flat - saved["mean"][own]) @ saved["profile"][own]
        place += len(values)
    read = np.zeros(artifact.manifest["linear"]["width"])
    for age, item in enumerate(items[::-1][:WINDOW]):
        read += decay**age * saved["history"][item]
    vectors = artifact.item_vectors.astype(np.float64)
    base = base / (vectors[:, len(read) :] @ base).std()
    if items:
        read, base = read / (vectors[:, : len(read)] @ read).std(), SHARE * base
    joined = np.r_[read, base]
    return joined / np.linalg.norm(joined)


@pytest.mark.parametrize("profile", [{}, PROFILE, {"occupation": "12"}])
@pytest.mark.parametrize("items", [[], [7], [5, 9], [3, 4, 30, 8, 8, 20, 41]])
def test_a_users_vector_is_the_formulas(items, profile, version):
    found = vector(version, items, profile)
    assert_allclose(found, by_hand(version, items, profile), atol=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-6)


def test_stored_vectors_are_those_of_stored_histories_and_profiles(version):
    for user in (0, 5, 40):
        items, profile = version.histories.of(user).items, version.users.row(user)
        assert_allclose(
            version.user_vectors[user], by_hand(version, list(items), profile), atol=1e-5
        )


def test_a_batch_answers_as_single_requests(version):
    rng = np.random.default_rng(0)
    histories = [History.of(rng.integers(0, 50, n)) for n in (0, 1, 3, 9, 0)]
    genders = ["F", None, "M", "F", None]
    together = version.vectors_of([None] * 5, {"gender": genders}, histories)
    for row, history, gender in zip(together, histories, genders, strict=True):
        alone = version.vectors_of([None], {"gender": [gender]}, [history])
        assert_allclose(row, alone[0], atol=1e-6)


def test_a_profile_alone_ranks_as_ridge_regression_on_it(shop):
    data, artifact = shop
    everybody = np.arange(len(data.users))
    wanted = ProfileRidge().fit(data, np.arange(len(data))).scores(everybody)
    found = (
        artifact.vectors_of([None] * len(everybody), data.users.columns) @ artifact.item_vectors.T
    )
    shares = [scores / np.linalg.norm(scores, axis=1, keepdims=True) for scores in (found, wanted)]
    assert_allclose(*shares, atol=1e-5)


def test_an_unknown_value_of_a_profile_counts_as_the_mean(version):
    for items in ([], [7, 9]):
        wanted = vector(version, items, {"age": "25"})
        for value in (None, "no such"):
            assert_allclose(
                vector(version, items, {"age": "25", "gender": value}), wanted, atol=1e-6
            )
    saved = load_file(weights_file(version.folder, "user"))
    rest = vector(version)[-len(saved["base"]) :]
    assert_allclose(rest, saved["base"] / np.linalg.norm(saved["base"]), atol=1e-6)


def test_nobody_known_is_an_error_and_nobody_at_all_gets_what_is_popular(version):
    recommender = exact(version)
    with pytest.raises(UsageError) as refused:
        recommender.recommend(Query(user="nobody"))
    assert refused.value.code == "unknown_user"
    assert recommender.recommend(Query()).kind == "popular"
    assert recommender.recommend(Query(user="nobody", profile=PROFILE)).kind == "profile"
    untrained = recommender.recommend(Query(user=version.users.ids[0]))
    assert (untrained.kind, len(untrained.items)) == ("profile", 10)


# --- items that are new or changed ----------------------------------------------------------------


def after(artifact: Artifact, **contents: dict) -> Catalog:
    changes = enumerate(contents.items(), 1)
    return Catalog.of(artifact, [ItemChange(n, item, content) for n, (item, content) in changes])


def test_a_new_item_is_near_those_of_its_kind(shop):
    _, artifact = shop
    for group, kind in enumerate(KINDS):
        catalog = after(artifact, new={"kind": kind})
        new = catalog.vectors[-1]
        cosines = unit(artifact.item_vectors) @ new / np.linalg.norm(new)
        others = cosines[np.arange(24) % 3 != group]
        assert cosines[group::3].min() > others.max()


def test_no_new_item_is_longer_than_1(version):
    encoder = version.encoder
    genres = [[one] for one in encoder.vocabularies["genres"].values] + [[]]
    columns = {"genres": genres, "year": [1900.0 + 5 * n for n in range(len(genres))]}
    vectors = version.item_tower.vectors(encoder.encode("item", [None] * len(genres), columns))
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths.min() > 0
    assert lengths.max() <= 1 + 1e-6
    check_vectors(vectors, len(genres))


def test_a_new_item_in_a_history_moves_the_answer(shop):
    _, artifact = shop
    catalog = after(artifact, new={"kind": "nail"})
    recommender = exact(artifact, catalog)
    for before in ([], [Rated("i0")]):
        person = recommender.person(Query(history=[*before, Rated("new")]))
        assert person.vector is not None
        assert (catalog.vectors[:24] @ person.vector)[1::3].mean() > 0
        if before:
            alone = recommender.person(Query(history=before)).vector
            assert np.abs(person.vector - alone).max() > 0.05
    answer = recommender.recommend(Query(history=[Rated("new")], k=5))
    assert [int(item.id[1:]) % 3 for item in answer.items].count(1) >= 4


def test_an_item_that_nobody_took_counts_in_a_history_as_a_new_one_would(version):
    content = plain_content(version.items.row(0))
    catalog, nobodys, new = after(version, new=content), [9, 0], [9, len(version.items)]
    found, wanted = (vector(version, items, vectors=catalog.vectors) for items in (nobodys, new))
    assert_allclose(found, wanted, atol=1e-5)
    assert np.abs(found - vector(version, [9])).max() > 1e-3
    scores = [item.score for item in exact(version).similar(version.items.ids[0]).items]
    assert scores[0] > scores[-1]


def test_a_known_item_keeps_its_vector_when_its_content_changes(shop):
    _, artifact = shop
    catalog = after(artifact, i4={"kind": "tea"})
    assert catalog.items.row(4) == {"kind": "tea"}
    assert np.array_equal(catalog.vectors, artifact.item_vectors)


# --- through the index ----------------------------------------------------------------------------


def test_milvus_finds_what_numpy_does(home, version):
    assert np.linalg.norm(version.item_vectors, axis=1).min() < 0.9  # so that lengths count
    build_index(home, version)
    opened = open_version(home)
    try:
        for user in range(20, 40):
            scores = version.item_vectors @ version.user_vectors[user]
            scores[version.histories.of(user).items] = -np.inf
            best = np.sort(scores)[::-1][:10]
            answer = opened.recommender.recommend(Query(user=version.users.ids[user]))
            assert answer.place != "exact", answer.notes
            rows = [version.items.positions()[item.id] for item in answer.items]
            assert_allclose(scores[rows], best[np.isfinite(best)], atol=1e-5)
            assert_allclose([item.score for item in answer.items], 5 * scores[rows], atol=1e-5)
    finally:
        opened.close()


@pytest.mark.parametrize("length", [0.0, np.nan, 1.01, np.inf])
def test_vectors_that_are_0_too_long_or_nan_are_refused(length):
    vectors = np.eye(4, dtype=np.float32) * np.array([[1.0], [0.5], [1e-3], [1.0]], np.float32)
    check_vectors(vectors, 4)
    vectors[2, 2] = length
    with pytest.raises(StoreDamagedError, match="row 2"):
        check_vectors(vectors, 4)


# --- what is on disk ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["history", "added", "mean", "profile", "base"])
def test_an_array_of_another_shape_is_refused(name, version, tmp_path):
    arrays = load_file(weights_file(version.folder, "user"))
    write_weights(tmp_path, "user", arrays | {name: arrays[name][:-1]})
    broken = Artifact(tmp_path, version.manifest, version.encoder)
    vars(broken)["item_vectors"] = version.item_vectors
    with pytest.raises(ArtifactError, match=name):
        _ = broken.user_tower


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 0},
        {"decay": 1.5},
        {"decay": float("nan")},
        {"window": -1},
        {"share": float("inf")},
        {"width": "wide"},
    ],
)
def test_a_manifest_out_of_range_is_refused(changed):
    whole = {"width": 12, "decay": 0.7, "window": 0, "share": 0.5}
    assert LinearParts.of({"linear": whole}) == LinearParts(**whole)
    with pytest.raises(ArtifactError):
        LinearParts.of({"linear": whole | changed})
    with pytest.raises(ArtifactError):
        LinearParts.of({})
