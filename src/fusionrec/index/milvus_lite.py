"""The embedded Milvus: who has it open, and moving it away when it is damaged."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fusionrec.errors import StoreMissingError, StoreUnavailableError, UsageError
from fusionrec.index.connection import Place
from fusionrec.index.error_mapping import damaged, translated
from fusionrec.workspace import make_folder

# Clients of one store share it within a process; the last one to let go of it frees its lock.
_open_paths: Counter[Path] = Counter()
_lock = threading.Lock()


def connect(path: Path, create: bool, client: Callable[[], Any]) -> Any:
    """A client of the embedded store at a path; ``release`` must follow.

    Args:
        path: a folder.
        create: whether it is made where it is not, its folders too.
        client: makes the client, which starts the store if this process has not yet.

    Raises:
        StoreMissingError: it is not there, and ``create`` is False.
        StoreDamagedError: there is a file in its place.
    """
    if not path.exists() and not create:
        raise StoreMissingError(
            f"there is no Milvus at {path}", hint="build the index: fusionrec index"
        )
    if path.exists() and not path.is_dir():
        raise damaged(str(path), "it is a file, where this Milvus Lite keeps a folder")
    with _lock:
        make_folder(path.parent)
        try:
            connected = client()
        except Exception:
            # Why it did not start is only logged; the same step taken by hand raises it.
            _take_lock(path)
            raise
        _open_paths[path] += 1
        return connected


def release(path: Path) -> None:
    """Lets go of a store; the last one in this process to do so ends it and frees its lock."""
    from milvus_lite.server_manager import server_manager_instance

    with _lock:
        _open_paths[path] -= 1
        if _open_paths[path] <= 0:
            del _open_paths[path]
            server_manager_instance.release_server(str(path))


def wipe(place: Place | str) -> Path | None:
    """Moves an embedded store that is damaged out of the way, so that a new one can be built.

    Returns:
        Where it is now (``….damaged-1``, or the next free number), or None if there was nothing.

    Raises:
        UsageError: the place is a server's.
        StoreUnavailableError: the store is open, here or in another process.
    """
    at = Place.of(place)
    if at.is_server:
        raise UsageError(f"{at.name} is a server; drop its collections one by one instead")
    path = Path(at.uri)
    if not path.exists():
        return None
    with translated(at.name, reading=False), _lock:
        if _open_paths[path]:
            raise StoreUnavailableError(f"{at.name} is open", hint="close it before it is moved")
        if path.is_dir():
            # What is damaged beyond opening, no process can have open.
            with suppress(OSError):
                _take_lock(path)
        number = 1
        while (moved := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        return path.rename(moved)


def _take_lock(path: Path) -> None:
    """Takes the lock and frees it, opening no collection; raises where another process has it."""
    from milvus_lite.db import MilvusLite

    MilvusLite(str(path)).close()
