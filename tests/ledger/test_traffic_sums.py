"""Sums of the traffic, searches that found nothing, and what people did, on either database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fusionrec.errors import UsageError
from fusionrec.ledger import Event, EventCount, Impression, Ledger, MissedSearch, Traffic

DAY, HOUR = 86_400, 3_600
NOW = 20_000 * DAY + 5 * HOUR + 120


@pytest.fixture
def ledger(location) -> Ledger:
    return Ledger(location)


def minute(start: int, route: str = "/v1/search", requests: int = 1, **more) -> Traffic:
    return Traffic(start, 60, route, requests, **more)


def test_sums_of_several_workers_are_added_up(ledger):
    assert ledger.traffic(60, 0) == []
    one = minute(NOW, requests=5, errors=1, shed=2, refused=1, latency={3: 1})
    other = minute(NOW, requests=2, latency={3: 1, 60: 1})
    ledger.add_traffic([one, minute(NOW + 60, "/")], NOW)
    ledger.add_traffic([other], NOW)
    both = minute(NOW, requests=7, errors=1, shed=2, refused=1, latency={3: 2, 60: 1})
    assert ledger.traffic(60, 0) == [both, minute(NOW + 60, "/")]
    hour = NOW - NOW % HOUR
    assert ledger.traffic(HOUR, 0) == [
        Traffic(hour, HOUR, "/", 1),
        Traffic(hour, HOUR, "/v1/search", 7, 1, 2, 1, {3: 2, 60: 1}),
    ]
    assert ledger.traffic(60, NOW + 1) == [minute(NOW + 60, "/")]


def test_workers_that_write_at_once_lose_nothing(location):
    Ledger(location).upgrade()

    def write(_: int) -> None:
        Ledger(location).add_traffic([minute(NOW, latency={1: 1})], NOW, {"x": 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    [whole] = Ledger(location).traffic(60, 0)
    assert (whole.requests, whole.latency) == (24, {1: 24})
    assert Ledger(location).missed_searches(0, 1, 9) == [MissedSearch("x", 24, NOW)]


def test_minutes_are_kept_for_a_day_and_hours_for_35_days(ledger):
    ledger.add_traffic([minute(NOW - 2 * DAY), minute(NOW - DAY), minute(NOW)], NOW)
    assert [one.start for one in ledger.traffic(60, 0)] == [NOW - DAY, NOW]
    assert [one.start // HOUR for one in ledger.traffic(HOUR, 0)] == [
        (NOW - age) // HOUR for age in (2 * DAY, DAY, 0)
    ]
    ledger.add_traffic([], NOW + 36 * DAY)
    assert ledger.traffic(60, 0) == ledger.traffic(HOUR, 0) == []


def test_searches_are_counted_cut_and_bounded(ledger):
    ledger.add_traffic([], NOW, {"ბლა 映画": 1, "x": 1})
    ledger.add_traffic([], NOW + 1, {"ბლა 映画": 2})
    assert ledger.missed_searches(0, 2, 9) == [MissedSearch("ბლა 映画", 3, NOW + 1)]
    assert ledger.missed_searches(NOW + 2, 1, 9) == []
    with pytest.raises(UsageError, match="100 characters"):
        ledger.add_traffic([], NOW, {"a" * 101: 1})
    ledger.add_traffic([], NOW + 2, {f"w{n}": 1 for n in range(1_500)})
    kept = ledger.missed_searches(0, 1, 2_000)
    assert len(kept) == 1_000
    assert kept[0].words == "ბლა 映画"
    assert "x" not in {one.words for one in kept}, "the oldest of those asked least goes first"
    ledger.add_traffic([], NOW + 31 * DAY)
    assert ledger.missed_searches(0, 1, 9) == [], "they are kept for a month"


def test_events_are_counted_by_day_kind_and_what_came_last_before_them(ledger):
    assert ledger.events_by_day(0) == []
    day = NOW - NOW % DAY
    times = [(day - 1, "like"), (day, "like"), (day + DAY - 0.001, "view"), (day + DAY, "like")]
    ledger.record(Event(str(n), "u", "i", kind, None, time) for n, (time, kind) in enumerate(times))
    assert ledger.events_by_day(day - 1) == [
        EventCount(day - DAY, "like", -1, 1),
        EventCount(day, "like", -1, 1),
        EventCount(day, "view", -1, 1),
        EventCount(day + DAY, "like", -1, 1),
    ]
    found = ledger.events_by_day(day, [day, day + DAY])
    assert [(one.day, one.turn) for one in found] == [(day, 0), (day, 0), (day + DAY, 1)]


def test_lists_people_and_items_shown_are_counted(ledger):
    shown = [("v1", "a", ("1", "2"), NOW), ("v1", "b", ("1",), NOW + 1), ("v2", "a", (), NOW + DAY)]
    ledger.record_impressions(
        Impression(str(n), user, "user", version, items, time)
        for n, (version, user, items, time) in enumerate(shown)
    )
    ledger.record([Event("e", "c", "1", "like", None, NOW + 2)])
    day = NOW - NOW % DAY
    assert ledger.lists_by_day(0) == [(day, "v1", 2), (day + DAY, "v2", 1)]
    assert ledger.people_since(0, 9) == {"a": NOW + DAY, "c": NOW + 2, "b": NOW + 1}
    assert list(ledger.people_since(NOW + 1, 2)) == ["a", "c"]
    found = ledger.items_shown(0, 9)
    assert (found.lists, found.first, found.items) == (3, NOW, {"1": 2, "2": 1})
    assert ledger.items_shown(0, 2).items == {"1": 1}
    ledger.forget("a")
    assert "a" not in ledger.people_since(0, 9)
