"""One writer to the ledger for all requests: what waits together is one transaction."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from fusionrec.errors import FusionrecError, LedgerError, Log, unfailing
from fusionrec.ledger import Event, Impression, Ledger, Outcome
from fusionrec.service.telemetry import Metrics

_MOST_EVENTS = 20_000  # that wait
_MOST_IMPRESSIONS = 5_000
_LINGER = 0.2  # seconds that impressions wait for more of them; nobody waits for these
_PRUNE_EVERY = 3_600.0  # seconds between two looks for impressions that are too old
_PRUNED = 500  # impressions that are deleted at once, within milliseconds
_RETRY = 1.0  # seconds after which a ledger that could not be written is tried again
_TELL_AGAIN = "tell it again in a moment, with the same id: it is written once"
_ASK_AGAIN = "ask again in a moment; doing it twice changes nothing"

T = TypeVar("T")
_Job = tuple[list[Event], "Future[list[Outcome]]"]
_Call = tuple[Callable[[], Any], "Future[Any]"]


class EventWriter:
    """Writes to the ledger in its own thread. Whatever is raised there, the thread goes on and
    every caller is answered.

    Args:
        ledger: the ledger.
        metrics: counts outcomes.
        log: takes a message when the ledger begins to fail, and when it works again.
        seconds: the longest wait for a write.
        impression_days: after which impressions are deleted; 0: never.
    """

    def __init__(
        self,
        ledger: Ledger,
        metrics: Metrics,
        log: Log,
        seconds: float = 10.0,
        impression_days: float = 0.0,
    ) -> None:
        self._ledger, self._metrics, self._log = ledger, metrics, unfailing(log)
        self._seconds, self._kept_seconds = seconds, impression_days * 86_400.0
        self._prune_at = time.monotonic() if impression_days else math.inf
        self._wake = threading.Condition()
        self._jobs: list[_Job] = []
        self._shown: list[Impression] = []
        self._calls: list[_Call] = []
        self._waiting = 0  # events in the jobs, and those that are being written
        self._came: float | None = None  # when the first that waits came
        self._begun: float | None = None  # when the first that is being written came
        self._ended = False
        self._failed = ""  # why the last write failed; empty where it did not
        self._told = ""  # the same as callers may know it
        self._thread = threading.Thread(target=self._run, name="fusionrec-recorder", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why feedback may not be written now; empty if it is."""
        if not self._thread.is_alive():
            return "the thread that writes to the ledger has ended"
        came = self._begun or self._came
        waited = 0.0 if came is None else time.monotonic() - came
        if waited > self._seconds:
            return f"what is to be written to the ledger has been waiting for {waited:.0f} s"
        return self._failed

    def record(self, events: Sequence[Event]) -> Future[list[Outcome]]:
        """Writes events together with those of other requests.

        Returns:
            What ``Ledger.record`` returns, once the events are on disk; or its error, and then none
            of them was written.

        Raises:
            LedgerError: too many events are waiting, or this was closed.
        """
        done: Future[list[Outcome]] = Future()
        with self._wake:
            self._check_open()
            if self._waiting + len(events) > _MOST_EVENTS:
                said = f"{self._waiting:,} events are waiting to be written"
                raise LedgerError(said, hint="try again in a moment")
            self._waiting += len(events)
            self._jobs.append((list(events), done))
            self._added()
        return done

    async def written(self, events: Sequence[Event]) -> list[Outcome]:
        """The outcomes of ``record``.

        Raises:
            LedgerError: the events were not written in time, or could not be, and are not written
                later; with the code ``outcome_unknown``, they may still be.
        """
        try:
            done = self.record(events)
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(done)
        except TimeoutError:
            raise self._late(done, _TELL_AGAIN) from None
        except LedgerError as error:
            if error.code == "ledger_lost":  # not for a moment
                raise
            code, details = error.code, error.details
            raise LedgerError(error.message, hint=_TELL_AGAIN, code=code, **details) from error

    def perform(self, write: Callable[[], T]) -> T:
        """Makes a call that writes to the ledger, after all that waits now; returns its result.

        Raises:
            LedgerError: it was not made in time, or this was closed; with the code
                ``outcome_unknown``, it may still be made.
        """
        done: Future[T] = Future()
        with self._wake:
            self._check_open()
            self._calls.append((write, done))
            self._added()
        try:
            return done.result(self._seconds)
        except TimeoutError:
            raise self._late(done, _ASK_AGAIN) from None

    def soon(self, write: Callable[[], object]) -> None:
        """Makes a call that writes to the ledger soon; nobody waits for it. Not after ``close``."""
        with self._wake:
            if not self._ended:
                self._calls.append((write, Future()))
                self._added()

    def show(self, impression: Impression) -> None:
        """Writes an impression soon; if too many wait, it is dropped and counted."""
        with self._wake:
            if self._ended or len(self._shown) >= _MOST_IMPRESSIONS:
                self._metrics.shown.labels("lost").inc()
                return
            self._shown.append(impression)
            if len(self._shown) == 1:  # those behind it are written with it
                self._added()

    def close(self) -> None:
        """Writes what waits, and ends."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join(3 * self._seconds)  # events, impressions and calls

    def _check_open(self) -> None:
        if self._ended:
            raise LedgerError("the service is being stopped", hint="try again in a moment")

    def _added(self) -> None:
        if self._came is None:
            self._came = time.monotonic()
        self._wake.notify()

    def _late(self, done: Future[Any], hint: str) -> LedgerError:
        """The error of a write that took too long; one that is not begun is not made any more."""
        waited = f"this was not written within {self._seconds:g} s"
        if done.cancel():
            reason = f": {self._told}" if self._failed else ""
            return LedgerError(f"{waited}{reason}", hint=hint)
        return LedgerError(f"{waited}, and may still be", hint=hint, code="outcome_unknown")

    def _run(self) -> None:
        ended = False
        while not ended:
            with suppress(BaseException):
                ended = self._turn()

    def _turn(self) -> bool:
        """Writes what waits; gives whether that was the last."""
        jobs, shown, calls, last = self._taken()
        steps: list[Callable[[], None]]
        steps = [partial(self._record, jobs), partial(self._show, shown)]
        # Last: one of them may forget a user, of whom nothing that came before may stay behind.
        steps += [partial(self._call, *call) for call in calls]
        if self._failed and not (jobs or shown or calls or last):
            steps = [self._look]
        if time.monotonic() >= self._prune_at and not last:
            steps.append(self._prune)  # after those for which someone waits
        try:
            for step in steps:
                try:
                    step()
                except BaseException as error:
                    said = "".join(traceback.format_exception_only(error)).strip()
                    self._log(f"the writer to the ledger goes on after {said}")
        finally:
            for _, done in (*jobs, *calls):  # those that are not answered and still wait
                if not done.done() and (done.running() or done.set_running_or_notify_cancel()):
                    done.set_exception(_unknown())
            self._begun = None
        return last

    def _taken(self) -> tuple[list[_Job], list[Impression], list[_Call], bool]:
        """Waits for something to write; the last is whether nothing can follow."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._jobs or self._calls or self._shown or self._ended,
                self._idle_seconds(),
            )
            if not (self._jobs or self._calls):
                self._wake.wait_for(lambda: self._jobs or self._calls or self._ended, _LINGER)
            taken = self._jobs, self._shown, self._calls, self._ended
            self._jobs, self._shown, self._calls = [], [], []
            self._begun, self._came = self._came, None
        return taken

    def _record(self, jobs: list[_Job]) -> None:
        count = sum(len(events) for events, _ in jobs)
        jobs = [job for job in jobs if job[1].set_running_or_notify_cancel()]
        events = [event for job, _ in jobs for event in job]
        try:
            outcomes = self._ledger.record(events) if jobs else []
        except Exception as error:
            self._fail(jobs, error)
            return
        finally:
            with self._wake:
                self._waiting -= count
        start = 0
        for job, done in jobs:
            done.set_result(outcomes[start : start + len(job)])
            start += len(job)
        if events:
            self._worked()
        self._count(outcomes)

    def _fail(self, jobs: list[_Job], error: Exception) -> None:
        """Answers the jobs of a failed transaction; if one of them may be the cause, each is tried
        once more alone.
        """
        if isinstance(error, LedgerError):
            self._failing(error)
        alone = not isinstance(error, LedgerError) and len(jobs) > 1
        for events, done in jobs:
            try:
                if not alone:
                    raise error
                done.set_result(self._ledger.record(events))
            except Exception as failed:
                known = isinstance(failed, FusionrecError)
                done.set_exception(failed if known else _unknown(failed))
        if alone:
            self._count(
                [outcome for _, done in jobs if not done.exception() for outcome in done.result()]
            )

    def _show(self, shown: list[Impression]) -> None:
        if not shown:
            return
        try:
            self._ledger.record_impressions(shown)
        except LedgerError as error:
            self._failing(error)
            self._metrics.shown.labels("lost").inc(len(shown))
        else:
            self._worked()
            self._metrics.shown.labels("kept").inc(len(shown))

    def _call(self, write: Callable[[], Any], done: Future[Any]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(write())
        except FusionrecError as error:
            done.set_exception(error)
            if isinstance(error, LedgerError):
                self._failing(error)

    def _look(self) -> None:
        """Tries whether a ledger that could not be written can be now."""
        try:
            self._ledger.check_writable()
        except LedgerError as error:
            self._failing(error)
        else:
            self._worked()

    def _idle_seconds(self) -> float | None:
        """How long to wait for something to write before another look at what else is due."""
        until = max(self._prune_at - time.monotonic(), 0.0)
        seconds = min(until, _RETRY) if self._failed else until
        return None if seconds == math.inf else seconds

    def _prune(self) -> None:
        """Deletes some impressions that are too old; the next turn goes on."""
        self._prune_at = time.monotonic() + _PRUNE_EVERY
        try:
            pruned = self._ledger.prune_impressions(time.time() - self._kept_seconds, _PRUNED)
        except LedgerError as error:
            self._failing(error)
        else:
            if pruned == _PRUNED:
                self._prune_at = time.monotonic() + _LINGER

    def _failing(self, error: LedgerError) -> None:
        said, self._failed = self._failed, error.message
        self._told = error.details.get("public", error.message)
        if said != self._failed:
            self._log(f"the ledger cannot be written: {error}")

    def _worked(self) -> None:
        if self._failed:
            self._failed = ""
            self._log("the ledger can be written again")

    def _count(self, outcomes: list[Outcome]) -> None:
        for outcome, count in Counter(outcomes).items():
            self._metrics.events.labels(outcome).inc(count)


def _unknown(error: BaseException | None = None) -> LedgerError:
    kind = f" ({type(error).__name__})" if error else ""
    return LedgerError(f"this could not be written{kind}", hint=_ASK_AGAIN)
