"""Recovers a version's holdout from its data set, and checks it by fingerprints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.registry import Artifact

DIGITS = 12  # of a fingerprint in a message


@dataclass(frozen=True)
class Holdout:
    """The rows that a version was trained on, and its holdout."""

    dataset: Dataset  # the data set it was trained on
    trained: np.ndarray  # int64 [n], the rows trained on
    rows: np.ndarray  # int64 [m], the validation rows; empty where all rows were trained on


def find_holdout(artifact: Artifact, dataset: Dataset) -> Holdout:
    """Splits a data set as the training of a version did.

    Raises:
        UsageError: the version was trained on another data set, or its holdout cannot be
            drawn again; names both fingerprints.
    """
    rows = _training_rows(artifact, dataset)
    settings = artifact.manifest.get("recipe", {}).get("training", {})
    share, seed = settings.get("validation", 0.0), settings.get("seed", 0)
    if artifact.has_parts:  # its holdout was trained on in the end
        trained, holdout = rows, rows[:0]
    elif artifact.history_features:
        from fusionrec.training.sequence_trainer import hold_out_latest  # Paddle takes a second

        trained, holdout = hold_out_latest(dataset, rows, share, seed)
    else:
        from fusionrec.training.fusion_trainer import hold_out

        trained, holdout = hold_out(rows, share, seed)
    wanted = artifact.manifest["training"]["trained_rows"]
    current, former = dataset.fingerprints(trained)
    if wanted not in (current, former):
        raise UsageError(
            f"the rows that {artifact.version} was trained on have the fingerprint "
            f"{wanted[:DIGITS]}, those drawn again from {dataset.name} {current[:DIGITS]}",
            "leave --data out: then the report says what it could not measure",
        )
    return Holdout(dataset, trained, holdout)


def _training_rows(artifact: Artifact, dataset: Dataset) -> np.ndarray:
    """The rows that training was given, int64 [n]: all, or those in the version's histories."""
    wanted = artifact.manifest["rows"]
    current, former = dataset.fingerprints()
    if wanted in (current, former):
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
        f"{wanted[:DIGITS]}, not on {dataset.name!r} with {current[:DIGITS]}",
        f"name the data set it was trained on, {data}, as it was then; or leave --data out",
    )
