"""Popularity: of all time, of the last days, among users of the same profile, or with one user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy import sparse

from fusionrec.baselines.common import popularity
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.metrics import ItemSets

DAY = 86_400  # seconds
DIGITS = 4  # of a sum of weights, so that five views of 0.2 weigh as much as one purchase of 1


class Popular:
    """The most rated first, the same for everybody."""

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        self.count = popularity(dataset, rows)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        return np.broadcast_to(self.count, (len(users), len(self.count)))


class RecentlyPopular(Popular):
    """The most rated in the last days before the latest training row; older ratings only break
    ties.

    A strong simple ranking wherever taste moves (Ji et al., A Re-visit of the Popularity Baseline
    in Recommender Systems, SIGIR 2020).

    Args:
        days: how many, above 0.

    Raises:
        UsageError: ``days`` is not above 0.
    """

    def __init__(self, days: float = 90.0) -> None:
        if not days > 0:
            raise UsageError(f"days must be above 0, got {days}")
        self.days = days

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """The data set must have times."""
        if dataset.time is None:
            raise UsageError(f"{dataset.name} has no times, so nothing in it is recent")
        time = dataset.time[rows]
        recent = rows[time > time.max() - self.days * DAY]
        self.count = popularity(dataset, recent) + popularity(dataset, rows) / (len(rows) + 1)
        return self


class PopularByGroup:
    """The most rated among users of the same profile, shrunk towards overall popularity.

    The share of the group's users who rated the item, as if ``smoothing`` more users were in it
    who rate as everybody does, so that a small group does not go by a handful of ratings.

    Args:
        fields: names of user fields of the kind ``category`` that make the groups; by default all.
        smoothing: how many users' weight everybody has, 0 or more.

    Raises:
        UsageError: ``smoothing`` is negative.
    """

    def __init__(self, fields: Sequence[str] | None = None, smoothing: float = 30.0) -> None:
        if not smoothing >= 0:
            raise UsageError(f"smoothing must be 0 or more, got {smoothing}")
        self.fields, self.smoothing = fields, smoothing

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """The users must have those fields."""
        known = [f.name for f in dataset.schema.attributes("user") if f.kind == "category"]
        names = known if self.fields is None else list(self.fields)
        if not names:
            raise UsageError(f"{dataset.name} has no categories of its users to group them by")
        if unknown := [name for name in names if name not in known]:
            raise UsageError(f"users are grouped by {', '.join(known)}, not by {unknown[0]!r}")
        columns = [dataset.users.columns[name] for name in names]
        numbers: dict[tuple[object, ...], int] = {}
        profiles = zip(*columns, strict=True)
        self.group = np.array([numbers.setdefault(p, len(numbers)) for p in profiles])
        group = self.group[dataset.user[rows]]
        items = len(dataset.items)
        cell = group * items + dataset.item[rows]
        count = np.bincount(cell, minlength=len(numbers) * items).reshape(-1, items)
        users = np.bincount(self.group[np.unique(dataset.user[rows])], minlength=len(numbers))
        everybody = popularity(dataset, rows) / users.sum()
        # A group without training users falls back on overall popularity.
        weight = max(self.smoothing, 1e-9)
        self.share = (count + weight * everybody) / (users[:, None] + weight)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        return np.asarray(self.share[self.group[users]])


class TakenBefore:
    """What the user took before, most often first; ties and all other items by popularity.

    Events count with their weights, ratings with one each: a repeated interaction says more than
    its rating (GP-TopFreq in Li et al., A Next Basket Recommendation Reality Check, TOIS 2023). It
    is fitted on all known rows of the users: an ``ItemSets`` history does not say how often.
    """

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        weight = dataset.rating[rows] if dataset.schema.events else np.ones(len(rows))
        entries = (weight.astype(np.float64), (dataset.user[rows], dataset.item[rows]))
        shape = len(dataset.users), len(dataset.items)
        taken = sparse.coo_array(entries, shape=shape).tocsr()  # sums the rows of a pair
        # Sums become whole steps, so that popularity, below 1, decides between equal ones alone.
        _, step = np.unique(taken.data.round(DIGITS), return_inverse=True)
        taken.data = step + 1.0
        self.taken = taken
        self.popular = popularity(dataset, rows) / (len(rows) + 1)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        return np.asarray(self.taken[users].toarray() + self.popular)
