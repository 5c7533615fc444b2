"""What the ledger says of a person becomes part of what is asked for them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from event_data import tell
from fusionrec.data.movielens import MOVIELENS
from fusionrec.ledger import Event, Ledger, RecentActivity
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.feedback_dataset import with_feedback
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry.versions import load
from swap_stress import exact


@pytest.fixture
def catalog(workspace):
    return Catalog.of(load(workspace))


@pytest.fixture
def ledger(workspace):
    return Ledger(workspace.ledger)


def test_each_kind_says_what_it_says(ledger, catalog):
    tell(ledger, "v", ("3", "rating", 2.0), ("4", "like"), ("5", "dislike"), ("6", "view"),
         ("7", "hide"))  # fmt: skip
    said = Feedback(ledger).of("v", catalog)
    liked = Rated("4", MOVIELENS.like, 101, named=True)
    assert said.history == (Rated("3", 2.0, 100), liked, Rated("5", 1.0, 102))
    assert said.hidden == {"7"}
    assert said.events == (5, 5)
    assert Feedback(ledger).of("w", catalog).history == ()
    # A hidden item is back once something is said of it, and the last opinion counts.
    tell(ledger, "v", ("7", "view"), ("7", "like"), ("3", "dislike"), ("3", "hide"), ("3", "view"))
    said = Feedback(ledger).of("v", catalog)
    assert [(one.item, one.rating) for one in said.history[-2:]] == [("7", 4.0), ("3", 1.0)]
    assert said.hidden == {"3"}


def test_what_the_version_cannot_read_is_left_out(ledger, catalog):
    tell(ledger, "v", ("nowhere", "like"), ("nowhere", "hide"), ("3", "rating", 99.0))
    ledger.set_profile("v", {"age": "25", "shoe": "44"})
    said = Feedback(ledger).of("v", catalog)
    assert said.history == (Rated("3", 5.0, 102),)
    assert said.hidden == frozenset()
    assert said.profile == {"age": "25"}


def test_the_request_wins_over_the_ledger(ledger, catalog):
    tell(ledger, "v", ("3", "rating", 1.0), ("4", "rating", 2.0))
    ledger.set_profile("v", {"age": "25", "gender": "F"})
    asked = Query("v", {"age": "56"}, [Rated("3", 5.0)], hidden=["9"])
    query = Feedback(ledger).enrich(asked, catalog)[0]
    assert query.user is None, "the version does not know them"
    assert query.profile == {"age": "56", "gender": "F"}
    assert list(query.history) == [Rated("4", 2.0, 101), Rated("3", 5.0)]
    assert query.hidden == {"9"}
    nobody = Query(history=[Rated("3", 5.0)])
    assert Feedback(ledger).enrich(nobody, catalog)[0] == nobody


@pytest.mark.parametrize("kind", ["user", "history", "popular", "search"])
@pytest.mark.parametrize("seen", [False, True])
def test_what_is_hidden_is_in_no_answer(workspace, catalog, kind, seen):
    recommender = exact(catalog.artifact)
    asked = {
        "user": Query(user=catalog.artifact.users.ids[9], k=40, seen=seen),
        "history": Query(history=[Rated("5", 5.0)], k=40, seen=seen),
        "popular": Query(k=40, seen=seen),
        "search": Query(user=catalog.artifact.users.ids[9], k=40, seen=True),
    }[kind]

    def ids(query: Query) -> list[str]:
        word = catalog.artifact.items.columns["title"][3].split()[0]
        search = kind == "search"
        answer = recommender.search(word, query) if search else recommender.recommend(query)
        return [item.id for item in answer.items]

    first = ids(asked)[0]
    assert ids(replace(asked, hidden=[first, "nowhere"])) == ids(asked)[1:]


def test_eight_threads_see_all_that_was_written_before_they_asked(ledger, catalog):
    feedback = Feedback(ledger)

    def work(number: int) -> None:
        for turn in range(20):
            ledger.record([Event(f"{number}-{turn}", f"v{number}", str(turn), "view")])
            if turn == 10 and number == 0:
                ledger.forget("someone")
                ledger.forget("v0")
                assert feedback.of("v0", catalog).events == (0, 0)
            held = turn + 1 if number or turn < 10 else turn - 10
            assert feedback.of(f"v{number}", catalog).events[0] == held

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(work, number) for number in range(8)]:
            one.result()


def test_who_is_forgotten_is_nobody_to_the_version(ledger, catalog, workspace):
    user = catalog.artifact.users.ids[20]
    feedback = Feedback(ledger)
    tell(ledger, user, ("3", "like"))
    assert feedback.enrich(Query(user=user), catalog)[0].user == user
    Ledger(workspace.ledger).forget(user)
    forgotten = feedback.enrich(Query(user=user), catalog)[0]
    assert forgotten == Query(user=None, history=[], hidden=frozenset())
    assert exact(catalog.artifact).recommend(forgotten).kind == "popular"
    tell(ledger, user, ("5", "like"))
    again = feedback.enrich(Query(user=user), catalog)[0]
    assert again.user is None
    assert [one.item for one in again.history] == ["5"]


def test_of_two_opinions_the_later_one_counts_by_its_own_time(ledger, catalog):
    ledger.record(
        [
            Event("a", "v", "3", "rating", 5.0, time=200),
            Event("b", "v", "3", "rating", 1.0, time=100),  # reported late
            Event("c", "v", "4", "hide", time=200),
            Event("d", "v", "4", "like", time=100),
            Event("e", "v", "5", "like", time=100),
            Event("f", "v", "5", "dislike", time=100),  # at the same moment: arrival decides
        ]
    )
    said = Feedback(ledger).of("v", catalog)
    assert [(one.item, one.rating) for one in said.history] == [("4", 4.0), ("5", 1.0), ("3", 5.0)]
    assert said.hidden == {"4"}


def test_what_training_saw_later_counts_before_what_was_said_earlier(ledger, catalog):
    artifact = catalog.artifact
    position = 20
    user, stored = artifact.users.ids[position], artifact.histories.of(position)
    item, then = artifact.items.ids[stored.items[0]], float(stored.times[0])
    ledger.record([Event("a", user, item, "rating", 1.0, time=then - 1)])
    ledger.record([Event("b", user, item, "hide", time=then - 1)])
    said = Feedback(ledger).of(user, catalog)
    assert (said.history, said.hidden) == ((), frozenset())
    ledger.record([Event("c", user, item, "rating", 2.0, time=then)])
    assert Feedback(ledger).of(user, catalog).history == (Rated(item, 2.0, then),)
    ledger.record([Event("d", user, item, "hide", time=then)])
    assert Feedback(ledger).of(user, catalog).hidden == {item}


def test_a_like_weighs_the_same_on_every_road(ledger, catalog, dataset):
    """As feedback, as named in a request, as known without a rating, and in training."""
    tell(ledger, "v", ("4", "like"))
    schema = catalog.artifact.schema
    recommender = exact(catalog.artifact)
    said = Feedback(ledger).enrich(Query("v"), catalog)[0]
    roads = (
        said,
        Query(history=[Rated("4", schema.like, named=True)]),
        Query(history=[Rated("4", schema.like)]),
        Query(history=[Rated("4")]),
    )
    profile = {"gender": "F"}  # beside which the weight tells
    vectors = [
        recommender.people.find(replace(q, user=None, profile=profile)).vector for q in roads
    ]
    for vector in vectors[1:]:
        assert np.allclose(vector, vectors[0], atol=1e-7)
    trained = with_feedback(dataset, ledger)
    assert trained.rating[-1] == schema.like == said.history[0].rating


def popular(catalog: Catalog, query: Query) -> list[str]:
    return [item.id for item in exact(catalog.artifact).recommend(query).items]


def likes(item: str, users: int, time: float) -> list[Event]:
    return [Event(f"{item}-{n}", f"{item}-{n}", item, "like", time=time) for n in range(users)]


def test_what_is_popular_counts_what_was_taken_recently(ledger, catalog):
    now, never = time.time(), catalog.items.ids[1]  # no rating of it in the training data
    ledger.record(
        [
            *likes(never, 4, now),
            Event("1", f"{never}-0", never, "rating", 5.0, time=now),  # one person counts once
            *(Event(f"7{who}", who, "7", "rating", 4.0, time=now) for who in "cde"),
            *likes("11", 2, now),  # too few
            *(Event(f"9{who}", who, "9", "view", time=now) for who in "cde"),
            *(Event(f"low{who}", who, "12", "rating", 2.0, time=now) for who in "cde"),
            *likes("13", 3, now - 60),
            Event("back", "13-0", "13", "dislike", time=now),  # taken back
        ]
    )
    feedback = Feedback(ledger)
    recent = feedback.recent(4.0)
    assert recent.takers == {never: 4, "7": 3}
    assert recent.users == 4 + 3 + 2 + 2
    query = feedback.enrich(Query(k=40), catalog)[0]
    before, after = popular(catalog, Query(k=40)), popular(catalog, query)
    assert after.index("7") <= before.index("7")
    assert after.index(never) < before.index(never)
    assert after[0] != never, "four newcomers do not lift an item above all that were rated"
    answer = exact(catalog.artifact).recommend(query)
    assert answer.notes[-1].endswith("what people took in the last 30 days counts for 5%")
    # Who names only what nobody has, or only what they dislike, is nobody yet.
    assert feedback.enrich(Query(history=[Rated("nothing")]), catalog)[0].recent == query.recent
    asked = feedback.enrich(Query(k=40, history=[Rated("12", 1.0)]), catalog)[0]
    assert popular(catalog, asked) == [item for item in after if item != "12"]
    # Someone of whom something is known is not asked to follow the crowd.
    assert feedback.enrich(Query(profile={"gender": "F"}), catalog)[0].recent == RecentActivity()


def test_many_recent_takers_lift_an_item_to_the_top_and_few_do_not(catalog):
    counts = np.zeros(len(catalog), dtype=np.int64)
    counts[[0, 1, 2]] = 5, 366, 3_000
    vars(catalog)["counts"] = counts
    ids = catalog.items.ids
    recommender = Recommender(catalog, exact(catalog.artifact).index)
    for takers, wanted in ((0, [2, 1, 0]), (3, [2, 1, 0]), (20, [2, 1, 0]), (1_000, [0, 2, 1])):
        recent = RecentActivity(takers, {ids[0]: takers} if takers else {})
        answer = recommender.recommend(Query(k=3, recent=recent))
        assert [item.id for item in answer.items] == [ids[row] for row in wanted], takers


def test_recent_is_the_last_thirty_days(ledger):
    begin = time.time() - 30 * 86_400
    ledger.record([*likes("8", 3, begin - 60), *likes("9", 3, begin + 60)])
    assert Feedback(ledger).recent(4.0) == RecentActivity(3, {"9": 3})


def test_times_to_come_and_views_beside_likes_are_not_recent(ledger):
    now = time.time()
    ledger.record([Event(who, who, "9", "view", time=now) for who in "abc"])
    assert Feedback(ledger).recent(4.0) == RecentActivity(3, {"9": 3})
    ledger.record([*likes("8", 3, now + 3_600), *likes("9", 3, 3_999_999_999.0)])
    ledger.record([Event("d", "d", "8", "rating", 2.0, time=now)])
    assert Feedback(ledger).recent(4.0) == RecentActivity()
    ledger.record(likes("7", 3, now + 60))  # a clock that is a little ahead
    assert Feedback(ledger).recent(4.0) == RecentActivity(3, {"7": 3})
