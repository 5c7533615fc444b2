"""Checkpoint folders with locks: equal trainings that run at once have one each."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

from fusionrec.errors import TrainingError
from fusionrec.training.checkpoint import STATE
from fusionrec.workspace import make_folder

_LOCK = "lock"  # locked while its training runs; the system unlocks it when the process dies


def run_folders(folder: Path) -> Iterator[Path]:
    """Folders for simultaneous runs of one training: its own, then numbered ones."""
    yield folder
    for number in count(2):
        yield folder.with_name(f"{folder.name}-{number}")


def with_checkpoint(folder: Path) -> list[Path]:
    """Those of a training's folders (see ``run_folders``) that have a checkpoint."""
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
    resumed = _resumed(folder) if resume else None
    taken, lock = resumed or _free(folder)
    if taken != folder and resumed is None:
        log(
            f"note: the same training is running already{_process(folder)}; this one begins anew, "
            f"beside it, and keeps its checkpoints in {taken}"
        )
    with lock:
        try:
            yield taken
        finally:
            if (taken / STATE).is_file():
                (taken / _LOCK).unlink(missing_ok=True)
            else:
                shutil.rmtree(taken, ignore_errors=True)


def _resumed(folder: Path) -> tuple[Path, IO[str]] | None:
    """The first unused folder with a checkpoint, and its lock; None if there is no checkpoint."""
    paths = with_checkpoint(folder)
    for path in paths:
        lock = _lock(path)
        if lock is not None:
            return path, lock
    if paths:
        raise TrainingError(
            f"this training is running already{_process(paths[0])}: there is nothing to resume",
            "wait for it to end, or stop it and resume then; without --resume the same training "
            "begins anew beside it",
        )
    return None


def _free(folder: Path) -> tuple[Path, IO[str]]:
    for path in run_folders(folder):
        lock = _lock(path)
        if lock is not None:
            return path, lock
    raise AssertionError("there is no end of names")


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
