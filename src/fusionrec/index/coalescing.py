"""Answers made side by side in one thread, so that their searches go as one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from greenlet import getcurrent, greenlet

T = TypeVar("T")

RowsAndScores = tuple[np.ndarray, np.ndarray]  # rows and scores, best first
Search = Callable[[Sequence[np.ndarray], int, str], list[RowsAndScores]]


@dataclass(frozen=True, eq=False)
class _PendingSearch:
    """A search that an answer waits for."""

    search: Search
    query: np.ndarray
    limit: int
    expression: str


class _Answer(greenlet):  # type: ignore[misc]
    """What makes an answer; it stops where it asks for a search, and goes on with what was found.

    Attributes:
        ended: what came of it.
        asked: what it waits for; None where it has not begun, or has ended.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__(self._make)
        self._what, self.ended = make, Future[Any]()
        self.asked: _PendingSearch | None = None

    def _make(self) -> None:
        try:
            self.ended.set_result(self._what())
        except BaseException as error:
            self.ended.set_exception(error)

    def go_on(self, resume: Callable[..., Any], *given: Any) -> None:
        """Runs up to the next search, or to the end."""
        self.asked = resume(*given)


def ask(search: Search, query: np.ndarray, limit: int, expression: str) -> RowsAndScores:
    """The best ``limit`` rows that meet an expression, and their scores: in a request with what
    others ask who are ``side_by_side``, else in one of its own.

    Args:
        search: finds the best rows for several vectors, with a limit and an expression.
        query: float32 [d].
        limit: how many rows.
        expression: of Milvus.

    Raises:
        Exception: what ``search`` raised.
    """
    me = getcurrent()
    if isinstance(me, _Answer):
        assert me.parent is not None
        found: RowsAndScores = me.parent.switch(_PendingSearch(search, query, limit, expression))
        return found
    [found] = search([query], limit, expression)
    return found


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """Makes several answers in this thread. Where one asks for a search, the others go on up to
    theirs, and what they ask of one place in the same words goes as one request: what that costs
    beside the search is shared by all.

    Args:
        calls: make an answer each.

    Returns:
        What came of each, all of them done.
    """
    answers = [_Answer(call) for call in calls]
    for one in answers:
        one.go_on(one.switch)
    while waiting := [one for one in answers if one.asked is not None]:
        first = waiting[0].asked
        assert first is not None
        _search(first, [one for one in waiting if _alike(one.asked, first)])
    return [one.ended for one in answers]


def _alike(asked: _PendingSearch | None, other: _PendingSearch) -> bool:
    return (
        asked is not None and asked.search == other.search and asked.expression == other.expression
    )


def _search(first: _PendingSearch, answers: Sequence[_Answer]) -> None:
    """One request for all who ask alike; what it raises, each of them is told."""
    asked = [one.asked for one in answers if one.asked is not None]
    try:
        limit = max(one.limit for one in asked)
        found = first.search([one.query for one in asked], limit, first.expression)
    except BaseException as error:
        for one in answers:
            one.go_on(one.throw, error)
        return
    for one, rows_and_scores in zip(answers, found, strict=True):
        one.go_on(one.switch, rows_and_scores)
