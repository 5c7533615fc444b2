"""Trains a model on a Dataset and publishes it as a version."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, TrainingError
from fusionrec.models.presets import AnyRecipe, AutoRecipe, LinearRecipe
from fusionrec.registry import Artifact
from fusionrec.training.checkpoint import STATE
from fusionrec.training.checkpoint_lock import checkpoint_folders, claim_folder, with_checkpoint
from fusionrec.workspace import Workspace, make_folder

if TYPE_CHECKING:
    from fusionrec.training.progress import OnProgress


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
        recipe: all settings; adapted to the data set's schema (``for_schema``). A linear model is
            trained without Paddle, in seconds, and has no checkpoints.
        workspace: where checkpoints and the version go.
        on_progress: called after every step and every epoch.
        rows: int [n], the interactions that training may see; all by default.
        part: which split ``rows`` are of, for the manifest.
        resume: go on from a checkpoint of the same recipe and rows, if there is one.
        log: called with what a model with parts chose, and with a note where the same training runs
            already; then this one has checkpoints of its own.

    Raises:
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
    if isinstance(recipe, LinearRecipe):
        from fusionrec.training.blend_train import train_blend

        return train_blend(dataset, rows, recipe, workspace.models, None, part, log=log)
    if isinstance(recipe, AutoRecipe):
        return _train_auto(dataset, rows, recipe, workspace, on_progress, part, resume, log)
    from fusionrec.training.network_train import train_network  # Paddle takes a second to import

    return train_network(
        dataset, recipe, workspace, on_progress, rows=rows, part=part, resume=resume, log=log
    )


def _train_auto(
    dataset: Dataset,
    rows: np.ndarray,
    recipe: AutoRecipe,
    workspace: Workspace,
    on_progress: OnProgress,
    part: Mapping[str, Any] | None,
    resume: bool,
    log: Log,
) -> Artifact:
    """As ``train``; the network's checkpoints go once the version is published."""
    from fusionrec.training.blend_train import train_blend

    current, _ = checkpoint_folders(workspace, dataset, rows, recipe)
    with claim_folder(current, resume=resume, log=log) as folder:
        artifact = train_blend(
            dataset, rows, recipe, workspace.models, folder, part,
            on_progress=on_progress, resume=resume, log=log,
        )  # fmt: skip
        shutil.rmtree(folder / "again", ignore_errors=True)
        (folder / STATE).unlink(missing_ok=True)
    return artifact


def import_engine(recipe: AnyRecipe) -> None:
    """Imports what trains a recipe: Paddle, which takes a second and changes the logging of the
    program, or nothing for a linear model.
    """
    if isinstance(recipe, LinearRecipe):
        return
    try:
        import fusionrec.training.network_train  # noqa: F401
    except ImportError:
        if not isinstance(recipe, AutoRecipe):  # which does without, and says so
            raise


def has_checkpoint(
    workspace: Workspace, dataset: Dataset, recipe: AnyRecipe, rows: np.ndarray | None = None
) -> bool:
    """Whether there is a checkpoint of a training on some of a data set's rows, all by default."""
    rows = np.arange(len(dataset)) if rows is None else rows
    current, former = checkpoint_folders(workspace, dataset, rows, recipe)
    # In this order: it may be moved from the former to the current one meanwhile.
    return bool(with_checkpoint(former) or with_checkpoint(current))
