"""Searches of several threads that go as one request."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fusionrec.index.together import Together

ROWS = np.arange(10)


class Store:
    """Gives each query the rows from its first number on, and waits when it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[list[float], int, str]] = []
        self.free = threading.Event()
        self.busy = threading.Event()
        self.free.set()
        self.fails = False

    def search(self, queries, limit, expression):
        self.requests.append(([float(query[0]) for query in queries], limit, expression))
        self.busy.set()
        assert self.free.wait(10)
        if self.fails:
            raise ValueError("no store")
        return [(ROWS[int(q[0]) :][:limit], ROWS[:limit].astype(np.float32)) for q in queries]


def ask(together: Together, number: float, limit: int = 2, expression: str = "") -> list[int]:
    return together.ask(np.array([number]), limit, expression)[0].tolist()


def held_up(store: Store, together: Together, pool: ThreadPoolExecutor, asks) -> list:
    """Futures of the asks, all of which come while another search is under way."""
    store.free.clear()
    store.busy.clear()
    first = pool.submit(ask, together, 0)
    assert store.busy.wait(10)
    futures = [pool.submit(ask, together, *one) for one in asks]
    while len(together._waiting) < len(asks):
        pass
    store.free.set()
    assert first.result(10) == [0, 1]
    return futures


def test_one_alone_goes_at_once():
    store = Store()
    assert ask(Together(store.search), 3) == [3, 4]
    assert store.requests == [([3.0], 2, "")]


def test_those_that_wait_go_together_and_each_gets_its_own():
    store = Store()
    together = Together(store.search)
    with ThreadPoolExecutor(8) as pool:
        futures = held_up(store, together, pool, [(1,), (2, 3), (3,), (4,)])
        assert [one.result(10) for one in futures] == [[1, 2], [2, 3, 4], [3, 4], [4, 5]]
    assert [len(queries) for queries, _, _ in store.requests] == [1, 4]
    assert store.requests[1][1] == 3  # the highest limit
    assert ask(together, 5) == [5, 6]


def test_other_conditions_go_apart():
    store = Store()
    together = Together(store.search)
    with ThreadPoolExecutor(8) as pool:
        futures = held_up(store, together, pool, [(1, 2, "a"), (2, 2, "b"), (3, 2, "a")])
        assert [one.result(10) for one in futures] == [[1, 2], [2, 3], [3, 4]]
    parts = [(sorted(queries), expression) for queries, _, expression in store.requests[1:]]
    assert sorted(parts) == [([1.0, 3.0], "a"), ([2.0], "b")]


def test_a_failure_is_told_to_all_who_asked_and_to_nobody_after():
    store = Store()
    together = Together(store.search)
    with ThreadPoolExecutor(8) as pool:
        store.free.clear()
        first = pool.submit(ask, together, 0)
        assert store.busy.wait(10)
        others = [pool.submit(ask, together, number) for number in (1, 2)]
        while len(together._waiting) < 2:
            pass
        store.fails = True
        store.free.set()
        for one in (first, *others):
            with pytest.raises(ValueError, match="no store"):
                one.result(10)
    store.fails = False
    assert ask(together, 5) == [5, 6]


def test_many_threads_all_get_their_own_answer():
    store = Store()
    together = Together(store.search)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: ask(together, n % 8, 1), range(400)))
    assert found == [[n % 8] for n in range(400)]
