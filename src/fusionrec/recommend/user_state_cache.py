"""What the ledger holds of users, as it is at each question, at the price of asking it seldom."""

from __future__ import annotations

import threading
from collections import OrderedDict

from fusionrec.ledger import Ledger, Revision, UserState

_MOST = 20_000  # users whose events are held
_NOTHING = UserState()


class UserStateCache:
    """Holds which users there is anything of, and all of those who were asked for lately. Several
    threads may use one.

    Args:
        ledger: what is followed, whoever writes it.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seen: Revision | None = None
        self._heard: set[str] = set()
        self._held: OrderedDict[str, UserState] = OrderedDict()

    def of(self, user: str) -> UserState:
        """What is kept of a user now.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        seen = self._follow()
        with self._lock:
            if user not in self._heard and not seen.removals:  # else they may be a forgotten one
                return _NOTHING
            if user in self._held:
                self._held.move_to_end(user)
                return self._held[user]
        told = self._ledger.user_state(user)
        with self._lock:
            if self._seen == seen:  # else it may be older than what was seen meanwhile
                self._held[user] = told
                if len(self._held) > _MOST:
                    self._held.popitem(last=False)
        return told

    def heard(self) -> frozenset[str]:
        """Who said or did something, or has a profile.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self._follow()
        with self._lock:
            return frozenset(self._heard)

    def _follow(self) -> Revision:
        """Takes in of whom there is something new; begins anew where someone was forgotten."""
        now, seen = self._ledger.revision(), self._seen
        if now == seen:
            return now
        with self._lock:
            # Asked again: another thread may have been here, and later than that question.
            now, seen = self._ledger.revision(), self._seen
            if seen is None or now.removals != seen.removals:
                self._heard, self._held = set(self._ledger.users_changed_since()), OrderedDict()
            elif now != seen:
                fresh = self._ledger.users_changed_since(seen.event, seen.profile)
                self._heard |= fresh
                for user in fresh:
                    self._held.pop(user, None)
            self._seen = now
            return now
