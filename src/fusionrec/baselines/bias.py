"""Ratings from how a user and an item differ from the mean."""

from __future__ import annotations

from typing import Self

import numpy as np

from fusionrec.data.dataset import Dataset


class Bias:
    """Global mean, plus what the user and the item add to it.

    Ridge regression on one indicator per user and item, solved by alternating means (Koren,
    Factor in the Neighbors, TKDD 2010, equation 1).

    Args:
        damping: how many ratings' weight the mean has against a user's or an item's own.
        sweeps: of the alternation.
    """

    def __init__(self, damping: float = 4.0, sweeps: int = 10) -> None:
        self.damping, self.sweeps = damping, sweeps

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        user, item = dataset.user[rows], dataset.item[rows]
        self.range = dataset.schema.rating_range
        self.mean = float(dataset.rating[rows].mean(dtype=np.float64))
        rest = dataset.rating[rows].astype(np.float64) - self.mean
        self.user, self.item = np.zeros(len(dataset.users)), np.zeros(len(dataset.items))
        users = np.maximum(np.bincount(user, minlength=len(self.user)) + self.damping, 1e-9)
        items = np.maximum(np.bincount(item, minlength=len(self.item)) + self.damping, 1e-9)
        for _ in range(self.sweeps):
            self.item = np.bincount(item, rest - self.user[user], len(self.item)) / items
            self.user = np.bincount(user, rest - self.item[item], len(self.user)) / users
        return self

    def predict(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Ratings, float64 [n] within the schema's range, of users and items, int [n] each.

        A user or item without ratings adds nothing to the mean.
        """
        predicted = self.mean + self.user[user] + self.item[item]
        return np.asarray(np.clip(predicted, *self.range))
