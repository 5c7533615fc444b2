"""Writes what was counted to the ledger once a minute."""

from __future__ import annotations

import threading
import time

from fusionrec.errors import LedgerError
from fusionrec.ledger import Ledger, Traffic
from fusionrec.service.event_writer import EventWriter
from fusionrec.service.tally import MINUTE, Tally


class TrafficWriter:
    """Hands a tally to the ledger's writer once a minute, in a thread of its own. A ledger that
    cannot be written keeps no answer; what was counted is then written later.

    Args:
        tally: what is written.
        recorder: writes.
        ledger: where to.
    """

    def __init__(self, tally: Tally, recorder: EventWriter, ledger: Ledger) -> None:
        self._tally, self._recorder, self._ledger = tally, recorder, ledger
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fusionrec-traffic", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends, and hands over what was counted last; to be called before the writer is closed."""
        self._ended.set()
        self._thread.join()
        self.flush()

    def flush(self) -> None:
        """Hands over what was counted until now."""
        minutes, missed = self._tally.take()
        if minutes or missed:
            self._recorder.soon(lambda: self._write(minutes, missed))

    def _run(self) -> None:
        # A little after the minute, which is then complete.
        while not self._ended.wait(MINUTE - time.time() % MINUTE + 0.1):
            self.flush()

    def _write(self, minutes: list[Traffic], missed: dict[str, int]) -> None:
        try:
            self._ledger.add_traffic(minutes, time.time(), missed)
        except LedgerError as error:
            if error.code != "outcome_unknown":  # it may be there, and would count twice
                self._tally.give_back(minutes, missed)
            raise
