"""A tower's weights and output vectors as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle

from fusionrec.models.fusion import Tower
from fusionrec.models.sequence import HistoryTower

ENGINE: str = paddle.version.full_version


def tower_weights(tower: Tower | HistoryTower) -> dict[str, np.ndarray]:
    """A tower's parameters, float32, by the names of its layers."""
    return {name: value.numpy() for name, value in tower.state_dict().items()}


def tower_vectors(tower: Tower | HistoryTower, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Vectors, float32 [n, dim], of a tower's inputs, without dropout."""
    tower.eval()
    with paddle.no_grad():
        vectors: np.ndarray = tower([paddle.to_tensor(values) for values in inputs]).numpy()
    return vectors
