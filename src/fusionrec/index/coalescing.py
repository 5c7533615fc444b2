"""Coalesces the searches of several calls in one thread into shared requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from greenlet import getcurrent, greenlet

T = TypeVar("T")

RowsAndScores = tuple[np.ndarray, np.ndarray]  # best first
Search = Callable[[Sequence[Any], int, Any], list[RowsAndScores]]
Request = Callable[[], list[RowsAndScores]]


class _PendingSearch(NamedTuple):
    """A search that a call waits for."""

    search: Search
    query: Any
    limit: int
    expression: Hashable


class _Task(greenlet):  # type: ignore[misc]
    """A call that pauses at each search, and resumes with the search's result or error."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self._call, self.future = call, Future[Any]()
        self.pending: _PendingSearch | None = None  # None also before the start and after the end

    def run(self) -> None:
        try:
            self.future.set_result(self._call())
        except BaseException as error:
            self.future.set_exception(error)


def coalesced_search(search: Search, query: Any, limit: int, expression: Hashable) -> RowsAndScores:
    """The best ``limit`` rows that meet an expression, and their scores. Within ``run_coalesced``,
    other calls may share the request.

    Args:
        search: makes several searches together, with a limit and an expression.
        query: a vector, float32 [d], or what else ``search`` takes of one search.
        limit: number of rows.
        expression: what all searches that go together share: Milvus' filter, or conditions.

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

    async def here(request: Request) -> list[RowsAndScores]:
        return request()

    try:
        coalesced(calls, here).send(None)
    except StopIteration as ended:  # at once, since nothing in it waits
        futures: list[Future[T]] = ended.value
        return futures
    raise AssertionError("a request was awaited")


async def coalesced(
    calls: Sequence[Callable[[], T]], request: Callable[[Request], Awaitable[list[RowsAndScores]]]
) -> list[Future[T]]:
    """The same, for a thread that has other work while the store answers.

    Args:
        calls: as there.
        request: makes a request, in whichever thread, and returns or raises what it did.
    """
    tasks = [_Task(call) for call in calls]
    for task in tasks:
        task.pending = task.switch()
    while waiting := [(task, task.pending) for task in tasks if task.pending is not None]:
        search, _, _, expression = waiting[0][1]
        shared = [(t, p) for t, p in waiting if (p.search, p.expression) == (search, expression)]
        limit = max(pending.limit for _, pending in shared)
        try:
            queries = [pending.query for _, pending in shared]
            results = await request(partial(search, queries, limit, expression))
        except BaseException as error:
            for task, _ in shared:
                task.pending = task.throw(error)
            continue
        for (task, _), result in zip(shared, results, strict=True):
            task.pending = task.switch(result)
    return [task.future for task in tasks]
