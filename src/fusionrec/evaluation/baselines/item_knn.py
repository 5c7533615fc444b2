"""Item-based nearest neighbours, by who rated both items."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.baselines.common import incidence, item_sets, nearest_neighbours
from fusionrec.metrics import ItemSets


class ItemKNN:
    """Items near those of the history, by who rated them.

    Similarity is ``common / (sqrt(count_i · count_j) + shrinkage)``, the cosine of the two items'
    columns of 0 and 1 with the shrinkage of Bell and Koren (ICDM 2007); of each item's row the
    nearest are kept, and a score is the sum over the history (Deshpande and Karypis, TOIS 2004).

    Args:
        neighbours: kept of each item, 1 or more.
        shrinkage: 0 or more; how far few common users are distrusted.

    Raises:
        UsageError: an argument is below its range.
    """

    def __init__(self, neighbours: int = 20, shrinkage: float = 20.0) -> None:
        if neighbours < 1 or not shrinkage >= 0:
            raise UsageError(
                f"neighbours must be 1 or more and shrinkage 0 or more, got {neighbours}, "
                f"{shrinkage}"
            )
        self.neighbours, self.shrinkage = neighbours, shrinkage

    def fit(self, dataset: Dataset, rows: np.ndarray, block: int = 1024) -> Self:
        """See ``Ranker.fit``; similarities are computed for ``block`` items at a time."""
        self.history = item_sets(dataset, rows)
        rated = incidence(self.history, len(dataset.items))
        columns = rated.tocsc()
        length = np.sqrt(np.diff(columns.indptr))
        parts = []
        for start in range(0, len(dataset.items), block):
            part = slice(start, start + block)
            common = (columns[:, part].T @ rated).toarray()
            bottom = length[part, None] * length + self.shrinkage
            similarity = np.divide(common, bottom, out=np.zeros_like(common), where=common > 0)
            similarity[np.arange(len(common)), np.arange(start, start + len(common))] = 0.0
            parts.append(nearest_neighbours(similarity, self.neighbours))
        self.similarity = sparse.vstack(parts).tocsr()
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        """See ``Ranker.scores``."""
        known = (self.history if history is None else history).take(users)
        return np.asarray((incidence(known, self.similarity.shape[0]) @ self.similarity).toarray())
