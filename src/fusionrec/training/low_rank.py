"""A sum of products of thin matrices, kept as one product of limited rank."""

from __future__ import annotations

import numpy as np

_AT_ONCE = 8  # products that are added before the rank is cut


class LowRankSum:
    """The best product of a rank, nearly, for a sum of products ``left @ right.T``.

    Products wait until there are some, and are then cut with what was kept so far, by a singular
    value decomposition of the product of two triangles (as in Brand, Fast low-rank modifications of
    the thin singular value decomposition, 2006).

    Args:
        rank: columns that are kept.
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._left: list[np.ndarray] = []
        self._right: list[np.ndarray] = []

    def add(self, left: np.ndarray, right: np.ndarray) -> None:
        """Adds a product of float32 [n, d] and [m, d]."""
        self._left.append(left)
        self._right.append(right)
        if len(self._left) > _AT_ONCE:
            self._cut()

    def product(self) -> tuple[np.ndarray, np.ndarray]:
        """The sum as float32 [n, r] and [m, r], r at most the rank."""
        self._cut()
        return self._left[0], self._right[0]

    def _cut(self) -> None:
        left, right = np.hstack(self._left), np.hstack(self._right)
        if left.shape[1] > self._rank:
            (left, first), (right, second) = np.linalg.qr(left), np.linalg.qr(right)
            u, values, v = np.linalg.svd(first @ second.T)
            rank = min(self._rank, len(values))
            root = np.sqrt(values[:rank])
            left, right = left @ (u[:, :rank] * root), right @ (v[:rank].T * root)
        self._left, self._right = [left], [right]
