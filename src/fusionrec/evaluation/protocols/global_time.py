"""Protocol ``global-time``: one instant parts training from test for all users."""

from __future__ import annotations

import numpy as np

from fusionrec.baselines import item_sets
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import time_splits
from fusionrec.evaluation.protocols.common import (
    TAKEN_BEFORE,
    ProtocolOptions,
    SplitRun,
    choose_folds,
)
from fusionrec.evaluation.protocols.ranking import RankingProtocol, Task, first_times, rated_items

QUANTILES = (0.8, 0.9, 1.0)


class GlobalTime(RankingProtocol):
    """Trained on all rows before an instant, tested on what known users rate in a window after it.

    Windows lie between quantiles of all times. What the user rated before is left out, unless
    interactions repeat.
    """

    name = "global-time"
    asks = "what do known users rate after an instant, with nothing known of later?"
    metrics = ("ndcg@{k}", "hr@{k}", "mrr")
    baseline_names = (
        "popular",
        "recently-popular",
        "popular-last-7-days",
        TAKEN_BEFORE,
        "item-knn",
        "ease",
    )
    takes = frozenset({"folds", "k"})
    timed = True
    clocked = True
    goals = ("later",)

    def notes(self, dataset: Dataset) -> list[str]:
        return [f"all {int(rated_items(dataset).sum()):,} rated items are ranked, later ones too"]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        windows = choose_folds(time_splits(dataset, QUANTILES), options, "windows")
        return [SplitRun(split, seed, fold) for seed in options.seeds for fold, split in windows]

    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        train, test = run.split.train, run.split.test
        task = Task(
            relevant=item_sets(dataset, test),
            candidates=rated_items(dataset),
            rows=train,
            history_rows=train,
            now=np.full(len(dataset.users), first_times(dataset, test).min()),
            exclude=None if dataset.schema.repeats else item_sets(dataset, train),
            cuts=(options.k,),
        )
        return [task]
