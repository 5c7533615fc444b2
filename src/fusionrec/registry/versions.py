"""A workspace's versions: lists them, loads one, and tells which ones are in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fusionrec.errors import ArtifactError, UsageError
from fusionrec.ledger import Activation, Ledger
from fusionrec.registry import VECTORS, Artifact, read_manifest, version_numbers
from fusionrec.registry.verified import VerifiedFiles
from fusionrec.registry.worth import FIGURE
from fusionrec.workspace import Workspace


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


def versions(workspace: Workspace) -> list[Version]:
    """Every version in the workspace, the oldest first, including damaged ones."""
    active = Ledger.of(workspace).active()
    listed = []
    for number in version_numbers(workspace.models):
        name = f"v{number}"
        is_active = active is not None and active.version == name
        try:
            m = read_manifest(workspace.models / name)
            part = m.get("part")
            split = f"{part['protocol']}: {part['split']}" if part else ""
            validation, measure, worth = None, "", m.get("worth")
            if m["model"] != VECTORS:
                trained = m["training"]
                figures = {epoch["number"]: epoch["validation"] for epoch in trained["epochs"]}
                validation = figures.get(trained["best_epoch"])
                measure = trained["measure"]["validation"]
            if worth is not None:
                validation, measure = worth["ndcg@10"], FIGURE
            details = (m["created"], m["data"], m["model"], validation, measure, split)
            listed.append(Version(name, is_active, *details, worth=worth))
        except (ArtifactError, KeyError, TypeError) as error:
            listed.append(Version(name, is_active, problem=str(error)))
    return listed


def load(
    workspace: Workspace, version: str | None = None, ledger: Ledger | None = None
) -> Artifact:
    """A version's artifact: the one named, else the active one, else the newest.

    ``ledger`` is the workspace's, where it is open.

    Raises:
        UsageError: there is no version of that name.
        ArtifactError: the workspace has no version, or the version is damaged.
    """
    names = [f"v{number}" for number in version_numbers(workspace.models)]
    if not names:
        raise ArtifactError(f"the workspace {workspace.home} has no model yet", code="no_model")
    if version is not None and version not in names:
        raise UsageError(f"there is no version {version!r}; there are {', '.join(names)}")
    if version is None:
        active = (ledger or Ledger.of(workspace)).active()
        version = active.version if active and active.version in names else names[-1]
    verified = VerifiedFiles(workspace.verified)
    return Artifact.load(workspace.models / version, verified=verified)


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
