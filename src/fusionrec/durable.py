"""What is written stays: files and folders that outlast the machine's power."""

from __future__ import annotations

import os
from pathlib import Path


def move_in(fresh: Path, target: Path) -> None:
    """Moves a file or a folder to its place in one step; once this returns, it is on disk there.

    Args:
        fresh: written and closed, on the disk of ``target``.
        target: a file that is there is replaced.

    Raises:
        OSError: it could not be written or moved.
    """
    for path in (*fresh.rglob("*"), fresh):
        _flush(path)
    fresh.rename(target)
    _flush(target.parent)  # which holds the name


def make_folder(folder: Path) -> None:
    """Makes a folder of a workspace, and those above it that are missing, for its owner alone: what
    people did is in there. The mode of a folder that is there stays.

    Raises:
        OSError: it could not be made.
    """
    whole = folder.absolute()
    missing = [one for one in (whole, *whole.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
        _flush(one.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
