"""A version of parts answers by the formula that it claims, alone and through the index."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
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
from fusionrec.registry.blend import Blend, Part
from fusionrec.registry.weights import weights_file, write_weights
from fusionrec.training import blend_train
from fusionrec.training.train import train
from fusionrec.training.weighing import Weighed
from fusionrec.workspace import Workspace
from swap_stress import exact

WINDOW = 4
TRAINING = LinearTraining(halvings=(2.0,), ridges=(50.0,), window=WINDOW, validation=0)
RECIPE = LinearRecipe(LinearSettings(dims=(12,), stars=False), TRAINING)
WEIGHTS = {
    "later": {"next": 0.6, "taste": 1.0, "profile": 0.5, "trend-14d": 0.3},
    "next": {"next": 1.0, "profile": 0.2},
    "taste": {"taste": 1.0, "profile": 0.4},
}
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
    """A workspace with one version of given weights, whose first users and items are not
    trained.
    """
    made = Workspace(tmp_path_factory.mktemp("blend"))
    data = synthetic(seed=1, users=80, items=50, interactions=1500)
    with pytest.MonkeyPatch.context() as patch:
        given = lambda _, goal, *__: Weighed(WEIGHTS[goal], None, {}, 0)  # noqa: E731
        patch.setattr(blend_train, "_weigh", given)
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
    recipe = LinearRecipe()
    return data, train(data, recipe, Workspace(tmp_path_factory.mktemp("shop")))


def vector(
    artifact: Artifact,
    items: Any = (),
    profile: Mapping[str, str] | None = None,
    vectors: np.ndarray | None = None,
    goal: str | None = None,
) -> np.ndarray:
    columns = {name: [value] for name, value in (profile or {}).items()}
    histories = [items if isinstance(items, History) else History.of(items)]
    return artifact.vectors_of([None], columns, histories, items=vectors, goal=goal)[0]


def changed(artifact: Artifact, **blend: Any) -> Artifact:
    """The same version with another ``blend`` in its manifest; newcomers are as before."""
    newcomers = artifact.manifest["blend"]["newcomers"]
    newcomers = {goal: newcomers[goal] for goal in blend.get("weights", newcomers)}
    blend = {"newcomers": newcomers, **blend}
    return Artifact(
        artifact.folder,
        {**artifact.manifest, "blend": {**artifact.manifest["blend"], **blend}},
        artifact.encoder,
    )


# --- the user's vector ----------------------------------------------------------------------------


def profile_by_hand(
    artifact: Artifact, profile: Mapping[str, str], part: str = "profile"
) -> np.ndarray:
    saved = load_file(weights_file(artifact.folder, "user"))
    base, place = saved[f"{part}.base"].copy(), 0
    for field in artifact.schema.attributes("user"):
        values = artifact.encoder.vocabularies[field.name].values
        if field.name in profile:
            own = slice(place, place + len(values))
            flat = np.array([value == profile[field.name] for value in values])
            base += (flat - saved[f"{part}.mean"][own]) @ saved[f"{part}.profile"][own]
        place += len(values)
    return base


def by_hand(
    artifact: Artifact, history: History, profile: Mapping[str, str], goal: str | None = None
) -> np.ndarray:
    """The formula with loops, and spreads from the scores themselves; without a history the part
    for newcomers alone.
    """
    saved, blend = load_file(weights_file(artifact.folder, "user")), artifact.manifest["blend"]
    goal = goal or blend["goal"]
    weights, joined, begin = blend["weights"][goal], [], 0
    if not len(history):
        weights = {blend["newcomers"][goal]: 1.0}
    for part in blend["parts"]:
        read = np.zeros(part["width"])
        if part["kind"] == "history":
            pairs = list(zip(history.items, history.ratings, strict=True))[::-1]
            for age, (item, rating) in enumerate(pairs[: part["window"] or None]):
                weight = part["decay"] ** age
                strength = float(artifact.schema.events or rating >= artifact.schema.like)
                strength *= rating if artifact.schema.events else 1.0
                strength = 1.0 if np.isnan(rating) else strength
                weight *= part["weakest"] + (1 - part["weakest"]) * strength
                read += weight * saved[f"{part['name']}.history"][item]
        elif part["kind"] == "profile":
            read = profile_by_hand(artifact, profile, part["name"])
        else:
            read[:] = 1.0
        vectors = artifact.item_vectors[:, begin : begin + part["width"]].astype(np.float64)
        spread = (vectors @ read).std()
        read = read / spread if read.any() else read
        joined.append(weights.get(part["name"], 0.0) * read)
        begin += part["width"]
    whole = np.concatenate(joined)
    return whole / np.linalg.norm(whole)


def test_the_version_has_the_parts_that_are_weighed(version):
    parts = {part["name"]: part for part in version.manifest["blend"]["parts"]}
    kinds = {name: part["kind"] for name, part in parts.items()}
    assert kinds == {
        "taste": "history", "next": "history", "profile": "profile", "profile-liked": "profile",
        "trend-14d": "constant",
    }  # fmt: skip
    assert (parts["next"]["window"], parts["taste"]["window"]) == (WINDOW, 0)
    assert parts["next"]["decay"] == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("goal", [None, "later", "next", "taste"])
@pytest.mark.parametrize("profile", [{}, PROFILE, {"occupation": "12"}])
@pytest.mark.parametrize("items", [[], [7], [5, 9], [3, 4, 30, 8, 8, 20, 41]])
def test_a_users_vector_is_the_formulas(items, profile, goal, version):
    found = vector(version, items, profile, goal=goal)
    assert_allclose(found, by_hand(version, History.of(items), profile, goal), atol=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("goal", "part"), [("later", "profile"), ("next", "profile"), ("taste", "profile-liked")]
)
def test_newcomers_are_ranked_by_the_profiles_of_those_who_took_or_liked(goal, part, version):
    assert version.manifest["blend"]["newcomers"][goal] == part
    found, span = vector(version, (), PROFILE, goal=goal), version.user_tower.spans[part]
    assert found[span].any()
    assert not np.delete(found, np.arange(span.start, span.stop)).any()
    known = vector(version, [7], PROFILE, goal=goal)
    assert not known[version.user_tower.spans["profile-liked"]].any()  # it has no weight
    assert np.abs(found - known).max() > 0.01


def test_what_newcomers_may_like_is_learned_from_likes(version):
    """For somebody of a mean profile it is the number of those who liked each item."""
    histories, like = version.histories, version.schema.like
    liked = histories.rating >= like
    span = version.user_tower.spans["profile-liked"]
    wanted = np.bincount(histories.item[liked], minlength=50)
    found = version.item_vectors[2:, span] @ vector(version, goal="taste")[span]
    assert_allclose(found / found.max(), wanted[2:] / wanted.max(), atol=0.02)


def test_the_weights_of_a_goal_are_what_its_vector_is_made_by(version):
    """Each part's scores have a spread of its weight, but for one scale."""
    for goal, weights in WEIGHTS.items():
        found = vector(version, [3, 9, 30], goal=goal)
        spans = version.user_tower.spans
        spread = {
            name: float((version.item_vectors[:, span] @ found[span]).std())
            for name, span in spans.items()
        }
        scale = max(spread.values()) / max(weights.values())
        wanted = {name: weights.get(name, 0.0) for name in spans}
        assert {name: x / scale for name, x in spread.items()} == pytest.approx(wanted, abs=1e-4)


