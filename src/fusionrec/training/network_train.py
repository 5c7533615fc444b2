"""Trains a network with Paddle and publishes it as a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log
from fusionrec.models.presets import Recipe, SequenceRecipe
from fusionrec.registry import Artifact
from fusionrec.registry.publish import publish
from fusionrec.training.checkpoint import STATE
from fusionrec.training.checkpoint_lock import (
    checkpoint_folders,
    claim_folder,
    run_folders,
    with_checkpoint,
)
from fusionrec.training.fusion_trainer import FusionTrainer
from fusionrec.training.loop import Trainer
from fusionrec.training.progress import OnProgress
from fusionrec.training.sequence_trainer import SequenceTrainer
from fusionrec.training.warm_start import WarmStart
from fusionrec.workspace import Workspace


def train_network(
    dataset: Dataset,
    recipe: Recipe | SequenceRecipe,
    workspace: Workspace,
    on_progress: OnProgress = lambda _: None,
    *,
    rows: np.ndarray,
    part: Mapping[str, Any] | None = None,
    resume: bool = False,
    start: WarmStart | None = None,
    log: Log = lambda _: None,
) -> Artifact:
    """Trains a model and publishes it as the next version; see ``training.train.train``.

    Args:
        dataset, recipe, workspace, on_progress, part, resume, log: as there; the recipe is adapted
            to the schema already.
        rows: int [n], the interactions that training may see.
        start: what it begins with; None begins at random.
    """
    kind = SequenceTrainer if isinstance(recipe, SequenceRecipe) else FusionTrainer
    trainer: Trainer = kind(dataset, rows, recipe, start=start)
    with _checkpoints(trainer, workspace, rows, resume=resume, log=log) as trainer.folder:
        trainer.fit(on_progress, resume=resume)
        fields = manifest_of(trainer, part)
        if not trainer.group.leads:
            [number] = trainer.group.total(0.0)
            return Artifact.load(workspace.models / f"v{number:.0f}")
        encoder, towers = trainer.encoder, trainer.towers
        artifact = publish(workspace.models, dataset, rows, encoder, towers, fields)
        (trainer.folder / STATE).unlink(missing_ok=True)
    # Tells the other processes.
    trainer.group.total(float(artifact.version.removeprefix("v")))
    return artifact


@contextmanager
def _checkpoints(
    trainer: Trainer, workspace: Workspace, rows: np.ndarray, *, resume: bool, log: Log
) -> Iterator[Path]:
    """The folder for a training's checkpoints; the first process chooses it for all."""
    start = trainer.start.artifact if trainer.start else None
    current, former = checkpoint_folders(workspace, trainer.dataset, rows, trainer.recipe, start)
    if not trainer.group.leads:
        [number] = trainer.group.total(0.0)
        yield next(islice(run_folders(current), int(number), None))
        return
    if resume and not current.exists() and with_checkpoint(former):
        former.rename(current)
    with claim_folder(current, resume=resume, log=log) as folder:
        number = next(n for n, path in enumerate(run_folders(current)) if path == folder)
        trainer.group.total(float(number))
        yield folder


def manifest_of(trainer: Trainer, part: Mapping[str, Any] | None) -> dict[str, Any]:
    """The manifest's fields of a training."""
    dataset, best = trainer.dataset, trainer.state.best
    fields: dict[str, Any] = {
        "model": trainer.recipe.name,
        "recipe": trainer.recipe.to_dict(),
        "training": {
            "trained_rows": dataset.fingerprint(trainer.rows),
            "best_epoch": best.number if best else None,
            "threads": trainer.state.threads,
            "measure": asdict(trainer.metric),
            "epochs": [asdict(epoch) for epoch in trainer.state.epochs],
        },
        **trainer.manifest_fields(),
    }
    if trainer.start is not None:
        fields["start"] = trainer.start.to_json()
    if part is not None:
        fields["part"] = dict(part)
    return fields
