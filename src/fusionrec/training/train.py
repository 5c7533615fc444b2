"""Trains a model on a Dataset and publishes it as a version."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import ArtifactError, Log, TrainingError
from fusionrec.models.presets import AnyRecipe, AutoRecipe, LinearRecipe
from fusionrec.registry import Artifact
from fusionrec.registry.sharing import SharedVersions
from fusionrec.training.checkpoint import STATE
from fusionrec.training.checkpoint_lock import checkpoint_folders, claim_folder, with_checkpoint
from fusionrec.training.warm_start import WarmStart
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
    start: Artifact | None = None,
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
        resume: go on from a checkpoint of the same recipe, rows and start, if there is one.
        start: a version whose network's weights are learned on with what is new; the parts of a
            model without a network are fitted anew. None begins at random.
        log: called with what a model with parts chose, and with a note where the same training runs
            already; then this one has checkpoints of its own.

    Raises:
        UsageError: the version that it starts with has learned from what a split hides.
        TrainingError: the version does not fit, a GPU is asked for that Paddle cannot use, the
            workspace cannot be written, there is nothing to learn, the training diverged, or the
            checkpoint does not fit or is in use by a running process.
        ArtifactError: the version could not be saved; the checkpoint is kept.
        KeyboardInterrupt: as it came, after a checkpoint was kept.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    recipe = recipe.for_schema(dataset.schema, len(rows))
    _check_before(workspace, recipe, log)
    import_engine(recipe)  # which refuses a device that it cannot use
    warm = None if start is None else WarmStart.of(start, dataset, rows, recipe)
    if warm is not None:
        if part is not None:
            warm.check_split(str(part["protocol"]))
        new = np.count_nonzero(warm.new)
        log(f"learning on from {warm.artifact.version}: {new:,} interactions are new to it")
        if warm.forgotten:
            log(f"note: {warm.forgotten:,} that it has learned from are not in the data any more")
    if isinstance(recipe, LinearRecipe):
        from fusionrec.training.blend_train import train_blend

        return train_blend(dataset, rows, recipe, workspace.models, None, part, log=log)
    if isinstance(recipe, AutoRecipe):
        return _train_auto(dataset, rows, recipe, workspace, on_progress, part, resume, warm, log)
    from fusionrec.training.network_train import train_network  # Paddle takes a second to import

    return train_network(
        dataset, recipe, workspace, on_progress,
        rows=rows, part=part, resume=resume, start=warm, log=log,
    )  # fmt: skip


def _check_before(workspace: Workspace, recipe: AnyRecipe, log: Log) -> None:
    """Fails, or tells what will fail, before the work and not after it; see ``train``."""
    try:
        make_folder(workspace.checkpoints)
        tempfile.TemporaryFile(dir=workspace.checkpoints).close()
    except OSError as error:
        raise TrainingError(
            f"the workspace {workspace.home} cannot be written: {error.strerror}",
            code="workspace_not_writable",
        ) from error
    try:
        if shared := SharedVersions.of(workspace):
            shared.names()
    except ArtifactError as error:  # it may be back when the training ends
        log(f"note: as it is now, the version will not be shared: {error.message}")
    processes = int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))
    if processes > 1 and isinstance(recipe, LinearRecipe | AutoRecipe):
        raise TrainingError(
            f"{recipe.name} is trained by one process, not by {processes}",
            "several train the models sequence and fusion: --model sequence",
        )


def _train_auto(
    dataset: Dataset,
    rows: np.ndarray,
    recipe: AutoRecipe,
    workspace: Workspace,
    on_progress: OnProgress,
    part: Mapping[str, Any] | None,
    resume: bool,
    start: WarmStart | None,
    log: Log,
) -> Artifact:
    """As ``train``; the network's checkpoints go once the version is published."""
    from fusionrec.training.blend_train import train_blend

    current, _ = checkpoint_folders(
        workspace, dataset, rows, recipe, start.artifact if start else None
    )
    with claim_folder(current, resume=resume, log=log) as folder:
        artifact = train_blend(
            dataset, rows, recipe, workspace.models, folder, part,
            on_progress=on_progress, resume=resume, start=start, log=log,
        )  # fmt: skip
        shutil.rmtree(folder / "again", ignore_errors=True)
        (folder / STATE).unlink(missing_ok=True)
    return artifact


def import_engine(recipe: AnyRecipe) -> None:
    """Imports what trains a recipe: Paddle, which takes a second and changes the logging of the
    program, or nothing for a linear model.

    Raises:
        TrainingError: a GPU is asked for, and Paddle cannot use any.
    """
    if isinstance(recipe, LinearRecipe):
        return
    try:
        from fusionrec.training.process import choose_device
    except ImportError:
        if not isinstance(recipe, AutoRecipe):  # which does without, and says so
            raise
        return
    choose_device(recipe.training.device)


def has_checkpoint(
    workspace: Workspace,
    dataset: Dataset,
    recipe: AnyRecipe,
    rows: np.ndarray | None = None,
    start: Artifact | None = None,
) -> bool:
    """Whether there is a checkpoint of a training on some of a data set's rows, all by default,
    that began with a version or at random.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    current, former = checkpoint_folders(workspace, dataset, rows, recipe, start)
    # In this order: it may be moved from the former to the current one meanwhile.
    return bool(with_checkpoint(former) or with_checkpoint(current))
