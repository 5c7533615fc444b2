"""What a model has to beat: small classes on NumPy."""

from __future__ import annotations

import numpy as np

from fusionrec.data.dataset import Dataset


class Bias:
    """Global mean, plus what the user and the item add to it.

    Ridge regression on one indicator per user and item, solved by alternating means (Koren,
    Factor in the Neighbors, TKDD 2010, equation 1).

    Args:
        dataset: the data set.
        rows: int [n], the training interactions.
        damping: how many ratings' weight the mean has against a user's or an item's own.
        sweeps: of the alternation.
    """

    def __init__(
        self, dataset: Dataset, rows: np.ndarray, damping: float = 4.0, sweeps: int = 10
    ) -> None:
        user, item = dataset.user[rows], dataset.item[rows]
        self.mean = float(dataset.rating[rows].mean())
        rest = dataset.rating[rows].astype(np.float64) - self.mean
        self.user, self.item = np.zeros(len(dataset.users)), np.zeros(len(dataset.items))
        users = np.bincount(user, minlength=len(self.user)) + damping
        items = np.bincount(item, minlength=len(self.item)) + damping
        for _ in range(sweeps):
            self.item = np.bincount(item, rest - self.user[user], len(self.item)) / items
            self.user = np.bincount(user, rest - self.item[item], len(self.user)) / users

    def predict(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Ratings, float64 [n], of users and items at positions, int [n] each."""
        return np.asarray(self.mean + self.user[user] + self.item[item])


def popularity(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """How often each item was rated in some rows, float64 [items]: one ranking for everybody."""
    counts = np.bincount(dataset.item[rows], minlength=len(dataset.items))
    return np.asarray(counts, dtype=np.float64)
