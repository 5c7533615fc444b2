"""Coalesces the searches of several calls in one thread into shared requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from greenlet import getcurrent, greenlet

T = TypeVar("T")

RowsAndScores = tuple[np.ndarray, np.ndarray]  # best first
Search = Callable[[Sequence[np.ndarray], int, str], list[RowsAndScores]]


@dataclass(frozen=True, eq=False)
class _PendingSearch:
    """A search that a call waits for."""

    search: Search
    query: np.ndarray
    limit: int
    expression: str


class _Task(greenlet):  # type: ignore[misc]
    """A call that pauses at each search, and resumes with the search's result.

    Attributes:
        future: its result.
        pending: the search that it waits for; None before the start and after the end.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(self._run_call)
        self._call, self.future = call, Future[Any]()
        self.pending: _PendingSearch | None = None

    def _run_call(self) -> None:
        try:
            self.future.set_result(self._call())
        except BaseException as error:
            self.future.set_exception(error)

    def advance(self, resume: Callable[..., Any], *args: Any) -> None:
        """Runs to the next search, or to the end."""
        self.pending = resume(*args)


def coalesced_search(
    search: Search, query: np.ndarray, limit: int, expression: str
) -> RowsAndScores:
    """The best ``limit`` rows that meet an expression, and their scores. Within ``run_coalesced``,
    other calls may share the request.

    Args:
        search: sends a request for several vectors, with a limit and an expression.
        query: float32 [d].
        limit: number of rows.
        expression: of Milvus.

    Raises:
        Exception: raised by ``search``.
    """
    task = getcurrent()
    if isinstance(task, _Task):
        assert task.parent is not None
        result: RowsAndScores = task.parent.switch(_PendingSearch(search, query, limit, expression))
        return result
    [result] = search([query], limit, expression)
    return result


def run_coalesced(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """Runs several calls in this thread. Each pauses at its ``coalesced_search``; then searches of
    the same store with the same expression go as one request, which saves its fixed cost.

    Args:
        calls: at most one search of each waits at a time.

    Returns:
        The futures of the calls, all done.
    """
    tasks = [_Task(call) for call in calls]
    for task in tasks:
        task.advance(task.switch)
    while waiting := [task for task in tasks if task.pending is not None]:
        first = waiting[0].pending
        assert first is not None
        _send_shared(first, [task for task in waiting if _can_share(task.pending, first)])
    return [task.future for task in tasks]


def _can_share(pending: _PendingSearch | None, other: _PendingSearch) -> bool:
    return (
        pending is not None
        and pending.search == other.search
        and pending.expression == other.expression
    )


def _send_shared(first: _PendingSearch, tasks: Sequence[_Task]) -> None:
    """Sends one request for several tasks; each gets its result, or the error."""
    searches = [task.pending for task in tasks if task.pending is not None]
    try:
        limit = max(search.limit for search in searches)
        results = first.search([search.query for search in searches], limit, first.expression)
    except BaseException as error:
        for task in tasks:
            task.advance(task.throw, error)
        return
    for task, result in zip(tasks, results, strict=True):
        task.advance(task.switch, result)
