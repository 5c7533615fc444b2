"""Answers of one event loop, made side by side while others are under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fusionrec.index.coalescing import coalesced_search
from fusionrec.service.coalescing import _THREADS, Coalescer, in_loop, in_thread

RUNS = pytest.mark.parametrize("run_together", [in_thread, in_loop])


class Slow:
    """A store that answers when it is told to."""

    def __init__(self) -> None:
        self.requests: list[list[float]] = []
        self.free = threading.Semaphore(0)

    def search(self, queries, _limit, _expression):
        self.requests.append([float(query[0]) for query in queries])
        assert self.free.acquire(timeout=10)
        return [(np.array([int(query[0])]), np.ones(1, dtype=np.float32)) for query in queries]

    def asks(self, number: int) -> Callable[[], int]:
        return lambda: int(coalesced_search(self.search, np.array([number]), 1, "")[0][0])


async def under_way(store: Slow, requests: int) -> None:
    async with asyncio.timeout(10):
        while len(store.requests) < requests:
            await asyncio.sleep(0.001)


async def busy(store: Slow, gathering: Coalescer) -> list[asyncio.Task[Any]]:
    """One answer in every thread, each waiting for the store."""
    tasks = []
    for number in range(_THREADS):
        tasks.append(asyncio.create_task(gathering.answer(store.asks(number))))
        await under_way(store, number + 1)
    return tasks


@RUNS
def test_what_comes_while_all_threads_work_is_made_side_by_side(run_together):
    store = Slow()

    async def run() -> list[int]:
        gathering = Coalescer(run_together)
        tasks = await busy(store, gathering)
        tasks += [asyncio.create_task(gathering.answer(store.asks(n))) for n in range(10, 15)]
        await asyncio.sleep(0.01)
        assert len(store.requests) == _THREADS
        store.free.release(_THREADS + 5)
        return list(await asyncio.gather(*tasks))

    assert asyncio.run(run()) == [*range(_THREADS), *range(10, 15)]
    later = store.requests[_THREADS:]
    assert sorted(number for request in later for number in request) == [*range(10, 15)]
    assert len(later) <= _THREADS


@RUNS
def test_one_who_gives_up_and_one_who_fails_disturb_nobody(run_together):
    store = Slow()

    def fails() -> int:
        raise ValueError("not this one")

    async def run() -> None:
        gathering = Coalescer(run_together)
        tasks = await busy(store, gathering)
        gone = asyncio.create_task(gathering.answer(store.asks(20)))
        wrong = asyncio.create_task(gathering.answer(fails))
        last = asyncio.create_task(gathering.answer(store.asks(22)))
        await asyncio.sleep(0.01)
        gone.cancel()
        store.free.release(20)
        assert await last == 22
        with pytest.raises(ValueError, match="not this one"):
            await wrong
        assert await asyncio.gather(*tasks) == [*range(_THREADS)]
        assert gone.cancelled()
        assert await gathering.answer(store.asks(30)) == 30  # its threads are free again

    asyncio.run(run())


@RUNS
def test_everything_is_answered_however_it_comes(run_together):
    store = Slow()
    store.free.release(10_000)

    async def caller(gathering: Coalescer, first: int) -> None:
        for number in range(first, first + 50):
            assert await gathering.answer(store.asks(number)) == number

    async def run() -> None:
        gathering = Coalescer(run_together)
        await asyncio.gather(*(caller(gathering, 1_000 * n) for n in range(12)))

    asyncio.run(run())
    assert sum(map(len, store.requests)) == 600
    assert len(store.requests) < 600


def test_in_the_loop_only_the_store_is_waited_for_in_threads():
    answered, searched = set(), set()

    def search(queries, _limit, _expression):
        searched.add(threading.get_ident())
        return [(np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.float32)) for _ in queries]

    def asks() -> None:
        coalesced_search(search, np.zeros(1), 1, "")
        answered.add(threading.get_ident())

    async def run() -> None:
        gathering = Coalescer(in_loop)
        await asyncio.gather(*(gathering.answer(asks) for _ in range(5)))

    asyncio.run(run())
    assert answered == {threading.get_ident()}
    assert searched.isdisjoint(answered)


@RUNS
def test_a_search_that_fails_is_the_error_of_who_asked(run_together):
    def search(_queries, _limit, _expression):
        raise ValueError("no store")

    async def run() -> None:
        gathering = Coalescer(run_together)
        asked = [gathering.answer(lambda: coalesced_search(search, 0, 1, "")) for _ in range(3)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(error) for error in ended] == 3 * ["no store"]

    asyncio.run(run())
