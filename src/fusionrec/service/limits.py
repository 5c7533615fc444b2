"""How often one may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000  # buckets held; the one that was asked longest ago goes first


class Buckets:
    """A token bucket for everyone who asks. For one thread.

    Args:
        rate: requests a second; 0 is no limit.
        burst: requests at once.
        clock: seconds, rising.
    """

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """Takes one token; gives 0, or after how many seconds there will be one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, then = self._held.pop(who, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        wait = max(0.0, (1.0 - tokens) / self._rate)
        self._held[who] = (tokens if wait else tokens - 1.0, now)
        if len(self._held) > _MOST:
            self._held.popitem(last=False)
        return wait