def test_without_a_goal_it_is_the_versions_own(version):
    assert version.manifest["blend"]["goal"] == "later"
    assert_array_equal(vector(version, [7, 9]), vector(version, [7, 9], goal="later"))
    other = changed(version, goal="taste")
    assert_array_equal(vector(other, [7, 9]), vector(version, [7, 9], goal="taste"))


def test_an_unknown_goal_is_refused(version):
    with pytest.raises(UsageError, match="has the goals later, next, taste; got 'best'") as refused:
        vector(version, [7], goal="best")
    assert refused.value.code == "unknown_goal"
    with pytest.raises(UsageError) as refused:
        exact(version).recommend(Query(history=[Rated(version.items.ids[7])], goal="best"))
    assert refused.value.code == "unknown_goal"


def test_a_requests_goal_is_that_of_its_answer(version):
    recommender, user = exact(version), version.users.ids[20]
    for goal in (None, *WEIGHTS):
        person = recommender.person(Query(user=user, goal=goal))
        profile = version.users.row(20)
        wanted = by_hand(version, version.histories.of(20), profile, goal)
        assert_allclose(person.vector, wanted, atol=1e-5)


def test_disliked_items_weigh_what_their_part_says(version):
    parts = copy.deepcopy(version.manifest["blend"]["parts"])
    for part in parts[:2]:
        assert part["weakest"] == 1.0
        part["weakest"] = 0.3
    other, like = changed(version, parts=parts), version.schema.like
    history = History.of([3, 9, 30], [like - 1, like, np.nan])
    assert_allclose(vector(other, history), by_hand(other, history, {}), atol=1e-5)
    assert np.abs(vector(other, history) - vector(version, history)).max() > 0.01
    unrated = History.of([3, 9, 30])  # nobody is known to dislike what is not rated
    assert_allclose(vector(other, unrated), vector(version, unrated), atol=1e-6)


