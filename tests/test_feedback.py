"""What the ledger says of a person becomes part of what is asked for them."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fusionrec.catalogue import Catalogue
from fusionrec.errors import UsageError
from fusionrec.feedback import Feedback
from fusionrec.ledger import Event, Ledger
from fusionrec.query import Query, Rated
from fusionrec.versions import load
from happenings import tell
from swapping import exact


@pytest.fixture
def catalogue(workspace):
    return Catalogue.of(load(workspace))


@pytest.fixture
def ledger(workspace):
    return Ledger(workspace.ledger)


def test_each_kind_says_what_it_says(ledger, catalogue):
    tell(ledger, "v", ("3", "rating", 2.0), ("4", "like"), ("5", "dislike"), ("6", "view"),
         ("7", "hide"))  # fmt: skip
    said = Feedback(ledger).said("v", catalogue)
    assert said.history == (Rated("3", 2.0, 100), Rated("4", None, 101), Rated("5", 1.0, 102))
    assert said.hidden == {"7"}
    assert said.events == (5, 5)
    assert Feedback(ledger).said("w", catalogue).history == ()


def test_the_last_opinion_of_an_item_counts(ledger, catalogue):
    tell(ledger, "v", ("3", "rating", 5.0), ("4", "like"), ("3", "dislike"), ("3", "view"))
    said = Feedback(ledger).said("v", catalogue)
    assert [(one.item, one.rating) for one in said.history] == [("4", None), ("3", 1.0)]


def test_a_hidden_item_is_back_once_something_is_said_of_it(ledger, catalogue):
    feedback = Feedback(ledger)
    tell(ledger, "v", ("3", "rating", 5.0), ("3", "hide"), ("4", "hide"))
    assert feedback.said("v", catalogue).hidden == {"3", "4"}
    assert [one.item for one in feedback.said("v", catalogue).history] == ["3"]
    tell(ledger, "v", ("3", "view"), ("4", "like"))
    assert feedback.said("v", catalogue).hidden == {"3"}


def test_what_the_version_cannot_read_is_left_out(ledger, catalogue):
    tell(ledger, "v", ("nowhere", "like"), ("nowhere", "hide"), ("3", "rating", 99.0))
    ledger.set_profile("v", {"age": "25", "shoe": "44"})
    said = Feedback(ledger).said("v", catalogue)
    assert said.history == (Rated("3", 5.0, 102),)
    assert said.hidden == frozenset()
    assert said.profile == {"age": "25"}


def test_the_request_wins_over_the_ledger(ledger, catalogue):
    tell(ledger, "v", ("3", "rating", 1.0), ("4", "rating", 2.0))
    ledger.set_profile("v", {"age": "25", "gender": "F"})
    asked = Query("v", {"age": "56"}, [Rated("3", 5.0)], hidden=["9"])
    query = Feedback(ledger).enrich(asked, catalogue)
    assert query.profile == {"age": "56", "gender": "F"}
    assert list(query.history) == [Rated("4", 2.0, 101), Rated("3", 5.0)]
    assert query.hidden == {"9"}
    nobody = Query(history=[Rated("3", 5.0)])
    assert Feedback(ledger).enrich(nobody, catalogue) == nobody


@pytest.mark.parametrize("kind", ["user", "history", "popular", "search"])
@pytest.mark.parametrize("seen", [False, True])
def test_what_is_hidden_is_in_no_answer(workspace, catalogue, kind, seen):
    recommender = exact(catalogue.artifact)
    asked = {
        "user": Query(user=catalogue.artifact.users.ids[9], k=40, seen=seen),
        "history": Query(history=[Rated("5", 5.0)], k=40, seen=seen),
        "popular": Query(k=40, seen=seen),
        "search": Query(user=catalogue.artifact.users.ids[9], k=40, seen=True),
    }[kind]

    def ids(query: Query) -> list[str]:
        word = catalogue.artifact.items.columns["title"][3].split()[0]
        search = kind == "search"
        answer = recommender.search(word, query) if search else recommender.recommend(query)
        return [item.id for item in answer.items]

    from dataclasses import replace

    first = ids(asked)[0]
    assert ids(replace(asked, hidden=[first, "nowhere"])) == ids(asked)[1:]


def test_it_follows_what_other_processes_write(ledger, catalogue, workspace):
    feedback, other = Feedback(ledger), Ledger(workspace.ledger)
    assert feedback.said("v", catalogue).events == (0, 0)
    for number in range(3):
        tell(other, "v", (str(number + 3), "like"))
        assert len(feedback.said("v", catalogue).history) == number + 1
        assert len(feedback.events("v")) == number + 1


def test_it_follows_the_profiles_that_other_processes_write(ledger, catalogue, workspace):
    feedback, other = Feedback(ledger), Ledger(workspace.ledger)
    for profile in ({"age": "25"}, {"age": "56"}, None, {"gender": "F"}):
        other.set_profile("v", profile)
        assert feedback.said("v", catalogue).profile == (profile or {})
    other.set_profile("w", {"age": "25"})
    assert feedback.said("v", catalogue).profile == {"gender": "F"}
    other.forget("v")
    assert feedback.said("v", catalogue).profile == {}
    assert feedback.said("w", catalogue).profile == {"age": "25"}


def test_eight_threads_see_all_that_was_written_before_they_asked(ledger, catalogue):
    feedback = Feedback(ledger)

    def work(number: int) -> None:
        for turn in range(20):
            ledger.record([Event(f"{number}-{turn}", f"v{number}", str(turn), "view")])
            if turn == 10 and number == 0:
                ledger.forget("someone")
                ledger.forget("v0")
                assert feedback.events("v0") == []
            held = turn + 1 if number or turn < 10 else turn - 10
            assert len(feedback.events(f"v{number}")) == held

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(work, number) for number in range(8)]:
            one.result()


def test_who_is_forgotten_is_nobody_to_the_version(ledger, catalogue, workspace):
    user = catalogue.artifact.users.ids[20]
    feedback = Feedback(ledger)
    tell(ledger, user, ("3", "like"))
    assert feedback.enrich(Query(user=user), catalogue).user == user
    Ledger(workspace.ledger).forget(user)
    forgotten = feedback.enrich(Query(user=user), catalogue)
    assert forgotten == Query(user=None, history=[], hidden=frozenset())
    assert exact(catalogue.artifact).recommend(forgotten).kind == "popular"
    tell(ledger, user, ("5", "like"))
    again = feedback.enrich(Query(user=user), catalogue)
    assert again.user is None
    assert [one.item for one in again.history] == ["5"]


def test_recommend_and_search_of_the_command_line_know_of_it(fusionrec, workspace, ledger):
    artifact = load(workspace)
    user = artifact.users.ids[12]

    def ids(*arguments: str) -> list[str]:
        ended = fusionrec(workspace, *arguments, "--user", user, "--json")
        assert ended.code == 0, ended.err
        return [item["id"] for item in json.loads(ended.out)["items"]]

    first = ids("recommend")[0]
    word = artifact.items.columns["title"][artifact.items.ids.index(first)].split()[0]
    assert first in ids("search", word)
    tell(ledger, user, (first, "hide"))
    assert first not in ids("recommend")
    assert first not in ids("search", word)
    tell(ledger, "visitor", ("5", "rating", 5.0))
    ended = fusionrec(workspace, "recommend", "--user", "visitor", "--json")
    assert json.loads(ended.out)["kind"] == "history"
    assert "5" not in [item["id"] for item in json.loads(ended.out)["items"]]


def test_the_version_still_refuses_what_the_request_says_wrongly(ledger, catalogue):
    query = Feedback(ledger).enrich(Query("v", {"age": "ancient"}), catalogue)
    with pytest.raises(UsageError):
        exact(catalogue.artifact).recommend(query)


def test_what_is_popular_begins_with_what_was_taken_lately(ledger, catalogue, workspace):
    now, never = time.time(), catalogue.items.ids[0]  # no rating of it in the training data
    ledger.record(
        [
            Event("1", "a", never, "like", time=now),
            Event("2", "b", never, "view", time=now - 86_400),
            Event("3", "b", never, "view", time=now),  # one person counts once
            Event("4", "a", "7", "rating", 5.0, time=now),
            *(Event(f"4{who}", who, "7", "like", time=now) for who in "cd"),
            *(Event(f"3{who}", who, never, "like", time=now) for who in "cd"),
            *(Event(f"8{who}", who, "11", "like", time=now) for who in "cd"),  # too few
            Event("5", "a", "8", "rating", 2.0, time=now),
            Event("6", "a", "9", "like", time=now - 40 * 86_400),
            Event("7", "a", "10", "hide", time=now),
        ]
    )
    feedback = Feedback(ledger)
    assert feedback.lately(4.0) == {never: 4, "7": 3}
    query = feedback.enrich(Query(k=5), catalogue)
    answer = exact(load(workspace)).recommend(query)
    assert [item.id for item in answer.items[:2]] == [never, "7"]
    assert "the last 30 days" in answer.notes[-1]
    before = [i.id for i in exact(load(workspace)).recommend(Query(k=5)).items]
    assert [i.id for i in answer.items[2:]] == [id for id in before if id != "7"][:3]
    # Who names only what nobody has, or only what they dislike, is nobody yet.
    assert feedback.enrich(Query(history=[Rated("nothing")]), catalogue).lately == query.lately
    asked = feedback.enrich(Query(k=5, history=[Rated("12", 1.0)]), catalogue)
    disliked = [item.id for item in exact(load(workspace)).recommend(asked).items]
    assert disliked[:4] == [item.id for item in answer.items if item.id != "12"][:4]
    # Someone of whom something is known is not asked to follow the crowd.
    assert feedback.enrich(Query(profile={"gender": "F"}), catalogue).lately == {}
