"""What users said and did since the training, as part of their queries."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from fusionrec.data.dataset import CLOCK_ERROR
from fusionrec.errors import LedgerError, UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.features.history import History
from fusionrec.ledger import Event, Ledger, RecentActivity, UserState
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.event_semantics import current_events, worth
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.user_state_cache import UserStateCache

_CROWD = 3  # users
_WINDOW = 30 * 86_400.0  # seconds


@dataclass(frozen=True)
class UserFeedback:
    """A user's feedback, as far as a version can read it.

    Attributes:
        history: the items that they gave an opinion of (see ``current_events`` and ``worth``), the
            newest last; without what the version was trained with, and so stores already, and
            without opinions older than what it stores.
        hidden: the items that they do not want to see.
        profile: user attribute -> value.
        forgotten: whether what training knows of them must not be used.
        events: the number of events, and the number of the last one, which rises with each.
        unread: whether the ledger could not be read: this is what was read of it before.
    """

    history: tuple[Rated, ...] = ()
    hidden: frozenset[str] = frozenset()
    profile: Mapping[str, str] = field(default_factory=dict)
    forgotten: bool = False
    events: tuple[int, int] = (0, 0)
    unread: bool = False


_NOTHING = UserFeedback()


class Feedback:
    """The ledger's events and profiles, by user, as of each question. Safe for several threads;
    raises LedgerError if the ledger cannot be read.

    Args:
        ledger: whichever process writes it.
        optional: whether ``enrich`` goes on while the ledger cannot be read.
    """

    def __init__(self, ledger: Ledger, *, optional: bool = False) -> None:
        self._ledger, self._users, self._optional = ledger, UserStateCache(ledger), optional
        self._recent: tuple[Any, RecentActivity] = (None, RecentActivity())

    def events(self, user: str) -> list[Event]:
        """All events of a user, the oldest first."""
        return [event for _, event in self._users.of(user).events]

    def of(self, user: str, catalog: Catalog) -> UserFeedback:
        """A user's feedback, as far as the version and its items can use it."""
        return self._usable(self._users.of(user), user, catalog)

    def _usable(self, state: UserState, user: str, catalog: Catalog) -> UserFeedback:
        events = state.events
        if not (events or state.profile or state.forgotten):
            return _NOTHING
        positions, artifact, schema = catalog.positions, catalog.artifact, catalog.artifact.schema
        current = current_events(events, schema)
        row = None if state.forgotten else artifact.user_positions.get(user)
        stored = History.of() if row is None else artifact.histories.of(row)
        trained = (
            set(stored.items.tolist()) if events and events[0][0] <= artifact.last_event else set()
        )
        newest: dict[int, float] = {}  # when an item was last taken, if that can be true
        if not schema.repeats:
            timed = stored.take(stored.times <= time.time() + CLOCK_ERROR)
            newest = dict(zip(timed.items.tolist(), timed.times.tolist(), strict=True))
        history = [
            Rated(
                event.item,
                worth(event, schema),
                event.time,
                named=event.kind == "like" and not schema.repeats,
            )
            for number, event in current.opinions
            if event.item in positions
            and (number > artifact.last_event or positions[event.item] not in trained)
            and event.time >= newest.get(positions[event.item], 0.0)
        ]
        hidden = frozenset(
            item
            for (_, item), since in current.refused.items()
            if item in positions and since >= newest.get(positions[item], 0.0)
        )
        profile = {}
        if artifact.has_towers:
            can_read = readable(artifact.encoder, state.profile)
            profile = {name: state.profile[name] for name in can_read}
        last = (len(events), events[-1][0] if events else 0)
        return UserFeedback(tuple(history), hidden, profile, state.forgotten, last)

    def users(self) -> frozenset[str]:
        """Ids of users with an event or a profile."""
        return self._users.users()

    def forgotten(self, users: Iterable[str]) -> frozenset[str]:
        """Those of some users who are to be forgotten."""
        return self._ledger.forgotten(users)

    def recent(self, like: float) -> RecentActivity:
        """What users took in the last 30 days: liked, or rated ``like`` or more. Only items that
        three users took, so that no single user shows in everybody's list. Counted every ten
        seconds.
        """
        now = time.time()
        key = (self._ledger.revision().removals, int(now // 10), like)
        cached = self._recent
        if cached[0] != key:
            between = max(now - _WINDOW, 0.0), now + CLOCK_ERROR
            cached = self._recent = (key, self._ledger.recent_activity(*between, like, _CROWD))
        return cached[1]

    def enrich(
        self, query: Query, catalog: Catalog, *, visitors: bool = False
    ) -> tuple[Query, UserFeedback]:
        """The query with its user's feedback, and that feedback.

        What the query itself says wins and comes after the feedback. A user who is forgotten, or
        known by feedback alone, is left out of the query. A query without user and profile gets
        what people took recently, for popularity.

        Args:
            query: the query.
            catalog: of the version that answers.
            visitors: whether an unknown user is left out too, for the popular items; unless the
                query says more, so that the answer's notes say that the user is unknown.
        """
        user_feedback, unread = _NOTHING, False
        if query.user is not None:
            try:
                state = self._users.of(query.user)
            except LedgerError:
                if not self._optional:
                    raise
                state, unread = self._users.last_known(query.user), True
            user_feedback = self._usable(state, query.user, catalog)
            query = add(query, user_feedback)
        artifact = catalog.artifact
        if query.user is not None and query.user not in artifact.user_positions:
            says_more = bool(query.profile or query.history) and artifact.has_towers
            if user_feedback != _NOTHING or (visitors and not says_more):
                query = replace(query, user=None)
        if query.user is None and not query.profile:
            like = math.inf if artifact.schema.events else artifact.schema.like
            try:
                recent = self.recent(like)
            except LedgerError:
                if not self._optional:
                    raise
                recent, unread = self._recent[1], True
            query = replace(query, recent=recent)
        return query, replace(user_feedback, unread=True) if unread else user_feedback


def add(query: Query, feedback: UserFeedback) -> Query:
    """A query with its user's feedback; see ``Feedback.enrich``."""
    if feedback is _NOTHING:
        return query
    named = {rated.item for rated in query.history}
    before = [rated for rated in feedback.history if rated.item not in named]
    return replace(
        query,
        user=None if feedback.forgotten else query.user,
        profile={**feedback.profile, **query.profile},
        history=[*before, *query.history],
        hidden=feedback.hidden.union(query.hidden),
    )


def readable(encoder: Encoder, profile: Mapping[str, str]) -> dict[str, Any]:
    """A stored profile as of ``Encoder.profile``, without what was given for another version and
    cannot be read.
    """
    read: dict[str, Any] = {}
    for name, value in profile.items():
        with suppress(UsageError):
            read |= encoder.profile({name: value})
    return read
