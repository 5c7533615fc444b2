"""Checkpoint folders with locks: equal trainings that run at once have one each."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import TrainingError
from fusionrec.models.presets import AnyRecipe
from fusionrec.registry import Artifact
from fusionrec.training.checkpoint import STATE, run_settings
from fusionrec.workspace import Workspace, make_folder

_LOCK = "lock"  # locked while its training runs; the system unlocks it when the process dies


def run_folders(folder: Path) -> Iterator[Path]:
    """Folders for simultaneous runs of one training: its own, then numbered ones."""
    yield folder
    for number in count(2):
        yield folder.with_name(f"{folder.name}-{number}")


def with_checkpoint(folder: Path) -> list[Path]:
    """The ``run_folders`` that have a checkpoint."""
    beside = sorted(folder.parent.glob(f"{folder.name}-*"))
    return [path for path in (folder, *beside) if (path / STATE).is_file()]


@contextmanager
def claim_folder(folder: Path, *, resume: bool, log: Callable[[str], None]) -> Iterator[Path]:
    """Locks a folder for a training. Afterwards it is removed, unless it has a checkpoint.

    Args:
        folder: of the training; where another process uses it, a numbered one is taken.
        resume: take one with a checkpoint, if there is any.
        log: called with the folder's name where it is not ``folder``.

    Raises:
        TrainingError: every checkpoint is in use by a running process.
        OSError: the folder cannot be made.
    """
    begun = with_checkpoint(folder) if resume else []
    claimed = _first_free(begun)
    if begun and claimed is None:
        raise TrainingError(
            f"this training is running already{_process(begun[0])}: there is nothing to resume",
            "wait for it to end, or stop it and resume then; without --resume the same training "
            "begins anew beside it",
        )
    if claimed is None:
        claimed = _first_free(run_folders(folder))
        assert claimed is not None, "the names do not end"
        if claimed[0] != folder:
            log(
                f"note: the same training is running already{_process(folder)}; this one begins "
                f"anew, beside it, and keeps its checkpoints in {claimed[0]}"
            )
    taken, lock = claimed
    with lock:
        try:
            yield taken
        finally:
            if (taken / STATE).is_file():
                (taken / _LOCK).unlink(missing_ok=True)
            else:
                shutil.rmtree(taken, ignore_errors=True)


def _first_free(folders: Iterable[Path]) -> tuple[Path, IO[str]] | None:
    """The first folder that no other process has locked, and its lock; None if all are."""
    locks = ((folder, _lock(folder)) for folder in folders)
    return next(((folder, lock) for folder, lock in locks if lock is not None), None)


def _lock(folder: Path) -> IO[str] | None:
    """Locks a folder, creating it if needed; None where another process has the lock."""
    while True:
        try:
            make_folder(folder)
            lock = (folder / _LOCK).open("a+")
        except FileNotFoundError:
            continue  # its process has just removed it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), (folder / _LOCK).stat()):
                lock.truncate(0)
                lock.write(str(os.getpid()))
                lock.flush()
                return lock
        except BlockingIOError:
            lock.close()
            return None
        except FileNotFoundError:
            pass
        lock.close()  # of a folder that was removed meanwhile


def _process(folder: Path) -> str:
    """The process that uses a folder, in words; empty where unknown."""
    try:
        number = (folder / _LOCK).read_text()
    except OSError:
        return ""
    return f" (process {number})" if number else ""


def checkpoint_folders(
    workspace: Workspace,
    dataset: Dataset,
    rows: np.ndarray,
    recipe: AnyRecipe,
    start: Artifact | None = None,
) -> tuple[Path, Path]:
    """The checkpoint folders of a training, by recipe, rows and the version that it begins with:
    today's, and the name of 0.1.0.
    """
    settings = run_settings(recipe.for_schema(dataset.schema, len(rows)))
    begun = [] if start is None else [start.checksum]
    runs = [
        json.dumps([settings, fingerprint, *begun], sort_keys=True)
        for fingerprint in dataset.fingerprints(rows)
    ]
    current, former = (hashlib.sha256(run.encode()).hexdigest()[:16] for run in runs)
    return workspace.checkpoints / current, workspace.checkpoints / former
