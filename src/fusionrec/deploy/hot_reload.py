"""Keeps the active version open, and follows the ledger while answers go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self, TypeVar

from fusionrec.deploy.deployment import resolve
from fusionrec.deploy.open import OpenVersion, open_deployment, open_exactly, sharing, with_changes
from fusionrec.errors import Log, StoreError, unfailing
from fusionrec.index import Place
from fusionrec.ledger import Ledger
from fusionrec.recommend.recommender import Recommender
from fusionrec.workspace import Workspace

Prepare = Callable[[Recommender, Recommender | None], None]
T = TypeVar("T")

LOOK = 0.05  # seconds between two polls of the ledger's file, each of which takes microseconds
LOOK_AT_SERVER = 0.2  # the same for a ledger on a server
RETRY = 5.0  # seconds between two attempts to open what could not be opened
STALLED = 60.0  # seconds without a successful poll after which ``trouble`` says so


@dataclass(eq=False)
class _Lease:
    """An open version, and how many answers are being made from it.

    Attributes:
        opened: the version.
        stamp: the ledger's, read before it was opened.
        users: answers under way.
        failed: the store's error in an answer; empty if there was none.
        retired: whether another lease has replaced it.
    """

    opened: OpenVersion
    stamp: tuple[int, int]
    users: int = 0
    failed: str = ""
    retired: bool = False


class LiveRecommender:
    """Answers from the version that the ledger says is active, with all changes of items.

    Towers and collection are switched as one object: an answer that began with a version ends with
    it, and a version is closed after its last answer. A version that cannot be opened leaves the
    one before in place. A thread polls the ledger and opens what is new, so no answer waits for it.

    Args:
        workspace: the workspace.
        place: the store, or its URI; where the version was indexed by default.
        log: takes messages, in that thread, on what goes wrong and what takes long.
        look: seconds between two polls of the ledger; ``LOOK`` or ``LOOK_AT_SERVER`` by default.
        retry: seconds between two attempts to reach a store or to open a version.
        exact: leave the store to another process; see ``open_exactly``.
        prepare: called with each recommender before it answers and the one before it (None for the
            first), to make what no answer should wait for.
        ledger: the workspace's, where it is open.

    Raises:
        ArtifactError: there is no version to begin with.
    """

    def __init__(
        self,
        workspace: Workspace,
        place: Place | str = "",
        log: Log = lambda _: None,
        *,
        look: float | None = None,
        retry: float = RETRY,
        exact: bool = False,
        prepare: Prepare = lambda *_: None,
        ledger: Ledger | None = None,
    ) -> None:
        self._workspace, self._place, self._log = workspace, place, unfailing(log)
        self._ledger = ledger or Ledger.of(workspace)
        usual = LOOK if self._ledger.file else LOOK_AT_SERVER
        self._look = usual if look is None else look
        self._retry, self._exact, self._prepare = retry, exact, prepare
        self._lock, self._wake = threading.Lock(), threading.Condition()
        # Polls: how many were asked for, made, and successful.
        self._asked = self._looked = self._followed = 0
        self._ended, self._said, self._behind = False, "", ""
        stamp = self._ledger.stamp()
        self._current = _Lease(self._prepared(self._open(), None), stamp)
        # When opening a version was last attempted, for which activation; the last good poll.
        self._tried, self._wanted, self._took = time.monotonic(), stamp[0], 0.0
        self._well = time.monotonic()
        self._watcher = threading.Thread(target=self._watch, name="fusionrec-live", daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def answering(self) -> Iterator[Recommender]:
        """The active version's recommender, for answers that belong together; else use ``answer``.

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
        """One answer. If the store fails and another version has taken over, which may have dropped
        the collection, that version is asked again.

        Args:
            ask: makes the answer from the recommender that it is given.

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
                if self._ended or self._current.opened.recommender is asked:
                    raise

    @property
    def lacking(self) -> str:
        """Why the store does not answer now; empty if it does."""
        lease = self._current
        if lease.failed or not lease.opened.away:
            return lease.failed
        return lease.opened.recommender.notes[0]

    @property
    def behind(self) -> str:
        """Why the version that answers is not the active one; empty if it is."""
        return self._behind

    @property
    def trouble(self) -> str:
        """Why answers may lack changes or the active version; empty if they do not."""
        if not self._watcher.is_alive():
            return "the thread that follows the ledger has ended"
        ago = time.monotonic() - self._well
        if ago > STALLED:
            return f"changes of items and versions have not been followed for {ago:.0f} s: " + (
                self._said or "the thread that does it is waiting"
            )
        return ""

    def refresh(self, seconds: float | None = None) -> bool:
        """Polls the ledger now and waits for it; later answers know all that was written before.

        Args:
            seconds: to wait at most; without an end by default.

        Returns:
            Whether it succeeded in that time; if not, the version before still answers.
        """
        with self._wake:
            self._asked += 1
            mine = self._asked
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._looked >= mine or self._ended, seconds)
            return self._followed >= mine

    def close(self) -> None:
        """Closes the version after the last answer under way; closing twice does nothing."""
        with self._wake:
            self._ended = True
            self._wake.notify_all()
        if self._watcher is not threading.current_thread():
            self._watcher.join(STALLED)
        self._switch(None)

    def _open(self) -> OpenVersion:
        if self._exact:
            return open_exactly(self._workspace, self._ledger)
        deployed = resolve(self._workspace, None, self._place, self._ledger)
        return open_deployment(deployed, self._log)

    def _prepared(self, opened: OpenVersion, before: OpenVersion | None) -> OpenVersion:
        """An opened version after ``prepare``; closed if that fails."""
        try:
            self._prepare(opened.recommender, None if before is None else before.recommender)
        except BaseException:
            opened.close()
            raise
        return opened

    def _watch(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._ended or self._asked > self._looked, self._look)
                if self._ended:
                    return
                asked = self._asked
            try:
                fresh = self._fresh(self._ledger.stamp())
                if fresh is not None:
                    self._switch(fresh)
                self._followed, self._well = asked, time.monotonic()
            except BaseException as error:  # the next poll may succeed
                with suppress(Exception):
                    self._tell(error)
            with self._wake:
                self._looked = asked
                self._wake.notify_all()

    def _fresh(self, stamp: tuple[int, int]) -> _Lease | None:
        """What should replace the current lease; None if nothing has changed."""
        lease_now = self._current
        lacking = lease_now.opened.away or lease_now.failed or stamp[0] != lease_now.stamp[0]
        # What takes long, such as a download that turns out to be damaged, is tried less often.
        due = time.monotonic() - self._tried > max(self._retry, self._took)
        if stamp[0] != self._wanted or (lacking and due):
            began = time.monotonic()
            try:
                opened = sharing(self._open(), lease_now.opened, self._ledger)
                lease = _Lease(self._prepared(opened, lease_now.opened), stamp)
                self._said = self._behind = ""
                return lease
            except Exception as error:
                self._behind = self._tell(error)
            finally:
                self._tried, self._wanted = time.monotonic(), stamp[0]
                self._took = self._tried - began
        if stamp[1] == lease_now.stamp[1]:
            return None
        # Changes of items reach the answers also while a newer version cannot be opened.
        changed = with_changes(lease_now.opened, self._ledger)
        self._prepared(changed, lease_now.opened)
        return _Lease(changed, (lease_now.stamp[0], stamp[1]), failed=lease_now.failed)

    def _switch(self, fresh: _Lease | None) -> None:
        with self._lock:
            before = self._current
            closed, done = before.retired, before.users == 0
            before.retired = True
            if fresh is not None and not closed:
                self._current = fresh
        if closed and fresh is not None:  # closed while it was opened
            self._let_go(fresh.opened)
        if done and not closed:
            self._let_go(before.opened)

    def _let_go(self, opened: OpenVersion) -> None:
        """Closes a version; an error is only logged."""
        try:
            opened.close()
        except Exception as error:
            self._log(f"{opened.version} could not be closed: {error}")

    def _tell(self, error: BaseException) -> str:
        """Logs what is wrong, once, and gives it."""
        text = f"still answering from {self._current.opened.version}: {error}"
        if text != self._said:
            self._said = text
            self._log(text)
        return text
