"""Refuses answers that would have to wait too long, so that those which are admitted come soon."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_MEMORY = 1.0  # seconds of work after which what was measured counts for 1/e
_FIRST = 0.005, 10  # seconds of an answer, and how many answers this guess counts for
_ALWAYS = 4  # answers at once that are admitted, however long one takes


class Admission:
    """Estimates how long a new answer would wait, by Little's law: the number of answers under way
    times the mean time between two of them that are done, while any is under way. So it holds for
    any number of threads, and for answers that are made together. For one thread.

    Args:
        seconds: the longest wait; 0 is no limit.
        clock: seconds, rising.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._seconds, self._clock = seconds, clock
        self._work, self._done = _FIRST[0] * _FIRST[1], float(_FIRST[1])
        self._since = 0.0  # the last answer that was done, or the first after a pause
        self.under_way = 0

    def wait(self) -> float:
        """Expected seconds until all answers that are under way have ended."""
        if not self.under_way:
            return 0.0
        since = self._clock() - self._since  # long where answers have come to a halt
        return self.under_way * (self._work + since) / (self._done + 1.0)

    def enter(self, answers: int = 1) -> bool:
        """Whether some answers may begin; if so, ``leave`` is to be called when they have ended."""
        if self._seconds and self.under_way >= _ALWAYS and self.wait() > self._seconds:
            return False
        if not self.under_way:
            self._since = self._clock()
        self.under_way += answers
        return True

    def leave(self, answers: int = 1) -> None:
        """Notes that some answers have ended."""
        now = self._clock()
        spent = now - self._since
        kept = math.exp(-spent / _MEMORY)
        self._work, self._done = self._work * kept + spent, self._done * kept + answers
        self._since = now
        self.under_way -= answers
