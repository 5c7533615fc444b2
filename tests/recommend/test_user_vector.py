"""Who is asked: an id, a profile, a history and their mixtures, by a model of either kind."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from builders import checkerboard, sequence_recipe
from fusionrec.cli.hints import hint_of
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.features.history import History
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query, Rated, UserVector
from fusionrec.recommend.user_vector import DISLIKED, UserVectors
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact

LENGTH = 12
KNOWN, UNTRAINED = "10", "2"  # users; the latter has no row that training saw
PROFILE = {"gender": "F", "age": "25"}
HISTORY = (Rated("7", 5.0), Rated("9", 2.2), Rated("20"))


@pytest.fixture(scope="module")
def sequence(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sequence model of the same rows as ``published``."""
    rows = ((dataset.user > 2) & (dataset.item > 1)).nonzero()[0]
    return train(
        dataset, sequence_recipe(LENGTH), Workspace(tmp_path_factory.mktemp("of")), rows=rows
    )


@pytest.fixture(params=["fusion", "sequence"])
def artifact(request: pytest.FixtureRequest, published: Artifact) -> Artifact:
    """One model after the other."""
    return published if request.param == "fusion" else request.getfixturevalue("sequence")


def find(artifact: Artifact, **query: object) -> UserVector:
    return UserVectors(Catalog.of(artifact)).find(Query(**query))


def positions(artifact: Artifact, *items: str) -> np.ndarray:
    rows = artifact.items.positions()
    return np.array([rows[item] for item in items])


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    return np.abs(one - other).max() > 1e-5


def read(
    artifact: Artifact, profile: dict[str, str], items: np.ndarray, ratings: np.ndarray
) -> np.ndarray:
    """The vector of a profile and a history by the tower alone."""
    columns = {name: [value] for name, value in profile.items()}
    return artifact.vectors_of([None], columns, [History.of(items, ratings)])[0]


# --- mixtures -------------------------------------------------------------------------------------

GIVEN = {"profile": PROFILE, "history": HISTORY}


@pytest.mark.parametrize(
    ("user", "told", "kind"),
    [
        (KNOWN, (), "user"),
        (KNOWN, ("profile",), "mixed"),
        (KNOWN, ("history",), "mixed"),
        (KNOWN, ("profile", "history"), "mixed"),
        (UNTRAINED, (), "profile"),
        (UNTRAINED, ("profile",), "profile"),
        (UNTRAINED, ("history",), "history"),
        (UNTRAINED, ("profile", "history"), "mixed"),
        ("nobody", ("profile",), "profile"),
        ("nobody", ("history",), "history"),
        ("nobody", ("profile", "history"), "mixed"),
        (None, ("profile",), "profile"),
        (None, ("history",), "history"),
        (None, ("profile", "history"), "mixed"),
        (None, (), "popular"),
    ],
)
def test_every_mixture(artifact, user, told, kind):
    person = find(artifact, user=user, **{name: GIVEN[name] for name in told})
    assert person.kind == kind
    if kind == "popular":
        assert person.vector is None
    else:
        assert person.vector.shape == artifact.item_vectors.shape[1:]
        assert person.vector.dtype == np.float32
        assert np.linalg.norm(person.vector) == pytest.approx(1, abs=1e-4)
    row = artifact.users.positions().get(user)
    stored = [] if row is None else artifact.histories.of(row).items
    given = positions(artifact, "7", "9", "20") if "history" in told else []
    assert person.rated.dtype == np.int64
    assert person.rated.tolist() == np.union1d(stored, given).tolist()
    if user in (KNOWN, UNTRAINED) and not told:
        assert np.array_equal(person.vector, artifact.user_vectors[row])
    unknown = [note for note in person.notes if "nobody is not in v1" in note]
    assert bool(unknown) == (user == "nobody")
    if unknown:
        parts = [part for part in ("profile", "history") if part in told]
        assert unknown[0].endswith("answered from the " + " and the ".join(parts))
    unread = [note for note in person.notes if "fusion does not read histories" in note]
    assert bool(unread) == ("history" in told and not artifact.history_features)
    assert len(person.notes) == len(unknown) + len(unread)
    assert [note.count(" as well") for note in unread] == [kind == "mixed"] * len(unread)


def test_an_unknown_user_and_nothing_else_is_an_error(artifact):
    with pytest.raises(UsageError) as caught:
        find(artifact, user="nobody")
    assert caught.value.code == "unknown_user"
    assert "--profile gender=F" in hint_of(caught.value)
    assert "--liked ITEM" in hint_of(caught.value)


