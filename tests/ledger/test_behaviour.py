"""What the ledger does, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from builders import python
from fusionrec.errors import LedgerError, UsageError
from fusionrec.ledger import Event, Impression, Ledger, RecentActivity

ODD = ["ბ", "x\n\"'; DROP TABLE events; --", "%s :user ?1 \\", "\U0001f600", " ", "a" * 500]
BAD = ["", "a" * 501, "a" * 10_000, "\ud800", "ok\udfff", "a\0b"]


@pytest.fixture
def ledger(location) -> Ledger:
    return Ledger(location)


def test_before_the_first_write_nothing_is_found_and_nothing_is_made(ledger, tmp_path):
    assert ledger.active() is None
    assert ledger.activations() == ledger.item_changes() == ledger.events() == ledger.keys() == []
    assert ledger.impressions() == []
    assert ledger.stamp() == (0, 0)
    assert ledger.revision().event == len(ledger.events()) == ledger.revision().removals == 0
    assert ledger.impression_counts("u") == ledger.profiles() == {}
    assert ledger.profile("u") is None
    assert ledger.key_of("frk_") is None
    assert not ledger.is_forgotten("u")
    assert ledger.record([]) == []
    assert list(tmp_path.iterdir()) == []


def test_activations_come_back_in_order_in_another_process(location):
    for version in ("v1", "v3", "v1"):
        Ledger(location).activate(version, f"/somewhere/{version}.db", 3, "c")
    code = (
        "import sys, pathlib; from fusionrec.ledger import Ledger\n"
        "location = sys.argv[1] if '://' in sys.argv[1] else pathlib.Path(sys.argv[1])\n"
        "for a in Ledger(location).activations():\n"
        "    print(a.version, a.place, a.changes, a.collection)"
    )
    said = python(code, location).splitlines()
    assert said == [f"{v} /somewhere/{v}.db 3 c" for v in ("v1", "v3", "v1")]
    active = Ledger(location).active()
    assert active.version == "v1"
    assert datetime.fromisoformat(active.at).tzinfo is not None


def test_changes_of_items_come_back_in_order(ledger):
    assert ledger.change_items({"a": {"year": 1.0}, "ბ": {"title": "x\n\"'\0\ud800"}}) == 2
    assert ledger.change_items({"a": None}) == 1
    found = ledger.item_changes()
    assert [(c.item, c.content) for c in found] == [
        ("a", {"year": 1.0}),
        ("ბ", {"title": "x\n\"'\0\ud800"}),
        ("a", None),
    ]
    assert [c.number for c in found] == sorted({c.number for c in found})
    assert ledger.item_changes(found[1].number) == found[2:]


def test_a_change_that_changes_nothing_is_not_written(ledger):
    for wanted in (2, 0):
        assert ledger.change_items({"a": {"x": 1, "y": 2}, "b": None}) == wanted
    assert ledger.change_items({"a": {"y": 2, "x": 1}, "b": {}}) == 1
    assert ledger.change_items({"b": None}) == 0, "it is withdrawn still"
    assert ledger.change_items({"a": None}) == 1, "it is compared with the last change"
    assert len(ledger.item_changes()) == 4


def test_many_items_change_at_once(ledger):
    contents = {f"i{n}": {"n": n} for n in range(1201)}
    assert ledger.change_items(contents) == 1201
    assert ledger.change_items(contents | {"i7": None, "new": {}}) == 2
    assert [c.item for c in ledger.item_changes()][:1201] == list(contents)


def test_all_changes_are_written_or_none(ledger):
    for bad in ({"x": object()}, {"x": {1}}):
        with pytest.raises(TypeError):
            ledger.change_items({"a": {}, "b": bad})
    with pytest.raises(UsageError, match="item"):
        ledger.change_items({"a": {}, "\ud800": {}})
    assert ledger.item_changes() == []


def test_a_stamp_moves_with_every_write_that_matters(ledger):
    stamps = [ledger.stamp()]
    ledger.change_items({"a": {}})
    stamps.append(ledger.stamp())
    ledger.activate("v1", "")
    stamps.append(ledger.stamp())
    ledger.activate("v1", "")
    stamps.append(ledger.stamp())
    ledger.change_items({"a": {}})
    assert len(set(stamps)) == 4
    assert ledger.stamp() == stamps[-1], "nothing was changed"


def test_what_was_shown_is_counted(ledger):
    shown = [
        Impression("a1", "u", "recommend", "v1", ("x", "y"), 10.0),
        Impression("a2", "u", "recommend", "v1", ("y", "ბ'"), 20.5),
        Impression("a3", "other", "similar", "v2", (), 30.0),
    ]
    ledger.record_impressions(shown)
    ledger.record_impressions([])
    found = ledger.impressions()
    assert [one for _, one in found] == shown
    assert [number for number, _ in found] == sorted({number for number, _ in found})
    assert ledger.impression_counts("u") == {"x": 1, "y": 2, "ბ'": 1}
    assert ledger.impression_counts("u", since=20.5) == {"y": 1, "ბ'": 1}
    assert ledger.impression_counts("other") == ledger.impression_counts("nobody") == {}


def test_a_profile_is_replaced_as_a_whole_and_removed(ledger):
    ledger.set_profile("u", {"age": "25", "about": "NUL \0, half \ud800, \"'" + "x" * 10_000})
    ledger.set_profile("b", {})
    assert ledger.profile("u")["about"].startswith("NUL \0, half \ud800, \"'xx")
    ledger.set_profile("u", {"age": "35"})
    assert ledger.profiles() == {"b": {}, "u": {"age": "35"}}
    ledger.set_profile("u", None)
    ledger.set_profile("nobody", None)
    assert ledger.profile("u") is None
    with pytest.raises(UsageError, match="texts"):
        ledger.set_profile("u", {"age": 25})


def test_a_revision_moves_with_every_write_that_a_follower_needs(ledger):
    writes = [
        lambda: ledger.record([Event("1", "u", "i", "like")]),
        lambda: ledger.set_profile("u", {"age": "25"}),
        lambda: ledger.set_profile("v", {"age": "25"}),
        lambda: ledger.set_profile("u", {"age": "35"}),
        lambda: ledger.set_profile("u", None),
        lambda: ledger.set_profile("v", {"age": "45"}),
        lambda: ledger.forget("v"),
        lambda: ledger.forget("u"),
    ]
    revisions = [ledger.revision()]
    for write in writes:
        write()
        revisions.append(ledger.revision())
    assert len(set(revisions)) == len(revisions)
    for do_nothing in (lambda: ledger.set_profile("w", None), lambda: ledger.forget("u")):
        do_nothing()
        assert ledger.revision() == revisions[-1]


def test_users_who_changed_since_a_revision(ledger):
    assert ledger.users_changed_since() == frozenset()
    ledger.set_profile("u", {"age": "25"})
    ledger.record([Event("1", "v", "i", "like")])
    before = ledger.revision()
    assert ledger.users_changed_since() == {"u", "v"}
    assert ledger.users_changed_since(before.event, before.profile) == frozenset()
    ledger.record([Event("2", "w", "i", "like")])
    ledger.set_profile("u", {"age": "35"})
    assert ledger.users_changed_since(before.event, before.profile) == {"u", "w"}
    assert ledger.users_changed_since(before.event, ledger.revision().profile) == {"w"}


def test_the_state_of_a_user(ledger):
    events = [Event(str(n), "u", "i", "view", time=n) for n in range(3)]
    ledger.record([*events, Event("other", "v", "i", "like")])
    ledger.set_profile("u", {"age": "25"})
    state = ledger.user_state("u")
    assert [event for _, event in state.events] == events
    assert [number for number, _ in state.events] == sorted(number for number, _ in state.events)
    assert (state.profile, state.forgotten) == ({"age": "25"}, False)
    ledger.forget("u")
    state = ledger.user_state("u")
    assert (state.events, state.profile, state.forgotten) == ((), {}, True)


def test_what_several_users_took_recently(ledger):
    def event(user, item, kind, rating=None, time=100.0):
        return Event(f"{user}{item}{kind}{time}", user, item, kind, rating, time)

    ledger.record(
        [
            event("u", "i", "like"),
            event("u", "i", "view"),
            event("v", "i", "rating", 4.0),
            event("w", "i", "rating", 3.0),
            event("x", "i", "view", time=99.0),
            event("u", "j", "dislike"),
            event("v", "j", "hide"),
            event("u", "k", "view"),
            event("u", "l", "like", time=150.0),
        ]
    )
    assert ledger.recent_activity(100.0, 100.0, 4.0, 1) == RecentActivity(2, {"i": 2})
    assert ledger.recent_activity(100.0, 200.0, 4.0, 1) == RecentActivity(2, {"i": 2, "l": 1})
    assert ledger.recent_activity(100.0, 200.0, 4.0, 2) == RecentActivity(2, {"i": 2})
    assert ledger.recent_activity(99.0, 100.0, 3.0, 2) == RecentActivity(3, {"i": 3})
    assert ledger.recent_activity(99.0, 100.0, float("inf"), 1) == RecentActivity(1, {"i": 1})
    assert ledger.recent_activity(99.0, 99.0, 4.0, 1) == RecentActivity(1, {"i": 1}), (
        "of views alone, views"
    )
    assert ledger.recent_activity(201.0, 300.0, 0.0, 1) == RecentActivity()


def test_what_users_took_back_is_not_counted(ledger):
    def said(user, *kinds):
        return [
            Event(f"{user}{n}", user, "i", kind, 1.0 if kind == "rating" else None, time)
            for n, (kind, time) in enumerate(kinds)
        ]

    ledger.record(
        [
            *said("a", ("like", 10), ("dislike", 11)),
            *said("b", ("dislike", 11), ("like", 12)),
            *said("c", ("like", 11), ("hide", 10)),
            *said("d", ("like", 11), ("rating", 11)),  # at once: what arrived last counts
            *said("e", ("like", 11), ("view", 12)),
            *said("f", ("like", 11), ("dislike", 999)),  # of a time that is still to come
        ]
    )
    assert ledger.recent_activity(0.0, 100.0, 4.0, 1) == RecentActivity(4, {"i": 4})
    # Where ratings mean nothing, none takes a like back.
    assert ledger.recent_activity(0.0, 100.0, float("inf"), 1) == RecentActivity(5, {"i": 5})


def test_who_is_forgotten_leaves_a_hash(ledger):
    ledger.record([Event("1", "u", "i", "view"), Event("2", "other", "i", "view")])
    ledger.record([Event("3", "u", "i", "like")])
    ledger.record_impressions([Impression("a", "u", "k", "v1", ("i",), 1.0)])
    ledger.set_profile("u", {"age": "25"})
    last = ledger.revision().event
    assert (ledger.forget("u"), ledger.revision().removals) == (4, 1)
    assert [event.user for _, event in ledger.events()] == ["other"]
    assert ledger.impressions() == []
    assert ledger.profile("u") is None
    assert ledger.is_forgotten("u")
    assert not ledger.is_forgotten("other")
    assert (ledger.forget("u"), ledger.revision().removals) == (0, 1), (
        "a repetition changes nothing"
    )
    assert (ledger.forget("nobody"), ledger.revision().removals) == (0, 2)

    assert ledger.record([Event("1", "u", "i", "view")]) == ["new"]
    assert ledger.revision().event > last, "no number is given twice"
    assert ledger.is_forgotten("u"), "it is about what was trained before"
    assert (ledger.forget("u"), ledger.revision().removals) == (1, 3), (
        "followers see that something went"
    )


def test_a_key_is_found_by_its_secret_alone(ledger):
    secret = ledger.add_key("web", ["read", "feedback"])
    other = ledger.add_key("ops", ["admin"])
    assert secret.startswith("frk_")
    assert len(secret) == len("frk_") + 43
    assert secret != other
    key = ledger.key_of(secret)
    assert (key.name, key.scopes) == ("web", {"read", "feedback"})
    assert datetime.fromisoformat(key.at).tzinfo is not None
    assert ledger.keys() == [ledger.key_of(other), key]
    for wrong in ("", "web", secret[:-1], secret + "a", secret.upper(), "\ud800", "a\0"):
        assert ledger.key_of(wrong) is None
    ledger.remove_key("web")
    assert ledger.key_of(secret) is None
    assert ledger.key_of(other).name == "ops"


def test_keys_that_cannot_be(ledger):
    ledger.add_key("web", ["read"])
    with pytest.raises(UsageError, match="named 'web'"):
        ledger.add_key("web", ["admin"])
    with pytest.raises(UsageError, match="named 'wbe'") as caught:
        ledger.remove_key("wbe")
    assert "web" in caught.value.hint
    for scopes in ([], ["write"], ["read", "all"], "read"):
        with pytest.raises(UsageError, match="read, feedback, admin"):
            ledger.add_key("other", scopes)
    [key] = ledger.keys()
    assert key.name == "web"


@pytest.mark.parametrize("id", ODD)
def test_any_text_is_an_id(ledger, id):
    event = Event(id[:64], id, id, "rating", 3.5, 1e9 + 0.25)
    assert ledger.record([event]) == ["new"]
    assert ledger.record([event]) == ["known"]
    ledger.record_impressions([Impression(id, id, id, id, (id, id), 1.0)])
    ledger.set_profile(id, {id: id})
    ledger.change_items({id: {id: id}})
    assert ledger.events()[0][1] == event
    assert ledger.impression_counts(id) == {id: 2}
    assert ledger.profiles() == {id: {id: id}}
    assert ledger.item_changes()[0].content == {id: id}
    assert ledger.key_of(ledger.add_key(id, ["read"])).name == id
    assert ledger.forget(id) == 3
    assert ledger.is_forgotten(id)


@pytest.mark.parametrize("id", BAD, ids=[f"{bad[:5]!a}{len(bad)}" for bad in BAD])
def test_what_not_every_database_can_hold_is_no_id(tmp_path, id):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for use in (
        lambda: Event(id, "u", "i", "view"),
        lambda: Event("1", id, "i", "view"),
        lambda: Event("1", "u", id, "view"),
        lambda: Impression("a", "u", "k", "v", ("i", id), 1.0),
        lambda: Impression("a", id, "k", "v", (), 1.0),
        lambda: ledger.change_items({id: {}}),
        lambda: ledger.set_profile(id, {}),
        lambda: ledger.forget(id),
        lambda: ledger.is_forgotten(id),
        lambda: ledger.add_key(id, ["read"]),
    ):
        with pytest.raises(UsageError):
            use()
    assert list(tmp_path.iterdir()) == []


def test_a_newer_programs_ledger_is_refused(location):
    from sqlalchemy import update

    from fusionrec.ledger.schema import schema

    ledger = Ledger(location)
    ledger.record([Event("1", "u", "i", "view")])
    ledger._database.write(lambda c: c.execute(update(schema).values(number=99)))
    for use in (
        Ledger(location).active,
        Ledger(location).revision,
        lambda: Ledger(location).activate("v1", ""),
        lambda: ledger.activate("v1", ""),  # was open when it became newer
    ):
        with pytest.raises(LedgerError, match="newer program") as caught:
            use()
        assert "update fusionrec" in caught.value.hint


def test_it_can_be_used_after_it_was_closed(ledger):
    ledger.activate("v1", "")
    ledger.close()
    ledger.close()
    assert ledger.active().version == "v1"
    ledger.activate("v2", "")
    assert len(ledger.activations()) == 2


def test_an_item_that_is_withdrawn_stays_so_until_it_is_restored(ledger):
    def last() -> tuple:
        change = ledger.item_changes()[-1]
        return change.content, change.withdrawn

    ledger.change_items({"a": {"x": 1}, "b": {"x": 1}})
    assert ledger.withdrawn(["a", "b", "c"]) == frozenset()
    assert ledger.change_items({"a": None}) == 1
    assert ledger.withdrawn(["a", "b", "c"]) == {"a"}
    assert ledger.change_items({"a": {"x": 1}}) == 0, "its content is that already"
    assert ledger.change_items({"a": {"x": 2}, "b": {"x": 2}}) == 2
    assert [c.withdrawn for c in ledger.item_changes()[-2:]] == [True, False]
    assert ledger.change_items({"a": {"x": 2}}) == ledger.change_items({"a": None}) == 0
    assert ledger.change_items({"a": {"x": 3}}) == 1
    assert last() == ({"x": 3}, True)
    assert ledger.change_items({"a": {"x": 3}}, restore=True) == 1
    assert last() == ({"x": 3}, False)
    assert ledger.change_items({"a": {"x": 3}}, restore=True) == 0
    assert ledger.change_items({"a": {"x": 4}}) == 1
    assert last() == ({"x": 4}, False)
    assert ledger.change_items({"a": None, "b": None}) == 2
    assert ledger.withdrawn(["a", "b"]) == {"a", "b"}


def test_a_change_leaves_alone_what_it_is_not_about(ledger):
    """Whatever was written between the reading of an item and its change."""
    start = {"x": 0, "y": 0, "z": 0}
    ledger.change_items({"a": start})
    since = ledger.stamp()[1]
    about = {"a": frozenset(["x"])}
    assert ledger.change_items({"a": start | {"x": 1}}, changed=about, since=since) == 1
    about = {"a": frozenset(["y"])}
    assert ledger.change_items({"a": start | {"y": 2}}, changed=about, since=since) == 1
    assert ledger.item_changes()[-1].content == {"x": 1, "y": 2, "z": 0}
    ledger.change_items({"a": None})
    # Restored by who saw it withdrawn before someone gave it other content.
    seen = ledger.stamp()[1]
    ledger.change_items({"a": {"x": 5, "y": 5, "z": 5, "of another schema": 1}})
    assert ledger.change_items({"a": start}, since=seen, restore=True) == 1
    change = ledger.item_changes()[-1]
    assert (change.content, change.withdrawn) == ({"x": 5, "y": 5, "z": 5}, False)


def test_processes_that_change_and_withdraw_one_item_agree(location):
    """Whichever comes first: what is withdrawn is withdrawn in the end, and no change is lost."""
    ledger = Ledger(location)
    names = [f"n{n}" for n in range(4)]
    ledger.change_items({"a": dict.fromkeys(names, 0)})
    since = ledger.stamp()[1]

    def change(name: str) -> None:
        if name:
            content = dict.fromkeys(names, 0) | {name: 1}
            Ledger(location).change_items(
                {"a": content}, changed={"a": frozenset([name])}, since=since
            )
        else:
            Ledger(location).change_items({"a": None})

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(change, [*names[:2], "", *names[2:]]))
    changes = ledger.item_changes()
    assert changes[-1].withdrawn
    contents = [change.content for change in changes if change.content is not None]
    assert contents[-1] == dict.fromkeys(names, 1)


def test_what_was_shown_before_a_user_was_forgotten_is_not_written_after_it(location, monkeypatch):
    """Another process wrote it late."""
    first, other = Ledger(location), Ledger(location)
    clock = 1_000.0
    monkeypatch.setattr("fusionrec.ledger.users.time.time", lambda: clock)

    def shown(user: str, time: float) -> Impression:
        return Impression(f"{user}{time:.0f}", user, "popular", "v1", ("i",), time)

    for clock, again in ((1_000.0, 0), (2_000.0, 1)):
        first.forget("u")
        others = [shown(f"v{n}", clock - 1) for n in range(600)]
        other.record_impressions(
            [shown("u", clock - 1), *others, shown("u", clock), shown("u", clock + 1)]
        )
        other.record_impressions([shown("u", clock - 1)])
        kept = [one for _, one in first.impressions()][again * 600 :]
        assert [one.user for one in kept] == [*(f"v{n}" for n in range(600)), "u"]
        assert first.impression_counts("u") == {"i": 1}, "what is shown from then on counts"
