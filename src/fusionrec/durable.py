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


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
