"""A workspace's versions: lists them, loads one, and tells which ones are in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from fusionrec.errors import ArtifactError, Log, UsageError
from fusionrec.index import collection_name
from fusionrec.ledger import Activation, Ledger
from fusionrec.registry import VECTORS, Artifact, read_manifest, version_numbers
from fusionrec.registry.folder_locks import unused
from fusionrec.registry.sharing import SharedVersions, other_version
from fusionrec.registry.verified import VerifiedFiles
from fusionrec.registry.worth import FIGURE
from fusionrec.workspace import Workspace, move_in, writing


@dataclass(frozen=True)
class Version:
    """A row in the list of versions.

    Attributes:
        name: such as ``v3``.
        active: whether it is the active version.
        created, data, model: time of training, name of the data set, kind of model.
        validation: the best epoch's validation metric, or the worth's of a version with parts; None
            without validation data.
        measure: the metric's name; empty for imported vectors.
        part: protocol and split whose training rows it saw; empty for the whole data set.
        problem: why it cannot be used; empty if it can.
        worth: what it is worth beside simple methods; None if that was not measured.
        here: whether its files are on this machine; else they are fetched when it is used.
        shared: whether other machines can fetch it; None where versions are not shared, or where
            that could not be asked.
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
    worth: Mapping[str, Any] | None = None
    here: bool = True
    shared: bool | None = None


def versions(workspace: Workspace, log: Log = lambda _: None) -> list[Version]:
    """Every version in the workspace, the oldest first, including damaged ones, and those that
    other machines share.

    Args:
        workspace: the workspace.
        log: takes why shared versions cannot be listed.
    """
    active = Ledger.of(workspace).active()
    shared, listed = SharedVersions.of(workspace), []
    here, there = _local_names(workspace), None
    try:
        there = None if shared is None else shared.names()
    except ArtifactError as error:
        log(error.message)
    for name in _in_order({*here, *(there or ())}):
        is_active = active is not None and active.version == name
        known = Version(
            name, is_active, here=name in here, shared=there if there is None else name in there
        )
        try:
            if shared is None or known.here:
                manifest = read_manifest(workspace.models / name)
            else:
                manifest = shared.manifest(name) or {}
            listed.append(replace(known, **_described(manifest)))
        except (ArtifactError, KeyError, TypeError) as error:
            listed.append(replace(known, problem=str(error)))
    return listed


def _described(m: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``Version`` that a manifest has."""
    part, validation, measure, worth = m.get("part"), None, "", m.get("worth")
    if m["model"] != VECTORS:
        trained = m["training"]
        figures = {epoch["number"]: epoch["validation"] for epoch in trained["epochs"]}
        validation = figures.get(trained["best_epoch"])
        measure = trained["measure"]["validation"]
    if worth is not None:
        validation, measure = worth["ndcg@10"], FIGURE
    return {
        **{name: m[name] for name in ("created", "data", "model")},
        **{"validation": validation, "measure": measure, "worth": worth},
        "part": f"{part['protocol']}: {part['split']}" if part else "",
    }


def _local_names(workspace: Workspace) -> list[str]:
    return [f"v{number}" for number in version_numbers(workspace.models)]


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: int(name.removeprefix("v")))


def newest(workspace: Workspace) -> str | None:
    """The newest version, also of those that other machines share; None where there is none.

    Raises:
        ArtifactError: the shared ones cannot be listed.
    """
    shared = SharedVersions.of(workspace)
    names = {*_local_names(workspace), *(shared.names() if shared else ())}
    return _in_order(names)[-1] if names else None


def share(workspace: Workspace, version: str) -> str:
    """Uploads a version for other machines, unless it is there. One that was saved while the shared
    ones could not be asked, and whose name another version has got, becomes the newest.

    Returns:
        Its name.

    Raises:
        UsageError: there is no such version here, versions are not shared, or the version must be
            renamed and another process reads it.
        ArtifactError: the shared versions cannot be used.
    """
    shared, names = SharedVersions.of(workspace), _local_names(workspace)
    if shared is None:
        raise UsageError(
            f"the versions of {workspace.home} are not shared",
            "name the place in its settings.toml: [versions] url = 's3://bucket/versions'",
        )
    if version not in names:
        raise UsageError(f"there is no version {version!r} here; there are {', '.join(names)}")
    folder = workspace.models / version
    try:
        shared.push(folder)
        return version
    except ArtifactError as error:
        if error.code != "other_version":
            raise
    with unused(folder) as free, writing(folder):
        if not free:
            said = f"{version} has to be renamed, and another process reads it"
            raise UsageError(said, "end that process, then do this again")
        name = shared.publish(folder, int(names[-1].removeprefix("v")) + 1)
        move_in(folder, workspace.models / name)
    return name


def load(
    workspace: Workspace, version: str | None = None, ledger: Ledger | None = None
) -> Artifact:
    """A version's artifact: the one named, else the active one, else the newest. Where machines
    share versions, one that is not here is fetched.

    ``ledger`` is the workspace's, where it is open.

    Raises:
        UsageError: there is no version of that name.
        ArtifactError: the workspace has no version, or the version is damaged or cannot be fetched.
    """
    names, shared = _local_names(workspace), SharedVersions.of(workspace)
    if version is None:
        active = (ledger or Ledger.of(workspace)).active()
        if active and (shared or active.version in names):
            version = active.version
            if shared and version in names:
                _check_same(workspace, active, shared)
        else:
            version = newest(workspace)
    if version is None or not (names or shared):
        raise ArtifactError(f"the workspace {workspace.home} has no model yet", code="no_model")
    if version not in names:
        if shared is None:
            raise UsageError(f"there is no version {version!r}; there are {', '.join(names)}")
        shared.pull(version, workspace.models)
    verified = VerifiedFiles(workspace.verified)
    return Artifact.load(workspace.models / version, verified=verified)


def _check_same(workspace: Workspace, active: Activation, shared: SharedVersions) -> None:
    """Refuses a version that has the name of the active one and other item vectors: it was saved
    here while the shared ones could not be asked.
    """
    manifest = read_manifest(workspace.models / active.version)
    name = collection_name(active.version, manifest["files"]["item_vectors.npy"])
    if active.collection and not active.collection.startswith(name):
        raise other_version(active.version, shared.name)


def active_dataset(workspace: Workspace) -> str:
    """The name of the active version's data set; empty if it cannot be read."""
    active = Ledger.of(workspace).active()
    with suppress(ArtifactError):
        if active is not None:
            return str(read_manifest(workspace.models / active.version)["data"])
    return ""


def checksums(workspace: Workspace) -> dict[str, str]:
    """Version -> checksum of its item vectors, the oldest first; empty for damaged ones."""
    found = {f"v{number}": "" for number in version_numbers(workspace.models)}
    for name in found:
        with suppress(ArtifactError):
            manifest = read_manifest(workspace.models / name)
            found[name] = manifest["files"]["item_vectors.npy"]
    return found


def retained_activations(activations: Sequence[Activation]) -> list[Activation]:
    """The activations whose collections stay, the active one first: the last two, for answers under
    way, and the last of another version, for going back.

    Args:
        activations: of a ledger, the oldest first.
    """
    latest = reversed(activations)
    distinct = list({(a.version, a.collection): a for a in latest}.values())
    others = [a for a in distinct if a.version != distinct[0].version]
    return list(dict.fromkeys([*distinct[:2], *others[:1]]))
