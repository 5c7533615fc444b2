"""Cold-start rankings for items without ratings: random, by a number, by categories."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.baselines.common import (
    category_vectors,
    incidence,
    item_sets,
    nearest_neighbours,
)
from fusionrec.evaluation.baselines.popular import popularity
from fusionrec.metrics import ItemSets


class RandomOrder:
    """Another random order for each user, the same however users are cut into blocks.

    Args:
        seed: 0 or more.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """See ``Ranker.fit``; learns the number of items."""
        self.items = len(dataset.items)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        """See ``Ranker.scores``; uniform in [0, 1)."""
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
        """See ``Ranker.fit``; the data set's items must have that field."""
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
        """See ``Ranker.scores``; the number itself."""
        return np.broadcast_to(self.value, (len(users), len(self.value)))


class CategoryKNN:
    """Items whose nearest rated items, by categories, are in the user's history.

    Similarity is the cosine of two items' categories as 0 and 1. A score is the part of the
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
        """See ``Ranker.fit``; the data set's items must have categories.

        Similarities are computed for ``block`` items at a time.
        """
        self.history = item_sets(dataset, rows)
        vectors = category_vectors(dataset, "item", rows)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        rated = vectors * (popularity(dataset, rows) > 0)[:, None].astype(np.float32)
        parts = []
        for start in range(0, len(vectors), block):
            similarity = vectors[start : start + block] @ rated.T
            own = np.arange(len(similarity))
            similarity[own, own + start] = 0.0
            parts.append(nearest_neighbours(similarity, self.neighbours))
        near = sparse.vstack(parts)
        # Plus one, so that a single weak neighbour does not give a score of 1.
        share = sparse.diags_array(1 / (near.sum(axis=1) + 1))
        self.weights = (share @ near).T.tocsr()
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        """See ``Ranker.scores``; 0..1."""
        known = (self.history if history is None else history).take(users)
        return np.asarray((incidence(known, self.weights.shape[0]) @ self.weights).toarray())
