"""A workspace's versions: which one answers, its index built, its recommender opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fusionrec.artifact import Artifact, read_manifest, version_numbers
from fusionrec.config import Workspace
from fusionrec.errors import (
    ArtifactError,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    UsageError,
)
from fusionrec.index import ExactIndex, MilvusIndex, MilvusStore, Place, collection_name, wipe
from fusionrec.index.differences import Kind
from fusionrec.ledger import Ledger
from fusionrec.recommender import Recommender

Progress = Callable[[int, int], None]
Talk = Callable[[str], None]


@dataclass(frozen=True)
class Version:
    """A published model, as a list of versions shows it.

    Attributes:
        name: such as ``v3``.
        active: whether it is the one that answers.
        created, data, model: when it was made, on which data set, of which kind.
        validation: its best epoch's figure; None where nothing was held out.
        measure: what that is a figure of.
        part: the protocol's split that it was trained on; empty for all of the data set.
        problem: what is wrong with it; empty if nothing.
    """

    name: str
    active: bool
    created: str = ""
    data: str = ""
    model: str = ""
    validation: float | None = None
    measure: str = ""
    part: str = ""
    problem: str = ""


def versions(workspace: Workspace) -> list[Version]:
    """Every version in the workspace, the oldest first, damaged ones among them."""
    active = Ledger(workspace.ledger).active()
    found = []
    for number in version_numbers(workspace.models):
        name = f"v{number}"
        is_active = active is not None and active.version == name
        try:
            m = read_manifest(workspace.models / name)
            trained, part = m["training"], m.get("part")
            of = f"{part['protocol']}: {part['split']}" if part else ""
            best = [
                e["validation"] for e in trained["epochs"] if e["number"] == trained["best_epoch"]
            ]
            measure = trained["measure"]["validation"]
            about = (m["created"], m["data"], m["model"], best[0] if best else None, measure, of)
            found.append(Version(name, is_active, *about))
        except (ArtifactError, KeyError, TypeError) as error:
            found.append(Version(name, is_active, problem=str(error)))
    return found


def load(workspace: Workspace, version: str | None = None) -> Artifact:
    """A version's artifact: the one named, else the active one, else the newest.

    Raises:
        UsageError: there is no version of that name.
        ArtifactError: the workspace has no version, or the one chosen is damaged.
    """
    names = [f"v{number}" for number in version_numbers(workspace.models)]
    if not names:
        raise ArtifactError(
            f"the workspace {workspace.home} has no model yet",
            hint="train one: fusionrec train --data ml-1m, or fusionrec quickstart",
        )
    if version is not None and version not in names:
        raise UsageError(f"there is no version {version!r}; there are {', '.join(names)}")
    active = Ledger(workspace.ledger).active()
    if version is None:
        version = active.version if active and active.version in names else names[-1]
    return Artifact.load(workspace.models / version)


def build_index(
    workspace: Workspace,
    artifact: Artifact,
    place: Place | str = "",
    *,
    kind: Kind = "FLAT",
    progress: Progress | None = None,
) -> str:
    """Puts a version's item vectors into Milvus, verifies them, and makes the version active.

    The collection that answered before is kept, for going back; older ones are dropped. A damaged
    embedded store is moved aside first, never deleted.

    Args:
        workspace: whose ledger keeps the active version.
        artifact: the version.
        place: the store, or its URI; the workspace's embedded Milvus where there is no URI.
        kind: of the index in Milvus.
        progress: called with rows written and all rows.

    Returns:
        The place, without secrets.

    Raises:
        StoreError: the store cannot be reached or written; the version active before still is.
    """
    at = Place.of(place).at(workspace.milvus)
    own = at.uri == Place(workspace.milvus).uri
    # Vectors that no index may hold are the artifact's fault: found before a store is touched.
    ExactIndex(artifact.schema, artifact.items, artifact.item_vectors)
    try:
        index = _build(artifact, at, kind, progress)
    except StoreDamagedError:
        if at.is_server or wipe(at) is None:
            raise
        index = _build(artifact, at, kind, progress)
    with index:
        # The ledger decides which version answers; the alias follows for readers outside.
        Ledger(workspace.ledger).activate(artifact.version, "" if own else index.place)
        index.activate()
        _drop_old(workspace, index.store)
        return index.place


def _build(artifact: Artifact, place: Place, kind: Kind, progress: Progress | None) -> MilvusIndex:
    return MilvusIndex.build(
        place,
        artifact.schema,
        artifact.items,
        artifact.item_vectors,
        artifact.version,
        artifact.checksum,
        kind=kind,
        progress=progress,
    )


def _drop_old(workspace: Workspace, store: MilvusStore) -> None:
    """Drops this workspace's collections but those of the last two versions activated."""
    names = {f"v{number}" for number in version_numbers(workspace.models)}
    ours = _collections(workspace, names - set(_recent(workspace)))
    for collection in store.collections():
        if collection.name in ours and not collection.active:
            store.drop(collection.name)


