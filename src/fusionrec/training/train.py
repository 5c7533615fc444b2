"""One call from a Dataset to a published version."""

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
from fusionrec.errors import Log, UsageError
from fusionrec.models.presets import AnyRecipe, Recipe, SequenceRecipe
from fusionrec.registry import Artifact
from fusionrec.registry.publish import publish
from fusionrec.training.checkpoint import Checkpoint
from fusionrec.training.checkpoint_lock import claimed, kept, names
from fusionrec.training.distributed import ProcessGroup
from fusionrec.training.fusion import FusionTrainer
from fusionrec.training.loop import Trained, Trainer
from fusionrec.training.progress import OnProgress
from fusionrec.training.rating_head import fit_stars
from fusionrec.training.sequence import SequenceTrainer
from fusionrec.workspace import Workspace, make_folder


def train(
    dataset: Dataset,
    recipe: AnyRecipe,
    workspace: Workspace,
    report: OnProgress = lambda _: None,
    *,
    rows: np.ndarray | None = None,
    part: Mapping[str, Any] | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
) -> Artifact:
    """Trains a model and publishes it as the workspace's next version.

    Args:
        dataset: the data set.
        recipe: all settings; trained with is its form for the data set's schema.
        workspace: where checkpoints and the version go.
        report: called after every step and every epoch.
        rows: int [n], the interactions that training may see; all by default.
        part: what the manifest tells of ``rows`` where they are a split's.
        resume: go on from a checkpoint of the same recipe and rows, if there is one. The checkpoint
            is of the towers; a rating head is fitted anew.
        talk: told how far the rating head is, if there is one, and that the same training is
            running elsewhere; then this one keeps its checkpoints apart.

    Raises:
        UsageError: the workspace cannot be written, or the recipe does not suit the schema.
        TrainingError: there is nothing to learn, the training went astray, or the checkpoint does
            not fit or is of a process that still runs.
        ArtifactError: the version could not be saved; the checkpoint is kept.
        KeyboardInterrupt: as it came, after a checkpoint was kept.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    recipe = recipe.for_schema(dataset.schema, len(rows))
    try:  # before the work, not after it
        make_folder(workspace.checkpoints)
        tempfile.TemporaryFile(dir=workspace.checkpoints).close()
    except OSError as error:
        raise UsageError(
            f"the workspace {workspace.home} cannot be written: {error.strerror}",
            "choose another with --home or FUSIONREC_HOME",
        ) from error
    trainer = trainer_of(recipe)(dataset, rows, recipe)
    with _checkpoints(trainer, workspace, rows, resume=resume, log=log) as trainer.folder:
        trained = trainer.fit(report, resume=resume)
        about = _about(trainer, trained, recipe, part)
        if not trainer.team.leads:
            return _published_by_the_first(trainer.team, workspace)
        stars = None
        if isinstance(recipe, Recipe) and recipe.rating.networks:
            network = trainer.network
            vectors = network.vectors("user"), network.vectors("item")
            stars = fit_stars(dataset, rows, recipe, vectors, log)
            network.eval()
        towers = trained.towers
        artifact = publish(workspace.models, dataset, rows, trained.encoder, towers, about, stars)
        Checkpoint.remove(trainer.folder)
    trainer.team.total(float(artifact.version.removeprefix("v")))  # tells the others
    return artifact


@contextmanager
def _checkpoints(
    trainer: Trainer, workspace: Workspace, rows: np.ndarray, *, resume: bool, log: Log
) -> Iterator[Path]:
    """Where a training's checkpoints go; the first of a team chooses, and tells the others."""
    now, former = _folders(workspace, trainer.dataset, rows, trainer.recipe)
    if not trainer.team.leads:
        [number] = trainer.team.total(0.0)
        yield next(islice(names(now), int(number), None))
        return
    if resume and not now.exists() and kept(former):
        former.rename(now)
    with claimed(now, resume=resume, log=log) as folder:
        trainer.team.total(float(next(n for n, one in enumerate(names(now)) if one == folder)))
        yield folder


def _about(
    trainer: Trainer, trained: Trained, recipe: AnyRecipe, part: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the manifest tells of a training."""
    dataset, best = trainer.dataset, trained.progress.best
    about: dict[str, Any] = {
        "model": recipe.name,
        "recipe": recipe.to_dict(),
        "training": {
            "trained_rows": dataset.fingerprint(trainer.rows),
            "best_epoch": best.number if best else None,
            "measure": asdict(trainer.measure),
            "epochs": [asdict(epoch) for epoch in trained.progress.epochs],
        },
        **trainer.about(),
    }
    if part is not None:
        about["part"] = dict(part)
    if dataset.feedback:
        about["feedback"] = dataset.feedback
    return about


def _published_by_the_first(team: ProcessGroup, workspace: Workspace) -> Artifact:
    [number] = team.total(0.0)
    return Artifact.load(workspace.models / f"v{number:.0f}")


def trainer_of(recipe: AnyRecipe) -> type[Trainer]:
    """Which trainer a recipe is for."""
    return SequenceTrainer if isinstance(recipe, SequenceRecipe) else FusionTrainer


def has_checkpoint(
    workspace: Workspace, dataset: Dataset, recipe: AnyRecipe, rows: np.ndarray | None = None
) -> bool:
    """Whether there is a checkpoint of a training on some of a data set's rows, all by default."""
    rows = np.arange(len(dataset)) if rows is None else rows
    now, former = _folders(workspace, dataset, rows, recipe)
    return bool(kept(former) or kept(now))  # in this order: it is moved from there to here


def _folders(
    workspace: Workspace, dataset: Dataset, rows: np.ndarray, recipe: AnyRecipe
) -> tuple[Path, Path]:
    """Where checkpoints of a training lie, by its recipe and rows: now, and as 0.1.0 named it."""
    settings = recipe.for_schema(dataset.schema, len(rows)).to_dict()
    runs = [json.dumps([settings, one], sort_keys=True) for one in dataset.fingerprints(rows)]
    now, former = (hashlib.sha256(run.encode()).hexdigest()[:16] for run in runs)
    return workspace.checkpoints / now, workspace.checkpoints / former
