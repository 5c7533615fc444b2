"""Reasons are true: planted vectors whose nearest items are known, and what must never be said."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from builders import LIBRARY, sequence_recipe
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.features.history import History
from fusionrec.ledger import ItemChange, RecentActivity
from fusionrec.models.linear_settings import LinearRecipe, LinearTraining
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories
from fusionrec.recommend.explanations import CROWD, SHARE, Explainer, Reason, nouns, often
from fusionrec.recommend.query import Query, Rated, UserVector
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.tables import Histories
from fusionrec.workspace import Workspace
from swap_stress import exact

ITEMS, DIM = 200, 16
NEAR = {1: 0.99, 2: 0.95, 3: 0.9}  # cosines with item 0; no other is near to it
STRANGE = 'Tab\there, line\nthere\r, \x1b[31mred\x1b[0m <b>"&'


def planted(
    topics: list[tuple[str, ...]] | None = None,
    rated: Histories | None = None,
    towns: list[str] | None = None,
) -> Any:
    """A version in whose vectors only items 0 to 3 are near to each other."""
    vectors = np.random.default_rng(0).normal(size=(ITEMS, DIM))
    vectors[4:, 0] = 0  # at right angles to item 0
    vectors[0] = np.eye(DIM)[0]
    for row, cosine in NEAR.items():
        vectors[row] = cosine * np.eye(DIM)[0] + np.sqrt(1 - cosine**2) * np.eye(DIM)[row]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = {
        "shelf": [""] * ITEMS,
        "topics": topics or [()] * ITEMS,
        "heading": [f"title {n}" for n in range(ITEMS)],
        "pages": [float("nan")] * ITEMS,
        "rank": [float("nan")] * ITEMS,
    }
    count = len(towns or ())
    return SimpleNamespace(
        schema=LIBRARY,
        items=Table([f"i{n}" for n in range(ITEMS)], columns),
        users=Table([f"u{n}" for n in range(count)], {"town": towns or []}),
        item_vectors=vectors.astype(np.float32),
        item_counts=np.ones(ITEMS, dtype=np.int64),
        histories=rated,
        has_towers=True,
        has_parts=False,
        likeness=lambda vectors: vectors,
    )


def reasons_of(artifact: Any, available: np.ndarray | None = None) -> Explainer:
    here = np.ones(ITEMS, dtype=bool) if available is None else available
    catalog = Catalog(artifact, 0, artifact.items, artifact.item_vectors, here)
    return Explainer(catalog, Categories(catalog))


def person(
    rated: dict[int, float], read: int | None = None, named: tuple[int, ...] = (), **known: Any
) -> UserVector:
    """Someone with a history; their vector was made of the last ``read`` items, all by default."""
    history = History.of(list(rated), list(rated.values()))
    read = len(history) if read is None else read
    about = {"history": history, "read": read, "named": frozenset(named)} | known
    return UserVector(np.eye(DIM)[0], "user", history.items, **about)


def why(reasons: Explainer, who: UserVector, row: int = 0, **asked: Any) -> Any:
    return reasons.of(np.array([row]), who, Query(**asked))[0]


def named(reason: Reason | None) -> list[str]:
    """Ids of the items that a reason names."""
    return [id_ for id_, _ in reason.items] if reason else []


# --- items that are near --------------------------------------------------------------------------


def test_the_two_nearest_liked_items_are_named_the_nearest_first():
    artifact = planted()
    artifact.items.columns["heading"][1] = STRANGE  # control characters stay data
    liked = {50: 9.0, 3: 8.0, 1: 7.0, 60: 10.0, 2: 9.0}
    found = why(reasons_of(artifact), person(liked)).to_json()
    assert json.loads(json.dumps(found)) == {
        "kind": "liked",
        "text": f"because you rated {STRANGE} and title 2",
        "items": [{"id": "i1", "title": STRANGE}, {"id": "i2", "title": "title 2"}],
    }


@pytest.mark.parametrize(
    ("who", "kind", "text"),
    [
        # What was named is not called rated.
        (person({1: np.nan}), "liked", "because you liked title 1"),
        (person({1: 7.0}, named=(1,)), "liked", "because you liked title 1"),
        (
            person({1: 7.0, 2: 9.0}, named=(1,)),
            "liked",
            "because you liked title 1 and rated title 2",
        ),
        (person({2: 9.0}, named=(1,)), "liked", "because you rated title 2"),
        # "Because" is said of what the vector was made of alone.
        (person({1: 9.0, 2: 9.0}, read=0), "near", "like items you rated: title 1 and title 2"),
        (person({1: 9.0, 60: 9.0, 3: 9.0}, read=2), "liked", "because you rated title 3"),
        (person({1: 9.0, 60: 9.0}, read=1), "near", "like items you rated: title 1"),
    ],
)
def test_near_items_are_named_as_what_they_were_to_the_person(who, kind, text):
    found = why(reasons_of(planted()), who)
    assert (found.kind, found.text) == (kind, text)


def test_a_hundredth_of_all_pairs_is_near_and_others_are_no_reason():
    reasons = reasons_of(planted())
    vectors = reasons.artifact.item_vectors
    cosines = (vectors @ vectors.T)[np.triu_indices(ITEMS, 1)]
    assert np.mean(cosines >= reasons.bar) == pytest.approx(0.01, abs=0.002)
    assert why(reasons, person(dict.fromkeys(range(4, ITEMS), 9.0))) is None
    assert why(reasons, person({})) is None


def test_what_is_disliked_hidden_withdrawn_or_the_item_itself_is_never_named():
    reasons = reasons_of(planted())
    for rated, hidden, wanted in (
        ({1: 6.9, 2: 0.0}, [], []),
        ({1: 9.0}, ["i1"], []),
        ({1: 9.0, 2: 9.0, 3: 1.0}, ["i1", "none"], ["i2"]),
        ({0: 9.0}, [], []),
        ({0: 9.0, 2: 9.0}, [], ["i2"]),
    ):
        assert named(why(reasons, person(rated), hidden=hidden)) == wanted
    available = np.arange(ITEMS) != 1
    assert named(why(reasons_of(planted(), available), person({1: 9.0}))) == []


# --- categories, popularity, new items ------------------------------------------------------------

TOPICS = [("sea",) if n % 10 == 0 else ("garden", "sea") if n % 10 == 1 else ("garden",)
          for n in range(ITEMS)]  # fmt: skip


def test_categories_are_shared_where_a_history_has_more_of_them_than_the_catalog():
    reasons = reasons_of(planted(TOPICS))
    sailor = person(dict.fromkeys(range(100, ITEMS, 10), 9.0))
    found = why(reasons, sailor)
    assert found == Reason("shared", "sea: like many of your items")
    assert why(reasons, sailor, row=5) is None  # a garden
    assert why(reasons, person(dict.fromkeys((100, 110), 9.0))) is None  # two may be chance
    assert why(reasons, person(dict.fromkeys(range(4, ITEMS), 9.0))) is None  # as the catalog
    assert why(reasons, person(dict.fromkeys(range(100, ITEMS, 10), 1.0))) is None  # disliked
    somewhat = [*range(100, 170, 10), *(n for n in range(102, 140) if n % 10 > 1)][:30]
    assert why(reasons, person(dict.fromkeys(somewhat, 9.0))) is None  # 7 of 30, chance gives 6
    near = person(dict.fromkeys(range(100, ITEMS, 10), 9.0) | {2: 8.0})
    assert why(reasons, near).kind == "liked"  # says more


def crowds(first: int) -> Any:
    """``first`` people of one town rate items 0 to 9, a hundred of the other items 10 to 19; and
    everyone an item of their own.
    """
    towns = ["თბ"] * first + ["ბა"] * 100
    held = [[*range(0 if u < first else 10, 10 if u < first else 20), 20 + u % 150]
            for u in range(len(towns))]  # fmt: skip
    item = np.array(held, dtype=np.int32).ravel()
    histories = Histories(np.arange(0, len(item) + 1, 11), item, np.full(len(item), 9.0))
    artifact = planted(rated=histories, towns=towns)
    artifact.item_counts = np.bincount(item, minlength=ITEMS)
    return artifact


def test_what_people_of_a_profile_often_rate():
    here = person({}, profile={"town": "თბ", "about": "words"})
    reasons = reasons_of(crowds(CROWD))
    found = why(reasons, here)
    assert found == Reason("popular", "often rated by people of your profile (town თბილისი)")
    assert why(reasons, here, row=120) is None
    other = why(reasons, here, row=10)
    assert other == Reason("popular", "often rated")  # by the others
    few = reasons_of(crowds(CROWD - 1))
    assert why(few, here) is None  # too few to say, and not often rated among all
    assert why(few, here, row=10) == Reason("popular", "often rated")
    assert why(reasons, person({}), row=10) is None  # was not made from a profile


def test_a_popular_answer_says_so_and_nothing_of_the_person():
    nobody = replace(person({11: 9.0, 12: 9.0, 1: 9.0}), vector=None, kind="popular")
    reasons = reasons_of(crowds(CROWD))
    assert why(reasons, nobody, row=10) == Reason("popular", "often rated")
    assert why(reasons, nobody, row=0) is None
    recent = RecentActivity(9, {reasons.catalog.items.ids[0]: 4})
    taken = Reason("popular", "taken by 4 people in the last 30 days")
    assert why(reasons, nobody, recent=recent) == taken
    assert why(reasons, person({1: 9.0}), recent=recent) != taken


def test_what_people_take_again_is_said_to_have_been_taken():
    artifact = planted()
    again = replace(artifact.schema, repeats=True)
    reasons = reasons_of(SimpleNamespace(**vars(artifact) | {"schema": again}))
    history = History.of([3, 5, 3], [9.0, 9.0, 9.0])
    who = UserVector(np.eye(DIM)[0], "user", history.items, history=history, read=3)
    assert why(reasons, who, row=3) == Reason("again", "you rated it 2 times")
    assert why(reasons, who, row=5) == Reason("again", "you rated it")
    assert why(reasons, replace(who, named=frozenset([3])), row=3) is None
    assert why(reasons_of(artifact), who, row=3) is None  # nobody takes anything again there


def test_often_is_the_most_rated_twentieth_of_what_was_rated():
    counts = np.r_[np.zeros(50), np.arange(1, 101)].astype(np.int64)
    assert np.flatnonzero(often(counts)).tolist() == [145, 146, 147, 148, 149]
    assert not often(np.full(10, 4)).any()
    assert not often(np.zeros(3, dtype=np.int64)).any()


def test_new_items_are_placed_by_what_is_known_of_them(published):
    content = {"title": "Iron Harbour", "genres": ["War"]}
    catalog = Catalog.of(published, [ItemChange(1, "new", content)])
    reasons = Explainer(catalog, Categories(catalog))
    nobody = replace(person({}), kind="history")
    rows = np.array([catalog.positions["new"], catalog.positions["1"], 9])
    added, unrated, known = reasons.of(rows, nobody, Query())
    assert added == Reason("new", "new here, placed by its Genres and Title")
    assert unrated == Reason("new", "not rated yet, placed by its Genres, Title and Year")
    assert known is None


def test_items_are_called_by_the_name_of_their_id():
    assert (nouns(MOVIELENS), nouns(LIBRARY)) == ("movies", "items")


# --- whole answers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sequence(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    from fusionrec.training.train import train

    return train(dataset, sequence_recipe(), Workspace(tmp_path_factory.mktemp("of")))


def reasons_in(recommender: Recommender, query: Query) -> list[dict[str, Any]]:
    items = recommender.recommend(query).to_json()["items"]
    return [item["reason"] for item in items if "reason" in item]


def test_a_model_that_reads_no_history_never_says_because_of_it(published):
    recommender = exact(published)
    ids = published.users.ids
    told = [one for user in ids for one in reasons_in(recommender, Query(user, k=40, explain=True))]
    assert {"near"} <= {one["kind"] for one in told} <= {"near", "shared", "popular", "new"}
    assert not any("because" in one["text"] for one in told)


def test_what_is_told_is_read_by_every_model(published, sequence):
    for artifact in (published, sequence):
        recommender = exact(artifact)
        every = [Rated(item, 5.0, named=True) for item in artifact.items.ids[2:30]]
        told = reasons_in(recommender, Query(history=every, k=10, explain=True))
        because = [one for one in told if one["kind"] == "liked"]
        assert because
        assert all(one["text"].startswith("because you liked ") for one in because)
        assert {item["id"] for one in because for item in one["items"]} <= {r.item for r in every}


def test_a_model_that_reads_histories_names_items_that_it_read(sequence):
    recommender, ids = exact(sequence), sequence.items.ids
    kinds = set()
    for position, user in enumerate(sequence.users.ids):
        history = sequence.histories.of(position)
        newest = {ids[row] for row in history.items[-sequence.history_features.length :]}
        for one in reasons_in(recommender, Query(user, k=40, explain=True)):
            named = {item["id"] for item in one["items"]}
            assert named <= newest if one["kind"] == "liked" else not named & newest
            kinds.add(one["kind"])
    assert "liked" in kinds


@pytest.fixture(scope="module")
def parts(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version of parts that weigh the same."""
    from fusionrec.training.train import train

    recipe = LinearRecipe(training=LinearTraining(validation=0))
    return train(dataset, recipe, Workspace(tmp_path_factory.mktemp("parts")))