def _drop_collections(workspace: Workspace, names: list[str], place: Place | str) -> None:
    """Drops the collections of versions about to be deleted, where their store can be reached."""
    active = Ledger(workspace.ledger).active()
    at = Place.of(place).at((active.place if active else "") or workspace.milvus)
    with suppress(StoreError), MilvusStore(at, create=False) as store:
        for collection in _collections(workspace, names):
            if store.has(collection):
                store.drop(collection)


def _collections(workspace: Workspace, names: Iterable[str]) -> set[str]:
    """The collections that belong to some versions of the workspace."""
    found = set()
    for name in names:
        with suppress(ArtifactError):
            checksum = read_manifest(workspace.models / name)["files"]["item_vectors.npy"]
            found.add(collection_name(name, checksum))
    return found


def _recent(workspace: Workspace) -> list[str]:
    """The active version and the one that was active before it."""
    activations = reversed(Ledger(workspace.ledger).activations())
    return list(dict.fromkeys(a.version for a in activations))[:2]


def open_recommender(
    workspace: Workspace,
    *,
    version: str | None = None,
    place: Place | str = "",
    talk: Talk = lambda _: None,
) -> Recommender:
    """Opens a version for answering: from Milvus, or exactly from the artifact, which is said.

    The store that the active version was indexed in is rebuilt from the artifact where it is
    damaged or has lost that version's collection. Any other store is read and never written.

    Args:
        workspace: the workspace.
        version: its name; the active one by default.
        place: the store, or its URI; the one that the active version was indexed in where there is
            no URI.
        talk: told what takes long.

    Raises:
        ArtifactError, UsageError: as in ``load``.
    """
    artifact = load(workspace, version)
    active = Ledger(workspace.ledger).active()
    is_active = active is not None and active.version == artifact.version
    recorded = (active.place if active else "") or workspace.milvus
    at = Place.of(place).at(recorded)
    try:
        return Recommender(artifact, _open(artifact, at))
    except (StoreDamagedError, StoreMissingError) as error:
        ours = is_active and at.name == Place.of(recorded).name
        if not ours:
            return _exact(artifact, _no_index(artifact, at, error, Place.of(place).uri != ""))
        talk(f"{error}; rebuilding it from {artifact.version}")
        problem: StoreError = error
    except StoreError as error:
        return _exact(artifact, str(error))
    try:
        build_index(workspace, artifact, at)
        return Recommender(artifact, _open(artifact, at))
    except StoreError as error:
        return _exact(artifact, f"{problem}; {error}")


def _no_index(artifact: Artifact, place: Place, error: StoreError, named: bool) -> str:
    """Why a place that is not the active version's own has no answer, and how it would."""
    there = f" --milvus {place.name}" if named else ""
    hint = f"fusionrec index{there} --version {artifact.version}"
    damage = f", {error}" if isinstance(error, StoreDamagedError) else ""
    return f"{artifact.version} has no index{f' in {place.name}' if named else ''}{damage} ({hint})"


def _open(artifact: Artifact, place: Place) -> MilvusIndex:
    return MilvusIndex.open(
        place,
        artifact.schema,
        artifact.items,
        artifact.item_vectors,
        artifact.version,
        artifact.checksum,
    )


def _exact(artifact: Artifact, why: str) -> Recommender:
    index = ExactIndex(artifact.schema, artifact.items, artifact.item_vectors, "exact")
    return Recommender(artifact, index, (f"answered exactly from the artifact: {why}",))


def activate(workspace: Workspace, version: str, place: Place | str = "") -> str:
    """Makes a version active, with its index built anew: forward, or back. As ``build_index``."""
    return build_index(workspace, load(workspace, version), place)


def prune(workspace: Workspace, keep: int, place: Place | str = "") -> list[str]:
    """Deletes all but the newest versions; the active one and the one before it always stay.

    Args:
        workspace: the workspace.
        keep: how many of the newest versions stay, 1 or more.
        place: whose collections of the versions go too; the active version's where there is no URI.

    Returns:
        The versions deleted.

    Raises:
        UsageError: ``keep`` is below 1.
    """
    if keep < 1:
        raise UsageError(f"keep must be 1 or more, got {keep}")
    names = [f"v{number}" for number in version_numbers(workspace.models)]
    recent = _recent(workspace)
    doomed = [name for name in names[:-keep] if name not in recent]
    _drop_collections(workspace, doomed, place)
    for name in doomed:
        folder = workspace.models / name
        # Renamed first, so that a version is either whole or gone.
        gone = folder.rename(Path(f"{folder.parent}/.gone-{name}"))
        shutil.rmtree(gone, ignore_errors=True)
    return doomed