@pytest.mark.parametrize(
    ("profile", "words"),
    [({"gender": "X"}, "gender must be one of F, M"), ({"shoe": "42"}, "not 'shoe'")],
)
def test_a_profile_is_checked_whatever_else_is_told(artifact, profile, words):
    for more in ({}, {"user": KNOWN}, {"history": HISTORY}):
        with pytest.raises(UsageError, match=words):
            find(artifact, profile=profile, **more)


# --- what the vector is made of -------------------------------------------------------------------


def test_the_sequence_model_reads_what_is_told_behind_what_is_stored(sequence):
    row = sequence.users.positions()[KNOWN]
    history, stored = sequence.histories.of(row), sequence.users.row(row)
    items, ratings = history.items, history.ratings
    new = [one for one in range(2, 40) if one not in set(items.tolist())][:2]
    told = [Rated(sequence.items.ids[new[0]], 1.0), Rated(sequence.items.ids[new[1]])]
    whole = np.r_[items, new], np.r_[ratings, [1.0, np.nan]]
    gender = {"gender": {"F": "M", "M": "F"}[stored["gender"]]}
    for given, wanted in (
        ({"history": told}, read(sequence, stored, *whole)),
        ({"history": told, "profile": gender}, read(sequence, stored | gender, *whole)),
        ({"profile": gender}, read(sequence, stored | gender, items, ratings)),
        ({"profile": {"gender": stored["gender"]}}, sequence.user_vectors[row]),
    ):
        assert np.allclose(find(sequence, user=KNOWN, **given).vector, wanted, atol=1e-5)
    assert differ(read(sequence, stored, *whole), sequence.user_vectors[row])
    # An item that is stored moves to the end with its new rating.
    again, rest = items[-3], np.arange(len(items)) != len(items) - 3
    rating = 1.0 if ratings[-3] > 3 else 5.0
    person = find(sequence, user=KNOWN, history=[Rated(sequence.items.ids[int(again)], rating)])
    wanted = read(sequence, stored, np.r_[items[rest], again], np.r_[ratings[rest], rating])
    assert np.allclose(person.vector, wanted, atol=1e-5)
    assert differ(person.vector, sequence.user_vectors[row])
    assert len(person.rated) == len(items)


def test_what_a_request_names_is_of_now_unless_told(dataset, tmp_path):
    made = sequence_recipe(LENGTH, epochs=1)
    made = replace(made, model=replace(made.model, gaps=True))
    artifact = train(dataset, made, Workspace(tmp_path))
    row = artifact.users.positions()[KNOWN]
    last = float(dataset.time[dataset.user == row].max())
    seen = {artifact.items.ids[item] for item in artifact.histories.of(row).items}
    new = [id_ for id_ in artifact.items.ids if id_ not in seen][:2]
    for rating in (4.0, None):

        def vector(now: float, time: float | None = None, rating: float | None = rating):
            history = [Rated(item, rating, time, named=rating is None) for item in new]
            return find(artifact, user=KNOWN, history=history, now=now).vector

        soon, late = last + 60, last + 1e8
        assert np.array_equal(vector(late), vector(soon, late))
        assert differ(vector(late), vector(soon))
        assert np.array_equal(vector(late, soon), vector(soon))
        today, then = (
            find(artifact, user=KNOWN, history=[Rated(new[0], rating, time)])
            for time in (None, soon)
        )
        assert differ(today.vector, then.vector)


def test_the_sequence_model_reads_a_history_and_a_profile_alone(sequence):
    items, ratings = positions(sequence, "7", "9", "20"), np.array([5.0, 2.2, np.nan])
    for given, wanted in (
        ({"history": HISTORY}, read(sequence, {}, items, ratings)),
        ({"history": HISTORY, "user": "nobody"}, read(sequence, {}, items, ratings)),
        ({"history": HISTORY, "profile": PROFILE}, read(sequence, PROFILE, items, ratings)),
        ({"profile": PROFILE}, read(sequence, PROFILE, items[:0], ratings[:0])),
    ):
        assert np.allclose(find(sequence, **given).vector, wanted, atol=1e-6)


def test_of_the_fusion_model_the_vectors_of_what_is_told_are_added(published):
    rows = positions(published, "7", "9", "20")
    liked = published.schema.like
    weights = [((liked if r.rating is None else r.rating) - 3) / 2 for r in HISTORY]
    mean = (np.array(weights)[:, None] * published.item_vectors[rows]).mean(axis=0)

    def with_mean(vector: np.ndarray, counts: float) -> np.ndarray:
        added = counts * vector + len(HISTORY) * mean
        return added / np.linalg.norm(added)

    user = published.users.positions()[KNOWN]
    alone = find(published, history=HISTORY).vector
    assert np.allclose(alone, mean / np.linalg.norm(mean), atol=1e-6)
    known = find(published, user=KNOWN, history=HISTORY).vector
    # A stored history weighs as much as five items.
    assert np.allclose(known, with_mean(published.user_vectors[user], 5.0), atol=1e-6)
    profile = find(published, profile=PROFILE).vector
    both = find(published, profile=PROFILE, history=HISTORY).vector
    assert np.allclose(both, with_mean(profile, 1.0), atol=1e-6)
    # Once or many times, a like weighs the same.
    thrice = find(published, user=KNOWN, history=HISTORY * 3).vector
    assert np.allclose(thrice, known, atol=1e-6)
    # One low rating does not turn someone with a history round.
    [low] = rows[:1]
    told = find(published, user=KNOWN, history=[Rated("7", 1.0)]).vector
    assert told @ published.user_vectors[user] > 0.9
    assert told @ published.item_vectors[low] < known @ published.item_vectors[low]


