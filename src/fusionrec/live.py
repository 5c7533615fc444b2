"""The version that answers, kept open: it follows the ledger while answers go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

from fusionrec.config import Workspace
from fusionrec.errors import StoreError
from fusionrec.index import Place
from fusionrec.ledger import Ledger
from fusionrec.opening import Opened, open_exactly, open_version, with_changes
from fusionrec.recommender import Recommender

Talk = Callable[[str], None]
T = TypeVar("T")

LOOK = 0.2  # seconds between two looks at the ledger
RETRY = 5.0  # seconds between two attempts to open what could not be opened


@dataclass(eq=False)
class _Lease:
    """An open version, and how many answers are being made from it.

    Attributes:
        opened: the version.
        stamp: of the ledger, read before it was opened.
        users: answers under way.
        failed: how its store failed in an answer; empty while it has not.
        retired: whether another one has taken its place.
    """

    opened: Opened
    stamp: tuple[int, int]
    users: int = 0
    failed: str = ""
    retired: bool = False


class Live:
    """Answers from whatever version the ledger says is active, with all changes of items.

    Towers and collection are switched together, as one object: an answer that began with a version
    ends with it, and what is no longer used is closed after the last one. A version that cannot
    be opened leaves the one before in its place. A thread of its own looks at the ledger and opens
    what is new, so that no answer waits for that.

    Args:
        workspace: the workspace.
        place: the store, or its URI; the one that the version was indexed in by default.
        talk: told, in that thread, what goes wrong and what takes long.
        look: seconds between two looks at the ledger.
        retry: seconds between two attempts to reach a store that is away, or to open a version.
        exact: leave the store to another process; see ``open_exactly``.

    Raises:
        ArtifactError: there is no version to begin with.
    """

    def __init__(
        self,
        workspace: Workspace,
        place: Place | str = "",
        talk: Talk = lambda _: None,
        *,
        look: float = LOOK,
        retry: float = RETRY,
        exact: bool = False,
    ) -> None:
        self._workspace, self._place, self._talk = workspace, place, talk
        self._look, self._retry, self._exact = look, retry, exact
        self._ledger = Ledger(workspace.ledger)
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._ended = threading.Event()
        self._said = ""
        stamp = self._ledger.stamp()
        self._current = _Lease(self._open(), stamp)
        # When a version was last opened, or should have been, and by which activation.
        self._tried, self._wanted = time.monotonic(), stamp[0]
        self._watcher = threading.Thread(target=self._watch, name="fusionrec-live", daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def answering(self) -> Iterator[Recommender]:
        """The recommender of the active version, for several answers that belong together; for one,
        ``answer`` is better.

        Raises:
            StoreError: this was closed.
        """
        with self._lock:
            lease = self._current
            if lease.retired:
                raise StoreError("what answers was closed")
            lease.users += 1
        try:
            yield lease.opened.recommender
        except StoreError as error:
            lease.failed = str(error)
            raise
        finally:
            with self._lock:
                lease.users -= 1
                done = lease.retired and lease.users == 0
            if done:
                self._let_go(lease.opened)

    def answer(self, ask: Callable[[Recommender], T]) -> T:
        """One answer. Where its store fails it and another version has taken over, which may have
        had the collection dropped, the answer is made anew from that one.

        Args:
            ask: makes the answer, all of it from the recommender that it is given.

        Raises:
            StoreError: the store failed, or this was closed.
        """
        while True:
            asked = None
            try:
                with self.answering() as asked:
                    return ask(asked)
            except StoreError:
                if asked is None:
                    raise
                self.refresh()
                if self._ended.is_set() or self._current.opened.recommender is asked:
                    raise

    @property
    def lacking(self) -> str:
        """Why the store does not answer at this moment; empty where it does."""
        lease = self._current
        if lease.failed or not lease.opened.away:
            return lease.failed
        return lease.opened.recommender.notes[0]

    def refresh(self) -> None:
        """Looks at the ledger now and switches if it says so; after it, answers are of what was
        active and changed before. Tells what goes wrong; what answered so far then still does.
        """
        with self._refreshing:
            if self._ended.is_set():
                return
            try:
                fresh = self._fresh(self._ledger.stamp())
                if fresh is not None:
                    self._switch(fresh)
            except Exception as error:
                self._tell(error)

    def close(self) -> None:
        """Lets go of the version, as soon as the last answer under way has ended; closing twice
        does nothing.
        """
        self._ended.set()
        with self._refreshing:
            self._switch(None)
        if self._watcher is not threading.current_thread():
            self._watcher.join()

    def _open(self) -> Opened:
        if self._exact:
            return open_exactly(self._workspace)
        return open_version(self._workspace, place=self._place, talk=self._talk)

    def _watch(self) -> None:
        while not self._ended.wait(self._look):
            self.refresh()

    def _fresh(self, stamp: tuple[int, int]) -> _Lease | None:
        """What should answer in place of the current one; None where that is as it should be."""
        held = self._current
        lacking = held.opened.away or held.failed or stamp[0] != held.stamp[0]
        due = time.monotonic() - self._tried > self._retry
        if stamp[0] != self._wanted or (lacking and due):
            try:
                opened = self._open()
                self._said = ""
                return _Lease(opened, stamp)
            except Exception as error:
                self._tell(error)
            finally:
                self._tried, self._wanted = time.monotonic(), stamp[0]
        if stamp[1] == held.stamp[1]:
            return None
        # Changes of items reach the answers also while a newer version cannot be opened.
        changed = with_changes(held.opened, self._workspace)
        return _Lease(changed, (held.stamp[0], stamp[1]), failed=held.failed)

    def _switch(self, fresh: _Lease | None) -> None:
        with self._lock:
            before = self._current
            done = not before.retired and before.users == 0
            before.retired = True
            if fresh is not None:
                self._current = fresh
        if done:
            self._let_go(before.opened)

    def _let_go(self, opened: Opened) -> None:
        """Closes what no answer needs any more; no answer fails of it."""
        try:
            opened.close()
        except Exception as error:
            self._talk(f"{opened.version} could not be closed: {error}")

    def _tell(self, error: Exception) -> None:
        """Says what is wrong, once."""
        text = f"still answering from {self._current.opened.version}: {error}"
        if text != self._said:
            self._said = text
            self._talk(text)
