"""A tower's weights on disk: safetensors, every array checked before it is multiplied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.registry.tables import RETRAIN


class Weights:
    """The weights of one side's tower, taken array by array by whoever multiplies by them.

    Args:
        folder: the artifact.
        side: whose tower.

    Raises:
        ArtifactError: the file cannot be read, or an array is not of finite float32.
    """

    def __init__(self, folder: Path, side: Side) -> None:
        self._path = weights_file(folder, side)
        try:
            self._held = load_file(self._path)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{self._path} cannot be read: {error}", RETRAIN) from error
        for name, array in self._held.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ArtifactError(f"{self._path}: {name} is not of finite float32", RETRAIN)

    def take(self, name: str, *shape: int) -> np.ndarray:
        """An array, float32 of a shape; each can be taken once.

        Raises:
            ArtifactError: there is none of this name, or it has another shape.
        """
        array = self._held.pop(name, None)
        if array is None:
            raise ArtifactError(f"{self._path} lacks {name}", RETRAIN)
        if array.shape != shape:
            raise ArtifactError(
                f"{self._path}: {name} is {list(array.shape)}, not {list(shape)} as encoder and "
                "recipe want it",
                RETRAIN,
            )
        taken: np.ndarray = array
        return taken

    def end(self) -> None:
        """Makes sure that everything was taken.

        Raises:
            ArtifactError: an array is left that the tower has no place for.
        """
        if self._held:
            left = ", ".join(sorted(self._held))
            raise ArtifactError(f"{self._path} holds what its tower does not have: {left}", RETRAIN)


def weights_file(folder: Path, side: Side) -> Path:
    """Where an artifact keeps the weights of a side's tower."""
    return folder / f"{side}_tower.safetensors"


def write_weights(folder: Path, side: Side, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a tower's weights; ``Weights`` reads them back equal.

    Args:
        folder: of the artifact.
        side: whose tower.
        arrays: float32, by the names that they have in ``models``.

    Raises:
        OSError: they could not be written.
    """
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # Not save_file, whose files nobody but their owner may read.
    weights_file(folder, side).write_bytes(save(held))
