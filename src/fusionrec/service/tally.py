"""What this process is asked, summed by minutes."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from hashlib import blake2b
from secrets import token_bytes

from fusionrec.ledger import Traffic
from fusionrec.recommend.item_words import plain_words
from fusionrec.service.recent import Recent

# Ten ranges for each power of ten, from 0.1 ms to 100 s; the ledger holds their numbers, so that
# they must stay as they are.
EDGES = tuple(1e-4 * 10 ** (n / 10) for n in range(61))
MINUTE = 60
_MOST_MINUTES = 60  # that wait for a ledger that cannot be written
_MOST_SEARCHES = 1_000  # that wait
_MOST_ASKERS = 10_000

_Span = tuple[int, str]  # when a minute began, and a route


class Tally:
    """Counts requests and searches that found nothing. For any thread.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        # Requests, errors, shed, refused, and how many answers took how long, by range.
        self._routes: dict[str, tuple[list[int], dict[int, int]]] = {}
        self._minute = 0
        self._ended: dict[_Span, Traffic] = {}
        self._missed: dict[str, int] = {}
        self._salt = token_bytes(16)
        self._askers: Recent[bytes, None] = Recent(_MOST_ASKERS)

    def request(self, route: str, status: int, seconds: float, *, shed: bool) -> None:
        """Counts a request that has ended. ``shed``: the guard refused it; with 429 or 503, since
        too much was asked.
        """
        minute = int(self._clock()) // MINUTE
        with self._lock:
            if minute != self._minute:
                self._end(minute)
            counts, latency = self._routes.get(route) or self._routes.setdefault(
                route, ([0, 0, 0, 0], {})
            )
            counts[0] += 1
            if status < 400:
                number = bisect_left(EDGES, seconds)
                latency[number] = latency.get(number, 0) + 1
            elif shed and status in (429, 503):
                counts[2] += 1
            elif status >= 500:
                counts[1] += 1
            else:
                counts[3] += 1

    def missed(self, text: str, asker: str) -> None:
        """Counts a search that found nothing, once for each who asks it."""
        words = " ".join(plain_words(text))[:100]
        # By a salt that nobody keeps: it cannot be learned later who asked what.
        mark = blake2b(f"{asker}\0{words}".encode(), key=self._salt, digest_size=16).digest()
        with self._lock:
            if words and mark not in self._askers and self._fits(words):
                self._askers[mark] = None
                self._missed[words] = self._missed.get(words, 0) + 1

    def _fits(self, words: str) -> bool:
        return words in self._missed or len(self._missed) < _MOST_SEARCHES

    def _end(self, minute: int) -> None:
        start = self._minute * MINUTE
        for route, ((requests, errors, shed, refused), latency) in self._routes.items():
            self._add(Traffic(start, MINUTE, route, requests, errors, shed, refused, latency))
        self._routes, self._minute = {}, minute

    def _add(self, one: Traffic) -> None:
        key = one.start, one.route
        self._ended[key] = self._ended[key] + one if key in self._ended else one

    def take(self) -> tuple[list[Traffic], dict[str, int]]:
        """All that was counted and not taken yet: by minutes and routes, and searches."""
        with self._lock:
            self._end(int(self._clock()) // MINUTE)
            ended, self._ended = self._ended, {}
            missed, self._missed = self._missed, {}
        return list(ended.values()), missed

    def give_back(self, minutes: list[Traffic], missed: Mapping[str, int]) -> None:
        """Takes back what could not be written, but for what is older than an hour."""
        oldest = (int(self._clock()) // MINUTE - _MOST_MINUTES) * MINUTE
        with self._lock:
            for one in minutes:
                if one.start >= oldest:
                    self._add(one)
            for words, count in missed.items():
                if self._fits(words):
                    self._missed[words] = self._missed.get(words, 0) + count


def quantile(latency: Mapping[int, int], share: float) -> float | None:
    """The seconds within which a share of the answers came, interpolated within a range; None
    where there were none.
    """
    total = sum(latency.values())
    if not total:
        return None
    wanted, below = share * total, 0
    number = count = 0
    for number, count in sorted(latency.items()):  # noqa: B007  # read after the loop
        if below + count >= wanted:
            break
        below += count
    if number >= len(EDGES):
        return EDGES[-1]
    low = EDGES[number] / 10**0.1
    return float(low * 10 ** (0.1 * (wanted - below) / count))
