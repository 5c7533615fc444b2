"""What the ledger holds of users, followed: every write counts, and little is read for it."""

from __future__ import annotations

from threading import Thread

import pytest

from fusionrec.data.movielens import MOVIELENS
from fusionrec.ledger import Event, Ledger
from fusionrec.recommend import user_state_cache
from fusionrec.recommend.user_state_cache import UserStateCache


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


@pytest.fixture
def read(monkeypatch) -> list[tuple[str, int]]:
    """The users whom the ledger was asked for, and how many events it gave."""
    found: list[tuple[str, int]] = []
    real = Ledger.user_state

    def user_state(self, user, *more):
        state = real(self, user, *more)
        found.append((user, len(state.events)))
        return state

    monkeypatch.setattr(Ledger, "user_state", user_state)
    return found


def kinds(follower: UserStateCache, user: str) -> list[str]:
    """Of the opinions that count, and then what is hidden."""
    state = follower.of(user, MOVIELENS)
    if state is None:
        return []
    said = [event.kind for _, _, event in state.opinions.opinions]
    refused = [state.opinions.refused_since(item) for item in state.opinions.items]
    return said + ["hide" for since in refused if since is not None]


def likes(user: str, count: int, first: int = 0) -> list[Event]:
    return [
        Event(f"{user}-{n}", user, f"i{n}", "like", time=n) for n in range(first, first + count)
    ]


def test_writes_of_anyone_count_at_the_next_question(ledger):
    follower = UserStateCache(ledger)
    other = Ledger(ledger.file)
    assert kinds(follower, "u") == []
    other.record([Event("1", "u", "i", "like")])
    assert kinds(follower, "u") == ["like"]
    ledger.record([Event("2", "u", "i", "hide"), Event("3", "v", "i", "view")])
    assert kinds(follower, "u") == ["like", "hide"]
    other.set_profile("u", {"age": "25"})
    assert follower.of("u", MOVIELENS).profile == {"age": "25"}
    other.set_profile("u", None)
    assert follower.of("u", MOVIELENS).profile == {}
    assert kinds(follower, "u") == ["like", "hide"]
    other.set_profile("w", {"age": "1"})  # takes the number that the removed one had
    assert follower.of("w", MOVIELENS).profile == {"age": "1"}


def test_nobody_is_asked_for_twice_or_in_vain(ledger, read):
    follower = UserStateCache(ledger)
    ledger.record([*likes("u", 2), *likes("v", 1)])
    for _ in range(3):
        kinds(follower, "u")
        kinds(follower, "stranger")
    assert read == [("u", 2)]
    ledger.record(likes("v", 1, first=9))
    kinds(follower, "u")
    assert read == [("u", 2)]
    ledger.record(likes("u", 1, first=9))
    kinds(follower, "u")
    assert read == [("u", 2), ("u", 1)], "only what is new is read"


def test_who_is_forgotten_is_so_and_others_are_not_read_again(ledger, read):
    follower = UserStateCache(ledger)
    ledger.record([*likes("u", 3), *likes("v", 3)])
    assert kinds(follower, "u") == kinds(follower, "v") == ["like"] * 3
    ledger.forget("u")
    assert (kinds(follower, "u"), follower.of("u", MOVIELENS).forgotten) == ([], True)
    assert kinds(follower, "v") == ["like"] * 3
    assert not follower.of("stranger", MOVIELENS).forgotten
    assert read == [("u", 3), ("v", 3), ("u", 0), ("v", 0), ("stranger", 0)]
    ledger.record(likes("u", 2))
    ledger.forget("u")
    ledger.record(likes("u", 1))
    assert kinds(follower, "u") == ["like"], "nothing of before is mixed with what is new"


