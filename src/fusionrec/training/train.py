"""Trains a model on a Dataset and publishes it as a version."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, TrainingError
from fusionrec.models.presets import AnyRecipe, Recipe, SequenceRecipe
from fusionrec.registry import Artifact
from fusionrec.registry.publish import publish
from fusionrec.training.checkpoint import STATE
from fusionrec.training.checkpoint_lock import claim_folder, run_folders, with_checkpoint
from fusionrec.training.fusion_trainer import FusionTrainer
from fusionrec.training.loop import Trainer
from fusionrec.training.progress import OnProgress
from fusionrec.training.rating_head_trainer import fit_rating_head
from fusionrec.training.sequence_trainer import SequenceTrainer
from fusionrec.workspace import Workspace, make_folder


def train(
    dataset: Dataset,
    recipe: AnyRecipe,
    workspace: Workspace,
    on_progress: OnProgress = lambda _: None,
    *,
    rows: np.ndarray | None = None,
    part: Mapping[str, Any] | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
) -> Artifact:
    """Trains a model and publishes it as the workspace's next version.

    Args:
        dataset: the data set.
        recipe: all settings; adapted to the data set's schema (``for_schema``).
        workspace: where checkpoints and the version go.
        on_progress: called after every step and every epoch.
        rows: int [n], the interactions that training may see; all by default.
        part: which split ``rows`` are of, for the manifest.
        resume: go on from a checkpoint of the same recipe and rows, if there is one. The checkpoint
            is of the towers; a rating head is fitted anew.
        log: called with the progress of a rating head, and with a note where the same training
            runs already; then this one has checkpoints of its own.

    Raises:
        UsageError: the recipe does not suit the schema.
        TrainingError: the workspace cannot be written, there is nothing to learn, the training
            diverged, or the checkpoint does not fit or is in use by a running process.
        ArtifactError: the version could not be saved; the checkpoint is kept.
        KeyboardInterrupt: as it came, after a checkpoint was kept.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    recipe = recipe.for_schema(dataset.schema, len(rows))
    try:  # fail before the work, not after it
        make_folder(workspace.checkpoints)
        tempfile.TemporaryFile(dir=workspace.checkpoints).close()
    except OSError as error:
        raise TrainingError(
            f"the workspace {workspace.home} cannot be written: {error.strerror}",
            code="workspace_not_writable",
        ) from error
    kind = SequenceTrainer if isinstance(recipe, SequenceRecipe) else FusionTrainer
    trainer: Trainer = kind(dataset, rows, recipe)
    with _checkpoints(trainer, workspace, rows, resume=resume, log=log) as trainer.folder:
        trainer.fit(on_progress, resume=resume)
        fields = _manifest(trainer, part)
        if not trainer.group.leads:
            [number] = trainer.group.total(0.0)
            return Artifact.load(workspace.models / f"v{number:.0f}")
        stars = None
        if isinstance(recipe, Recipe) and recipe.rating.networks:
            network = trainer.network
            vectors = network.vectors("user"), network.vectors("item")
            stars = fit_rating_head(dataset, rows, recipe, vectors, log)
            network.eval()
        encoder, towers = trainer.encoder, trainer.towers
        artifact = publish(workspace.models, dataset, rows, encoder, towers, fields, stars)
        (trainer.folder / STATE).unlink(missing_ok=True)
    # Tells the other processes.
    trainer.group.total(float(artifact.version.removeprefix("v")))
    return artifact


@contextmanager
def _checkpoints(
    trainer: Trainer, workspace: Workspace, rows: np.ndarray, *, resume: bool, log: Log
) -> Iterator[Path]:
    """The folder for a training's checkpoints; the first process chooses it for all."""
    current, former = _folders(workspace, trainer.dataset, rows, trainer.recipe)
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


def _manifest(trainer: Trainer, part: Mapping[str, Any] | None) -> dict[str, Any]:
    """The manifest's fields of a training."""
    dataset, best = trainer.dataset, trainer.state.best
    fields: dict[str, Any] = {
        "model": trainer.recipe.name,
        "recipe": trainer.recipe.to_dict(),
        "training": {
            "trained_rows": dataset.fingerprint(trainer.rows),
            "best_epoch": best.number if best else None,
            "measure": asdict(trainer.metric),
            "epochs": [asdict(epoch) for epoch in trainer.state.epochs],
        },
        **trainer.manifest_fields(),
    }
    if part is not None:
        fields["part"] = dict(part)
    if dataset.feedback:
        fields["feedback"] = dataset.feedback
    return fields


def has_checkpoint(
    workspace: Workspace, dataset: Dataset, recipe: AnyRecipe, rows: np.ndarray | None = None
) -> bool:
    """Whether there is a checkpoint of a training on some of a data set's rows, all by default."""
    rows = np.arange(len(dataset)) if rows is None else rows
    current, former = _folders(workspace, dataset, rows, recipe)
    # In this order: it may be moved from the former to the current one meanwhile.
    return bool(with_checkpoint(former) or with_checkpoint(current))


def _folders(
    workspace: Workspace, dataset: Dataset, rows: np.ndarray, recipe: AnyRecipe
) -> tuple[Path, Path]:
    """The checkpoint folders of a training, by recipe and rows: today's, and the name of 0.1.0."""
    settings = recipe.for_schema(dataset.schema, len(rows)).to_dict()
    runs = [
        json.dumps([settings, fingerprint], sort_keys=True)
        for fingerprint in dataset.fingerprints(rows)
    ]
    current, former = (hashlib.sha256(run.encode()).hexdigest()[:16] for run in runs)
    return workspace.checkpoints / current, workspace.checkpoints / former
