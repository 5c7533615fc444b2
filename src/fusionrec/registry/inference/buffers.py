"""Reusable arrays per thread: fresh memory pages cost more than much of the arithmetic."""

from __future__ import annotations

import math
import threading

import numpy as np

MAX_SIZE = 1 << 20  # numbers in the largest array that is kept; 4 MiB


class Buffers(threading.local):
    """Arrays by use; an array keeps its values until the same use takes it again."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def take(self, use: str, *shape: int) -> np.ndarray:
        """An uninitialized array, float32 of a shape."""
        size = math.prod(shape)
        if size > MAX_SIZE:
            return np.empty(shape, dtype=np.float32)
        array = self._arrays.get(use)
        if array is None or len(array) < size:
            array = self._arrays[use] = np.empty(size, dtype=np.float32)
        return array[:size].reshape(shape)
