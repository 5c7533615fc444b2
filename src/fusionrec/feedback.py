"""What users said and did since the training, as part of what is asked for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fusionrec.artifact import Artifact
from fusionrec.catalogue import Catalogue
from fusionrec.errors import UsageError
from fusionrec.ledger import Event, Ledger
from fusionrec.people import Query, Rated

_PART = 10_000  # events read at once
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
    """The ledger's events by user, in memory; each question first takes in what is new. Several
    threads may use one.

    Args:
        ledger: whose events and profiles count, whoever writes them.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._forgets, self._last = 0, 0
        self._events: dict[str, list[tuple[int, Event]]] = {}
        self._forgotten: dict[str, bool] = {}

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
            _readable(self._ledger.profile(user) or {}, catalogue.artifact),
            self._is_forgotten(user),
            (len(held), held[-1][0] if held else 0),
        )

    def enrich(self, query: Query, catalogue: Catalogue) -> Query:
        """The query with what its user said before: what the query itself says wins over that, and
        comes after it. A user who was forgotten is nobody to the version.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return query if query.user is None else add(query, self.said(query.user, catalogue))

    def _follow(self) -> None:
        """Takes in what is new; begins anew where someone was forgotten."""
        forgets, last = self._ledger.forgets(), self._ledger.last_event()
        if forgets == self._forgets and last <= self._last:
            return
        with self._lock:
            # Read again: another thread may have been here, and later than those two questions.
            forgets = self._ledger.forgets()
            anew = forgets != self._forgets
            held = {} if anew else self._events
            after = 0 if anew else self._last
            while part := self._ledger.events(after, _PART):
                for number, event in part:
                    held.setdefault(event.user, []).append((number, event))
                after = part[-1][0]
            if anew:
                self._events, self._forgotten = held, {}
            self._forgets, self._last = forgets, after

    def _is_forgotten(self, user: str) -> bool:
        if not self._forgets:
            return False
        known = self._forgotten  # another one takes its place when someone is forgotten
        if user not in known:
            known[user] = self._ledger.is_forgotten(user)
        return known[user]


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
