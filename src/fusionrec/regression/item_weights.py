"""Item x item weights in closed form, with bounded memory: an autoregression, and EASE.

With n items a matrix takes 4 n² bytes: 400 MB at 10,000, 1.6 GB at 20,000. Beside what is passed
in, ``next_weights`` and ``taste_weights`` hold one more at the peak; up to ``EXACT`` items a
factorisation in float64 counts as two. All factorise in place, by Cholesky.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

EXACT = 4_096  # items up to which EASE's inverse is in float64
_COLUMNS = 1_000  # that are copied at a time


class ItemWeights(Protocol):
    """Weights B from m items to m items, float32 [m, m], which need not exist as a matrix."""

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """``B @ vectors``, float32 [m, d]."""
        ...

    def transposed_times(self, vectors: np.ndarray) -> np.ndarray:
        """``B.T @ vectors``, float32 [m, d]."""
        ...

    def further(self, targets: np.ndarray) -> np.ndarray:
        """The weights of the same regression for further targets, float32 [m, d], which are
        histories' products with them.
        """
        ...

    def scores(self, histories: sparse.csr_array) -> np.ndarray:
        """Scores of m items for some histories, [users, m]: float32 [users, m]."""
        ...


class NextWeights:
    """Ridge regression from the items that were taken to the next: ``(gram + l2)⁻¹ targets``.

    Args:
        gram, targets: float32 [m, m], as of ``next_regression``; not changed.
        l2: the penalty, above 0.
    """

    def __init__(self, gram: np.ndarray, targets: np.ndarray, l2: float) -> None:
        self._factor, self._targets = cholesky(gram, l2), targets

    def times(self, vectors: np.ndarray) -> np.ndarray:
        return self.further(self._targets @ vectors)

    def transposed_times(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(self._targets.T @ self.further(vectors))

    def further(self, targets: np.ndarray) -> np.ndarray:
        return solved(self._factor, targets)

    def scores(self, histories: sparse.csr_array) -> np.ndarray:
        return self.transposed_times(histories.T.toarray()).T


class TasteWeights:
    """EASE's weights, 0 on the diagonal: with ``P = (gram + l2)⁻¹``, ``-P`` over P's diagonal, by
    column (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019).

    Args:
        gram: float32 [m, m], as of ``taste_regression``; not changed.
        l2: the penalty, above 0.

    Attributes:
        weights: float32 [m, m].
    """

    def __init__(self, gram: np.ndarray, l2: float) -> None:
        dtype = np.float64 if len(gram) <= EXACT else np.float32
        inverse = inverted(cholesky(gram, l2, dtype))
        self._diagonal = np.diag(inverse).astype(np.float32)[:, None].copy()
        inverse /= -np.diag(inverse).copy()
        np.fill_diagonal(inverse, 0.0)
        self.weights: np.ndarray = inverse.astype(np.float32, copy=False)

    def times(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(self.weights @ vectors)

    def transposed_times(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(self.weights.T @ vectors)

    def further(self, targets: np.ndarray) -> np.ndarray:
        scaled = self._diagonal * targets  # P is (1 - B) times its diagonal
        return np.asarray(scaled - self.weights @ scaled)

    def scores(self, histories: sparse.csr_array) -> np.ndarray:
        return np.asarray(histories @ self.weights)


def item_weights(ordered: bool, gram: np.ndarray, targets: np.ndarray, l2: float) -> ItemWeights:
    """The weights of a regression; unordered, it reads no ``targets``."""
    return NextWeights(gram, targets, l2) if ordered else TasteWeights(gram, l2)


def next_weights(gram: np.ndarray, targets: np.ndarray, l2: float) -> np.ndarray:
    """``NextWeights`` as a matrix: float32 [m, m]."""
    return solved(cholesky(gram, l2), targets)


def taste_weights(gram: np.ndarray, l2: float) -> np.ndarray:
    """``TasteWeights`` as a matrix: float32 [m, m]."""
    return TasteWeights(gram, l2).weights


def cholesky(gram: np.ndarray, l2: float, dtype: type = np.float32) -> np.ndarray:
    """The lower factor of ``gram + l2``, [m, m], in Fortran's order; the upper half is arbitrary.

    In float64 where float32 finds no factor, since the penalty is too small for its digits.

    Raises:
        numpy.linalg.LinAlgError: float64 finds none either.
    """
    # The transpose of a symmetric matrix, so that LAPACK need not copy it.
    penalised: np.ndarray = gram.astype(dtype, order="C").T
    penalised[np.diag_indices_from(penalised)] += dtype(l2)
    factorise = lapack.spotrf if dtype is np.float32 else lapack.dpotrf
    factor, failed = factorise(penalised, lower=1, clean=0, overwrite_a=1)
    if not failed:
        return np.asarray(factor)
    if dtype is np.float64:
        raise np.linalg.LinAlgError(f"the Gram matrix plus {l2:g} is not positive definite")
    return cholesky(gram, l2, np.float64)


def solved(factor: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What a factor's matrix maps to ``right``, [m, d]: float32 [m, d]."""
    solve = lapack.spotrs if factor.dtype == np.float32 else lapack.dpotrs
    return np.asarray(solve(factor, right, lower=1)[0], dtype=np.float32)


def inverted(factor: np.ndarray) -> np.ndarray:
    """The inverse of a factor's matrix, [m, m], in the factor's place."""
    invert = lapack.spotri if factor.dtype == np.float32 else lapack.dpotri
    inverse = np.asarray(invert(factor, lower=1, overwrite_c=1)[0])
    for begin in range(0, len(inverse), _COLUMNS):  # LAPACK fills one half
        end = begin + _COLUMNS
        inverse[begin:end, end:] = inverse[end:, begin:end].T
        square = np.tril(inverse[begin:end, begin:end])
        inverse[begin:end, begin:end] = square + np.tril(square, -1).T
    return inverse
