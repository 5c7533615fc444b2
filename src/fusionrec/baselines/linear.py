"""Linear models with a closed form: from the history (EASE) and from the profile (ridge)."""

from __future__ import annotations

from typing import Self

import numpy as np

from fusionrec.baselines.common import (
    HistoryRanker,
    category_vectors,
    incidence,
    item_sets,
    user_counts,
)
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.metrics import ItemSets
from fusionrec.regression.fold_in import FoldIn, ItemVectors
from fusionrec.regression.item_weights import TasteWeights, taste_weights
from fusionrec.regression.sequences import TasteTail, beside, taste_regression

EASE_LIMIT = 20_000  # items up to which EASE is exact; 3.3 GB and, on one core, a minute
HEAD = 12_000  # the most-taken items that are exact in larger catalogs, as in the linear model
TAIL_WIDTH = 448  # of the vectors of all others


class EASE(HistoryRanker):
    """Each item from the user's others, by ridge regression without an item's own weight.

    With ``P = (XᵀX + l2·I)⁻¹`` the weights are ``B = −P / diag(P)``, 0 on the diagonal, and the
    scores are history · B (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019).

    Exact up to ``EASE_LIMIT`` items. In a larger catalog it is exact among the ``HEAD`` most-taken
    ones, and all others take part by vectors of ``TAIL_WIDTH`` dimensions, as in the linear model:
    see ``regression/fold_in.py``.

    Args:
        l2: above 0.

    Raises:
        UsageError: ``l2`` is not above 0.

    Attributes:
        weights: float32 [m, m], of all items, or of the ``HEAD`` most-taken.
    """

    def __init__(self, l2: float = 500.0) -> None:
        self.l2 = _positive(l2)

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        self.history = item_sets(dataset, rows)
        taken, size = incidence(self.history, len(dataset.items)), len(dataset.items)
        self._tail: ItemVectors | None = None
        if size <= EASE_LIMIT:
            self.weights = taste_weights(taste_regression(taken), self.l2)
            return self
        self._order = np.argsort(-user_counts(dataset, rows), kind="stable")
        taken = taken[:, self._order]
        gram = taste_regression(taken, HEAD)
        head = TasteWeights(gram, self.l2)
        tail = TasteTail(taken[:, HEAD:])
        even = np.ones(size, dtype=np.float32)
        joint = FoldIn(head, gram, beside(taken), even, self.l2, tail, excludes=True)
        self.weights, self._tail = head.weights, joint.vectors(TAIL_WIDTH, seed=0)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        if self._tail is None:
            return super().scores(users, history)
        known = (self.history if history is None else history).take(users)
        taken, m = incidence(known, len(self._order))[:, self._order], len(self.weights)
        head, tail = taken[:, :m], taken[:, m:]
        by_tail = tail @ self._tail.history[m:]
        by_all = by_tail + head @ self._tail.history[:m]
        scores = np.empty(taken.shape, dtype=np.float32)
        scores[:, self._order[:m]] = head @ self.weights + by_tail @ self._tail.items[:m].T
        scores[:, self._order[m:]] = by_all @ self._tail.items[m:].T
        return scores


def ease_notes(items: int) -> list[str]:
    """What is not exact in EASE's figures on a catalog of some items, in sentences."""
    if items <= EASE_LIMIT:
        return []
    return [f"EASE is exact among the {HEAD:,} most-taken items, and approximate for all others"]


class ProfileRidge:
    """Every item from the user's profile alone, by ridge regression around the item's popularity.

    ``W = (XᵀX + l2·I)⁻¹ Xᵀ(Y − share)``, X the training users' categories as 0 and 1, Y who rated
    what; scores, about how likely a user rates each item, are ``share + x·W`` (Hoerl and Kennard,
    Ridge Regression, Technometrics 1970, with the items as outputs).

    Args:
        l2: above 0.

    Raises:
        UsageError: ``l2`` is not above 0.
    """

    def __init__(self, l2: float = 100.0) -> None:
        self.l2 = _positive(l2)

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """The users must have categories."""
        self.profile = category_vectors(dataset, "user", rows).astype(np.float64)
        users = np.unique(dataset.user[rows])
        known = self.profile[users]
        rated = incidence(item_sets(dataset, rows).take(users), len(dataset.items))
        self.share = np.asarray(rated.sum(axis=0), dtype=np.float64) / len(users)
        right = np.asarray((rated.T @ known).T) - known.sum(axis=0)[:, None] * self.share
        left = known.T @ known + self.l2 * np.eye(known.shape[1])
        self.weights = np.linalg.solve(left, right)
        return self

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:
        return np.asarray(self.share + self.profile[users] @ self.weights)


def _positive(l2: float) -> float:
    if not l2 > 0:
        raise UsageError(f"l2 must be above 0, got {l2}")
    return l2
