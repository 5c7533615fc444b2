"""Repeat consumption: ranks items by how often the user took them before."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.baselines.popular import popularity
from fusionrec.metrics import ItemSets

DIGITS = 4  # of a sum of weights, so that five views of 0.2 weigh as much as one purchase of 1


class TakenBefore:
    """What the user took before, most often first; ties and all other items by popularity.

    Events count with their weights, ratings with one each: a repeated interaction says more than
    its rating (GP-TopFreq in Li et al., A Next Basket Recommendation Reality Check, TOIS 2023). It
    is fitted on all known rows of the users: an ``ItemSets`` history does not say how often.
    """

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """See ``Ranker.fit``."""
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
        """See ``Ranker.scores``; steps of weight and, below 1, how popular each item is."""
        return np.asarray(self.taken[users].toarray() + self.popular)
