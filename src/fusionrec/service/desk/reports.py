"""Reports of versions, made on demand and kept in the workspace."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Literal

from fusionrec.errors import FusionrecError
from fusionrec.registry.versions import load
from fusionrec.service.state import ServiceState
from fusionrec.workspace import make_folder, write_text

Progress = Literal["none", "making", "made", "failed"]
_LOST = 1_800.0  # seconds after which a report that is still being made is given up


class Reports:
    """The reports of a service's workspace, which all of its processes see.

    Args:
        state: of the service.
    """

    def __init__(self, state: ServiceState) -> None:
        self._state, self._folder = state, state.workspace.home / "reports"

    def file(self, version: str) -> Path | None:
        """A version's report, the newest where there are several; None where there is none."""
        names = (f"{version}.html", f"{version}-model-only.html")
        there = [self._folder / name for name in names if (self._folder / name).is_file()]
        return max(there, key=lambda file: file.stat().st_mtime, default=None)

    def progress(self, version: str) -> tuple[Progress, str]:
        """How far it is, and why it could not be made."""
        note = self._note(version)
        try:
            said, age = note.read_text("utf-8"), time.time() - note.stat().st_mtime
        except OSError:
            return ("none", "") if self.file(version) is None else ("made", "")
        if said:
            return "failed", said
        return ("failed", "it was not made in time") if age > _LOST else ("making", "")

    def make(self, version: str) -> None:
        """Begins to make one in a thread, unless one is being made.

        Raises:
            UsageError: the version has no training to report.
            ArtifactError: it is damaged.
        """
        if self.progress(version)[0] == "making":
            return
        artifact = load(self._state.workspace, version, self._state.ledger)
        artifact.require_towers("there is no training to report", "needs_trained_version")
        make_folder(self._folder)
        write_text(self._note(version), "")
        threading.Thread(target=self._write, args=(version,), daemon=True).start()

    def _write(self, version: str) -> None:
        note = self._note(version)
        try:
            # Loaded now, since that takes a second, and most services make no report.
            from fusionrec.evaluation.report import make

            made = make(self._state.workspace, version)
            write_text(self._folder / f"{made.name}.html", made.html)
            note.unlink(missing_ok=True)
        except FusionrecError as error:
            write_text(note, self._state.folders.hide(error.message))
        except BaseException:
            write_text(note, "this is a defect of the report")
            raise

    def _note(self, version: str) -> Path:
        """Is there while a report is being made, and holds why it could not be."""
        return self._folder / f".{version}.making"
