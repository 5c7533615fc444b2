"""One user's feedback, as a version can read it; an event more costs the same for long ones."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import time as now
from typing import Any
from weakref import ref

import numpy as np

from fusionrec.data.dataset import CLOCK_ERROR
from fusionrec.data.schema import Schema
from fusionrec.errors import UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.features.history import History
from fusionrec.ledger import Event, Revision
from fusionrec.ledger import UserState as StateRead
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.event_semantics import UserOpinions, worth
from fusionrec.recommend.query import NO_ROWS, Rated

MOST_READ = 1_000  # opinions that a person's vector and the reasons are made of, the newest ones


@dataclass(frozen=True)
class UserFeedback:
    """A user's feedback, as far as a version can read it.

    Attributes:
        history: the newest 1,000 items that they gave an opinion of (see ``UserOpinions`` and
            ``worth``), the newest last; without what the version was trained with, and so stores
            already, and without opinions older than what it stores.
        taken: int64 [m] rising, positions of all items that they gave an opinion of.
        hidden: the items that they do not want to see.
        profile: user attribute -> value.
        forgotten: whether what training knows of them must not be used.
        events: the number of events, and the number of the last one, which rises with each.
        unread: whether the ledger could not be read: this is what was read of it before.
    """

    history: tuple[Rated, ...] = ()
    taken: np.ndarray = field(default_factory=lambda: NO_ROWS, compare=False)
    hidden: frozenset[str] = frozenset()
    profile: Mapping[str, str] = field(default_factory=dict)
    forgotten: bool = False
    events: tuple[int, int] = (0, 0)
    unread: bool = False


NOTHING = UserFeedback()


@dataclass(frozen=True)
class _Derived:
    """What a state came to, for which catalog, and the times and numbers of its history."""

    feedback: UserFeedback
    catalog: ref[Catalog]  # weak: an old one must not be kept by those who do not ask any more
    number: int
    kept: list[tuple[float, int, Rated]]


class UserState:
    """What the ledger holds of one user, as far as it was read.

    Args:
        schema: of the version that answers.

    Attributes:
        opinions: of the user.
        last: number of the last event that was read.
        retraction: number of the user's last one when the events were read.
        revision: of the ledger, as of which all was read; None where it may not be.
        stale: whether there are newer events or another profile.
        held: what it counted as when it was read; see ``UserStateCache``.
        lock: to be held while this is changed.
    """

    def __init__(self, schema: Schema) -> None:
        self.lock = threading.Lock()
        self.revision: Revision | None = None
        self.stale, self.held = True, 0
        self.profile: Mapping[str, str] = {}
        self.forgotten = False
        self.retraction = 0
        self._number = 0  # rises with every change
        self.restart(schema)

    def restart(self, schema: Schema) -> None:
        """Drops all events."""
        self.opinions = UserOpinions(schema)
        self.last = self.events = 0
        self._changed: set[str] = set()  # items with events since ``_derived``
        self._derived: _Derived | None = None

    def take_in(self, read: StateRead) -> None:
        """Takes in what follows the last event."""
        for number, event in read.events:
            self.opinions.add(number, event)
            self._changed.add(event.item)
            self.last = number
        self.events += len(read.events)
        if read.events or (read.profile, read.forgotten) != (self.profile, self.forgotten):
            self._number += 1
        self.profile, self.forgotten = read.profile, read.forgotten

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known, as of someone who was never here."""
        return not (self.events or self.profile or self.forgotten)

    def is_derived(self, catalog: Catalog) -> bool:
        """Whether ``feedback`` has its result already."""
        made = self._derived
        return made is not None and made.number == self._number and made.catalog() is catalog

    def feedback(self, user: str, catalog: Catalog) -> UserFeedback:
        """What all that was read comes to, for a version and its items. Made anew for another
        catalog; else only of what was read since.
        """
        made = self._derived
        if made is None or not self.is_derived(catalog):
            with self.lock:
                return self._derive(user, catalog)
        return made.feedback

    def _derive(self, user: str, catalog: Catalog) -> UserFeedback:
        before = self._derived
        if before is not None and before.catalog() is not catalog:
            before = None
        artifact = catalog.artifact
        row = None if self.forgotten else artifact.user_positions.get(user)
        stored = History.of() if row is None else artifact.histories.of(row)
        items = self.opinions.items if before is None else self._changed
        known = _Known(catalog, stored, items, last_event=artifact.last_event)
        kept = self._kept(known, None if before is None else before.kept)
        taken, hidden = known.divided(self.opinions)
        if before is not None:
            taken = _replaced(before.feedback.taken, known.rows, taken)
            hidden = (before.feedback.hidden - self._changed) | hidden
        profile = {}
        if artifact.has_towers:
            can_read = readable(artifact.encoder, self.profile)
            profile = {name: self.profile[name] for name in can_read}
        history = tuple(rated for _, _, rated in kept)
        events = self.events, self.last
        made = UserFeedback(history, taken, hidden, profile, self.forgotten, events)
        self._derived, self._changed = _Derived(made, ref(catalog), self._number, kept), set()
        return made

    def _kept(
        self, known: _Known, before: list[tuple[float, int, Rated]] | None
    ) -> list[tuple[float, int, Rated]]:
        """The newest opinions that count, the oldest first; ``before`` are those of before the
        events on the items that are looked at now.
        """
        opinions, schema = self.opinions, self.opinions.schema
        if before is not None:
            others = [one for one in before if one[2].item not in known.positions]
            new = [
                (time, number, _rated(event, schema))
                for item in known.positions
                for time, number, event in opinions.of(item, MOST_READ)
                if known.counts(time, number, item)
            ]
            both = sorted([*others, *new], key=lambda one: one[:2])[-MOST_READ:]
            # Of a full history something may have been taken back, so that older ones follow.
            if len(before) < MOST_READ or (len(both) == MOST_READ and both[0][:2] >= before[0][:2]):
                return both
            known = _Known(known.catalog, known.stored, opinions.items, last_event=known.last_event)
        kept: list[tuple[float, int, Rated]] = []
        for time, number, event in reversed(opinions.opinions):
            if known.counts(time, number, event.item):
                kept.append((time, number, _rated(event, schema)))
                if len(kept) == MOST_READ:
                    break
        return kept[::-1]


