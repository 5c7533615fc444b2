"""What is wrong with a workspace, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusionrec.deploy.open import open_version
from fusionrec.errors import FusionrecError, StoreMissingError
from fusionrec.index import CollectionInfo, MilvusStore, Place
from fusionrec.index.server_info import ALIAS
from fusionrec.ledger import Ledger
from fusionrec.registry import Artifact, read_manifest, version_numbers
from fusionrec.registry.folder_locks import leftovers
from fusionrec.registry.sharing import SharedVersions, other_version
from fusionrec.workspace import Workspace

OK, WARNING, ERROR = 0, 1, 2
_PACKAGES = ("paddlepaddle", "pymilvus", "milvus-lite", "numpy")
_STATES = {"Loaded": "loaded", "Loading": "being loaded", "NotLoad": "not loaded"}
_ROOM = 500_000_000  # bytes: a download, a checkpoint and an artifact of ml-1m, with some to spare


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        level: 0 in order, 1 a warning, 2 an error.
        text: what was found.
        hint: how to mend it; empty if there is nothing to mend, or if ``code`` says it.
        code, details: of an error; see ``FusionrecError``.
    """

    level: int
    text: str
    hint: str = ""
    code: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: FusionrecError, level: int = ERROR) -> Check:
        """What an error says."""
        return cls(level, error.message, error.hint or "", error.code, error.details)


def examine(
    workspace: Workspace, *, version: str | None = None, place: Place | str = ""
) -> Iterator[Check]:
    """Looks at machine, workspace, versions, ledger and index, in that order.

    The active version's index is rebuilt if it is damaged, as it would be for any answer.

    Args:
        workspace: the workspace.
        version: which one to try; the active one by default.
        place: the store to try; the active version's by default.
    """
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    yield Check(OK, f"Python {platform.python_version()}, {os.cpu_count()} cores, {packages}")
    yield disk(workspace)
    data = os.environ.get("FUSIONREC_DATA")
    if not data:
        yield Check(OK, "FUSIONREC_DATA is not set: data sets are downloaded when needed")
    elif not Path(data).is_dir():
        yield Check(ERROR, f"FUSIONREC_DATA names no folder: {data}", "correct or unset it")
    else:
        yield Check(OK, f"FUSIONREC_DATA is {data}")
    yield from _versions(workspace)
    yield from _index(workspace, version, Place.of(place))


def disk(workspace: Workspace) -> Check:
    """Whether the workspace can be written, and has room."""
    home = workspace.home.absolute()
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    text = f"the workspace {workspace.home} has {free / 1e9:,.1f} GB free"
    if not os.access(nearest, os.W_OK):
        text = f"the workspace {workspace.home} cannot be written"
        return Check(ERROR, text, code="workspace_not_writable")
    return Check(OK, text) if free > _ROOM else Check(WARNING, text, "make room there")


def _versions(workspace: Workspace) -> Iterator[Check]:
    numbers = version_numbers(workspace.models)
    if not numbers:
        yield Check(WARNING, "no model yet", code="no_model")
    for number in numbers:
        try:
            artifact = Artifact.load(workspace.models / f"v{number}")
            worth = f"; {artifact.worth['sentence']}" if artifact.worth else ""
            yield Check(OK, f"v{number} is whole: {len(artifact.items):,} items{worth}")
        except FusionrecError as error:
            yield Check.of(error)
    yield from _shared(workspace)
    for half in leftovers(workspace.models) if numbers else []:
        yield Check(WARNING, f"{half} was left by a process that was killed", f"rm -r {half}")


def _shared(workspace: Workspace) -> Iterator[Check]:
    """What other machines can fetch."""
    try:
        shared = SharedVersions.of(workspace)
        if shared is None:
            return
        there = shared.names()
        yield Check(OK, f"{shared.name} has the shared versions {', '.join(there) or 'none'}")
        for name in [f"v{number}" for number in version_numbers(workspace.models)]:
            if name not in there:
                details = {"version": name}
                yield Check(WARNING, f"{name} is not shared", code="not_shared", details=details)
            elif shared.manifest(name) != read_manifest(workspace.models / name):
                yield Check.of(other_version(name, shared.name))
    except FusionrecError as error:
        yield Check.of(error, WARNING)


def _index(workspace: Workspace, version: str | None, place: Place) -> Iterator[Check]:
    try:
        ledger = Ledger.of(workspace)
        ledger.check()
        active = ledger.active()
        ledger.close()  # what follows are the files that stay
    except FusionrecError as error:
        yield Check.of(error)
        return
    if active is not None:
        yield Check(OK, f"the ledger {ledger.name} is in order")
    # Files that other users of the machine may read or write.
    names = () if ledger.file is None else ("", "-wal", "-shm")
    there = [file for end in names if (file := Path(f"{ledger.file}{end}")).exists()]
    if wide := [file for file in there if stat.S_IMODE(file.stat().st_mode) & 0o077]:
        mode = stat.S_IMODE(wide[0].stat().st_mode)
        text = f"{wide[0]} is open to other users of this machine (mode {mode:03o})"
        yield Check(WARNING, text, f"chmod 600 {shlex.join(map(str, wide))}")
    if active is None:
        yield Check(WARNING, "no version is active", code="not_indexed")
    else:
        where = active.place or "the workspace's own Milvus"
        yield Check(OK, f"{active.version} is active, in {where}, since {active.at}")
        said: list[str] = []
        try:
            opened = open_version(workspace, version, place, said.append)
        except FusionrecError as error:
            yield Check.of(error)
        else:
            opened.close()
            yield from (Check(WARNING, text) for text in (*said, *opened.recommender.notes))
            yield Check(OK, f"{opened.version} answers from {opened.recommender.index.place}")
    yield from _store(place.at((active.place if active else "") or workspace.milvus))


def _store(place: Place) -> Iterator[Check]:
    """What is at a place, and what it cannot do."""
    try:
        with MilvusStore(place, create=False) as store:
            active = store.active()
            alias = f"the alias {ALIAS} on {active}" if active else f"no alias {ALIAS}"
            yield Check(OK, f"{store.place} is {store.server.title}, with {alias}")
            for limit in store.server.limitations:
                yield Check(OK, f"{store.server.title}: {limit}")
            for collection in store.collections():
                yield _collection(store, collection)
    except StoreMissingError:
        return  # nothing was built there yet
    except FusionrecError as error:
        yield Check.of(error, WARNING)


def _collection(store: MilvusStore, collection: CollectionInfo) -> Check:
    name = collection.name
    if collection.damaged:
        return Check(WARNING, f"{name} is damaged", code="store_damaged")
    kind = store.index_type(name) or "no index"
    embedded = store.server.folder is not None  # which nothing stays loaded in
    state = "loaded when it is opened" if embedded else store.state(name)
    return Check(OK, f"{name}: {collection.rows:,} rows, {kind}, {_STATES.get(state, state)}")
