"""Memory for vectors that are copied at every change."""

from __future__ import annotations

import sys
import threading

import numpy as np

_UNUSED = 3  # references to an array that nobody holds but this list and who looks through it


class Memory:
    """Memory that is written again once nobody holds a copy in it any more: the system clears fresh
    memory page by page, which takes up to ten times as long as copying. Several threads may use it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[np.ndarray] = []

    def copied(self, vectors: np.ndarray, n: int) -> np.ndarray:
        """A copy of some vectors, [m, d], with n − m more behind, whose values are any."""
        with self._lock:
            copy = self._room(vectors, n)[:n]
        copy[: len(vectors)] = vectors
        return copy

    def _room(self, vectors: np.ndarray, n: int) -> np.ndarray:
        shape = vectors.shape[1:]
        self._held = [one for one in self._held if len(one) >= n and one.shape[1:] == shape]
        for one in self._held:
            if sys.getrefcount(one) == _UNUSED:  # any copy in it would be one more
                return one
        self._held.append(np.empty((n + n // 32 + 1, *shape), dtype=vectors.dtype))
        return self._held[-1]