class _Known:
    """Some items, and what training knew of them.

    Args:
        catalog: leaves out those that it does not have.
        stored: what the version stores of the user.
        items: outside ids.
        last_event: up to which training took events in.

    Attributes:
        positions: item -> position.
        rows: int64 [n] rising, these positions.
    """

    def __init__(
        self, catalog: Catalog, stored: History, items: Iterable[str], *, last_event: int
    ) -> None:
        self.catalog, self.stored, self.last_event = catalog, stored, last_event
        here = catalog.positions
        self.positions = {item: here[item] for item in items if item in here}
        self.rows = np.sort(np.fromiter(self.positions.values(), np.int64, len(self.positions)))
        self._trained: set[int] = set()
        self._newest: dict[int, float] = {}  # when an item was last taken, if that can be true
        if len(stored) and len(self.rows):
            at = np.minimum(np.searchsorted(self.rows, stored.items), len(self.rows) - 1)
            mine = stored.take(self.rows[at] == stored.items)
            self._trained = set(mine.items.tolist())
            if not catalog.artifact.schema.repeats:
                timed = mine.take(mine.times <= now() + CLOCK_ERROR)
                self._newest = dict(zip(timed.items.tolist(), timed.times.tolist(), strict=True))

    def counts(self, time: float, number: int, item: str) -> bool:
        """Whether an opinion counts beside what training knew."""
        row = self.positions.get(item)
        return (
            row is not None
            and (number > self.last_event or row not in self._trained)
            and time >= self._newest.get(row, 0.0)
        )

    def divided(self, opinions: UserOpinions) -> tuple[np.ndarray, frozenset[str]]:
        """Positions of those with an opinion, int64 [m] rising, and those that are refused."""
        taken, hidden = [], set()
        for item, row in self.positions.items():
            if opinions.of(item, 1):
                taken.append(row)
            since = opinions.refused_since(item)
            if since is not None and since >= self._newest.get(row, 0.0):
                hidden.add(item)
        return np.sort(np.array(taken, dtype=np.int64)), frozenset(hidden)


def readable(encoder: Encoder, profile: Mapping[str, str]) -> dict[str, Any]:
    """A stored profile as of ``Encoder.profile``, without what was given for another version and
    cannot be read.
    """
    read: dict[str, Any] = {}
    for name, value in profile.items():
        with suppress(UsageError):
            read |= encoder.profile({name: value})
    return read


def _rated(event: Event, schema: Schema) -> Rated:
    named = event.kind == "like" and not schema.repeats
    return Rated(event.item, worth(event, schema), event.time, named=named)


def _replaced(rows: np.ndarray, without: np.ndarray, then: np.ndarray) -> np.ndarray:
    """Rising rows without some, and then with some of these."""
    kept = rows[~np.isin(rows, without)]
    return np.insert(kept, np.searchsorted(kept, then), then)
