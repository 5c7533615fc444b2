"""Leakage checks: raise if a model was trained on rows that it is tested on."""

from __future__ import annotations

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import Split, known_pairs
from fusionrec.errors import UsageError


def check_disjoint(dataset: Dataset, split: Split, trained: np.ndarray) -> None:
    """Rejects training rows, bool [interactions] or int [n], that overlap the test.

    Raises:
        UsageError: test rows are among them, or other rows of the same user and item although the
            schema has no repeats; says how many.
    """
    rows = np.flatnonzero(trained) if trained.dtype == bool else trained
    if shared := len(np.intersect1d(rows, split.test)):
        raise UsageError(
            f"split {split.name}: {shared} of {len(split.test)} test rows were trained on"
        )
    same = known_pairs(dataset, split.test, dataset.user[rows], dataset.item[rows])
    if same and not dataset.schema.repeats:
        raise UsageError(
            f"split {split.name}: {same} of {len(split.test)} test rows are of a user and an item "
            "that training has another row of"
        )


def check_fingerprint(
    dataset: Dataset,
    split: Split,
    fingerprint: str,
    history: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Rejects a trained model that may have seen the test rows.

    A fingerprint is a hash: it identifies a set of rows, but does not show how it overlaps another.
    So the model must have been trained on one of the two sets that are known to be free of test
    rows: the split's training rows, with or without its validation rows. Every other model is
    rejected, even one trained on fewer rows, which looks the same as one that saw the answers.

    Args:
        dataset, split: the test that is checked.
        fingerprint: ``Dataset.fingerprint`` of the rows that the model was trained on.
        history: user and item positions, int [n] each, of the model's own training history; used
            for the overlap in the error message, never to accept.

    Raises:
        UsageError: the fingerprint is another; names the overlap if it is known.
    """
    if any(fingerprint in dataset.fingerprints(part) for part in (split.train, split.before_test)):
        return
    if fingerprint in dataset.fingerprints():
        what = f"on all {len(dataset)} rows, all {len(split.test)} test rows among them"
    elif history is not None and not dataset.schema.repeats:  # pairs identify rows
        seen = known_pairs(dataset, split.test, *history)
        what = f"on other rows than this split's, {seen} of {len(split.test)} test rows among them"
    else:
        what = "on other rows than this split's, and what it has seen of the test cannot be told"
    raise UsageError(
        f"split {split.name}: the model was trained {what}",
        "train a model on this split's training rows, or measure one that was",
    )
