"""Leakage is an exception: what a model was trained on must hold nothing that it is tested on."""

from __future__ import annotations

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import Split, known_pairs
from fusionrec.errors import UsageError


def check_disjoint(dataset: Dataset, split: Split, trained: np.ndarray) -> None:
    """Refuses training rows that hold what the test asks for.

    Args:
        dataset: the data set of the split.
        split: what is tested.
        trained: bool [interactions], or int [n] rows: what a model was or will be trained on.

    Raises:
        UsageError: rows of the test are among them, or another row of the same user and item is,
            although nobody takes an item again; says how many.
    """
    rows = np.flatnonzero(trained) if trained.dtype == bool else trained
    shared = len(np.intersect1d(rows, split.test))
    if shared:
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
    """Refuses a trained model that may have seen the test rows.

    A fingerprint is a hash: it tells whether a set of rows is a given one, and nothing of a set
    that it is not. So there is no looking for overlap in it; instead the model must prove that it
    was trained on a set that is known to hold no test row, and only two sets are: the split's
    training rows, and these with the validation rows. Every other model is refused, one trained on
    less than that included, since it cannot be told from one that saw the answers.

    Args:
        dataset: the data set of the split.
        split: what is tested.
        fingerprint: ``Dataset.fingerprint`` of the rows that the model was trained on.
        history: user and item positions, int [n] each, of what the model says it was trained on;
            used to say in the error how far the two overlap, never to accept.

    Raises:
        UsageError: the fingerprint is another; names the overlap as far as it can be known.
    """
    if any(fingerprint in dataset.fingerprints(part) for part in (split.train, split.before_test)):
        return
    if fingerprint in dataset.fingerprints():
        what = f"on all {len(dataset)} rows, all {len(split.test)} test rows among them"
    elif history is not None and not dataset.schema.repeats:  # where pairs tell rows apart
        seen = known_pairs(dataset, split.test, *history)
        what = f"on other rows than this split's, {seen} of {len(split.test)} test rows among them"
    else:
        what = "on other rows than this split's, and what it has seen of the test cannot be told"
    raise UsageError(
        f"split {split.name}: the model was trained {what}",
        "train a model on this split's training rows, or measure one that was",
    )
