"""Splits of interactions as values that refuse overlap; seeded, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError


@dataclass(frozen=True)
class Split:
    """Which interactions are trained on, and which are tested on.

    Attributes:
        name: how it was made, for people.
        train, test: int64 [n] and [m], places in the interaction columns, sorted.

    Raises:
        UsageError: a part is empty, or a row stands in both.
    """

    name: str
    train: np.ndarray
    test: np.ndarray

    def __post_init__(self) -> None:
        if len(self.train) == 0 or len(self.test) == 0:
            raise UsageError(f"split {self.name}: a part is empty")
        shared = np.intersect1d(self.train, self.test)
        if len(shared):
            raise UsageError(f"split {self.name}: {len(shared)} rows are in both parts")


def random_split(dataset: Dataset, share: float = 0.1, seed: int = 0) -> Split:
    """Holds out a random share of the interactions.

    Args:
        dataset: the data set.
        share: held out, in (0, 1).
        seed: of the draw.

    Raises:
        UsageError: the share is not in (0, 1), or leaves a part empty.
    """
    if not 0 < share < 1:
        raise UsageError(f"a split's share must lie between 0 and 1, got {share}")
    order = np.random.default_rng(seed).permutation(len(dataset))
    count = round(len(dataset) * share)
    name = f"random {share:g}, seed {seed}"
    return Split(name, np.sort(order[count:]), np.sort(order[:count]))
