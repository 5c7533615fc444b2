"""In what condition the service is: store, ledger, workers, disk."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fusionrec.deploy.doctor import OK, disk
from fusionrec.errors import FusionrecError
from fusionrec.service.state import ServiceState


@dataclass(frozen=True)
class Part:
    """One thing that the service needs: its name, whether it is sound, and what there is to say."""

    name: str
    sound: bool
    text: str


def condition(state: ServiceState) -> list[Part]:
    """All of them, as ``/readyz`` and ``doctor`` know them; nothing is written or built."""
    return [*_version(state), _ledger(state), *_workers(state), *_disks(state)]


def _version(state: ServiceState) -> Iterator[Part]:
    try:
        view = state.answer(lambda view: view)
    except FusionrecError as error:
        yield Part("Version", False, state.folders.hide(error.message))
        return
    behind = state.notes()
    text = f"{view.artifact.version} answers"
    yield Part("Version", not behind, "; ".join([text, *behind]))
    if view.failed:
        text = f"has failed, and the version's own vectors answer: {view.failed}"
        yield Part("Store", False, text)
        return
    troubles = [one for one in (state.live.lacking, state.live.trouble) if one]
    said = [f"vectors are searched in {state.folders.hide(view.place)}", *troubles]
    yield Part("Store", not troubles, "; ".join(map(state.folders.hide, said)))


def _ledger(state: ServiceState) -> Part:
    ledger = state.ledger
    try:
        ledger.active()
    except FusionrecError as error:
        return Part("Ledger", False, state.folders.hide(error.message))
    if state.recorder.trouble:
        return Part("Ledger", False, state.folders.hide(state.recorder.trouble))
    text = "a PostgreSQL database, read and written"
    if ledger.file is not None:
        files = [Path(f"{ledger.file}{end}") for end in ("", "-wal")]
        size = sum(file.stat().st_size for file in files if file.exists())
        text = f"a SQLite file of {size / 1e6:,.1f} MB, read and written"
    return Part("Ledger", True, text)


def _workers(state: ServiceState) -> Iterator[Part]:
    wanted = state.settings.workers
    if wanted == 1:
        memory = 1_024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield Part("Workers", True, f"1, which took {memory / 1e6:,.0f} MB of memory at most")
        return
    sizes = [size for size in map(_memory, _siblings()) if size]
    text = f"{len(sizes)} of {wanted} run"
    if sizes:
        text += f", with {min(sizes) / 1e6:,.0f} to {max(sizes) / 1e6:,.0f} MB of memory each"
    yield Part("Workers", len(sizes) >= wanted, text)


def _siblings() -> list[int]:
    """Ids of the processes that one supervisor has started."""
    parent = os.getppid()
    try:
        return [*map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]
    except OSError:
        return []


def _memory(pid: int) -> int:
    """Bytes of memory of a process; 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _disks(state: ServiceState) -> Iterator[Part]:
    found = disk(state.workspace)
    hint = f"; {found.hint}" if found.hint else ""
    yield Part("Disk", found.level == OK, state.folders.hide(found.text) + hint)
    file, home = state.ledger.file, state.workspace.home
    if file is None or not file.parent.exists():
        return
    if file.parent.stat().st_dev != home.absolute().stat().st_dev:
        free = shutil.disk_usage(file.parent).free
        yield Part("Ledger's disk", free > 1e8, f"has {free / 1e9:,.1f} GB free")
