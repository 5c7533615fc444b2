"""Events that are taken back: they count nowhere any more, and none is lost."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from fusionrec.errors import UsageError
from fusionrec.ledger import Event, Ledger, RecentActivity

FIRST = Event("1", "u", "i", "rating", 2.0, 5.0)
SECOND = Event("2", "u", "i", "rating", 5.0, 6.0)
OTHER = Event("3", "v", "i", "like", None, 7.0)


@pytest.fixture
def ledger(location) -> Ledger:
    made = Ledger(location)
    made.record([FIRST, SECOND, OTHER])
    return made


def test_a_retracted_event_counts_no_more_and_stays(ledger, location):
    before = ledger.revision()
    assert ledger.recent_activity(0.0, 10.0, 4.0, 1) == RecentActivity(2, {"i": 2})
    assert ledger.retract("u", "2")
    for one in (ledger, Ledger(location)):
        assert one.newest_events("u", 10) == [FIRST]
        assert [event for _, event in one.user_state("u").events] == [FIRST]
        assert one.event_kinds("u") == {"rating": 1}
        assert one.recent_activity(0.0, 10.0, 4.0, 1) == RecentActivity(1, {"i": 1})
        assert [event for _, event in one.events()] == [FIRST, SECOND, OTHER]
        [(number, retraction)] = one.retractions()
        assert (retraction.event, retraction.user) == ("2", "u")
        assert dict(one.events())[retraction.number] == SECOND
        assert number == one.revision().event > before.event, "followers see that something is new"
        assert one.users_changed_since(before.event, before.profile) == {"u"}
        assert one.user_state("u", number).retraction == number


def test_to_retract_again_changes_nothing(ledger):
    assert ledger.retract("u", "2")
    before = ledger.revision(), ledger.retractions()
    assert ledger.retract("u", "2")
    assert (ledger.revision(), ledger.retractions()) == before


def test_only_the_own_events_can_be_retracted(ledger):
    before = ledger.revision()
    assert not ledger.retract("u", "3"), "another user's"
    assert not ledger.retract("u", "unknown")
    assert not ledger.retract("nobody", "1")
    assert ledger.revision() == before
    ledger.retract("u", "1")
    rows = "SELECT id FROM events WHERE kind = 'retraction'"
    [own] = ledger._database.read(lambda c: c.execute(text(rows)).scalars().all(), [])
    assert not ledger.retract("u", own), "a retraction is no event"
    for user, event in (("", "1"), ("u", ""), ("u", "\0"), ("u\ud800", "1")):
        with pytest.raises(UsageError):
            ledger.retract(user, event)


def test_a_retracted_id_is_not_taken_again(ledger):
    ledger.retract("u", "2")
    again = Event("2", "u", "i", "rating", 5.0, 99.0)
    else_ = Event("2", "u", "i", "rating", 1.0, 6.0)
    new = Event("4", "u", "i", "rating", 5.0, 6.0)
    assert ledger.record([again, else_, new, FIRST]) == ["retracted", "other", "new", "known"]
    assert ledger.newest_events("u", 10) == [new, FIRST]


def test_pages_and_items_of_what_is_left(ledger):
    ledger.record([Event("4", "u", "j", "hide"), Event("5", "u", "k", "view")])
    ledger.retract("u", "2")
    assert [event.id for event in ledger.newest_events("u", 2)] == ["5", "4"]
    assert [event.id for event in ledger.newest_events("u", 2, 2)] == ["1"]
    assert [event.id for event in ledger.newest_events("u", 9, items=["i", "k"])] == ["5", "1"]


def test_to_forget_removes_both(ledger):
    ledger.retract("u", "2")
    assert ledger.forget("u") == 3
    assert ledger.retractions() == []
    assert [event for _, event in ledger.events()] == [OTHER]
    assert ledger.record([SECOND]) == ["new"]


def test_a_ledger_from_before_there_were_retractions(location):
    ledger = Ledger(location)
    ledger.record([FIRST])

    def downgraded(connection):
        for index in ("events_retracts", "events_retractions"):
            connection.execute(text(f"DROP INDEX {index}"))
        connection.execute(text("ALTER TABLE events DROP COLUMN retracts"))
        connection.execute(text("UPDATE ledger_schema SET number = 6"))

    ledger._database.write(downgraded)
    ledger.close()
    older = Ledger(location)
    assert older.newest_events("u", 10) == [FIRST]
    assert older.retract("u", "1")
    assert older.newest_events("u", 10) == []
    older.check()
