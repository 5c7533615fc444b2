"""Rankings that read no ratings, for items that have none: random, or by a number."""

from __future__ import annotations

from typing import Self

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.metrics import ItemSets


class RandomOrder:
    """Another random order for each user, the same however users are cut into blocks.

    Args:
        seed: 0 or more.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        self.items = len(dataset.items)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        drawn = [np.random.default_rng((self.seed, int(u))).random(self.items) for u in users]
        return np.array(drawn).reshape(len(users), self.items)


class Newest:
    """The items with the largest number first, such as the latest year; without one, last.

    Args:
        field: name of an item field of the kind ``number``; by default the schema's first.
    """

    def __init__(self, field: str | None = None) -> None:
        self.field = field

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """The items must have that field."""
        known = [f.name for f in dataset.schema.attributes("item") if f.kind == "number"]
        name = self.field or next(iter(known), None)
        if name not in known:
            raise UsageError(
                f"{dataset.name} orders items by {', '.join(known) or 'no number'}, not by {name!r}"
            )
        value = np.array(dataset.items.columns[name], dtype=np.float64)
        lowest = np.min(value, initial=0.0, where=np.isfinite(value))
        self.value = np.where(np.isfinite(value), value, lowest - 1)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        return np.broadcast_to(self.value, (len(users), len(self.value)))
