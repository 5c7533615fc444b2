"""What the ledger holds of users, followed: every write counts, and few are asked for."""

from __future__ import annotations

import pytest

from fusionrec.ledger import Event, Ledger
from fusionrec.recommend import user_state_cache
from fusionrec.recommend.user_state_cache import UserStateCache


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The users whom the ledger was asked for."""
    users: list[str] = []
    real = Ledger.user_state

    def user_state(self, user):
        users.append(user)
        return real(self, user)

    monkeypatch.setattr(Ledger, "user_state", user_state)
    return users


def kinds(follower: UserStateCache, user: str) -> list[str]:
    return [event.kind for _, event in follower.of(user).events]


def test_writes_of_anyone_count_at_the_next_question(ledger, asked):
    follower = UserStateCache(ledger)
    other = Ledger(ledger.file)
    assert kinds(follower, "u") == []
    other.record([Event("1", "u", "i", "like")])
    assert kinds(follower, "u") == ["like"]
    ledger.record([Event("2", "u", "i", "hide"), Event("3", "v", "i", "view")])
    assert kinds(follower, "u") == ["like", "hide"]
    other.set_profile("u", {"age": "25"})
    assert follower.of("u").profile == {"age": "25"}
    assert follower.users() == {"u", "v"}
    other.set_profile("u", None)
    assert follower.of("u").profile == {}


def test_nobody_is_asked_for_twice_or_in_vain(ledger, asked):
    follower = UserStateCache(ledger)
    ledger.record([Event("1", "u", "i", "like"), Event("2", "v", "i", "like")])
    for _ in range(3):
        kinds(follower, "u")
        kinds(follower, "stranger")
    assert asked == ["u"]
    ledger.record([Event("3", "v", "i", "like")])
    kinds(follower, "u")
    assert asked == ["u"]


def test_who_is_forgotten_is_so_though_nothing_is_kept(ledger):
    follower = UserStateCache(ledger)
    ledger.record([Event("1", "u", "i", "like")])
    assert kinds(follower, "u") == ["like"]
    ledger.forget("u")
    assert (kinds(follower, "u"), follower.of("u").forgotten) == ([], True)
    assert not follower.of("stranger").forgotten
    assert follower.users() == frozenset()


def test_only_so_many_are_held(ledger, asked, monkeypatch):
    monkeypatch.setattr(user_state_cache, "_MOST", 2)
    follower = UserStateCache(ledger)
    ledger.record([Event(user, user, "i", "like") for user in "abc"])
    for user in "abca":
        assert kinds(follower, user) == ["like"]
    assert asked == ["a", "b", "c", "a"]


def test_what_is_told_while_it_is_read_is_not_missed(ledger, monkeypatch):
    follower = UserStateCache(ledger)
    ledger.record([Event("1", "u", "i", "like")])
    real = Ledger.user_state

    def user_state(self, user):
        found = real(self, user)
        ledger.record([Event("2", "u", "i", "hide")])
        monkeypatch.setattr(Ledger, "user_state", real)
        follower.of("other")  # another thread takes in that there is something new
        return found

    monkeypatch.setattr(Ledger, "user_state", user_state)
    assert kinds(follower, "u") == ["like"]
    assert kinds(follower, "u") == ["like", "hide"]
