"""Limits of how often one may ask, and the keys that were verified lately."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000  # buckets kept; the one unused for longest goes first
_MOST_VERIFIED = 1_000  # secrets; the one that was seen longest ago goes first


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
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """Takes one token; returns 0, or after how many seconds there will be one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, then = self._buckets.pop(who, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        wait = max(0.0, (1.0 - tokens) / self._rate)
        self._buckets[who] = (tokens if wait else tokens - 1.0, now)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return wait

    def give_back(self, who: str) -> None:
        if who in self._buckets:
            tokens, then = self._buckets[who]
            self._buckets[who] = (min(self._burst, tokens + 1.0), then)


class VerifiedKeys:
    """SHA-256 of the secrets that were verified lately -> the bucket of each. For one thread."""

    def __init__(self) -> None:
        self._bucket_by_digest: OrderedDict[bytes, str] = OrderedDict()

    def bucket(self, secret: str) -> str | None:
        """The bucket of a secret; None if it was not verified lately."""
        return self._bucket_by_digest.get(_digest(secret))

    def keep(self, secret: str, bucket: str) -> None:
        digest = _digest(secret)
        self._bucket_by_digest[digest] = bucket
        self._bucket_by_digest.move_to_end(digest)
        if len(self._bucket_by_digest) > _MOST_VERIFIED:
            self._bucket_by_digest.popitem(last=False)

    def drop(self, secret: str) -> None:
        self._bucket_by_digest.pop(_digest(secret), None)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
