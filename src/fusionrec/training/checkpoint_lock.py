"""Which folder a training keeps its checkpoint in: equal trainings at once have one each."""

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

_LOCK = "lock"  # held while its training runs; the system lets go of it when a process dies


def names(folder: Path) -> Iterator[Path]:
    """The folders of runs of one training at once: its own, then those named after it."""
    yield folder
    for number in count(2):
        yield folder.with_name(f"{folder.name}-{number}")


def kept(folder: Path) -> list[Path]:
    """Those of a training's folders (see ``names``) that hold a checkpoint."""
    beside = sorted(folder.parent.glob(f"{folder.name}-*"))
    return [one for one in (folder, *beside) if (one / STATE).is_file()]


@contextmanager
def claimed(folder: Path, *, resume: bool, log: Callable[[str], None]) -> Iterator[Path]:
    """Gives a training a folder that no other process uses meanwhile. Afterwards it is gone, unless
    a checkpoint is in it.

    Args:
        folder: of the training; where another process is in it, one beside it is taken.
        resume: take one with a checkpoint, if there is any.
        talk: told which folder is taken where it is not ``folder``.

    Raises:
        TrainingError: every checkpoint there is to go on from is of a process that still runs.
        OSError: the folder cannot be made.
    """
    held = _resumed(folder) if resume else None
    taken, lock = held or _free(folder)
    if taken != folder and held is None:
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
    """The first folder with a checkpoint that nobody uses; None where there is no checkpoint."""
    found = kept(folder)
    for one in found:
        lock = _lock(one)
        if lock is not None:
            return one, lock
    if found:
        raise TrainingError(
            f"this training is running already{_process(found[0])}: there is nothing to resume",
            "wait for it to end, or stop it and resume then; without --resume the same training "
            "begins anew beside it",
        )
    return None


def _free(folder: Path) -> tuple[Path, IO[str]]:
    for one in names(folder):
        lock = _lock(one)
        if lock is not None:
            return one, lock
    raise AssertionError("there is no end of names")


def _lock(folder: Path) -> IO[str] | None:
    """The lock of a folder, which is made where it is not; None where another process has it."""
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
    """Which process is in a folder, in words; empty where that cannot be told."""
    try:
        number = (folder / _LOCK).read_text()
    except OSError:
        return ""
    return f" (process {number})" if number else ""
