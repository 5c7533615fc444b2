"""One writer for all requests: what waits together is written in one transaction."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from fusionrec.errors import FusionrecError, LedgerError
from fusionrec.ledger import Event, Impression, Ledger, Outcome
from fusionrec.service.metrics import Metrics

_MOST_EVENTS = 20_000  # that wait
_MOST_IMPRESSIONS = 5_000
_LINGER = 0.2  # seconds that impressions wait for more of them; nobody waits for these

_Job = tuple[list[Event], "Future[list[Outcome]]"]


class Recorder:
    """Writes events and impressions to the ledger in a thread of its own.

    Args:
        ledger: where to.
        metrics: what is counted.
        talk: told, once until it works again, that the ledger fails.
    """

    def __init__(self, ledger: Ledger, metrics: Metrics, talk: Callable[[str], None]) -> None:
        self._ledger, self._metrics, self._talk = ledger, metrics, talk
        self._wake = threading.Condition()
        self._jobs: list[_Job] = []
        self._shown: list[Impression] = []
        self._waiting = 0
        self._ended = False
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="fusionrec-recorder", daemon=True)
        self._thread.start()

    def record(self, events: Sequence[Event]) -> Future[list[Outcome]]:
        """Writes events together with those of others.

        Returns:
            What ``Ledger.record`` gives, as soon as the events are on disk; or its error, and then
            none of them was written.

        Raises:
            LedgerError: too many are waiting, or this was closed.
        """
        done: Future[list[Outcome]] = Future()
        with self._wake:
            if self._ended:
                raise LedgerError("the service is being stopped", hint="try again in a moment")
            if self._waiting + len(events) > _MOST_EVENTS:
                raise LedgerError(
                    f"{self._waiting:,} events are waiting to be written",
                    hint="try again in a moment",
                )
            self._waiting += len(events)
            self._jobs.append((list(events), done))
            self._wake.notify()
        return done

    def show(self, impression: Impression) -> None:
        """Writes an impression some time soon; where too many wait, it is dropped and counted."""
        with self._wake:
            if self._ended or len(self._shown) >= _MOST_IMPRESSIONS:
                self._metrics.shown(1, "lost")
                return
            self._shown.append(impression)
            if len(self._shown) == 1:  # those behind it are written with it
                self._wake.notify()

    def flush(self) -> None:
        """Waits until all that waits by now is written, or has failed.

        Raises:
            LedgerError: this was closed.
        """
        self.record([]).result()

    def close(self) -> None:
        """Writes what waits, and ends; closing twice does nothing."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._jobs or self._shown or self._ended)
                if not self._jobs:
                    self._wake.wait_for(lambda: self._jobs or self._ended, _LINGER)
                jobs, self._jobs = self._jobs, []
                shown, self._shown = self._shown, []
                last = self._ended
            # Impressions first: who waits for a flush waits for them too.
            self._show(shown)
            self._record(jobs)
            if last:
                return

    def _show(self, shown: list[Impression]) -> None:
        try:
            self._ledger.show(shown)
        except Exception as error:
            self._metrics.shown(len(shown), "lost")
            self._tell(error)
        else:
            self._metrics.shown(len(shown), "kept")

    def _record(self, jobs: list[_Job]) -> None:
        events = [event for job, _ in jobs for event in job]
        try:
            outcomes = self._written(events)
        except Exception as error:
            self._tell(error)
            self._fail(jobs, error)
            return
        if events:
            self._said = ""
        start = 0
        for job, done in jobs:
            done.set_result(outcomes[start : start + len(job)])
            start += len(job)

    def _written(self, events: list[Event]) -> list[Outcome]:
        """What became of events, which wait no longer, whatever it was."""
        try:
            outcomes = self._ledger.record(events)
        finally:
            with self._wake:
                self._waiting -= len(events)
        for outcome, count in Counter(outcomes).items():
            self._metrics.events(outcome, count)
        return outcomes

    def _fail(self, jobs: list[_Job], error: Exception) -> None:
        """Answers the jobs of a failed transaction; where one of them may be the cause, each has
        another try of its own.
        """
        if isinstance(error, LedgerError) or len(jobs) == 1:
            failed = error if isinstance(error, FusionrecError) else _unknown(error)
            for _, done in jobs:
                done.set_exception(failed)
            return
        with self._wake:
            self._waiting += sum(len(events) for events, _ in jobs)
        for events, done in jobs:
            try:
                done.set_result(self._written(events))
            except Exception as again:
                done.set_exception(again if isinstance(again, FusionrecError) else _unknown(again))

    def _tell(self, error: Exception) -> None:
        if str(error) != self._said:
            self._said = str(error)
            self._talk(f"the ledger cannot be written: {error}")


def _unknown(error: Exception) -> LedgerError:
    return LedgerError(f"the events could not be written ({type(error).__name__})")
