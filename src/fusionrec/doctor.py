"""What is wrong with a workspace, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fusionrec.artifact import Artifact, version_numbers
from fusionrec.config import Workspace
from fusionrec.errors import FusionrecError
from fusionrec.ledger import Ledger
from fusionrec.versions import open_recommender

OK, WARNING, ERROR = 0, 1, 2
_PACKAGES = ("paddlepaddle", "pymilvus", "milvus-lite", "numpy")
_ROOM = 500_000_000  # bytes: a download, a checkpoint and an artifact of ml-1m, with some to spare


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: 0 in order, 1 a warning, 2 an error.
        text: what was found.
        hint: how to mend it; empty if there is nothing to mend.
    """

    level: int
    text: str
    hint: str = ""


def examine(
    workspace: Workspace, *, version: str | None = None, uri: str | None = None, token: str = ""
) -> Iterator[Finding]:
    """Looks at machine, workspace, versions, ledger and index, in that order.

    A damaged index is rebuilt from its artifact on the way, as any answer would have it.

    Args:
        workspace: the workspace.
        version, uri, token: which version and store to try; the active ones by default.
    """
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    yield Finding(OK, f"Python {platform.python_version()}, {os.cpu_count()} cores, {packages}")
    yield _room(workspace)
    yield _data()
    yield from _versions(workspace)
    yield from _index(workspace, version, uri, token)


def _room(workspace: Workspace) -> Finding:
    home = workspace.home.absolute()
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(nearest, os.W_OK):
        hint = "choose another with --home or FUSIONREC_HOME"
        return Finding(ERROR, f"the workspace {workspace.home} cannot be written", hint)
    free = shutil.disk_usage(nearest).free
    text = f"the workspace {workspace.home} has {free / 1e9:,.1f} GB free"
    return Finding(OK, text) if free > _ROOM else Finding(WARNING, text, "make room there")


def _data() -> Finding:
    folder = os.environ.get("FUSIONREC_DATA")
    if not folder:
        return Finding(OK, "FUSIONREC_DATA is not set: data sets are downloaded when needed")
    if not Path(folder).is_dir():
        return Finding(ERROR, f"FUSIONREC_DATA names no folder: {folder}", "correct or unset it")
    return Finding(OK, f"FUSIONREC_DATA is {folder}")


def _versions(workspace: Workspace) -> Iterator[Finding]:
    numbers = version_numbers(workspace.models)
    if not numbers:
        yield Finding(WARNING, "no model yet", "fusionrec quickstart, or fusionrec train")
    for number in numbers:
        try:
            artifact = Artifact.load(workspace.models / f"v{number}")
            yield Finding(OK, f"v{number} is whole: {len(artifact.items):,} items")
        except FusionrecError as error:
            yield Finding(ERROR, error.message, error.hint or "")
    for half in sorted(workspace.models.glob(".new-*")) if numbers else []:
        yield Finding(WARNING, f"{half} was left by a training that was killed", f"rm -r {half}")


def _index(
    workspace: Workspace, version: str | None, uri: str | None, token: str
) -> Iterator[Finding]:
    try:
        active = Ledger(workspace.ledger).active()
    except FusionrecError as error:
        yield Finding(ERROR, error.message, error.hint or "")
        return
    if active is None:
        yield Finding(WARNING, "no version is active", "fusionrec index")
        return
    place = active.place or "the workspace's own Milvus"
    yield Finding(OK, f"{active.version} is active, in {place}, since {active.at}")
    said: list[str] = []
    try:
        recommender = open_recommender(
            workspace, version=version, uri=uri, token=token, talk=said.append
        )
    except FusionrecError as error:
        yield Finding(ERROR, error.message, error.hint or "")
        return
    for text in said:
        yield Finding(WARNING, text)
    for note in recommender.notes:
        yield Finding(WARNING, note)
    recommender.close()
    yield Finding(OK, f"{recommender.artifact.version} answers from {recommender.index.place}")
