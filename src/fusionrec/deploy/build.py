"""A version's index: built beside the one that answers, made active, opened, cleaned up."""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from fusionrec.deploy.copies import prune_copies
from fusionrec.deploy.deployment import Deployment, deployment_of, place_of, resolve
from fusionrec.deploy.item_map import prune_maps
from fusionrec.errors import (
    Log,
    Progress,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from fusionrec.index import ExactIndex, MilvusIndex, MilvusStore, Place, collection_name, move_aside
from fusionrec.index.benchmark import SearchTimes, measure_search, sample
from fusionrec.index.index_types import IndexType
from fusionrec.ledger import Activation, Ledger
from fusionrec.recommend.catalog import current
from fusionrec.registry import Artifact, version_numbers
from fusionrec.registry.folder_locks import DELETED, leftovers, unused
from fusionrec.registry.sharing import SharedVersions
from fusionrec.registry.versions import checksums, load, retained_activations
from fusionrec.workspace import Workspace, make_folder, writing


def build_index(
    workspace: Workspace,
    artifact: Artifact,
    place: Place | str = "",
    *,
    kind: IndexType | None = None,
    progress: Progress | None = None,
) -> str:
    """Puts a version's items into Milvus, verifies them, and makes the version active.

    The collection is a new one, with all changes of items in it; the one that answers is not
    touched, and stays for going back. Older ones, and those of builds that were killed, are dropped
    at the end. A damaged embedded store is moved aside first, never deleted.

    Args:
        workspace: whose ledger keeps the active version.
        artifact: the version.
        place: the store, or its URI; see ``place_of`` where there is no URI.
        kind: of the index in Milvus; what suits place and number of items by default.
        progress: see ``MilvusIndex.build``.

    Returns:
        The place, without secrets.

    Raises:
        StoreError: the store cannot be reached or written, or another process is building; the
            version active before still is.
    """
    deployed = deployment_of(workspace, artifact, place, Ledger.of(workspace))
    _share(deployed)
    with _alone(workspace):
        return _build_alone(deployed, kind, progress)


def _share(deployed: Deployment) -> None:
    """Other machines need the files of a version before it becomes active for all of them. One
    that was active before they have, so that going back does without the shared ones.
    """
    shared = SharedVersions.of(deployed.workspace)
    if shared is not None and deployed.last is None:
        shared.push(deployed.artifact.folder)


def rebuild(deployed: Deployment) -> None:
    """Builds the active version's index again, unless another activation has followed.

    An embedded store gets the same collection, by name and items, without another activation: each
    machine has a store of its own, and the others with the same ledger need not build anything.

    Raises:
        StoreError: as of ``build_index``.
    """
    with _alone(deployed.workspace):
        active = deployed.active
        if deployed.ledger.active() != active:
            return
        own = not deployed.place.is_server and active is not None and active.collection
        _build_alone(deployed, again=active if own else None)


def _build_alone(
    deployed: Deployment,
    kind: IndexType | None = None,
    progress: Progress | None = None,
    again: Activation | None = None,
) -> str:
    """Builds an index and makes its version active; or the index of an activation ``again``."""
    ledger, place, artifact = deployed.ledger, deployed.place, deployed.artifact
    catalog = deployed.catalog_of(again) if again else current(artifact, ledger)
    items = (artifact.schema, catalog.items, catalog.matrix)
    ExactIndex(*items)  # refuses vectors that no index may hold, before a store is touched
    name = f"{collection_name(artifact.version, artifact.checksum)}_{secrets.token_hex(3)}"
    name = again.collection if again else name
    build = partial(MilvusIndex.build, place, *items, name, artifact.checksum, kind=kind)
    build = partial(build, available=catalog.available, progress=progress)
    try:
        index = build()
    except StoreDamagedError:
        if place.is_server or move_aside(place) is None:
            raise
        index = build()
    with index:
        # The ledger decides which version answers; the alias follows for readers outside.
        if again is None:
            ledger.activate(artifact.version, deployed.noted_place, catalog.number, name)
        index.activate()
        # What answers, and what one can go back to, stays.
        activations, active = ledger.activations(), index.store.active()
        kept = {activation.collection for activation in retained_activations(activations)}
        once = {activation.collection for activation in activations}  # of deleted versions, too
        there = {collection.name for collection in index.store.collections()}
        ours = {*_ours(index.store, checksums(deployed.workspace)), *(once & there)}
        for old in sorted(ours - kept - {active}):
            index.store.drop(old)
        return index.place


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Keeps other builds of the workspace out, and deletions, by a lock that ends with the
    process.
    """
    try:
        make_folder(workspace.home)
        file = (workspace.home / "index.lock").open("w")
    except OSError as error:
        raise StoreUnavailableError(
            f"the workspace {workspace.home} cannot be written: {error.strerror}",
            code="workspace_not_writable",
        ) from error
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreUnavailableError(
                f"another process is building an index of {workspace.home}, or deletes versions",
                hint="wait for it to end, then do this again if need be",
            ) from error
        yield


def _ours(store: MilvusStore, versions: Mapping[str, str]) -> list[str]:
    """The collections of versions (name -> checksum), also of builds that were killed."""
    stems = tuple(
        collection_name(name, checksum) for name, checksum in versions.items() if checksum
    )
    return [found.name for found in store.collections() if found.name.startswith(stems)]


def activate(workspace: Workspace, version: str, place: Place | str = "") -> str:
    """Makes a version active, forward or back: at once where its collection is still there and
    whole, else as ``build_index``.
    """
    deployed = resolve(workspace, version, place)
    built = deployed.built
    _share(deployed)
    with _alone(workspace):
        if built is not None:
            with suppress(StoreError), deployed.open_index(built)[0] as index:
                deployed.ledger.activate(version, built.place, built.changes, built.collection)
                index.activate()
                return index.place
        return _build_alone(deployed)


def hand_over(workspace: Workspace, version: str) -> str:
    """Makes a version active without opening the embedded store, which another process has open:
    that one follows the ledger, verifies what it opens, and builds what is not there.

    Returns:
        The place, without secrets.

    Raises:
        UsageError: there is no such version.
        StoreError: another process is building an index.
    """
    load(workspace, version)
    with _alone(workspace):
        deployed = resolve(workspace, version)
        _share(deployed)
        built, unbuilt = deployed.built, (deployed.noted_place, 0, "")
        index = (built.place, built.changes, built.collection) if built else unbuilt
        deployed.ledger.activate(version, *index)
    return deployed.place.name


def measure_index(workspace: Workspace, place: Place | str = "") -> tuple[IndexType, SearchTimes]:
    """Measures the active version's index against an exact one: its type, and the search times.

    The queries are users' vectors; items' where the version has no users.

    Raises:
        UsageError: no version is active in that place.
        StoreError: as of ``MilvusIndex.open`` and ``search``.
    """
    deployed = resolve(workspace, None, place)
    artifact, built = deployed.artifact, deployed.built
    if built is None:
        version, name = artifact.version, deployed.place.name
        raise UsageError(
            f"{version} has no index in {name}", code="not_indexed", version=version, place=name
        )
    index, then = deployed.open_index(built)
    with index:
        vectors = then.matrix
        exact = ExactIndex(artifact.schema, then.items, vectors, available=then.available)
        queries = sample(artifact.user_vectors, vectors[then.available])
        return index.kind, measure_search(index, exact, queries)


def prune(
    workspace: Workspace, keep: int, place: Place | str = "", log: Log = lambda _: None
) -> list[str]:
    """Deletes all but the newest versions; the active one and the one before it always stay, and
    those that another process reads. What killed processes left is removed.

    Args:
        workspace: the workspace.
        keep: how many of the newest versions stay, 1 or more.
        place: their collections there are dropped too; see ``place_of`` where there is no URI.
        log: takes which versions stay because they are read.

    Returns:
        The versions deleted.

    Raises:
        UsageError: ``keep`` is below 1.
        StoreError: another process is building an index or deleting versions.
    """
    if keep < 1:
        raise UsageError(f"keep must be 1 or more, got {keep}")
    if not version_numbers(workspace.models):
        return []
    with _alone(workspace), ExitStack() as locks:
        activations = Ledger.of(workspace).activations()
        names, used = checksums(workspace), {a.version for a in retained_activations(activations)}
        doomed = []
        for name in [name for name in list(names)[:-keep] if name not in used]:
            if locks.enter_context(unused(workspace.models / name)):
                doomed.append(name)
            else:
                log(f"{name} stays: another process reads it")
        at = place_of(workspace, place)
        with suppress(StoreError), MilvusStore(at, create=False) as store:
            for name in _ours(store, {version: names[version] for version in doomed}):
                if name != store.active():
                    store.drop(name)
        for name in doomed:
            # Renamed first, so that a version is either whole or gone.
            with writing(workspace.models / name):
                gone = workspace.models / f"{DELETED}{secrets.token_hex(4)}-{name}"
                (workspace.models / name).rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
        for left in leftovers(workspace.models):
            shutil.rmtree(left, ignore_errors=True)
        prune_copies(workspace)
        prune_maps(workspace)
    return doomed
