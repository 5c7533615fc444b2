"""How many threads to train with, by a few minibatches that nothing is learned from."""

from __future__ import annotations

from collections.abc import Callable

from fusionrec.processors import processors
from fusionrec.training.process import use_threads, usual_threads

TRIED = 4  # minibatches for each number of threads, beside the first
SHARE = 0.05  # of all minibatches, that a trial may cost
FASTER = 0.95  # of the time, that more threads must stay below


def choose_threads(minibatches: Callable[[int], list[float]], steps: int, *, alone: bool) -> int:
    """The number of threads, and uses it: 1, 2, 4 and so on are tried, up to all processors, until
    more are no faster.

    Args:
        minibatches: the seconds of so many of them.
        steps: of the whole training; where a trial would cost too much of it, ``usual_threads`` are
            taken.
        alone: whether no other process shares the training; else these are taken too.
    """

    def seconds(threads: int) -> float:
        """Of the quickest one, since others may use the processors too."""
        use_threads(threads)
        return min(minibatches(TRIED + 1)[1:])

    most, chosen = processors(), 1
    numbers = [n for n in (2**power for power in range(12)) if n < most] + [most]
    if not alone or len(numbers) * (TRIED + 1) > SHARE * steps:
        chosen = usual_threads()
    elif most > 1:
        least = seconds(chosen)
        for number in numbers[1:]:
            taken = seconds(number)
            if taken > FASTER * least:
                break
            chosen, least = number, taken
    use_threads(chosen)
    return chosen
