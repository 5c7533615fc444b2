"""Many small computations in NumPy, on all processors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from fusionrec.processors import processors

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

T = TypeVar("T")


def in_threads(function: Callable[[T], None], tasks: Iterable[T]) -> None:
    """Calls a function for each task, in a thread for each processor that this process may use.

    NumPy's own threads are left out meanwhile: for small products they cost more than they gain,
    and on a processor that others use too ten times as much.

    Args:
        function: may be called by several threads at once.
        tasks: read as a whole.
    """
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
        for _ in pool.map(function, tasks):
            pass


@cache
def _libraries() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
