"""The map's neighbourhoods, made beside the answers when they are first asked for."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from fusionrec.deploy.item_map import LEAST, Neighbourhoods, make_map, open_map
from fusionrec.errors import Log
from fusionrec.registry import Artifact
from fusionrec.workspace import Workspace

_NICE = 10  # steps by which the making gives way to answers


class ItemMaps:
    """The neighbourhoods of the version that answers.

    Args:
        workspace: where they are kept.
        log: takes why there are none.
        wanted: whether they are made at all.
    """

    def __init__(self, workspace: Workspace, log: Log, *, wanted: bool = True) -> None:
        self._workspace, self._log, self._wanted = workspace, log, wanted
        self._lock = threading.Lock()
        self._checksum, self._making = "", False
        self._map: Neighbourhoods | None = None

    def of(self, artifact: Artifact) -> tuple[Neighbourhoods | None, bool]:
        """The neighbourhoods of a version, and whether they are being made; this begins that."""
        with self._lock:
            if artifact.checksum != self._checksum:
                self._checksum, self._making = artifact.checksum, False
                self._map = open_map(self._workspace, artifact)
                if self._map is None and self._wanted and len(artifact.items) >= LEAST:
                    self._making = True
                    threading.Thread(
                        target=self._make, args=(artifact,), name="fusionrec-map", daemon=True
                    ).start()
            return self._map, self._making

    def _make(self, artifact: Artifact) -> None:
        with suppress(OSError, AttributeError):  # of this thread, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        made = None
        try:
            made = make_map(self._workspace, artifact, self._log)
        except Exception as error:  # the two main directions do without
            self._log(f"{artifact.version}: the map has no neighbourhoods: {error}")
        with self._lock:
            if artifact.checksum == self._checksum:  # else another version has taken over
                self._map, self._making = made, False
