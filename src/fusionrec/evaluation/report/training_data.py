"""Finds the data that a version was trained from, as they are today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fusionrec.data import catalog
from fusionrec.data.catalog import KNOWN, SYNTHETIC
from fusionrec.data.dataset import Dataset
from fusionrec.errors import FusionrecError, Progress, UsageError
from fusionrec.evaluation.protocols import named
from fusionrec.evaluation.report.holdout import Holdout, find_holdout
from fusionrec.ledger import Ledger
from fusionrec.recommend.feedback_dataset import trained_with, without_feedback
from fusionrec.registry import Artifact
from fusionrec.workspace import Workspace


@dataclass(frozen=True)
class TrainingData:
    """The rows that a version was trained from.

    Attributes:
        holdout: the rows, and which of them were held out; None where they are gone or changed.
        trouble: then why, and what to do; else empty.
    """

    holdout: Holdout | None
    trouble: str = ""


def source_of(artifact: Artifact) -> str:
    """Where a version's data were read from: a known name or a path; empty if it is not known.

    Older versions do not keep it, but the names of known data sets tell it.
    """
    name = without_feedback(artifact.manifest["data"])
    known = SYNTHETIC if name.startswith(f"{SYNTHETIC} ") else name
    return str(artifact.manifest.get("source", known if known in KNOWN else ""))


def training_data(
    workspace: Workspace,
    artifact: Artifact,
    data: str | None = None,
    *,
    accept: bool = False,
    allow_remote: bool = False,
    progress: Progress | None = None,
) -> TrainingData:
    """The data that a version was trained from; nothing is downloaded for it unless it is named.

    Args:
        workspace: holds the ledger and downloads.
        artifact: the version.
        data: a name or path; by default from where the version was trained.
        accept, allow_remote, progress: as in ``data.catalog.load``.

    Raises:
        FusionrecError: ``data`` cannot be read, or is not what the version was trained on.
    """
    allowed: dict[str, Any] = {"allow_remote": allow_remote}
    if data is not None:
        dataset = catalog.load(data, workspace.data, progress, accept=accept, **allowed)
        return TrainingData(find_holdout(artifact, _as_trained(workspace, artifact, dataset)))
    source, name = source_of(artifact), without_feedback(artifact.manifest["data"])
    then = (
        "Put them back as they were, or say where they are now: "
        f"fusionrec report {artifact.version} --data PATH"
    )
    if not source:
        return TrainingData(
            None, f"It is not known where the data, {name}, were read from. Say where they are: "
            f"fusionrec report {artifact.version} --data PATH",
        )  # fmt: skip
    try:
        dataset = catalog.load(
            source, workspace.data, progress, download=False, accept=True, **allowed
        )
        dataset = _as_trained(workspace, artifact, dataset)
    except FusionrecError as error:
        return TrainingData(None, f"The data cannot be read from {source}: {error.message}. {then}")
    try:
        return TrainingData(find_holdout(artifact, dataset))
    except UsageError as error:
        return TrainingData(None, f"The data in {source} have changed: {error.message}. {then}")


def _as_trained(workspace: Workspace, artifact: Artifact, dataset: Dataset) -> Dataset:
    """A data set as training saw it: with the feedback of that time, and as its protocol sees it.

    Raises:
        DataError, LedgerError, UsageError: it cannot be made so.
    """
    dataset = trained_with(dataset, Ledger.of(workspace), artifact)
    part = artifact.manifest.get("part")
    return named(part["protocol"]).prepare(dataset) if part else dataset
