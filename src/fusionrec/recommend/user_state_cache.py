"""Caches events and profiles of users; the ledger is read again only when they change."""

from __future__ import annotations

import threading
from collections import OrderedDict

from fusionrec.ledger import Ledger, Revision, UserState

_MOST = 20_000  # users whose state is cached
_NOTHING = UserState()


class UserStateCache:
    """Caches the ids of all users with an event or a profile, and the states of the users asked for
    last. Safe for several threads; raises LedgerError if the ledger cannot be read.

    Args:
        ledger: read again for the users that change, whichever process writes.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seen: Revision | None = None
        self._users: set[str] = set()
        self._states: OrderedDict[str, UserState] = OrderedDict()

    def of(self, user: str) -> UserState:
        """The state of a user now."""
        seen = self._follow()
        with self._lock:
            # After removals, a user without events may be a forgotten one.
            if user not in self._users and not seen.removals:
                return _NOTHING
            if user in self._states:
                self._states.move_to_end(user)
                return self._states[user]
        state = self._ledger.user_state(user)
        with self._lock:
            if self._seen == seen:  # else the state may be older than that
                self._states[user] = state
                if len(self._states) > _MOST:
                    self._states.popitem(last=False)
        return state

    def last_known(self, user: str) -> UserState:
        """The state of a user when it was read last, while the ledger cannot be read. A user who
        may have been forgotten counts as forgotten.
        """
        with self._lock:
            state = self._states.get(user)
            if state is None:
                state = UserState(forgotten=self._seen is None or self._seen.removals > 0)
            return state

    def users(self) -> frozenset[str]:
        """Ids of users with an event or a profile."""
        self._follow()
        with self._lock:
            return frozenset(self._users)

    def _follow(self) -> Revision:
        """Drops the states that changed; all of them if a user was forgotten."""
        now, seen = self._ledger.revision(), self._seen
        if now == seen:
            return now
        with self._lock:
            # Read again: another thread may have come first, with a later revision.
            now, seen = self._ledger.revision(), self._seen
            if seen is None or now.removals != seen.removals:
                self._users, self._states = set(self._ledger.users_changed_since()), OrderedDict()
            elif now != seen:
                changed = self._ledger.users_changed_since(seen.event, seen.profile)
                self._users |= changed
                for user in changed:
                    self._states.pop(user, None)
            self._seen = now
            return now
