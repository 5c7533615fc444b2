"""Linear models with a closed form: from the history (EASE) and from the profile (ridge)."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.linalg import lapack

from fusionrec.baselines.common import HistoryRanker, category_vectors, incidence, item_sets
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.metrics import ItemSets

EASE_LIMIT = 20_000  # items; the inverse of as many takes 3 GB and minutes


class EASE(HistoryRanker):
    """Each item from the user's others, by ridge regression without an item's own weight.

    With ``P = (XᵀX + l2·I)⁻¹`` the weights are ``B = −P / diag(P)``, 0 on the diagonal, and the
    scores are history · B (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019).

    Args:
        l2: above 0.

    Raises:
        UsageError: ``l2`` is not above 0.
    """

    def __init__(self, l2: float = 500.0) -> None:
        self.l2 = _positive(l2)

    def fit(self, dataset: Dataset, rows: np.ndarray) -> Self:
        """Raises ``UsageError`` where the catalog is too large to invert items × items."""
        if len(dataset.items) > EASE_LIMIT:
            raise UsageError(
                f"EASE inverts items × items, at most {EASE_LIMIT}, got {len(dataset.items)} items"
            )
        self.history = item_sets(dataset, rows)
        rated = incidence(self.history, len(dataset.items))
        gram = (rated.T @ rated).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.l2
        # By Cholesky, since the matrix is symmetric and positive definite: a third of the work of
        # a general inverse. LAPACK fills one triangle.
        inverse, _ = lapack.dpotri(lapack.dpotrf(gram, lower=1)[0], lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self.weights = weights.astype(np.float32)
        return self


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
