"""Searches of several threads as one request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

Found = tuple[np.ndarray, np.ndarray]  # rows and scores, best first
Search = Callable[[Sequence[np.ndarray], int, str], list[Found]]

_MOST = 32  # searches in a request


@dataclass(frozen=True, eq=False)
class _Asked:
    """A search that waits; it is told what was found, or None: that it is to go now."""

    query: np.ndarray
    limit: int
    expression: str
    told: Future[Found | None] = field(default_factory=Future)


class Together:
    """Sends a search at once if none is under way; those that come meanwhile wait for its end, and
    then go together. What a request costs beside the search itself is so shared by many callers,
    and one alone waits for nobody.

    Args:
        search: finds the best rows for several vectors, with a limit and an expression. Called by
            one thread at a time.
    """

    def __init__(self, search: Search) -> None:
        self._search, self._lock = search, threading.Lock()
        self._waiting: list[_Asked] = []
        self._under_way = False

    def ask(self, query: np.ndarray, limit: int, expression: str) -> Found:
        """The best ``limit`` rows that meet an expression, and their scores.

        Raises:
            Exception: what ``search`` raised, for each that it was to find something for.
        """
        asked = _Asked(query, limit, expression)
        with self._lock:
            waits = self._under_way
            self._under_way = True
            if waits:
                self._waiting.append(asked)
        found = asked.told.result() if waits else None
        if found is not None:
            return found
        try:
            return self._send(asked)
        finally:
            self._hand_over()

    def _send(self, first: _Asked) -> Found:
        """Finds what is asked first, and what waits for the same expression."""
        with self._lock:
            same = [one for one in self._waiting if one.expression == first.expression]
            others = same[: _MOST - 1]
            self._waiting = [one for one in self._waiting if one not in others]
        try:
            limit = max(one.limit for one in (first, *others))
            queries = [one.query for one in (first, *others)]
            own, *found = self._search(queries, limit, first.expression)
        except BaseException as error:
            for one in others:
                one.told.set_exception(error)
            raise
        for one, (rows, scores) in zip(others, found, strict=True):
            one.told.set_result((rows[: one.limit], scores[: one.limit]))
        return own[0][: first.limit], own[1][: first.limit]

    def _hand_over(self) -> None:
        """Calls who has waited longest, if anyone has."""
        with self._lock:
            if self._waiting:
                self._waiting.pop(0).told.set_result(None)
            else:
                self._under_way = False