def test_what_someone_dislikes_takes_away_from_what_they_like_and_asks_for_nothing(published):
    rows = positions(published, "7", "9")
    only = find(published, history=[Rated("7", 1.0)])
    assert (only.vector, only.kind) == (None, "popular")
    assert only.rated.tolist() == [rows[0]]
    assert only.notes == ("the ratings given say nothing of what the person likes",)
    liked, disliked = published.item_vectors[rows]
    for low in ([Rated("9", 1.0)], [Rated("9", 1.0), Rated("20", 1.0), Rated("12", 1.0)]):
        found = find(published, history=[Rated("7", 5.0), *low]).vector
        gone = published.item_vectors[positions(published, *(one.item for one in low))]
        wanted = liked - DISLIKED * gone.mean(axis=0)
        assert np.allclose(found, wanted / np.linalg.norm(wanted), atol=1e-6)
    profile = find(published, profile=PROFILE).vector
    with_low = find(published, profile=PROFILE, history=[Rated("9", 1.0)])
    assert with_low.vector @ profile > 0.8
    assert with_low.vector @ disliked < profile @ disliked


@pytest.mark.parametrize(("rating", "low"), [(None, False), (3.0, False), (2.9, True), (1.0, True)])
def test_low_ratings_are_noted_where_there_are_some(published, rating, low):
    [note] = find(published, history=[Rated("7", 5.0), Rated("9", rating)]).notes
    assert note.startswith("fusion does not read histories: answered from the items you named")
    assert note.endswith("; items like those rated below the middle of the scale come later") == low


def test_a_long_history_that_is_told_is_its_newest_items(sequence):
    told = [Rated(str(n), float(n % 5 + 1)) for n in range(1, 41)]
    whole = find(sequence, history=told)
    assert np.allclose(whole.vector, find(sequence, history=told[-LENGTH:]).vector, atol=1e-6)
    less = find(sequence, history=told[-LENGTH + 1 :]).vector
    assert differ(whole.vector, less)
    assert len(whole.rated) == 40


# --- what is told of items ------------------------------------------------------------------------


def test_items_that_are_not_there_are_left_out_counted_and_named(artifact):
    strangers = [Rated(f"new-{n}", 4.0) for n in range(7)]
    person = find(artifact, history=[*strangers, *HISTORY])
    [note] = [note for note in person.notes if "left out" in note]
    assert note.startswith("left out 7 of 10 items that are not in v1: new-0, new-1, ")
    assert note.endswith("new-4, …")
    plain = find(artifact, history=HISTORY)
    assert np.array_equal(person.vector, plain.vector)
    assert np.array_equal(person.rated, plain.rated)
    [note] = [n for n in find(artifact, history=[*HISTORY, strangers[3]]).notes if "left out" in n]
    assert note == "left out 1 of 4 items that are not in v1: new-3"


def test_a_history_of_strange_items_alone_tells_nothing(artifact):
    told = [Rated("new", 4.0)]
    nobody = find(artifact, history=told)
    assert (nobody.kind, nobody.vector, nobody.rated.tolist()) == ("popular", None, [])
    assert any("left out 1 of 1 items" in note for note in nobody.notes)
    known = find(artifact, user=KNOWN, history=told)
    assert known.kind == "user"
    assert np.array_equal(known.vector, find(artifact, user=KNOWN).vector)
    assert find(artifact, profile=PROFILE, history=told).kind == "profile"
    stranger = find(artifact, user="nobody", history=told)
    assert stranger.kind == "popular"
    assert not any("answered from the history" in note for note in stranger.notes)


def test_of_items_told_twice_the_newer_counts_at_its_place(sequence):
    twice = [Rated("7", 1.0), Rated("9", 2.0), Rated("7", 5.0)]
    once = [Rated("9", 2.0), Rated("7", 5.0)]
    found, wanted = find(sequence, history=twice), find(sequence, history=once)
    assert np.array_equal(found.vector, wanted.vector)
    assert found.rated.tolist() == wanted.rated.tolist() == sorted(positions(sequence, "7", "9"))
    for other in ([Rated("7", 5.0), Rated("9", 2.0)], [Rated("9", 2.0), Rated("7", 1.0)]):
        assert differ(find(sequence, history=other).vector, wanted.vector)


