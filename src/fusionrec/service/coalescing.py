"""Makes answers side by side in few threads, so that their searches share requests to the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from anyio import to_thread

from fusionrec.index import coalesced, run_coalesced

T = TypeVar("T")
Run = Callable[[Sequence[Callable[[], Any]]], Awaitable[list[Future[Any]]]]

_THREADS = 2  # one waits for the store while the other works; a third only takes turns with them
_MOST = 12  # answers that a thread makes side by side
_LINGER = 0.0005  # seconds, in which those who were just answered ask again


async def in_thread(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """``run_coalesced`` in a thread, for answers that take long or wait for more than a store."""
    return await to_thread.run_sync(run_coalesced, calls)


async def in_loop(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """The same in the event loop, for answers that take well below a millisecond; threads only wait
    for the store. So the answers do not compete with the loop for the interpreter's lock.
    """
    return await coalesced(calls, to_thread.run_sync)


class Coalescer:
    """Makes an answer at once if nothing is under way. While one request waits for the store, what
    comes within half a millisecond is gathered for the next; what comes while two are under way
    waits for one to end. So many answers share one request, and a single one waits for nothing. For
    one event loop.

    Args:
        run: makes several answers side by side: ``in_thread`` or ``in_loop``.
    """

    def __init__(self, run: Run = in_thread) -> None:
        self._run = run
        self._working = 0
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, make: Callable[[], T]) -> T:
        """What ``make`` returns, or raises."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((make, result))
        if self._working < _THREADS:
            self._working += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await result

    async def _work(self) -> None:
        try:
            while self._waiting:
                if self._working > 1:
                    await asyncio.sleep(_LINGER)
                count = min(len(self._waiting), _MOST)
                batch = [self._waiting.popleft() for _ in range(count)]
                if not batch:  # the other thread was free first
                    continue
                ended = await self._run([make for make, _ in batch])
                for (_, result), one in zip(batch, ended, strict=True):
                    _tell(result, one)
        finally:
            self._working -= 1


def _tell(result: asyncio.Future[Any], ended: Future[Any]) -> None:
    if result.cancelled():  # whoever asked has gone
        return
    if (error := ended.exception()) is not None:
        result.set_exception(error)
    else:
        result.set_result(ended.result())