def test_so_much_is_held_not_so_many_users(ledger, read, monkeypatch):
    monkeypatch.setattr(user_state_cache, "_MOST_HELD", 100)
    follower = UserStateCache(ledger)
    ledger.record([*likes("a", 1), *likes("long", 200), *likes("b", 1), *likes("c", 1)])
    for user in ("a", "b", "c", "a", "long", "long", "b"):
        kinds(follower, user)
    assert [user for user, _ in read] == ["a", "b", "c", "long", "b"]


def test_after_an_import_of_many_users_nobody_waits_for_all_of_them(ledger, read, monkeypatch):
    monkeypatch.setattr(user_state_cache, "_MOST_FOLLOWED", 10)
    follower = UserStateCache(ledger)
    ledger.record(likes("u", 1))
    kinds(follower, "u")
    asked, real = [], Ledger.users_changed_since

    def users_changed_since(self, event, profile, until):
        asked.append(until[0] - event)
        return real(self, event, profile, until)

    monkeypatch.setattr(Ledger, "users_changed_since", users_changed_since)
    ledger.record([one for n in range(45) for one in likes(f"many-{n}", 1)])
    ledger.record(likes("u", 1, first=1))
    for user in ("many-44", "u", "u", "nobody"):  # while it is behind, each is looked at
        assert kinds(follower, user) == ["like"] * {"u": 2, "nobody": 0}.get(user, 1)
    assert asked == [10] * 4
    assert read == [("u", 1), ("many-44", 1), ("u", 1), ("nobody", 0)]
    for _ in range(3):
        kinds(follower, "many-3")
    kinds(follower, "another stranger")
    assert asked == [10, 10, 10, 10, 6]
    assert [user for user, _ in read[4:]] == ["many-3"]


def test_a_long_state_is_read_elsewhere(ledger):
    follower = UserStateCache(ledger)
    ledger.record(likes("u", 30))
    assert follower.short("u", MOVIELENS, 20) is None
    assert len(follower.of("u", MOVIELENS).opinions.opinions) == 30
    assert follower.short("u", MOVIELENS, 20).events == 30
    state = follower.of("u", MOVIELENS)
    ledger.record(likes("u", 1, first=40))
    with state.lock:  # as while another thread reads
        found = []
        asking = Thread(target=lambda: found.append(follower.short("u", MOVIELENS, 20)))
        asking.start()
        asking.join(10)
        assert found == [None]
    assert follower.short("u", MOVIELENS, 20).events == 31


def test_what_is_told_while_it_is_read_is_not_missed(ledger, monkeypatch):
    follower = UserStateCache(ledger)
    ledger.record([Event("1", "u", "i", "like")])
    real = Ledger.user_state

    def user_state(self, user, *more):
        found = real(self, user, *more)
        ledger.record([Event("2", "u", "i", "hide")])
        monkeypatch.setattr(Ledger, "user_state", real)
        follower.of("other", MOVIELENS)  # another thread takes in that there is something new
        return found

    monkeypatch.setattr(Ledger, "user_state", user_state)
    assert kinds(follower, "u") == ["like"]
    assert kinds(follower, "u") == ["like", "hide"]


def test_what_was_taken_back_counts_no_more_and_what_came_before_does(ledger, read):
    follower, other = UserStateCache(ledger), Ledger(ledger.file)
    first = Event("1", "u", "i", "dislike", time=1.0)
    ledger.record([first, Event("2", "u", "i", "like", time=2.0), Event("3", "u", "j", "hide")])
    ledger.record(likes("v", 2))
    assert kinds(follower, "u") == ["like", "hide"]
    assert kinds(follower, "v") == ["like", "like"]
    other.retract("u", "2")
    assert kinds(follower, "u") == ["dislike", "hide"]
    other.retract("u", "3")
    assert kinds(follower, "u") == ["dislike"]
    ledger.retract("u", "1")
    state = follower.of("u", MOVIELENS)
    assert state.is_empty
    assert not state.opinions.items
    read.clear()
    assert kinds(follower, "v") == ["like", "like"]
    assert read == [], "nobody else is read again"
    ledger.record(likes("u", 1))
    assert kinds(follower, "u") == ["like"]
