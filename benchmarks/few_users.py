"""Small data: lists of draws of a few users, beside those of baselines.

    python benchmarks/few_users.py --data ml-100k --users 100 --draws 8

For each draw ``linear`` quick is trained and tested by ``next-item``, ``random-holdout`` and
``global-time``, once as it is, and once asking each user a single time for what is held out, and
nobody for likes where few can be asked for what came later. Prints mean NDCG@10 over all draws, and
the mean difference from the first with its standard error.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.model_source import TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.models.presets import preset_recipe
from own_data import read

PROTOCOLS = ("next-item", "random-holdout", "global-time")
SOURCE = TrainOnSplit(preset_recipe("linear", "quick"))


def main() -> None:
    """Prints a table for the data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k", help="as of default_model.py, or a path")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--draws", type=int, default=8)
    given = parser.parse_args()
    dataset = read(given.data)
    if dataset is None:
        return
    found = defaultdict[tuple[str, str], list[float]](list)
    for draw in range(given.draws):
        some = drawn(dataset, given.users, draw)
        for protocol in PROTOCOLS:
            measure(some, protocol, found)
    for protocol in PROTOCOLS:
        own = np.array(found[protocol, "linear"])
        for (about, name), values in found.items():
            if about == protocol:
                gain = np.array(values) - own
                error = gain.std() / len(gain) ** 0.5
                print(
                    f"{protocol}  {name}  {np.mean(values):.4f}  {gain.mean():+.4f} ± {error:.4f}"
                )


def drawn(dataset: Dataset, users: int, seed: int) -> Dataset:
    """The same data of some users alone, and of what they took."""
    kept = np.sort(np.random.default_rng(seed).choice(len(dataset.users), users, replace=False))
    rows = np.flatnonzero(np.isin(dataset.user, kept))
    items, item = np.unique(dataset.item[rows], return_inverse=True)
    return replace(
        dataset,
        users=dataset.users.take(kept),
        items=dataset.items.take(items),
        user=np.searchsorted(kept, dataset.user[rows]).astype(np.int32),
        item=item.astype(np.int32),
        rating=dataset.rating[rows],
        time=None if dataset.time is None else dataset.time[rows],
        repairs=(),
    )


def measure(dataset: Dataset, protocol: str, found: dict[tuple[str, str], list[float]]) -> None:
    """Adds the figures of one draw."""
    try:
        result = evaluate(dataset, named(protocol), ProtocolOptions(), SOURCE, through_index=0)
        with ExitStack() as stack:
            stack.enter_context(patch("fusionrec.training.holdouts.TIMES", 1))
            stack.enter_context(patch("fusionrec.training.blend_train.SCARCE", 0))
            options = ProtocolOptions(baselines=("popular",))
            once = evaluate(dataset, named(protocol), options, SOURCE, through_index=0)
    except UsageError as error:  # nobody can be tested
        print(f"{protocol}: left out, {error.message}")
        return
    for row in result.rows:
        found[protocol, row.name].append(row.figure("ndcg@10"))
    found[protocol, "linear, asked once"].append(once.row("linear").figure("ndcg@10"))


if __name__ == "__main__":
    main()
