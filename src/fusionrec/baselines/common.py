"""What baselines share: their interface, and the matrices they work on."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from scipy import sparse

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.metrics import ItemSets


class Ranker(Protocol):
    """Orders the whole catalog for users.

    Fitted on all rows, its scores say that a user rates an item at all; fitted on rows with a high
    rating alone, that the user likes it.
    """

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """Learns from some interactions, int [n] rows of the data set, and returns itself.

        Raises:
            UsageError: the data set lacks what the ranking reads, such as times or a profile.
        """
        ...

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        """Scores of every item for some users, the higher the better.

        Args:
            users: int [b], positions in the data set's users, with or without interactions.
            history: what each user of the data set has rated; by default what was fitted on. A
                ranking that reads no histories ignores it.

        Returns:
            float [b, items], read-only; equal for items that it cannot distinguish.
        """
        ...


class HistoryRanker:
    """A ranker whose scores are a user's history · ``weights``.

    Attributes:
        history: what each user rated in the rows fitted on.
        weights: float [items, items], an array or a SciPy csr_array.
    """

    history: ItemSets
    weights: Any

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        known = (self.history if history is None else history).take(users)
        scores = incidence(known, self.weights.shape[0]) @ self.weights
        return np.asarray(scores.toarray() if sparse.issparse(scores) else scores)


def item_sets(dataset: Dataset, rows: np.ndarray) -> ItemSets:
    """The items that each user of a data set rated in some rows, int [n]."""
    return ItemSets.of(dataset.user[rows], dataset.item[rows], len(dataset.users))


def popularity(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """How often each item was rated in some rows, float64 [items]."""
    return np.bincount(dataset.item[rows], minlength=len(dataset.items)).astype(np.float64)


def user_counts(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """How many distinct users have each item in some rows, int64 [items]."""
    return np.bincount(item_sets(dataset, rows).items, minlength=len(dataset.items))


def incidence(sets: ItemSets, items: int) -> Any:
    """1 where a user has an item: a SciPy csr_array, float32 [users, items]."""
    ones = np.ones(len(sets.items), dtype=np.float32)
    return sparse.csr_array((ones, sets.items, sets.offsets), shape=(len(sets), items))


def category_vectors(dataset: Dataset, side: Side, rows: np.ndarray) -> np.ndarray:
    """The categories of all users or items as 0 and 1, one column per value of every field.

    Args:
        dataset: the data set.
        side: users or items; their fields of the kinds ``category`` and ``categories`` are read.
        rows: int [n], training interactions: values that none of their users or items has get no
            column.

    Returns:
        float32 [users or items, columns].

    Raises:
        UsageError: the schema has no such field, or nobody has a value in it.
    """
    kinds = ("category", "categories")
    fields = [f for f in dataset.schema.attributes(side) if f.kind in kinds]
    encoder = Encoder.fit(dataset, rows)
    table = dataset.users if side == "user" else dataset.items
    encoded = encoder.encode(
        side, [None] * len(table), {f.name: table.columns[f.name] for f in fields}
    )
    blocks = [np.zeros((len(table), 0), dtype=np.float32)]
    for field in fields:
        value = encoded[field.name]
        if field.kind == "category":
            value = np.eye(encoder.vocabularies[field.name].size, dtype=np.float32)[value]
        blocks.append(value[:, 1:])  # the first column is that of unknown values
    vectors = np.concatenate(blocks, axis=1)
    if vectors.shape[1] == 0:
        raise UsageError(f"{dataset.name} has no categories of its {side}s to go by")
    return vectors
