"""Remembers which files were found to be whole, so that they need not be read again for that."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fusionrec.registry.manifest import sha256

# A file that is written twice within a tick of its file system's clock looks unchanged.
_TICK = 2.0
# Seconds after which files are read again: what a failing disk changes shows in no file's times.
KEPT = 86_400.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # a machine that lost power may have lost writes


class VerifiedFiles:
    """What was verified, and the state of the files then: device, inode, size, and the times of the
    last change of content and of inode, in nanoseconds.

    Whatever writes, replaces, copies or restores a file changes that state: no program can set the
    time of the last change of an inode. Like the checksums of a manifest, this finds accidents; who
    may write the files may write the checksums too.

    Args:
        file: JSON, that holds what is remembered; if it cannot be read or written, all is verified
            anew each time.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._new = file, False
        self._known: dict[str, list[Any]] = {}  # name -> state, what was found, and when
        with suppress(OSError, ValueError, AttributeError, TypeError):
            for name, (state, found, when) in json.loads(file.read_bytes()).items():
                if 0 <= time.time() - float(when) < KEPT:
                    self._known[name] = [state, found, when]

    def sha256(self, path: Path) -> str:
        """A file's SHA-256, in hexadecimal, by memory where it is as it was then."""
        name, state = str(path.absolute()), _state([path])
        known = self._known.get(name)
        if known is not None and known[0] == state:
            return str(known[1])
        found = sha256(path)
        self._note(name, state, [path], found)
        return found

    def state(self, folder: Path) -> str:
        """The state of all files of a folder, for ``holds`` and ``note``."""
        return _state(_files(folder))

    def holds(self, folder: Path, found: str) -> bool:
        """Whether this was found of a folder, whose files are as they were then."""
        known = self._known.get(str(folder.absolute()))
        state = self.state(folder)
        return bool(state) and known is not None and known[:2] == [state, found]

    def note(self, folder: Path, found: str, state: str) -> None:
        """Remembers what was found of a folder that was in a state before it was looked at."""
        self._note(str(folder.absolute()), state, _files(folder), found)
        self.save()

    def save(self) -> None:
        """Writes what is new, for other processes; forgets what is gone."""
        if not self._new:
            return
        self._new = False
        kept = {name: known for name, known in self._known.items() if Path(name).exists()}
        fresh = self._file.with_name(f".{self._file.name}.{os.getpid()}.new")
        with suppress(OSError):
            try:
                fresh.touch(mode=0o600)
                fresh.write_text(json.dumps(kept, indent=1), encoding="utf-8")
                fresh.rename(self._file)
            finally:
                fresh.unlink(missing_ok=True)

    def _note(self, name: str, state: str, files: Iterable[Path], found: str) -> None:
        before, now = list(files), time.time()
        with suppress(OSError):  # one is gone
            newest = max((path.stat().st_ctime for path in before), default=now)
            if _state(before) == state and newest < now - _TICK:
                self._known[name], self._new = [state, found, now], True


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError:  # one is gone, or links lead in a circle
        return []


def _state(files: Iterable[Path]) -> str:
    """The state of some files as one text; empty where one is gone."""
    parts: list[object] = []
    with suppress(OSError):
        parts.append(_BOOT.read_text())
    try:
        for path in files:
            about = path.stat()
            times = about.st_mtime_ns, about.st_ctime_ns
            parts.append((str(path), about.st_dev, about.st_ino, about.st_size, *times))
    except OSError:
        return ""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
