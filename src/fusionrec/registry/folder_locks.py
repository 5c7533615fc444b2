"""Locks of version folders, which end with their process: what is read or written stays."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED, DELETED = ".new-", ".gone-"  # how the names of folders begin that are no versions


def hold(folder: Path) -> int | None:
    """Keeps a folder from being deleted while the file descriptor given back is open; None where
    that is not possible, as on some network file systems.
    """
    with suppress(OSError):
        return _locked(folder, fcntl.LOCK_SH)
    return None


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Whether no process is known to hold a folder; where there are locks, none can while this
    lasts.
    """
    descriptor, free = None, True
    try:
        descriptor = _locked(folder, fcntl.LOCK_EX)
    except BlockingIOError:
        free = False
    except OSError:
        pass
    try:
        yield free
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def unfinished_folder(models: Path) -> Iterator[Path]:
    """A new folder beside the versions, which counts as left over once this process has died.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=models))
        descriptor = hold(folder)
        if folder.is_dir():
            break
        if descriptor is not None:  # it was taken for a leftover before it was locked
            os.close(descriptor)
    try:
        yield folder
    finally:
        if descriptor is not None:
            os.close(descriptor)


def leftovers(models: Path) -> list[Path]:
    """The folders that were left by killed processes: of versions not finished or half deleted."""
    found = []
    for start in (UNFINISHED, DELETED):
        for folder in sorted(models.glob(f"{start}*")):
            with suppress(OSError):
                os.close(_locked(folder, fcntl.LOCK_EX))
                found.append(folder)
    return found


def _locked(folder: Path, kind: int) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
