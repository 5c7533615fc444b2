"""Searches of several calls go as one request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionrec.index import run_coalesced
from fusionrec.index.coalescing import coalesced_search

ROWS = np.arange(10)


class Store:
    """Gives each query the rows from its first number on; keeps what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.requests: list[tuple[list[float], int, str]] = []
        self.error = error

    def search(self, queries, limit, expression):
        self.requests.append(([float(query[0]) for query in queries], limit, expression))
        if self.error is not None:
            raise self.error
        return [(ROWS[int(q[0]) :][:limit], ROWS[:limit].astype(np.float32)) for q in queries]


def asks(store: Store, number: float, limit: int = 2, expression: str = "") -> list[int]:
    rows, _ = coalesced_search(store.search, np.array([number]), limit, expression)
    return rows[:limit].tolist()


def made(*calls: Callable[[], object]) -> list[object]:
    return [one.result(0) for one in run_coalesced(calls)]


def test_a_search_asked_by_itself_goes_at_once():
    store = Store()
    assert asks(store, 3) == [3, 4]
    assert made(lambda: asks(store, 5)) == [[5, 6]]
    assert store.requests == [([3.0], 2, ""), ([5.0], 2, "")]


def test_searches_of_several_calls_go_as_one_request_and_each_gets_its_own():
    store = Store()
    found = made(
        lambda: asks(store, 1), lambda: asks(store, 2, 3), lambda: 7, lambda: asks(store, 4)
    )
    assert found == [[1, 2], [2, 3, 4], 7, [4, 5]]
    assert store.requests == [([1.0, 2.0, 4.0], 3, "")]  # the highest limit


def test_other_conditions_and_other_places_go_apart():
    store, other = Store(), Store()
    found = made(
        lambda: asks(store, 1, 2, "a"),
        lambda: asks(store, 2, 2, "b"),
        lambda: asks(other, 3, 2, "a"),
        lambda: asks(store, 4, 2, "a"),
    )
    assert found == [[1, 2], [2, 3], [3, 4], [4, 5]]
    assert store.requests == [([1.0, 4.0], 2, "a"), ([2.0], 2, "b")]
    assert other.requests == [([3.0], 2, "a")]


def test_who_asks_again_goes_with_others_who_do():
    store = Store()

    def twice(number: int) -> list[int]:
        [first, _] = asks(store, number)
        return asks(store, first + 1, 4)

    assert made(lambda: twice(1), lambda: asks(store, 5), lambda: twice(3)) == [
        [2, 3, 4, 5],
        [5, 6],
        [4, 5, 6, 7],
    ]
    assert [numbers for numbers, _, _ in store.requests] == [[1.0, 5.0, 3.0], [2.0, 4.0]]


def test_a_failed_request_raises_in_each_call_that_shared_it_and_may_be_caught():
    fails, works = Store(ValueError("no store")), Store()

    def careful() -> list[int]:
        try:
            return asks(fails, 1)
        except ValueError:
            return asks(works, 6)

    def wrong() -> None:
        raise KeyError("before it asked")

    ended = run_coalesced([lambda: asks(fails, 2), careful, wrong, lambda: asks(works, 3)])
    with pytest.raises(ValueError, match="no store"):
        ended[0].result(0)
    assert ended[1].result(0) == [6, 7]
    with pytest.raises(KeyError):
        ended[2].result(0)
    assert ended[3].result(0) == [3, 4]
    assert len(fails.requests) == 1


programs = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from("ab")), max_size=4),
    max_size=6,
)


@given(programs)
def test_answers_are_those_that_are_made_one_after_the_other(programs):
    def make(store: Store, program: list[tuple[int, int, str]]) -> list[list[int]]:
        return [asks(store, *one) for one in program]

    alone, store = Store(), Store()
    wanted = [make(alone, program) for program in programs]
    assert made(*(lambda p=p: make(store, p) for p in programs)) == wanted
    assert len(store.requests) <= len(alone.requests)


def test_threads_do_not_disturb_each_other():
    store = Store()

    def several(number: int) -> list[object]:
        return made(*(lambda n=n: asks(store, n % 8, 1) for n in range(number, number + 5)))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(several, range(200)))
    assert found == [[[n % 8] for n in range(number, number + 5)] for number in range(200)]
