"""The version that answers, kept open: it follows the ledger while answers go on."""

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

LOOK = 0.05  # seconds between two looks at the ledger's file, each of which takes microseconds
LOOK_AT_SERVER = 0.2  # the same where each look is a question to a server
RETRY = 5.0  # seconds between two attempts to open what could not be opened
STALLED = 60.0  # seconds without a look at the ledger that succeeds


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

    opened: OpenVersion
    stamp: tuple[int, int]
    users: int = 0
    failed: str = ""
    retired: bool = False


class LiveRecommender:
    """Answers from whatever version the ledger says is active, with all changes of items.

    Towers and collection are switched together, as one object: an answer that began with a version
    ends with it, and what is no longer used is closed after the last one. A version that cannot
    be opened leaves the one before in its place. A thread of its own looks at the ledger and opens
    what is new, so that no answer waits for that.

    Args:
        workspace: the workspace.
        place: the store, or its URI; the one that the version was indexed in by default.
        log: takes messages, in that thread, on what goes wrong and what takes long.
        look: seconds between two looks at the ledger; as often as it costs little by default.
        retry: seconds between two attempts to reach a store that is away, or to open a version.
        exact: leave the store to another process; see ``open_exactly``.
        prepare: called with each recommender before it answers, and the one before it, or None for
            the first: makes what no answer should wait for.

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
    ) -> None:
        self._workspace, self._place, self._log = workspace, place, unfailing(log)
        self._ledger = Ledger(workspace.ledger)
        usual = LOOK if self._ledger.file else LOOK_AT_SERVER
        self._look = usual if look is None else look
        self._retry, self._exact, self._prepare = retry, exact, prepare
        self._lock, self._wake = threading.Lock(), threading.Condition()
        # Looks that were asked for, those of them that were made, and those that succeeded.
        self._asked = self._looked = self._followed = 0
        self._ended = False
        self._said = ""
        stamp = self._ledger.stamp()
        self._current = _Lease(self._prepared(self._open(), None), stamp)
        # When a version was last opened, or should have been, and by which activation.
        self._tried, self._wanted = time.monotonic(), stamp[0]
        self._well = time.monotonic()  # when a look last succeeded
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
                if self._ended or self._current.opened.recommender is asked:
                    raise

    @property
    def lacking(self) -> str:
        """Why the store does not answer at this moment; empty where it does."""
        lease = self._current
        if lease.failed or not lease.opened.away:
            return lease.failed
        return lease.opened.recommender.notes[0]

    @property
    def trouble(self) -> str:
        """Why answers may lack what was changed or made active; empty where they do not."""
        if not self._watcher.is_alive():
            return "the thread that follows the ledger has ended"
        ago = time.monotonic() - self._well
        if ago > STALLED:
            return f"changes of items and versions have not been followed for {ago:.0f} s: " + (
                self._said or "the thread that does it is waiting"
            )
        return ""

    def refresh(self, seconds: float | None = None) -> bool:
        """Has the ledger looked at now, and waits until that is done; after it, answers are of what
        was active and changed before. Where it fails, what answered so far still does.

        Args:
            seconds: to wait at most; without an end by default.

        Returns:
            Whether it succeeded in that time.
        """
        with self._wake:
            self._asked += 1
            mine = self._asked
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._looked >= mine or self._ended, seconds)
            return self._followed >= mine

    def close(self) -> None:
        """Lets go of the version, as soon as the last answer under way has ended; closing twice
        does nothing.
        """
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
        """What was opened, ready to answer in the place of another one; closed where it cannot be
        made ready.
        """
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
                self._follow()
                self._followed, self._well = asked, time.monotonic()
            except BaseException as error:  # whatever it is, the next look may succeed
                with suppress(Exception):
                    self._tell(error)
            with self._wake:
                self._looked = asked
                self._wake.notify_all()

    def _follow(self) -> None:
        """Takes in what the ledger says."""
        fresh = self._fresh(self._ledger.stamp())
        if fresh is not None:
            self._switch(fresh)

    def _fresh(self, stamp: tuple[int, int]) -> _Lease | None:
        """What should answer in place of the current one; None where that is as it should be."""
        lease_now = self._current
        lacking = lease_now.opened.away or lease_now.failed or stamp[0] != lease_now.stamp[0]
        due = time.monotonic() - self._tried > self._retry
        if stamp[0] != self._wanted or (lacking and due):
            try:
                opened = sharing(self._open(), lease_now.opened, self._ledger)
                lease = _Lease(self._prepared(opened, lease_now.opened), stamp)
                self._said = ""
                return lease
            except Exception as error:
                self._tell(error)
            finally:
                self._tried, self._wanted = time.monotonic(), stamp[0]
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
        if fresh is not None and closed:  # meanwhile
            self._let_go(fresh.opened)
        if done and not closed:
            self._let_go(before.opened)

    def _let_go(self, opened: OpenVersion) -> None:
        """Closes what no answer needs any more; no answer fails of it."""
        try:
            opened.close()
        except Exception as error:
            self._log(f"{opened.version} could not be closed: {error}")

    def _tell(self, error: BaseException) -> None:
        """Says what is wrong, once."""
        text = f"still answering from {self._current.opened.version}: {error}"
        if text != self._said:
            self._said = text
            self._log(text)
