"""Writes NumPy arrays so that every failed write is told, and keeps large ones out of memory."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

LARGE = 2**28  # bytes; larger arrays are mapped from a file
ROWS_AT_ONCE = 2**22  # that are sorted together


def scratch(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros; above ``LARGE`` mapped from a file in the folder for temporary files
    (``TMPDIR``), so that the system can write it out. The file goes with the array.

    Raises:
        OSError: there is no room for the file.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGE:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk is told here, not by a SIGBUS
        return np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)


def take(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``column[rows]``, both of one dimension, as a ``scratch`` array."""
    taken = scratch((len(rows),), column.dtype)
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        taken[part] = column[rows[part]]
    return taken


def without(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Those of some rows, int [n] and 0 or more, that are not among others, in their order."""
    kept = np.ones(int(rows.max(initial=0)) + 1, dtype=bool)
    kept[others[others < len(kept)]] = False
    left: np.ndarray = rows[kept[rows]]
    return left


def ranges_of(counts: np.ndarray, most: int = ROWS_AT_ONCE) -> Iterator[tuple[int, int]]:
    """Ranges of neighbours that have at most so many rows together, or are one alone.

    Args:
        counts: int [n], rows of each.
        most: rows of a range.
    """
    ends, begin = np.cumsum(counts), 0
    while begin < len(counts):
        before = int(ends[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(ends, before + most, side="right")), begin + 1)
        yield begin, end
        begin = end


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array in NumPy's format. ``np.save`` hands a real file to C, which loses the error
    of the last block: on a full disk a shorter file would count as whole.

    Raises:
        OSError: it could not be written whole.
    """
    with path.open("wb") as file:
        writer: Any = SimpleNamespace(write=file.write)
        np.save(writer, array, allow_pickle=False)