@pytest.mark.parametrize(
    "told",
    [
        [Rated("20", 3.0, 30.0), Rated("7", 5.0, 10.0), Rated("9", 2.0, 20.0)],
        # Of an item told twice the newer one by time counts.
        [Rated("20", 3.0, 30.0), Rated("7", 5.0, 10.0), Rated("9", 2.0, 20.0), Rated("20", 1.0, 5)],
        # At the beginning of 1970, and equal times in the given order.
        [Rated("9", 2.0, 0.0), Rated("20", 3.0, 0.0), Rated("7", 5.0, -1.0)],
        # Where a time is missing the given order holds.
        [Rated("7", 5.0, 30.0), Rated("9", 2.0), Rated("20", 3.0, 20.0)],
    ],
)
def test_a_history_is_read_by_time(sequence, told):
    wanted = find(sequence, history=[Rated("7", 5.0), Rated("9", 2.0), Rated("20", 3.0)]).vector
    assert np.array_equal(find(sequence, history=told).vector, wanted)


@pytest.mark.parametrize("rating", [0.0, 0.99, 5.01, -3.0, float("nan"), float("inf")])
def test_a_rating_out_of_range_is_wrong_use(artifact, rating):
    for item in ("7", "not there"):
        with pytest.raises(UsageError, match=f"item {item}: a rating is 1 to 5 here, got"):
            find(artifact, history=[Rated("9", 5.0), Rated(item, rating)])


def test_the_ends_of_the_scale_are_ratings_and_each_says_something_else(sequence):
    found = [
        find(sequence, history=[Rated("9", 4.0), Rated("7", rating)]).vector
        for rating in (None, 1.0, 3.0, 5.0)
    ]
    assert all(differ(one, other) for one, other in combinations(found, 2))


def test_the_scale_is_that_of_the_schema(published):
    schema = replace(published.schema, rating_range=(0.0, 10.0))
    artifact = replace(published, encoder=Encoder(schema, published.encoder.vocabularies))
    for rating, kind in ((0.0, "popular"), (10.0, "history")):
        assert find(artifact, history=[Rated("7", rating)]).kind == kind
    with pytest.raises(UsageError, match=r"a rating is 0 to 10 here, got 10\.5"):
        find(artifact, history=[Rated("7", 10.5)])


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        {"user": KNOWN},
        {"user": KNOWN, "history": HISTORY},
        {"profile": PROFILE},
        {"profile": PROFILE, "history": HISTORY},
        {"history": HISTORY},
        {"user": "nobody", "history": HISTORY},
    ],
)
def test_an_answer_is_what_the_persons_vector_finds(artifact, query):
    person, recommender = find(artifact, **query), exact(artifact)
    answer = recommender.recommend(Query(k=40, **query))
    assert (answer.kind, answer.notes) == (person.kind, person.notes)
    allowed = np.setdiff1d(np.arange(40), person.rated)
    assert {item.id for item in answer.items} == {artifact.items.ids[row] for row in allowed}
    rows = artifact.items.positions()
    for item in answer.items:
        cosine = float(artifact.item_vectors[rows[item.id]] @ person.vector)
        assert item.score == pytest.approx(5 * cosine, abs=5e-5)
        # Vectors of items in the query's predict no rating, nor does a model that only ranks.
        assert (item.stars is None) == (artifact.history_features is not None or "history" in query)


def test_users_without_attributes(tmp_path):
    """Nothing of a profile can be said; a history can."""
    artifact = train(checkerboard(), sequence_recipe(LENGTH, epochs=6), Workspace(tmp_path))
    assert find(artifact, user="u3").kind == "user"
    assert find(artifact).kind == "popular"
    with pytest.raises(UsageError, match="has no fields in this model"):
        find(artifact, profile={"gender": "F"})
    with pytest.raises(UsageError) as caught:
        find(artifact, user="nobody")
    assert "such as --liked ITEM" in hint_of(caught.value)
    odd, even = (
        find(artifact, history=[Rated(f"i{n}", 5.0 if n % 2 == one else 1.0) for n in range(10)])
        for one in (1, 0)
    )
    assert odd.kind == even.kind == "history"
    assert np.abs(odd.vector - even.vector).max() > 1e-3


@pytest.mark.parametrize("given", ["7", "7=good"])
def test_the_command_refuses_what_is_no_rating(workspace, fusionrec, given):
    ended = fusionrec(workspace, "recommend", "--rated", given)
    assert (ended.code, ended.out) == (2, "")
    assert f"--rated is ITEM=RATING, with a number for the rating, got '{given}'" in ended.err
