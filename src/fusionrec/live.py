"""The version that answers, kept open: it follows the ledger while answers go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fusionrec.config import Workspace
from fusionrec.errors import FusionrecError
from fusionrec.index import Place
from fusionrec.ledger import Ledger
from fusionrec.opening import Opened, open_version, with_changes
from fusionrec.recommender import Recommender

Talk = Callable[[str], None]

LOOK = 0.2  # seconds between two looks at the ledger
RETRY = 5.0  # seconds between two attempts to reach a store that is away


@dataclass(eq=False)
class _Lease:
    """An open version, and how many answers are being made from it."""

    opened: Opened
    stamp: tuple[int, int]
    users: int = 0
    retired: bool = False


class Live:
    """Answers from whatever version the ledger says is active, with all changes of items.

    Towers and collection are switched together, as one object: an answer that began with a version
    ends with it, and what is no longer used is closed after the last one. A version that cannot
    be opened leaves the one before in its place.

    Args:
        workspace: the workspace.
        place: the store, or its URI; the one that the version was indexed in by default.
        talk: told what goes wrong and what takes long.

    Raises:
        ArtifactError: there is no version to begin with.
    """

    def __init__(
        self, workspace: Workspace, place: Place | str = "", talk: Talk = lambda _: None
    ) -> None:
        self._workspace, self._place, self._talk = workspace, place, talk
        self._ledger = Ledger(workspace.ledger)
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._looked = self._tried = time.monotonic()
        stamp = self._ledger.stamp()
        self._current = _Lease(open_version(workspace, place=place, talk=talk), stamp)

    @contextmanager
    def answering(self) -> Iterator[Recommender]:
        """The recommender of the active version, for one answer or several that belong together."""
        if time.monotonic() - self._looked > LOOK:
            self.refresh()
        with self._lock:
            lease = self._current
            lease.users += 1
        try:
            yield lease.opened.recommender
        finally:
            with self._lock:
                lease.users -= 1
                done = lease.retired and lease.users == 0
            if done:
                lease.opened.close()

    def refresh(self) -> None:
        """Looks at the ledger now, and switches if it says so; at once where another thread does.

        Also tries again to reach a store that was away.
        """
        if not self._refreshing.acquire(blocking=False):
            return
        try:
            self._looked = time.monotonic()
            stamp, held = self._ledger.stamp(), self._current
            away = held.opened.away and self._looked - self._tried > RETRY
            if stamp == held.stamp and not away:
                return
            if stamp[0] == held.stamp[0] and not away:
                fresh = with_changes(held.opened, self._workspace)
            else:
                self._tried = self._looked
                fresh = open_version(self._workspace, place=self._place, talk=self._talk)
            self._switch(_Lease(fresh, stamp))
        except FusionrecError as error:
            # What answered so far still does.
            self._talk(f"still answering from {self._current.opened.version}: {error}")
        finally:
            self._refreshing.release()

    def close(self) -> None:
        """Lets go of the version; answers under way end first."""
        self._switch(None)

    def _switch(self, fresh: _Lease | None) -> None:
        with self._lock:
            before = self._current
            before.retired = True
            if fresh is not None:
                self._current = fresh
            done = before.users == 0
        if done:
            before.opened.close()