def test_a_heavy_event_of_a_request_moves_the_list_more_than_a_light_one(shop):
    _, artifact = shop
    parts = copy.deepcopy(artifact.manifest["blend"]["parts"])
    for part in parts:
        part["weakest"] = 0.2
    other, (tea, nail) = changed(artifact, parts=parts), ("i0", "i1")
    for version, says in ((other, True), (artifact, False)):
        share = {}
        for heavy, light in ((tea, nail), (nail, tea)):
            query = Query(history=[Rated(heavy, 1.0), Rated(light, 0.1)], k=8)
            person = exact(version).person(query)
            history = History.of([int(heavy[1:]), int(light[1:])], [1.0, 0.1])
            assert_allclose(person.vector, by_hand(version, history, {}), atol=1e-5)
            answer = [int(item.id[1:]) % 3 for item in exact(version).recommend(query).items]
            share[heavy] = [answer.count(kind) for kind in (0, 1)]
        assert (share[tea][0] > share[nail][0]) == says
        assert (share[tea][1] < share[nail][1]) == says


def test_stored_vectors_are_those_of_stored_histories_and_profiles(version):
    for user in (0, 5, 40):
        wanted = by_hand(version, version.histories.of(user), version.users.row(user))
        assert_allclose(version.user_vectors[user], wanted, atol=1e-5)


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


def test_a_person_of_whom_no_weighed_part_says_anything_is_answered_by_the_profile(version):
    """Of a goal whose parts read histories alone."""
    other = changed(version, weights={"later": {"next": 1.0}})
    found, wanted = vector(other, profile=PROFILE), np.zeros(version.item_vectors.shape[1])
    span = other.user_tower.spans["profile"]
    wanted[span] = profile_by_hand(version, PROFILE)
    assert_allclose(found, wanted / np.linalg.norm(wanted), atol=1e-5)
    assert not vector(other, [7])[span].any()


def test_an_unknown_value_of_a_profile_counts_as_the_mean(version):
    for items in ([], [7, 9]):
        wanted = vector(version, items, {"age": "25"})
        for value in (None, "no such"):
            assert_allclose(
                vector(version, items, {"age": "25", "gender": value}), wanted, atol=1e-6
            )


def test_nobody_known_is_an_error_and_nobody_at_all_gets_what_is_popular(version):
    recommender = exact(version)
    with pytest.raises(UsageError) as refused:
        recommender.recommend(Query(user="nobody"))
    assert refused.value.code == "unknown_user"
    assert recommender.recommend(Query()).kind == "popular"
    assert recommender.recommend(Query(user="nobody", profile=PROFILE)).kind == "profile"
    untrained = recommender.recommend(Query(user=version.users.ids[0]))
    assert (untrained.kind, len(untrained.items)) == ("profile", 10)


# --- what each item of a history gave -------------------------------------------------------------


@pytest.mark.parametrize("goal", [None, "next", "taste"])
def test_contributions_of_a_history_add_up_to_its_part_of_the_scores(goal, version):
    history = History.of([3, 4, 30, 8, 20, 41], [1, 5, 4, 2, np.nan, 5])
    rows, tower = np.arange(50), version.user_tower
    added = tower.contributions(history, version.item_vectors, rows, goal)
    assert added.shape == (50, 6)
    found = vector(version, history, goal=goal)
    scores = np.zeros(50)
    for name in ("next", "taste"):
        scores += version.item_vectors[:, tower.spans[name]] @ found[tower.spans[name]]
    scale = np.linalg.norm(added.sum(axis=1)) / np.linalg.norm(scores)
    assert_allclose(added.sum(axis=1), scale * scores, atol=1e-4)
    if goal == "next":  # which reads the newest alone
        assert not added[:, : 6 - WINDOW].any()
        assert added[:, 6 - WINDOW :].any(axis=0).all()


def test_a_contribution_is_what_the_score_loses_without_the_item(version):
    """Of one part whose items all count the same, in units of its weight and spread."""
    other = changed(version, weights={"later": {"taste": 1.0}})
    whole, without, tower = [3, 9, 30], [3, 30], other.user_tower
    rows, span = np.arange(50), other.user_tower.spans["taste"]
    added = tower.contributions(History.of(whole), version.item_vectors, rows)
    taken = tower.histories["taste"].vectors
    lost = version.item_vectors[:, span] @ (taken[whole].sum(axis=0) - taken[without].sum(axis=0))
    spread = (version.item_vectors[:, span] @ taken[whole].sum(axis=0)).std()
    assert_allclose(added[:, 1], lost / spread, atol=1e-4)


# --- items that are new or changed ----------------------------------------------------------------


