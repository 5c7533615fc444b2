"""Figures of what people did lately: events, lists, people, items shown, searches in vain."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

import numpy as np

from fusionrec.ledger import EventCount, Ledger, MissedSearch
from fusionrec.service.state import ServiceState
from fusionrec.service.view import VersionView

DAY = 86_400
DAYS = 30
MOST_PEOPLE = 100_000
MOST_LISTS = 20_000  # whose items are counted
LEAST_ASKED = 2  # how often a search was asked that is shown: one person's words may be personal
_SHOWN = 10  # items, of those that are listed
_SEARCHES = 50
_KEPT = 60.0  # seconds for which figures are shown again
_AGES = (("Last day", 1), ("Last 7 days", 7), (f"Last {DAYS} days", DAYS))


@dataclass(frozen=True)
class Item:
    """An item that was shown, or not: id, title, and a count."""

    id: str
    title: str
    count: int


@dataclass(frozen=True)
class CatalogShown:
    """How much of the catalog people were shown.

    Attributes:
        lists: how many lists are counted, the newest.
        first: when the oldest of them was shown, in seconds since 1970, UTC.
        items: that may be recommended now.
        shown: how many of these were in a list.
        share: how much of all that was shown the most shown hundredth of the items takes.
        most: those shown most, with how often.
        never: those never shown that were rated or taken most, with how often.
    """

    lists: int
    first: float
    items: int
    shown: int
    share: float
    most: list[Item]
    never: list[Item]


@dataclass(frozen=True)
class Activity:
    """All figures of the page, as they were at a time.

    Attributes:
        at: that time, in seconds since 1970, UTC.
        days: when each day began, the oldest first.
        events: kind -> how many events on each of the days.
        versions: of each version its name, how many events were told while it answered, and how
            many lists it has shown.
        people: name of an age, how many people training knew, and how many it did not.
        people_cut: whether there were more than are counted.
        catalog: what was shown.
        missed: searches that found nothing.
    """

    at: float
    days: list[int]
    events: dict[str, list[int]]
    versions: list[tuple[str, int, int]]
    people: list[tuple[str, int, int]]
    people_cut: bool
    catalog: CatalogShown
    missed: list[MissedSearch]


_lock = threading.Lock()
_latest: WeakKeyDictionary[ServiceState, Activity] = WeakKeyDictionary()


def activity(state: ServiceState) -> Activity:
    """The figures, at most a minute old: making them may take seconds, one at a time.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with _lock:
        known = _latest.get(state)
        if known is None or time.time() - known.at > _KEPT:
            view = state.answer(lambda view: view)
            known = _latest[state] = _made(state.ledger, view, time.time())
        return known


def _made(ledger: Ledger, view: VersionView, now: float) -> Activity:
    today = int(now) // DAY * DAY
    since = today - (DAYS - 1) * DAY
    days = list(range(since, today + 1, DAY))
    activations = [
        (datetime.fromisoformat(a.at).timestamp(), a.version) for a in ledger.activations()
    ]
    # The one that answered when the time began, and those since.
    later = [one for one in activations if one[0] > since]
    turns = [*[one for one in activations if one[0] <= since][-1:], *later][-50:]
    counts = ledger.events_by_day(since, [at for at, _ in turns])
    lists = ledger.lists_by_day(since)
    people = ledger.people_since(since, MOST_PEOPLE)
    return Activity(
        now,
        days,
        _by_kind(counts, days),
        _by_version(counts, [version for _, version in turns], lists),
        _known_and_new(people, view, now),
        len(people) == MOST_PEOPLE,
        _catalog_shown(ledger, view, since),
        ledger.missed_searches(now - DAYS * DAY, LEAST_ASKED, _SEARCHES),
    )


def _by_kind(counts: Sequence[EventCount], days: Sequence[int]) -> dict[str, list[int]]:
    position = {day: n for n, day in enumerate(days)}
    found: dict[str, list[int]] = {}
    for one in counts:
        if one.day in position:  # a time that is ahead is of no day yet
            row = found.setdefault(one.kind, [0] * len(days))
            row[position[one.day]] += one.count
    return dict(sorted(found.items(), key=lambda pair: -sum(pair[1])))


def _by_version(
    counts: Sequence[EventCount], turns: Sequence[str], lists: Sequence[tuple[int, str, int]]
) -> list[tuple[str, int, int]]:
    events, shown = Counter[str](), Counter[str]()
    for one in counts:
        events[turns[one.turn] if one.turn >= 0 else ""] += one.count
    for _, version, count in lists:
        shown[version] += count
    names = sorted(events.keys() | shown.keys(), key=lambda name: (len(name), name), reverse=True)
    return [(name, events[name], shown[name]) for name in names]


def _known_and_new(
    people: dict[str, float], view: VersionView, now: float
) -> list[tuple[str, int, int]]:
    positions, found = view.artifact.user_positions, []
    for name, days in _AGES:
        within = [user for user, last in people.items() if last > now - days * DAY]
        known = sum(user in positions for user in within)
        found.append((name, known, len(within) - known))
    return found


def _catalog_shown(ledger: Ledger, view: VersionView, since: float) -> CatalogShown:
    catalog, shown = view.catalog, ledger.items_shown(since, MOST_LISTS)
    rows = {id: row for id in shown.items if (row := catalog.positions.get(id)) is not None}
    counts = {row: shown.items[id] for id, row in rows.items() if catalog.available[row]}
    most = sorted(counts, key=lambda row: (-counts[row], row))
    total, items = sum(counts.values()), int(catalog.available.sum())
    top = sum(counts[row] for row in most[: max(items // 100, 1)])
    left = catalog.available.copy()
    left[list(counts)] = False
    never = np.flatnonzero(left)
    never = never[np.lexsort((never, -catalog.counts[never]))][:_SHOWN]
    return CatalogShown(
        shown.lists,
        shown.first,
        items,
        len(counts),
        top / total if total else 0.0,
        [_item(view, row, counts[row]) for row in most[:_SHOWN]],
        [_item(view, row, int(catalog.counts[row])) for row in map(int, never)],
    )


def _item(view: VersionView, row: int, count: int) -> Item:
    catalog, name = view.catalog, view.artifact.schema.title
    id = catalog.items.ids[row]
    title = catalog.items.columns[name][row] if name else ""
    return Item(id, title or id, count)
