"""Nearest neighbours of items: by who rated both, or by their categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from scipy import sparse

from fusionrec.baselines.common import (
    HistoryRanker,
    category_vectors,
    incidence,
    item_sets,
    popularity,
)
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.metrics import top


class ItemKNN(HistoryRanker):
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
                "neighbours must be 1 or more and shrinkage 0 or more, "
                f"got {neighbours}, {shrinkage}"
            )
        self.neighbours, self.shrinkage = neighbours, shrinkage

    def fit(self, dataset: Dataset, rows: np.ndarray, block: int = 1024) -> Self:
        """Similarities are computed for ``block`` items at a time."""
        self.history = item_sets(dataset, rows)
        rated = incidence(self.history, len(dataset.items))
        columns = rated.tocsc()
        length = np.sqrt(np.diff(columns.indptr))

        def similarity(part: slice) -> np.ndarray:
            common = (columns[:, part].T @ rated).toarray()
            bottom = length[part, None] * length + self.shrinkage
            return np.asarray(
                np.divide(common, bottom, out=np.zeros_like(common), where=common > 0)
            )

        self.weights = _nearest(similarity, len(dataset.items), self.neighbours, block)
        return self


class CategoryKNN(HistoryRanker):
    """Items whose nearest rated items, by categories, are in the user's history.

    Similarity is the cosine of two items' categories as 0 and 1. A score, 0..1, is the part of the
    similarity to an item's nearest training items, of equal ones the first, that the user rated
    (content-based kNN: Lops, de Gemmis and Semeraro, in the Recommender Systems Handbook, 2011).

    Args:
        neighbours: of each item among those rated in training, 1 or more.

    Raises:
        UsageError: ``neighbours`` is below 1.
    """

    def __init__(self, neighbours: int = 20) -> None:
        if neighbours < 1:
            raise UsageError(f"neighbours must be 1 or more, got {neighbours}")
        self.neighbours = neighbours

    def fit(self, dataset: Dataset, rows: np.ndarray, block: int = 1024) -> Self:
        """The items must have categories. Similarities are computed for ``block`` at a time."""
        self.history = item_sets(dataset, rows)
        vectors = category_vectors(dataset, "item", rows)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        rated = vectors * (popularity(dataset, rows) > 0)[:, None].astype(np.float32)
        near = _nearest(lambda part: vectors[part] @ rated.T, len(vectors), self.neighbours, block)
        # Plus one, so that a single weak neighbour does not give a score of 1.
        share = sparse.diags_array(1 / (near.sum(axis=1) + 1))
        self.weights = (share @ near).T.tocsr()
        return self


def _nearest(
    similarity: Callable[[slice], np.ndarray], items: int, neighbours: int, block: int
) -> Any:
    """Each item's nearest other items, of equal ones the first; similarities must be above 0.

    Args:
        similarity: float [b, items], of a slice of b items.
        items: how many.
        neighbours: kept of each item, 1 or more.
        block: how many items make a slice.

    Returns:
        A SciPy csr_array [items, items].
    """
    parts = []
    for start in range(0, items, block):
        part = similarity(slice(start, start + block))
        own = np.arange(len(part))
        part[own, own + start] = 0.0
        best = top(part, neighbours)
        value = np.take_along_axis(part, best, axis=1)
        row, rank = np.nonzero(value > 0)
        entries = (value[row, rank], (row, best[row, rank]))
        parts.append(sparse.csr_array(entries, shape=part.shape))
    return sparse.vstack(parts).tocsr()
