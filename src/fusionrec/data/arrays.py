"""Writes NumPy arrays so that every failed write is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array in NumPy's format. ``np.save`` hands a real file to C, which loses the error
    of the last block: on a full disk a shorter file would count as whole.

    Raises:
        OSError: it could not be written whole.
    """
    with path.open("wb") as file:
        writer: Any = SimpleNamespace(write=file.write)
        np.save(writer, array, allow_pickle=False)
