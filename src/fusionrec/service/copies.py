"""The compressed copies that the service searches, made beside the answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from fusionrec.deploy.copies import make_compressed, open_compressed
from fusionrec.errors import Log
from fusionrec.index.compressed import RECALL, CompressedVectors
from fusionrec.index.inverted_lists import is_installed
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.workspace import Workspace

_NICE = 10  # steps by which the making of a copy gives way to answers


class Copies:
    """The compressed copy of the version that answers; the first one is made in a thread.

    Args:
        workspace: where copies are kept.
        log: takes what is made, and why one is not searched.
        ready: called in that thread, with the version of which a copy may be asked for again.
    """

    def __init__(self, workspace: Workspace, log: Log, ready: Callable[[Artifact], None]) -> None:
        self._workspace, self._log, self._ready = workspace, log, ready
        self._lock = threading.Lock()
        self._checksum, self._made = "", False
        self._copy: CompressedVectors | None = None

    def of(self, recommender: Recommender) -> tuple[bool, CompressedVectors | None]:
        """Whether a version's vectors can be searched in memory now, and in which copy; None where
        they must be compared exactly. The answer is not before a copy that is there was verified.
        """
        artifact = recommender.artifact
        with self._lock:
            if artifact.checksum != self._checksum:
                self._checksum, self._made, self._copy = artifact.checksum, True, None
                if not is_installed():
                    self._log("faiss cannot be imported; the copy in memory is an exact one")
                elif (copy := open_compressed(self._workspace, artifact)) is not None:
                    self._copy = self._useful(artifact, copy)
                else:
                    self._made = False
                    self._log(
                        f"{artifact.version}: a compressed copy of {len(artifact.items):,} item "
                        "vectors is being made, and answers when it is there"
                    )
                    threading.Thread(
                        target=self._make, args=(recommender,), name="fusionrec-copy", daemon=True
                    ).start()
            return self._made, self._copy

    def _make(self, recommender: Recommender) -> None:
        artifact = recommender.artifact
        with suppress(OSError, AttributeError):  # of this thread, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            copy = self._useful(artifact, make_compressed(self._workspace, recommender, self._log))
        except Exception as error:
            self._log(f"{artifact.version}: no compressed copy, all is compared exactly: {error}")
            copy = None
        with self._lock:
            if artifact.checksum != self._checksum:  # another version has taken over
                return
            self._made, self._copy = True, copy
        if copy is not None:
            self._log(f"{artifact.version}: the compressed copy is there, recall {copy.recall:.4f}")
        self._ready(artifact)

    def _useful(self, artifact: Artifact, copy: CompressedVectors) -> CompressedVectors | None:
        if copy.probes:
            return copy
        self._log(
            f"{artifact.version}: a compressed copy found {copy.recall:.3f} of the exact ten best, "
            f"less than {RECALL}, so all vectors are compared"
        )
        return None
