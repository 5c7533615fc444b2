"""The rows that training held out, found again in the data set and proven by their fingerprints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.registry import Artifact

SHOWN = 12  # characters of a fingerprint that people are shown


@dataclass(frozen=True)
class Holdout:
    """What a version was trained on, and what it was not.

    Attributes:
        dataset: the data set it was trained on.
        trained: int64 [n], the rows trained on.
        rows: int64 [m], the rows held out for validation; none where all were trained on.
        beyond: how many of the data set's rows training was never given.
    """

    dataset: Dataset
    trained: np.ndarray
    rows: np.ndarray
    beyond: int


def held_out(artifact: Artifact, dataset: Dataset) -> Holdout:
    """Parts a data set as the training of a version did.

    Raises:
        UsageError: the version was trained on another data set, or its held-out rows cannot be
            drawn again; says both fingerprints.
    """
    rows = _given(artifact, dataset)
    trained, held = _drawn_again(artifact, dataset, rows)
    wanted = artifact.manifest["training"]["trained_rows"]
    found, former = dataset.fingerprints(trained)
    if wanted not in (found, former):
        raise UsageError(
            f"the rows that {artifact.version} was trained on have the fingerprint "
            f"{wanted[:SHOWN]}, those drawn again from {dataset.name} {found[:SHOWN]}",
            "make the report without --data",
        )
    return Holdout(dataset, trained, held, len(dataset) - len(rows))


def _drawn_again(
    artifact: Artifact, dataset: Dataset, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rows trained on and those held out, as the trainer of the version's model parts them."""
    from fusionrec.training.fusion import hold_out  # paddle takes a second to import
    from fusionrec.training.sequence import hold_out_latest

    settings = artifact.manifest.get("recipe", {}).get("training", {})
    share, seed = settings.get("validation", 0.0), settings.get("seed", 0)
    if artifact.history_features:
        return hold_out_latest(dataset, rows, share, seed)
    return hold_out(rows, share, seed)


def _given(artifact: Artifact, dataset: Dataset) -> np.ndarray:
    """The rows that training was given, int64 [n]: all, or those in the version's histories."""
    wanted = artifact.manifest["rows"]
    whole, former = dataset.fingerprints()
    if wanted in (whole, former):
        return np.arange(len(dataset))
    sizes = (len(dataset.users), len(dataset.items))
    if sizes == (len(artifact.users), len(artifact.items)):
        histories = artifact.histories
        user = np.repeat(np.arange(sizes[0]), np.diff(histories.offsets))
        pairs = user * sizes[1] + histories.item
        rows = np.flatnonzero(np.isin(dataset.user * np.int64(sizes[1]) + dataset.item, pairs))
        if wanted in dataset.fingerprints(rows):
            return rows
    data = artifact.manifest["data"]
    raise UsageError(
        f"{artifact.version} was trained on {data!r}, whose rows have the fingerprint "
        f"{wanted[:SHOWN]}, not on {dataset.name!r} with {whole[:SHOWN]}",
        f"name the data set it was trained on, {data}, as it was then; or leave --data out",
    )
