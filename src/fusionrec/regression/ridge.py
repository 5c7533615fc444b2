"""Ridge regression, and the directions in which predictions vary most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

Product = Callable[[np.ndarray], np.ndarray]

OVERSAMPLE, _POWERS = 32, 6  # of the search for the widest directions


def ridge(inputs: np.ndarray, targets: np.ndarray | sparse.csr_array, l2: float) -> np.ndarray:
    """The weights, float64 [width, m], of the ridge regression of targets, [n, m] or sparse, on
    inputs, [n, width]; by the smaller of the two Gram matrices.
    """
    exact: np.ndarray = inputs.astype(np.float64)
    n, width = exact.shape
    if width <= n:
        gram = exact.T @ exact + l2 * np.eye(width)
        return np.asarray(np.linalg.solve(gram, _product(targets, exact)))
    gram = exact @ exact.T + l2 * np.eye(n)
    dense = targets.toarray() if isinstance(targets, sparse.csr_array) else targets
    return np.asarray(exact.T @ np.linalg.solve(gram, np.asarray(dense, dtype=np.float64)))


def _product(targets: np.ndarray | sparse.csr_array, inputs: np.ndarray) -> np.ndarray:
    return np.asarray((targets.T @ inputs).T)


def principal(times: Product, back: Product, gram: np.ndarray, width: int, seed: int) -> np.ndarray:
    """The ``width`` directions in which predictions vary most: float32 [size, width], orthonormal.

    The first eigenvectors of ``B' G B``, weights B and the Gram matrix G of their inputs, by
    subspace iteration from a random start (Halko et al., SIAM Review 2011): reduced-rank regression
    (Izenman, 1975). Predictions ``x B`` become ``(x B V) V'``, an inner product of two vectors.

    Args:
        times, back: multiply vectors, [size, d], by the weights and by their transpose.
        gram: float32 [size, size].
        width: at most ``size`` are found.
        seed: of the start.
    """
    size = len(gram)
    width = min(width, size)
    columns = min(width + OVERSAMPLE, size)
    basis = np.random.default_rng(seed).standard_normal((size, columns)).astype(np.float32)
    for _ in range(_POWERS):
        basis = np.linalg.qr(back(gram @ times(basis)))[0]
    return np.asarray(basis @ rotation(times(basis), gram, width))


def rotation(inputs: np.ndarray, gram: np.ndarray, width: int) -> np.ndarray:
    """Turns directions to those in which predictions vary most, the first first.

    Args:
        inputs: [size, columns], ``B @ basis``.
        gram: [size, size], G.
        width: of the turned ones.

    Returns:
        float32 [columns, width], orthonormal: the first eigenvectors of ``inputs' G inputs``.
    """
    values, vectors = np.linalg.eigh((inputs.T @ (gram @ inputs)).astype(np.float64))
    return np.asarray(vectors[:, np.argsort(-values)[:width]], dtype=np.float32)


def factors(weights: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The best product ``left @ right.T`` of a width, at most, for weights, float64 [m, items].

    Returns:
        The orthonormal left factor, float64 [m, rest], and the right one, [items, rest]: the first
        singular vectors, the right ones times their values; ``rest`` is 1 at least.
    """
    if len(weights) <= weights.shape[1]:  # by the smaller Gram matrix
        squares, left = np.linalg.eigh(weights @ weights.T)
        squares, left = squares[::-1], left[:, ::-1]
    else:
        left, values, _ = np.linalg.svd(weights, full_matrices=False)
        squares = values**2
    rest = max(1, min(width, int((squares > 1e-12 * squares[0]).sum())))
    return left[:, :rest], weights.T @ left[:, :rest]
