"""Checkpoints: everything a training needs to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fusionrec.errors import TrainingError
from fusionrec.workspace import make_folder, move_in

STATE = "state.safetensors"  # the file in a checkpoint's folder


@dataclass
class Checkpoint:
    """A training's state between two steps.

    Attributes:
        run: what the training is of (recipe, schema, fingerprint of its rows); resuming needs it
            equal.
        progress: numbers that say how far it came.
        arrays: parameters, optimiser state and the best parameters so far, by name.
    """

    run: dict[str, Any]
    progress: dict[str, Any]
    arrays: Mapping[str, np.ndarray]

    def save(self, folder: Path) -> None:
        """Writes the checkpoint in place of the one that was in ``folder``, or leaves that one.

        Raises:
            TrainingError: it could not be written (a full disk, say).
        """
        make_folder(folder)
        fresh = folder / f"{STATE}.new"
        # run and progress travel inside the one file that is moved in, so they cannot disagree.
        note = {"run": json.dumps(self.run), "progress": json.dumps(self.progress)}
        arrays = {name: np.ascontiguousarray(value) for name, value in self.arrays.items()}
        try:
            save_file(arrays, fresh, metadata=note)
            move_in(fresh, folder / STATE)
        except (OSError, SafetensorError) as error:
            fresh.unlink(missing_ok=True)
            raise TrainingError(
                f"no checkpoint could be written to {folder}: {error}",
                "look at the disk's free space and the folder's permissions, then run the same "
                "training again with --resume; the checkpoint before this one is kept",
            ) from error

    @classmethod
    def load(cls, folder: Path, *runs: Mapping[str, Any]) -> Checkpoint | None:
        """The checkpoint in ``folder``, or None where there is none.

        Args:
            folder: of the checkpoint.
            runs: what it may be of: each names one training.

        Raises:
            TrainingError: it is damaged, or of another run (other settings or other rows).
        """
        path = folder / STATE
        if not path.exists():
            return None
        hint = "start afresh without --resume, or give the settings and data it was begun with"
        try:
            note = _metadata(path)
            found = cls(json.loads(note["run"]), json.loads(note["progress"]), load_file(path))
        except Exception as error:  # safetensors raises its own kinds for a damaged file
            raise TrainingError(f"{path} is not a checkpoint: {error}", hint) from error
        wanted = json.loads(json.dumps(runs))  # as what was read back: tuples are lists there
        if found.run not in wanted:
            other = [key for key in found.run if found.run[key] != wanted[0].get(key)]
            raise TrainingError(f"{path} is of a training with another {', '.join(other)}", hint)
        return found

    @staticmethod
    def remove(folder: Path) -> None:
        """Removes the checkpoint, once its training has been published."""
        (folder / STATE).unlink(missing_ok=True)


def _metadata(path: Path) -> dict[str, str]:
    # The file begins with the length of a JSON header (safetensors' format), 8 bytes little-endian.
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length < 100_000_000:
            raise ValueError("no header")
        metadata: dict[str, str] = json.loads(file.read(length))["__metadata__"]
    return metadata
