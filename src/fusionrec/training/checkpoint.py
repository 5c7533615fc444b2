"""Checkpoints: all state that a training needs to resume exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from fusionrec.errors import TrainingError, reason
from fusionrec.models.presets import AnyRecipe, Recipe
from fusionrec.workspace import make_folder, move_in

STATE = "state.safetensors"  # the file in a checkpoint's folder

# Settings of fusion that are gone since 0.2.0, as they were by default.
_GONE = {"all_items": False, "low_weight": 0.0, "choice": 0.0}
_GONE_HEAD = {
    "networks": 0, "towers": 0.3, "width": 128, "dropout": 0.2,
    "epochs": 16, "batch": 9000, "learning_rate": 0.003, "weight_decay": 1.0,
}  # fmt: skip


def run_settings(recipe: AnyRecipe) -> dict[str, Any]:
    """All settings, as they identify a training; of fusion in the form of 0.1.0 and 0.2.0, so that
    a training that these began goes on.
    """
    settings = _without_device(recipe.to_dict())
    if isinstance(recipe, Recipe):
        settings["training"] |= _GONE
        settings["rating"] = _GONE_HEAD
    return settings


def _without_device(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without the devices in them: where it goes on is no part of what a training is."""
    return {
        name: _without_device(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name != "device"
    }


@dataclass
class Checkpoint:
    """A training's state between two steps.

    Attributes:
        run: identifies the training (recipe, schema, fingerprint of its rows); must be equal to
            resume.
        progress: the numbers of its ``TrainingState``.
        arrays: parameters, optimiser state and the best parameters so far, by name.
    """

    run: dict[str, Any]
    progress: dict[str, Any]
    arrays: Mapping[str, np.ndarray]

    def save(self, folder: Path) -> None:
        """Replaces the checkpoint in ``folder``; on failure the old one stays.

        Raises:
            TrainingError: it could not be written (a full disk, say).
        """
        make_folder(folder)
        fresh = folder / f"{STATE}.new"
        # run and progress are in the same file as the arrays, so they cannot disagree.
        note = {"run": json.dumps(self.run), "progress": json.dumps(self.progress)}
        arrays = {name: np.ascontiguousarray(value) for name, value in self.arrays.items()}
        try:
            save_file(arrays, fresh, metadata=note)
            move_in(fresh, folder / STATE)
        except (OSError, SafetensorError) as error:
            fresh.unlink(missing_ok=True)
            raise TrainingError(
                f"no checkpoint could be written to {folder}: {reason(error)}",
                "look at the disk's free space and the folder's permissions, then run the same "
                "training again and resume it; the checkpoint before this one is kept",
            ) from error

    @classmethod
    def load(cls, folder: Path, *runs: Mapping[str, Any]) -> Checkpoint | None:
        """The checkpoint in ``folder``, or None where there is none.

        ``runs`` are the trainings that it may be of.

        Raises:
            TrainingError: it is damaged, or of another run (other settings or other rows).
        """
        path = folder / STATE
        if not path.exists():
            return None
        hint = "start afresh without --resume, or give the settings and data it was begun with"
        try:
            with safe_open(path, "np") as file:
                note = file.metadata()
            checkpoint = cls(json.loads(note["run"]), json.loads(note["progress"]), load_file(path))
        except Exception as error:  # safetensors raises its own kinds for a damaged file
            raise TrainingError(f"{path} is not a checkpoint: {error}", hint) from error
        wanted = json.loads(json.dumps(runs))  # tuples become lists, as in the file
        if checkpoint.run not in wanted:
            run = checkpoint.run
            other = [key for key in run | wanted[0] if run.get(key) != wanted[0].get(key)]
            raise TrainingError(f"{path} is of a training with another {', '.join(other)}", hint)
        return checkpoint
