"""What users said and did since the training, as part of what is asked for them."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fusionrec.artifact import Artifact
from fusionrec.catalogue import Catalogue
from fusionrec.errors import UsageError
from fusionrec.ledger import Event, Ledger, Pulse
from fusionrec.people import Query, Rated

_PART = 10_000  # events read at once
_CROWD = 3  # users
_LATELY = 30 * 86_400.0  # seconds
_OPINIONS = ("rating", "like", "dislike")


@dataclass(frozen=True)
class Said:
    """What the ledger holds of a user, as far as a version can read it.

    Attributes:
        history: the items that they gave an opinion of, each once, by the last one of it: a rating
            as it is, held within the version's scale; a ``like`` without a rating; a ``dislike``
            with the lowest one. The newest is last.
        hidden: the items that they do not want to see.
        profile: user attribute -> value.
        forgotten: whether what training knows of them is not to be used.
        events: how many events there are, and the number of the last one: it moves when one comes.
    """

    history: tuple[Rated, ...] = ()
    hidden: frozenset[str] = frozenset()
    profile: Mapping[str, str] = field(default_factory=dict)
    forgotten: bool = False
    events: tuple[int, int] = (0, 0)


class Feedback:
    """The ledger's events and profiles by user, in memory; each question first takes in what is
    new. Several threads may use one.

    Args:
        ledger: whose events and profiles count, whoever writes them.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seen = Pulse()
        self._events: dict[str, list[tuple[int, Event]]] = {}
        self._profiles: dict[str, Mapping[str, str]] = {}
        self._forgotten: dict[str, bool] = {}
        self._lately: tuple[Any, Mapping[str, int]] = (None, {})

    def events(self, user: str) -> list[Event]:
        """Everything that a user said or did, the oldest first.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._follow()
        return [event for _, event in self._events.get(user, ())]

    def said(self, user: str, catalogue: Catalogue) -> Said:
        """What a user said, as far as the version and its items know of it.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._follow()
        held = self._events.get(user, [])[:]
        history, hidden = _opinions(event for _, event in held)
        items, (low, high) = catalogue.positions, catalogue.artifact.schema.rating_range
        return Said(
            tuple(_rated(event, low, high) for item, event in history.items() if item in items),
            frozenset(item for item in hidden if item in items),
            _readable(self._profiles.get(user, {}), catalogue.artifact),
            self._is_forgotten(user),
            (len(held), held[-1][0] if held else 0),
        )

    def lately(self, like: float) -> Mapping[str, int]:
        """Outside item id -> how many users took it in the last 30 days: liked it, viewed it, or
        rated it ``like`` or more. Three at least, so that no one makes everybody's list alone, or
        is seen in it. Counted anew every ten seconds.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._follow()
        now = time.time()
        key = (self._seen.gone, int(now // 10), like)
        held = self._lately
        if held[0] != key:
            held = self._lately = (key, _taken(self._events, now - _LATELY, like))
        return held[1]

    def enrich(self, query: Query, catalogue: Catalogue) -> Query:
        """The query with what its user said before: what the query itself says wins over that, and
        comes after it. A user who was forgotten is nobody to the version. Where nothing is known of
        anybody, it says what was taken lately.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if query.user is not None:
            query = add(query, self.said(query.user, catalogue))
        return self.popular(query, catalogue)

    def popular(self, query: Query, catalogue: Catalogue) -> Query:
        """A query for nobody with what was taken lately; any other as it is.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if query.user is not None or query.profile or query.history:
            return query
        return replace(query, lately=self.lately(catalogue.artifact.schema.like))

    def _follow(self) -> None:
        """Takes in what is new; begins anew where someone was forgotten."""
        if self._knows(self._ledger.pulse()):
            return
        with self._lock:
            # Asked again: another thread may have been here, and later than that question.
            now = self._ledger.pulse()
            anew = now.gone != self._seen.gone
            events, profiles = ({}, {}) if anew else (self._events, self._profiles)
            last, latest = (0, -1) if anew else (self._seen.event, self._seen.profile)
            while part := self._ledger.events(last, _PART):
                for number, event in part:
                    events.setdefault(event.user, []).append((number, event))
                last = part[-1][0]
            for number, user, profile in self._ledger.profiles_after(latest):
                profiles[user], latest = profile, number
            if anew:
                self._events, self._profiles, self._forgotten = events, profiles, {}
            self._seen = Pulse(now.gone, last, latest)

    def _knows(self, now: Pulse) -> bool:
        seen = self._seen
        return now.gone == seen.gone and now.event <= seen.event and now.profile <= seen.profile

    def _is_forgotten(self, user: str) -> bool:
        if not self._seen.gone:
            return False
        known = self._forgotten  # another one takes its place when someone is forgotten
        if user not in known:
            known[user] = self._ledger.is_forgotten(user)
        return known[user]


def _taken(
    events: Mapping[str, Sequence[tuple[int, Event]]], since: float, like: float
) -> Mapping[str, int]:
    people: Counter[str] = Counter()
    for held in list(events.values()):
        people.update(
            {
                event.item
                for _, event in held[:]
                if event.time >= since
                and (event.kind in ("like", "view") or (event.rating or -math.inf) >= like)
            }
        )
    return {item: count for item, count in people.items() if count >= _CROWD}


def add(query: Query, said: Said) -> Query:
    """A query with what its user said before; see ``Feedback.enrich``."""
    told = {one.item for one in query.history}
    return replace(
        query,
        user=None if said.forgotten else query.user,
        profile={**said.profile, **query.profile},
        history=[*(one for one in said.history if one.item not in told), *query.history],
        hidden=said.hidden.union(query.hidden),
    )


def _opinions(events: Iterable[Event]) -> tuple[dict[str, Event], set[str]]:
    """The last opinion of each item, by the order of these; and the items that were hidden and of
    which nothing was said since.
    """
    history: dict[str, Event] = {}
    hidden: set[str] = set()
    for event in events:
        if event.kind == "hide":
            hidden.add(event.item)
        elif event.kind in _OPINIONS:
            hidden.discard(event.item)
            history.pop(event.item, None)
            history[event.item] = event
    return history, hidden


def _rated(event: Event, low: float, high: float) -> Rated:
    if event.kind == "like":
        return Rated(event.item, None, event.time)
    rating = low if event.rating is None else min(max(event.rating, low), high)
    return Rated(event.item, rating, event.time)


def _readable(profile: Mapping[str, str], artifact: Artifact) -> dict[str, str]:
    """What the version can read of a profile, which may have been given for another one."""
    kept = {}
    for name, value in profile.items() if artifact.has_towers else ():
        try:
            artifact.encoder.profile({name: value})
        except UsageError:
            continue
        kept[name] = value
    return kept
