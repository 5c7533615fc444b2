"""What users said and did since the training, as part of their queries."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fusionrec.data.dataset import CLOCK_ERROR
from fusionrec.data.schema import Schema
from fusionrec.errors import LedgerError
from fusionrec.ledger import Ledger, RecentActivity, Revision
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.user_feedback import NOTHING, UserFeedback, UserState
from fusionrec.recommend.user_state_cache import UserStateCache

_CROWD = 3  # users
_WINDOW = 30 * 86_400.0  # seconds
_EVERY, _TIMES = 10.0, 20.0  # seconds between two counts, or so many times what one takes
_SHORT = 100  # opinions that take well below a millisecond


class Feedback:
    """The ledger's events and profiles, by user, as of each question. Safe for several threads;
    raises LedgerError if the ledger cannot be read.

    Args:
        ledger: whichever process writes it.
        optional: whether ``enrich`` goes on while the ledger cannot be read.
    """

    def __init__(self, ledger: Ledger, *, optional: bool = False) -> None:
        self._ledger, self._users, self._optional = ledger, UserStateCache(ledger), optional
        self._counting = threading.Lock()
        self._recent: tuple[Any, float, RecentActivity] = None, 0.0, RecentActivity()

    def of(self, user: str, catalog: Catalog) -> UserFeedback:
        """A user's feedback, as far as the version and its items can use it."""
        state = self._users.of(user, catalog.artifact.schema)
        return _read_by(state, user, catalog)

    def is_short(self, user: str, catalog: Catalog) -> bool:
        """Whether ``enrich`` takes well below a millisecond for a query of a user: there is little
        that is new, and the history is short; takes no longer to find out.
        """
        artifact = catalog.artifact
        if user not in artifact.user_positions and self._recent_now(_like(artifact.schema)) is None:
            return False
        state = self._users.short(user, artifact.schema, _SHORT)
        if state is None:
            return False
        return len(state.opinions) <= _SHORT or (
            state.is_derived(catalog) and len(state.feedback(user, catalog).history) <= _SHORT
        )

    def reacted(self, user: str, items: Iterable[str], catalog: Catalog) -> frozenset[str]:
        """Those of some items with an event of the user, of any kind."""
        state = self._users.of(user, catalog.artifact.schema)
        return frozenset(() if state is None else state.opinions.items.intersection(items))

    def prepare(self) -> None:
        """Reads what the first queries would wait for."""
        self._users.prepare()

    def users(self) -> frozenset[str]:
        """Ids of users with an event or a profile."""
        return self._ledger.users_changed_since()

    def revision(self) -> Revision:
        """Numbers that change with everything that users say."""
        return self._ledger.revision()

    def forgotten(self, users: Iterable[str]) -> frozenset[str]:
        """Those of some users who are to be forgotten."""
        return self._ledger.forgotten(users)

    def recent(self, like: float) -> RecentActivity:
        """What users took in the last 30 days: liked, or rated ``like`` or more. Only items that
        three users took, so that no single user shows in everybody's list. Counted every ten
        seconds, and more seldom where counting takes long; who asks meanwhile gets the last count.
        """
        found = self._recent_now(like)
        if found is not None:
            return found
        last = self._recent
        if not self._counting.acquire(blocking=last[0] != self._recent_key(like)):
            return last[2]
        try:
            return self._recent_now(like) or self._count(like)
        finally:
            self._counting.release()

    def _recent_now(self, like: float) -> RecentActivity | None:
        """The last count, where it is new enough."""
        key, until, found = self._recent
        return found if key == self._recent_key(like) and time.monotonic() < until else None

    def _recent_key(self, like: float) -> tuple[int, float]:
        return self._ledger.revision().removals, like

    def _count(self, like: float) -> RecentActivity:
        key, began, now = self._recent_key(like), time.monotonic(), time.time()
        between = max(now - _WINDOW, 0.0), now + CLOCK_ERROR
        found = self._ledger.recent_activity(*between, like, _CROWD)
        took = time.monotonic() - began
        self._recent = key, began + max(_EVERY, _TIMES * took), found
        return found

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
        user_feedback, unread = NOTHING, False
        if query.user is not None:
            try:
                user_feedback = self.of(query.user, catalog)
            except LedgerError:
                if not self._optional:
                    raise
                state = self._users.last_known(query.user, catalog.artifact.schema)
                user_feedback, unread = _read_by(state, query.user, catalog), True
            query = add(query, user_feedback)
        artifact = catalog.artifact
        if query.user is not None and query.user not in artifact.user_positions:
            says_more = bool(query.profile or query.history) and artifact.has_towers
            if user_feedback is not NOTHING or (visitors and not says_more):
                query = replace(query, user=None)
        if query.user is None and not query.profile:
            try:
                recent = self.recent(_like(artifact.schema))
            except LedgerError:
                if not self._optional:
                    raise
                recent, unread = self._recent[-1], True
            query = replace(query, recent=recent)
        return query, replace(user_feedback, unread=True) if unread else user_feedback


def _read_by(state: UserState | None, user: str, catalog: Catalog) -> UserFeedback:
    return NOTHING if state is None or state.is_empty else state.feedback(user, catalog)


def add(query: Query, feedback: UserFeedback) -> Query:
    """A query with its user's feedback; see ``Feedback.enrich``."""
    if feedback is NOTHING:
        return query
    named = {rated.item for rated in query.history}
    before = [rated for rated in feedback.history if rated.item not in named]
    return replace(
        query,
        user=None if feedback.forgotten else query.user,
        profile={**feedback.profile, **query.profile},
        history=[*before, *query.history],
        taken=feedback.taken,
        hidden=feedback.hidden.union(query.hidden),
    )


def _like(schema: Schema) -> float:
    """The lowest rating that counts as taking an item; infinite where ratings mean nothing."""
    return math.inf if schema.events else schema.like
