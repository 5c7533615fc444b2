"""Which ledger a workspace uses, so that one that is lost is not taken for one not made yet."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path

from fusionrec.errors import FusionrecError, LedgerError
from fusionrec.workspace import make_folder, write_text


class KnownLedger:
    """The id of the ledger that a workspace has used at one location. A file of the workspace keeps
    the ids of all locations, so that switching between two of them leaves both known.

    Args:
        file: JSON, location -> id; it may be missing.
        location: as of ``Location.key``.
        name: of the ledger, for messages.
        restore_hint: what to do about one that is lost.
    """

    def __init__(self, file: Path, location: str, name: str, restore_hint: str) -> None:
        self._file, self._location = file, location
        self._name, self._restore_hint = name, restore_hint
        self._id = ""  # empty until it is known
        self._noted = False

    def load(self) -> None:
        """Reads which ledger was used, unless it is known; raises LedgerError if it cannot."""
        if not self._id:
            self._id = self._ids().get(self._location, "")

    def check(self, found: str) -> None:
        """Compares the id that is found with the known one; an empty one is of no ledger.

        Raises:
            LedgerError: it is not the ledger that was used here.
        """
        self._id = self._id or found
        if found == self._id:
            return
        if found:
            text, choice = "is not the one that this workspace has used", "go on with this one"
        else:
            text, choice = "is gone or empty, but this workspace has used it", "begin a new one"
        raise LedgerError(
            f"the ledger {self._name} {text}",
            hint=f"{self._restore_hint}; to {choice}, without the feedback, keys, "
            "changes of items and active version before, end what uses the workspace and delete "
            f"{self._file}",
            code="ledger_lost",
        )

    def note(self, id: str) -> None:
        """Keeps the id of the ledger in the file. Where the workspace cannot be written it is known
        to this process alone.
        """
        if self._noted:
            return
        self._id = id
        with suppress(OSError, FusionrecError):
            make_folder(self._file.parent)
            folder = os.open(self._file.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)  # until it is closed
                ids = self._ids()
                if ids.get(self._location) != id:
                    write_text(self._file, json.dumps(ids | {self._location: id}, indent=1) + "\n")
            finally:
                os.close(folder)
            self._noted = True

    def _ids(self) -> dict[str, str]:
        try:
            ids = dict(json.loads(self._file.read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, TypeError):
            raise LedgerError(
                f"{self._file} cannot be read, which says which ledger this workspace uses",
                hint="look at the file's permissions; if it is damaged and the ledger is the "
                "right one, delete the file: it is written again",
            ) from None
        return {str(location): str(id) for location, id in ids.items()}
