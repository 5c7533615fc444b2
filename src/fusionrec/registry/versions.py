"""A workspace's versions: which one answers, its index built, its recommender opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fusionrec.errors import (
    ArtifactError,
    UsageError,
)
from fusionrec.ledger import Activation, Ledger
from fusionrec.registry import VECTORS, Artifact, read_manifest, version_numbers
from fusionrec.workspace import Workspace


@dataclass(frozen=True)
class Version:
    """A published model, as a list of versions shows it.

    Attributes:
        name: such as ``v3``.
        active: whether it is the one that answers.
        created, data, model: when it was made, on which data set, of which kind.
        validation: its best epoch's figure; None where nothing was held out.
        measure: what that is a figure of; empty for vectors of another model.
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
            part = m.get("part")
            of = f"{part['protocol']}: {part['split']}" if part else ""
            about = (m["created"], m["data"], m["model"], *_validation(m), of)
            found.append(Version(name, is_active, *about))
        except (ArtifactError, KeyError, TypeError) as error:
            found.append(Version(name, is_active, problem=str(error)))
    return found


def _validation(manifest: Mapping[str, Any]) -> tuple[float | None, str]:
    """The best epoch's figure and what it measures; of vectors alone, neither."""
    if manifest["model"] == VECTORS:
        return None, ""
    trained = manifest["training"]
    best = [e["validation"] for e in trained["epochs"] if e["number"] == trained["best_epoch"]]
    return (best[0] if best else None), trained["measure"]["validation"]


def load(
    workspace: Workspace, version: str | None = None, ledger: Ledger | None = None
) -> Artifact:
    """A version's artifact: the one named, else the active one, else the newest.

    Args:
        workspace: the workspace.
        version: such as ``v3``.
        ledger: the workspace's, where it is open.

    Raises:
        UsageError: there is no version of that name.
        ArtifactError: the workspace has no version, or the one chosen is damaged.
    """
    names = [f"v{number}" for number in version_numbers(workspace.models)]
    if not names:
        raise ArtifactError(
            f"the workspace {workspace.home} has no model yet",
            code="no_model",
        )
    if version is not None and version not in names:
        raise UsageError(f"there is no version {version!r}; there are {', '.join(names)}")
    if version is None:
        active = (ledger or Ledger(workspace.ledger)).active()
        version = active.version if active and active.version in names else names[-1]
    return Artifact.load(workspace.models / version)


def trained_on(workspace: Workspace) -> str:
    """The name of the active version's data set; empty where that cannot be read."""
    active = Ledger(workspace.ledger).active()
    with suppress(ArtifactError):
        if active is not None:
            return str(read_manifest(workspace.models / active.version)["data"])
    return ""


def checksums(workspace: Workspace) -> dict[str, str]:
    """The checksum of every version's item vectors, the oldest first; of damaged ones, empty."""
    found = {}
    for number in version_numbers(workspace.models):
        found[f"v{number}"] = ""
        with suppress(ArtifactError):
            manifest = read_manifest(workspace.models / f"v{number}")
            found[f"v{number}"] = manifest["files"]["item_vectors.npy"]
    return found


def recent(activations: Sequence[Activation]) -> list[Activation]:
    """The activations whose collections stay, the active one first: the last two, for answers under
    way, and the last of another version, for going back.

    Args:
        activations: of a ledger, the oldest first.
    """
    latest = reversed(activations)
    distinct = list({(a.version, a.collection): a for a in latest}.values())
    others = [a for a in distinct if a.version != distinct[0].version]
    return list(dict.fromkeys([*distinct[:2], *others[:1]]))
