"""The embedded Milvus: its lock, its clients in this process, and moving a damaged one aside."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fusionrec.errors import StoreMissingError, StoreUnavailableError, UsageError
from fusionrec.index.connection import Place
from fusionrec.index.error_mapping import damaged_error, translated
from fusionrec.workspace import make_folder

# Number of clients of each store in this process; the last one to close frees its lock.
_open_paths: Counter[Path] = Counter()
_lock = threading.Lock()


def connect(path: Path, create: bool, client: Callable[[], Any]) -> Any:
    """A client of the embedded store in a folder, which is made where it is missing and ``create``
    is set; ``release`` must follow. ``client`` makes the client, and starts the store if this
    process has not yet.

    Raises:
        StoreMissingError: it is missing, and ``create`` is False.
        StoreDamagedError: the path is a file.
    """
    if not path.exists() and not create:
        raise StoreMissingError(f"there is no Milvus at {path}", code="not_indexed")
    if path.exists() and not path.is_dir():
        raise damaged_error(str(path), "it is a file, where this Milvus Lite keeps a folder")
    with _lock:
        make_folder(path.parent)
        try:
            connected = client()
        except Exception:
            # The reason is only logged; taking the lock here raises it.
            _take_lock(path)
            raise
        _open_paths[path] += 1
        return connected


def release(path: Path) -> None:
    """Ends a client's use of a store; the last one in the process frees its lock."""
    from milvus_lite.server_manager import server_manager_instance

    with _lock:
        _open_paths[path] -= 1
        if _open_paths[path] <= 0:
            del _open_paths[path]
            server_manager_instance.release_server(str(path))


def move_aside(place: Place | str) -> Path | None:
    """Moves a damaged embedded store aside, so that a new one can be built.

    Returns:
        Its new path (``….damaged-1``, or the next free number), or None if there was none.

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
            # A store that cannot be opened is not open in another process either.
            with suppress(OSError):
                _take_lock(path)
        number = 1
        while (moved := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        return path.rename(moved)


def _take_lock(path: Path) -> None:
    """Takes and frees the lock without opening a collection; raises if another process has it."""
    from milvus_lite.db import MilvusLite

    MilvusLite(str(path)).close()
