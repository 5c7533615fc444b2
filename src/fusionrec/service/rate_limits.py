"""Limits of how often one may ask."""

from __future__ import annotations

import time
from collections.abc import Callable

from fusionrec.service.recent import Recent

_MOST = 10_000  # buckets kept


class TokenBuckets:
    """A token bucket for each caller. For one thread.

    Args:
        rate: requests a second; 0 is no limit.
        burst: requests at once.
        clock: seconds, rising.
    """

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._buckets: Recent[str, tuple[float, float]] = Recent(_MOST)

    def take(self, who: str) -> float:
        """Takes one token; returns 0, or after how many seconds there will be one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, then = self._buckets.get(who, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        wait = max(0.0, (1.0 - tokens) / self._rate)
        self._buckets[who] = (tokens if wait else tokens - 1.0, now)
        return wait

    def charge(self, who: str, tokens: int) -> None:
        """Takes tokens that there may not be yet: who owes them waits until they have come."""
        if self._rate and who in self._buckets:
            left, then = self._buckets[who]
            self._buckets[who] = (left - tokens, then)

    def give_back(self, who: str) -> None:
        if who in self._buckets:
            tokens, then = self._buckets[who]
            self._buckets[who] = (min(self._burst, tokens + 1.0), then)
