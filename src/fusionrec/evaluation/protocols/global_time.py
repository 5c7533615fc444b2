"""Protocol ``global-time``: one instant parts training from test for all users."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import time_splits
from fusionrec.evaluation.baselines import EASE, ItemKNN, Popular, RecentlyPopular, item_sets
from fusionrec.evaluation.protocols.common import (
    TAKEN_BEFORE,
    Make,
    ProtocolOptions,
    SplitRun,
    choose_folds,
    ease_fits,
    refuse,
    repeat_baseline,
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
    baseline_names = ("popular", "recently-popular", TAKEN_BEFORE, "item-knn", "ease")
    takes = frozenset({"folds", "k"})
    timed = True
    clocked = True

    def prepare(self, dataset: Dataset) -> Dataset:
        """See ``Protocol.prepare``; it must have times."""
        if dataset.time is None:
            refuse(dataset, f"has no times, and protocol {self.name} asks what comes next")
        return dataset

    def baselines(self, dataset: Dataset, seed: int) -> Mapping[str, Make]:  # noqa: ARG002
        baselines: dict[str, Make] = {
            "popular": Popular,
            "recently-popular": RecentlyPopular,
            **repeat_baseline(dataset),
            "item-knn": ItemKNN,
        }
        if ease_fits(dataset):
            baselines["ease"] = EASE
        return baselines

    def notes(self, dataset: Dataset) -> list[str]:
        return [f"all {int(rated_items(dataset).sum()):,} rated items are ranked, later ones too"]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        """See ``Protocol.runs``; one per window and seed."""
        windows = choose_folds(time_splits(dataset, QUANTILES), options, "windows")
        return [SplitRun(split, seed, fold) for seed in options.seeds for fold, split in windows]

    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        before = item_sets(dataset, run.split.train)
        task = Task(
            relevant=item_sets(dataset, run.split.test),
            candidates=rated_items(dataset),
            rows=run.split.train,
            history_rows=run.split.train,
            now=np.full(len(dataset.users), first_times(dataset, run.split.test).min()),
            history=before,
            exclude=None if dataset.schema.repeats else before,
            cuts=(options.k,),
        )
        return [task]
