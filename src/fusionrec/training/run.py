"""One call from a Dataset to a published version."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.artifact import Artifact
from fusionrec.artifact.publish import publish
from fusionrec.config import Recipe, Workspace
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.training.checkpoint import Checkpoint
from fusionrec.training.loop import Report, Trainer


def train(
    dataset: Dataset,
    recipe: Recipe,
    workspace: Workspace,
    report: Report = lambda _: None,
    *,
    rows: np.ndarray | None = None,
    resume: bool = False,
) -> Artifact:
    """Trains the fusion model and publishes it as the workspace's next version.

    Args:
        dataset: the data set.
        recipe: all settings.
        workspace: where checkpoints and the version go.
        report: called after every step and every epoch.
        rows: int [n], the interactions that training may see; all by default.
        resume: go on from a checkpoint of the same recipe and rows, if there is one.

    Raises:
        UsageError: the workspace cannot be written.
        TrainingError: the training went astray, or the checkpoint does not fit.
        ArtifactError: the version could not be saved; the checkpoint is kept.
        KeyboardInterrupt: as it came, after a checkpoint was kept.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    folder = checkpoint_folder(workspace, dataset, rows, recipe)
    try:  # before the work, not after it
        workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the workspace {workspace.home} cannot be written: {error.strerror}",
            "choose another with --home or FUSIONREC_HOME",
        ) from error
    trainer = Trainer(dataset, rows, recipe, folder)
    trained = trainer.fit(report, resume=resume)
    best = trained.progress.best
    about: dict[str, Any] = {
        "model": "fusion",
        "recipe": recipe.to_dict(),
        "training": {
            "trained_rows": dataset.fingerprint(trainer.rows),
            "best_epoch": best.number if best else None,
            "epochs": [vars(epoch) for epoch in trained.progress.epochs],
        },
    }
    artifact = publish(workspace.models, dataset, rows, trained.encoder, trained.towers, about)
    Checkpoint.remove(folder)
    return artifact


def has_checkpoint(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> bool:
    """Whether a training of all of a data set's rows can be resumed."""
    folder = checkpoint_folder(workspace, dataset, np.arange(len(dataset)), recipe)
    return any(folder.glob("*.safetensors"))


def checkpoint_folder(
    workspace: Workspace, dataset: Dataset, rows: np.ndarray, recipe: Recipe
) -> Path:
    """Where the checkpoint of a training lies: one folder for each recipe and set of rows."""
    run = json.dumps([recipe.to_dict(), dataset.fingerprint(rows)], sort_keys=True)
    return workspace.checkpoints / hashlib.sha256(run.encode()).hexdigest()[:16]
