"""What users said and did since the training, as part of what is asked for them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fusionrec.data.dataset import CLOCK_ERROR
from fusionrec.data.schema import Schema
from fusionrec.errors import UsageError
from fusionrec.features.history import History
from fusionrec.ledger import Event, Ledger, RecentActivity
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.event_semantics import current_events, worth
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.user_state_cache import UserStateCache
from fusionrec.registry import Artifact

_CROWD = 3  # users
_WINDOW = 30 * 86_400.0  # seconds


@dataclass(frozen=True)
class UserFeedback:
    """What the ledger holds of a user, as far as a version can read it.

    Attributes:
        history: the items that they gave an opinion of (see ``current_events`` and ``worth``), the
            newest last. What the version was trained with, and so has among what it stores of the
            user, is left out, and so is an opinion that is older than what it stores.
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


_NOTHING = UserFeedback()


class Feedback:
    """The ledger's events and profiles, by user, as they are at each question. Several threads may
    use one.

    Args:
        ledger: whose events and profiles count, whoever writes them.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._users = ledger, UserStateCache(ledger)
        self._recent: tuple[Any, RecentActivity] = (None, RecentActivity())

    def events(self, user: str) -> list[Event]:
        """Everything that a user said or did, the oldest first.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return [event for _, event in self._users.of(user).events]

    def of(self, user: str, catalog: Catalog) -> UserFeedback:
        """What a user said, as far as the version and its items know of it.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        state = self._users.of(user)
        events, forgotten = state.events, state.forgotten
        if not (events or state.profile or forgotten):
            return _NOTHING
        positions, artifact = catalog.positions, catalog.artifact
        current = current_events(events, artifact.schema)
        stored = History.of() if forgotten else _stored(artifact, user)
        trained = set(stored.items.tolist()) if _trained_with(artifact, events) else set()
        newest = _newest(stored) if not artifact.schema.repeats else {}
        history = [
            _rated(event, artifact.schema)
            for number, event in current.opinions
            if event.item in positions
            and (number > artifact.last_event or positions[event.item] not in trained)
            and event.time >= newest.get(positions[event.item], 0.0)
        ]
        hidden = [
            item
            for (_, item), since in current.refused.items()
            if item in positions and since >= newest.get(positions[item], 0.0)
        ]
        return UserFeedback(
            tuple(history),
            frozenset(hidden),
            _readable(state.profile, artifact),
            forgotten,
            (len(events), events[-1][0] if events else 0),
        )

    def users(self) -> frozenset[str]:
        """Who said or did something, or has a profile.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return self._users.users()

    def forgotten(self, users: Iterable[str]) -> frozenset[str]:
        """Those of some users who are to be forgotten.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return self._ledger.forgotten(users)

    def recent(self, like: float) -> RecentActivity:
        """What users took in the last 30 days: liked, or rated ``like`` or more. Of the items those
        that three users took, so that no one is seen in everybody's list. Counted anew every ten
        seconds.

        Raises:
            LedgerError: the ledger cannot be read.
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
        """The query with what its user said before, and that. What the query itself says wins and
        comes after it. A user who was forgotten is unknown to the version. The query of a user who
        is known by feedback alone keeps that, and not the id. A query of no user and no profile
        also says what people took recently: popularity is made of it.

        Args:
            query: the query.
            catalog: of the version that answers.
            visitors: whether a user of whom nothing is known is left out of the query, for the most
                popular items. The user stays in it where the query itself says more, so that the
                answer says they are unknown.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        user_feedback = _NOTHING
        if query.user is not None:
            user_feedback = self.of(query.user, catalog)
            query = add(query, user_feedback)
        artifact = catalog.artifact
        if query.user is not None and query.user not in artifact.user_positions:
            says_more = bool(query.profile or query.history) and artifact.has_towers
            if user_feedback != _NOTHING or (visitors and not says_more):
                query = replace(query, user=None)
        if query.user is None and not query.profile:
            like = math.inf if artifact.schema.events else artifact.schema.like
            query = replace(query, recent=self.recent(like))
        return query, user_feedback


def add(query: Query, feedback: UserFeedback) -> Query:
    """A query with what its user said before; see ``Feedback.enrich``."""
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


def _stored(artifact: Artifact, user: str) -> History:
    """What a version stores of a user."""
    position = artifact.user_positions.get(user)
    return History.of() if position is None else artifact.histories.of(position)


def _trained_with(artifact: Artifact, events: Sequence[tuple[int, Event]]) -> bool:
    """Whether a version was trained with any of a user's events."""
    return bool(events) and events[0][0] <= artifact.last_event


def _newest(stored: History) -> dict[int, float]:
    """Position of an item -> when it was last taken, as far as times are known and can be true."""
    timed = stored.take(stored.times <= time.time() + CLOCK_ERROR)
    return dict(zip(timed.items.tolist(), timed.times.tolist(), strict=True))


def _rated(event: Event, schema: Schema) -> Rated:
    named = event.kind == "like" and not schema.repeats
    return Rated(event.item, worth(event, schema), event.time, named=named)


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
