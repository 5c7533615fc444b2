"""Caches what users said, and reads only what is new of those who are asked for."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from fusionrec.data.schema import Schema
from fusionrec.ledger import Ledger, Revision
from fusionrec.recommend.user_feedback import UserState

_MOST_HELD = 300_000  # opinions and items of all cached users, some 100 MB
_OF_EACH = 10  # what a user without any counts as
_MOST_FOLLOWED = 1_000  # events, and profiles, of which one question learns the users
_BLOCK = 5_000  # events that are read at once
_AT_ONCE = 0.002  # seconds


class _Short(threading.local):
    """What ``short`` has found: user, state, and until when this thread need not look again."""

    found: tuple[str, UserState | None, float] | None = None


class UserStateCache:
    """Caches the ids of all users with an event or a profile, and the states of the users asked for
    last. Safe for several threads; raises LedgerError if the ledger cannot be read.

    However much was written since the last question, the next one waits for little of it: it
    learns of 1,000 events whose users they are, and until all are known, it looks for new events of
    the user whom it is about.

    Args:
        ledger: read again for the users that change, whichever process writes.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()  # never held for long
        self._seen = Revision()  # up to where the users of all events are known
        self._users: set[str] = set()
        self._states: OrderedDict[str, UserState] = OrderedDict()
        self._held = 0
        self._short = _Short()

    def of(self, user: str, schema: Schema) -> UserState | None:
        """The state of a user now; None if the ledger holds nothing of them.

        Args:
            user: outside user id.
            schema: of the version that answers.
        """
        short, self._short.found = self._short.found, None
        if short is not None and short[0] == user and time.monotonic() < short[2]:
            return short[1]
        now, state = self._find(user, schema)
        if state is not None and state.revision is not now:
            with state.lock:
                self._read(user, state, now, schema, None)
        return state

    def last_known(self, user: str, schema: Schema) -> UserState:
        """The state of a user when it was read last, while the ledger cannot be read. A user who
        may have been forgotten counts as forgotten.
        """
        with self._lock:
            state = self._states.get(user)
            if state is None or not state.held or state.opinions.schema is not schema:
                state = UserState(schema)
                state.forgotten = self._seen.removals > 0
            return state

    def short(self, user: str, schema: Schema, most: int) -> UserState | None:
        """The same as ``of``, but None where more than ``most`` events are to be read, or another
        thread reads them; an empty one if the ledger holds nothing of the user.
        """
        found: UserState | None
        now, found = self._find(user, schema)
        if found is not None and found.revision is not now:
            if not found.lock.acquire(blocking=False):
                return None
            try:
                if not self._read(user, found, now, schema, most):
                    return None
            finally:
                found.lock.release()
        self._short.found = user, found, time.monotonic() + _AT_ONCE
        return UserState(schema) if found is None else found

    def prepare(self) -> None:
        """Learns the ids of all users, for which the first questions would wait."""
        now = self._ledger.revision()
        users = self._ledger.users_changed_since()
        with self._lock:
            self._users |= users
            self._seen = now

    def _find(self, user: str, schema: Schema) -> tuple[Revision, UserState | None]:
        """The ledger's revision, and the state of a user, whose ``revision`` is that very one where
        nothing has to be read.
        """
        now = self._ledger.revision()  # of a server, it may take a while
        with self._lock:
            now = self._seen if now == self._seen else self._follow()
            behind = self._seen != now
            state = self._states.get(user)
            if state is None:
                # After removals, a user without events may be a forgotten one.
                if user not in self._users and not now.removals and not behind:
                    return now, None
                state = self._states[user] = UserState(schema)
                return now, state
            self._states.move_to_end(user)
            read = state.revision
            if read is not None and state.opinions.schema is schema:
                same = not (state.stale or behind) and read.removals == now.removals
                if same or read == now:
                    state.revision = now
            return now, state

    def _follow(self) -> Revision:
        """The ledger's revision now; learns who changed up to it, or some of them."""
        now, seen = self._ledger.revision(), self._seen
        if now == seen:
            return seen
        if now.removals == seen.removals and (now.event < seen.event or now.profile < seen.profile):
            self._users, self._states, self._held = set(), OrderedDict(), 0  # another ledger
            seen = Revision()
        event, profile = min(seen.event, now.event), min(seen.profile, now.profile)
        until = (min(event + _MOST_FOLLOWED, now.event), min(profile + _MOST_FOLLOWED, now.profile))
        changed = self._ledger.users_changed_since(event, profile, until)
        self._users |= changed
        for user in changed & self._states.keys():
            self._states[user].stale = True
        self._seen = Revision(now.removals, *until)
        return self._seen if self._seen == now else now

    def _read(
        self, user: str, state: UserState, now: Revision, schema: Schema, most: int | None
    ) -> bool:
        """Reads the events that are new, at most so many; gives whether that is all of them. The
        state's lock is held.
        """
        with self._lock:  # before it is read: who says something meanwhile makes it stale again
            state.stale, state.revision = False, None
        if state.opinions.schema is not schema:
            state.restart(schema)
        limit, complete = _BLOCK if most is None else most + 1, False
        while not complete:
            found = self._ledger.user_state(user, state.last, limit)
            said = found.after, found.forgotten, found.retraction
            if said != (state.last, state.forgotten, state.retraction):
                state.restart(schema)
                state.retraction = found.retraction
                if (
                    found.after
                ):  # of before: forgotten between two queries of this one, or retracted
                    continue
            state.take_in(found)
            complete = len(found.events) < limit
            if most is not None:
                break
        if complete:
            state.revision = now
        else:
            state.stale = True
        self._weigh(user, state)
        return complete

    def _weigh(self, user: str, state: UserState) -> None:
        """Lets go of those who were not asked for, while too much is held."""
        with self._lock:
            if self._states.get(user) is not state:
                return
            held = _OF_EACH + len(state.opinions)
            self._held += held - state.held
            state.held = held
            while self._held > _MOST_HELD and len(self._states) > 1:
                first = next(iter(self._states))
                if first == user:
                    self._states.move_to_end(user)
                    continue
                self._held -= self._states.pop(first).held