def after(artifact: Artifact, **contents: dict) -> Catalog:
    changes = enumerate(contents.items(), 1)
    return Catalog.of(artifact, [ItemChange(n, item, content) for n, (item, content) in changes])


def test_a_new_item_is_near_those_of_its_kind_and_for_those_who_take_it(shop):
    _, artifact = shop
    for group, kind in enumerate(KINDS):
        new = after(artifact, new={"kind": kind}).vectors[-1]
        cosines = unit(artifact.item_vectors) @ new / np.linalg.norm(new)
        means = [cosines[n::3].mean() for n in range(3)]
        assert np.argmax(means) == group
        scores = [(artifact.user_vectors @ new)[n::3].mean() for n in range(3)]
        assert np.argmax(scores) == group


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


@pytest.mark.parametrize("name", ["next", "taste"])
def test_what_an_added_item_says_has_the_scale_of_what_known_ones_say(name, version):
    """It is a regression on vectors, so it is what known items with these vectors say but for a
    rest at right angles to it.
    """
    vectors = np.concatenate([version.item_vectors, version.item_vectors[2:]])
    part = version.user_tower.histories[name]
    known, added = part.of(np.arange(2, 50), vectors), part.of(np.arange(50, 98), vectors)
    assert np.vdot(known, added) / np.vdot(added, added) == pytest.approx(1.0, abs=0.05)


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


@pytest.mark.parametrize(
    "name", ["next.history", "taste.added", "profile.mean", "profile.profile", "profile.base"]
)
def test_an_array_of_another_shape_is_refused(name, version, tmp_path):
    arrays = load_file(weights_file(version.folder, "user"))
    write_weights(tmp_path, "user", arrays | {name: arrays[name][:-1]})
    broken = Artifact(tmp_path, version.manifest, version.encoder)
    vars(broken)["item_vectors"] = version.item_vectors
    with pytest.raises(ArtifactError, match=name.split(".")[1]):
        _ = broken.user_tower


@pytest.mark.parametrize("name", ["next.more", "trend-14d.more"])
def test_an_array_that_no_part_has_is_refused(name, version, tmp_path):
    arrays = load_file(weights_file(version.folder, "user"))
    write_weights(tmp_path, "user", arrays | {name: np.ones(3, dtype=np.float32)})
    broken = Artifact(tmp_path, version.manifest, version.encoder)
    vars(broken)["item_vectors"] = version.item_vectors
    with pytest.raises(ArtifactError, match="more"):
        _ = broken.user_tower


def test_parts_that_are_not_as_wide_as_the_vectors_are_refused(version):
    parts = version.manifest["blend"]["parts"]
    with pytest.raises(ArtifactError, match="wide"):
        _ = changed(version, parts=parts[:-1], weights={"later": {"next": 1.0}}).user_tower


def test_a_blend_is_read_back_equal(version):
    blend = Blend.of(version.manifest)
    assert Blend.of({"blend": blend.to_json()}) == blend


def wrong(**part: Any) -> dict[str, Any]:
    return {"parts": [{"name": "next", "kind": "history", "width": 2} | part]}


def newcomers(**parts: str) -> dict[str, Any]:
    return {"newcomers": parts}


@pytest.mark.parametrize(
    "change",
    [
        wrong(width=0),
        wrong(width="wide"),
        wrong(kind="magic"),
        wrong(decay=1.5),
        wrong(decay=0.0),
        wrong(decay=float("nan")),
        wrong(window=-1),
        wrong(weakest=-0.1),
        wrong(weakest=float("nan")),
        wrong(colour="red"),
        {"parts": []},
        {"parts": None},
        {"weights": {"later": {"next": -1.0}}},
        {"weights": {"later": {"next": float("nan")}}},
        {"weights": {"later": {"next": float("inf")}}},
        {"weights": {"later": {"other": 1.0}}},
        {
            "weights": {"later": {"next": 1.0}, "best": {"next": 1.0}},
            **newcomers(later="next", best="next"),
        },
        {"weights": {}},
        {"weights": [1.0]},
        {"goal": "taste"},
        {"goal": None},
        newcomers(),
        newcomers(later="other"),
        newcomers(later="next", taste="next"),
        {"newcomers": None},
    ],
)
def test_a_manifest_out_of_range_is_refused(change):
    weights = {"later": {"next": 1.0}}
    whole = {**wrong(), "weights": weights, "goal": "later", **newcomers(later="next")}
    assert Blend.of({"blend": whole}).parts == (Part("next", "history", 2),)
    with pytest.raises(ArtifactError):
        Blend.of({"blend": whole | change})
    with pytest.raises(ArtifactError):
        Blend.of({})
