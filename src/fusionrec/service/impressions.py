"""What users were shown lately, and what is in the answers that clients may still have."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from fusionrec.ledger import Impression, Ledger
from fusionrec.service.recent import Recent
from fusionrec.service.settings import SHOWN_DAYS

_WINDOW = SHOWN_DAYS * 86_400.0  # seconds
_MOST = 10_000  # users whose counts are cached, and answers


class ImpressionCounts:
    """How often users were shown items in the last 30 days. All pages of one answer see the same
    counts: else showing the first page would change the order of the second.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._lock = ledger, threading.Lock()
        self._counts: Recent[str, dict[str, int]] = Recent(_MOST)
        self._answers: Recent[str, Impression] = Recent(_MOST)  # by their tags

    def counts(self, user: str, offset: int) -> dict[str, int]:
        """Outside item id -> how often it was shown; for a later page as at the first one, if this
        process has answered that.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with self._lock:
            cached = self._counts.get(user) if offset else None
        if cached is not None:
            return cached
        found = self._ledger.impression_counts(user, max(time.time() - _WINDOW, 0.0))
        with self._lock:
            self._counts[user] = found
        return found

    def forget(self, user: str) -> None:
        """Forgets what a user was shown."""
        with self._lock:
            self._counts.pop(user, None)
            for tag in [tag for tag, one in self._answers.items() if one.user == user]:
                del self._answers[tag]

    def keep(self, tag: str, answer: Impression) -> None:
        """Keeps what is in an answer, until 10,000 others came after it."""
        with self._lock:
            self._answers[tag] = answer

    def again(self, tag: str) -> Impression | None:
        """The impression of an answer that is shown again now; None if it is not kept."""
        with self._lock:
            cached = self._answers.get(tag)
        return None if cached is None else replace(cached, time=time.time())