@pytest.mark.parametrize("goal", [None, "next", "taste"])
def test_a_version_of_parts_names_the_liked_items_that_gave_most_of_a_score(goal, parts):
    recommender, tower, told = exact(parts), parts.user_tower, 0
    for position in range(0, 60, 7):
        history = parts.histories.of(position)
        query = Query(parts.users.ids[position], k=40, explain=True, goal=goal)
        for item in recommender.recommend(query).to_json()["items"]:
            row = np.array([parts.items.positions()[item["id"]]])
            given = tower.contributions(history, parts.item_vectors, row, goal)[0]
            share = given / max(np.maximum(given, 0).sum(), 1e-12)
            may = np.flatnonzero((history.ratings >= 4) & (share >= SHARE))
            wanted = history.items[may[np.argsort(-share[may], kind="stable")[:2]]]
            reason = item.get("reason") or {"kind": None}
            assert (reason["kind"] == "liked") == (len(wanted) > 0)
            if len(wanted):
                told += 1
                assert [x["id"] for x in reason["items"]] == [parts.items.ids[n] for n in wanted]
                assert reason["text"].startswith("because you rated ")
    assert told > 20


def test_hidden_and_disliked_items_are_in_no_reason_of_an_answer(published):
    recommender = exact(published)
    for user in published.users.ids[5:25]:
        asked = Query(user, k=40, explain=True)
        named = [item["id"] for one in reasons_in(recommender, asked) for item in one["items"]]
        ratings = published.histories.of(published.users.positions()[user])
        low = {published.items.ids[row] for row in ratings.items[ratings.ratings < 4]}
        assert not low & set(named)
        for away in set(named[:2]):
            disliked = replace(asked, history=[Rated(away, 1.0)])
            for other in (replace(asked, hidden=[away]), disliked):
                told = reasons_in(recommender, other)
                assert away not in {item["id"] for one in told for item in one["items"]}


def test_there_are_no_reasons_unless_asked_for(workspace, published, fusionrec):
    recommender = exact(published)
    answer = recommender.recommend(Query("10"))
    assert not any("reason" in item for item in answer.to_json()["items"])
    told = recommender.recommend(Query("10", explain=True))
    assert [replace(item, reason=None) for item in told.items] == answer.items
    assert len(reasons_in(recommender, Query(k=2, explain=True))) == 2
    asked = ("recommend", "--user", "10", "-k", "40")
    header, *rows = fusionrec(workspace, *asked, "--explain").out.splitlines()
    assert header.endswith("\tWhy")
    assert any("\tlike movies you rated: " in row for row in rows)
    assert "Why" not in fusionrec(workspace, *asked).out.splitlines()[0]
