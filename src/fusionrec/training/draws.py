"""Draws of a few out of many, in time that does not grow with how many there are."""

from __future__ import annotations

import numpy as np

_SURE = 0.999  # a probability from which on one is always drawn


class PoissonDraw:
    """Draws positions independently, each with a probability of its own.

    One that is drawn with probability p is hit by at least one of ``-log(1 - p)`` expected events
    of a Poisson process; the events of all positions together are drawn by bisection. So a draw
    takes time for those that it finds.

    Args:
        probability: float [n], above 0 and 1 at most.
    """

    def __init__(self, probability: np.ndarray) -> None:
        self._always = np.flatnonzero(probability >= _SURE)
        expected = np.where(probability >= _SURE, 0.0, -np.log1p(-np.minimum(probability, _SURE)))
        self._upto = np.cumsum(expected, dtype=np.float64)

    def __call__(self, rng: np.random.Generator) -> np.ndarray:
        """Positions, int64 [m], ascending and distinct."""
        events = rng.uniform(0.0, self._upto[-1], size=rng.poisson(self._upto[-1]))
        hit = np.searchsorted(self._upto, events, side="right")
        return np.union1d(self._always, hit)
