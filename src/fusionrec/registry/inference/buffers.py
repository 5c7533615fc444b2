"""Memory to compute in that a thread keeps: fresh pages cost more than much of the arithmetic."""

from __future__ import annotations

import math
import threading

import numpy as np

KEPT = 1 << 20  # numbers in the largest array that is kept; 4 MiB


class Buffers(threading.local):
    """Arrays by their use; what is written there stands until the same use takes it again."""

    def __init__(self) -> None:
        self._held: dict[str, np.ndarray] = {}

    def take(self, use: str, *shape: int) -> np.ndarray:
        """An array, float32 of a shape, with anything in it."""
        size = math.prod(shape)
        if size > KEPT:
            return np.empty(shape, dtype=np.float32)
        held = self._held.get(use)
        if held is None or len(held) < size:
            held = self._held[use] = np.empty(size, dtype=np.float32)
        return held[:size].reshape(shape)
