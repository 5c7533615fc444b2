"""A tower's weights on disk, as safetensors; every array is checked before use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError, reason
from fusionrec.registry.tables import RETRAIN


class Weights:
    """The weights of one side's tower; its layers take the arrays one by one.

    Args:
        folder: the artifact.
        side: whose tower.
        prefix: of the names; all other arrays are left out.

    Raises:
        ArtifactError: the file cannot be read, or an array is not finite float32.
    """

    def __init__(self, folder: Path, side: Side, prefix: str = "") -> None:
        self._path = weights_file(folder, side)
        try:
            arrays = load_file(self._path)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{self._path} cannot be read: {reason(error)}", RETRAIN) from error
        self._arrays = {
            name.removeprefix(prefix): array
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        for name, array in self._arrays.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ArtifactError(f"{self._path}: {name} is not of finite float32", RETRAIN)

    def take(self, name: str, *shape: int) -> np.ndarray:
        """Removes and returns an array, float32 of a shape.

        Raises:
            ArtifactError: there is no array of this name and shape.
        """
        if name not in self._arrays:
            raise ArtifactError(f"{self._path} lacks {name}", RETRAIN)
        array: np.ndarray = self._arrays.pop(name)
        if array.shape != shape:
            raise ArtifactError(
                f"{self._path}: {name} is {list(array.shape)}, not {list(shape)} as encoder and "
                "recipe want it",
                RETRAIN,
            )
        return array

    def rest(self) -> dict[str, np.ndarray]:
        """Removes and returns all arrays that are left, by name."""
        left, self._arrays = self._arrays, {}
        return left

    def end(self) -> None:
        """Checks that no array is left.

        Raises:
            ArtifactError: an array is left that the tower does not use.
        """
        if self._arrays:
            left = ", ".join(sorted(self._arrays))
            raise ArtifactError(f"{self._path} holds what its tower does not have: {left}", RETRAIN)


def weights_file(folder: Path, side: Side) -> Path:
    """The file of a tower's weights in an artifact."""
    return folder / f"{side}_tower.safetensors"


def write_weights(folder: Path, side: Side, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a tower's weights; ``Weights`` reads them back equal.

    Args:
        folder, side: of the artifact, and whose tower.
        arrays: float32, by their names in ``models``.

    Raises:
        OSError: they could not be written.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # Not save_file: only the owner may read its files.
    weights_file(folder, side).write_bytes(save(contiguous))
