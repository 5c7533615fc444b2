"""Several machines in one: workspaces with one ledger, and one place for their versions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from fusionrec.registry import Artifact
from fusionrec.registry.writer import save_version
from fusionrec.workspace import Workspace

Machine = Callable[[str], Workspace]


def machines(folder: Path, shared: str, ledger: str = "") -> Machine:
    """Makes machines by name, whose versions are shared at a path or URL; their ledger is a file
    in the folder by default.
    """

    def machine(name: str) -> Workspace:
        made = Workspace(folder / name)
        made.home.mkdir(exist_ok=True)
        url = ledger or f"sqlite:///{folder}/ledger.sqlite"
        text = f"[ledger]\nurl = '{url}'\n[versions]\nurl = '{shared}'\n"
        made.settings.write_text(text, encoding="utf-8")
        return made

    return machine


def publish(workspace: Workspace, artifact: Artifact) -> Artifact:
    """Saves a copy of a version, as a training does."""
    return save_version(
        workspace.models,
        lambda fresh: shutil.copytree(artifact.folder, fresh, dirs_exist_ok=True),
        "train again",
    )
