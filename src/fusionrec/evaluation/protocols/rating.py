"""Protocol ``rating``: the error of predicted ratings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import random_split
from fusionrec.evaluation.metrics_table import RunMetrics
from fusionrec.evaluation.model_source import ModelRater
from fusionrec.evaluation.protocols.common import Make, Protocol, ProtocolOptions, SplitRun
from fusionrec.registry import Artifact


class Rating(Protocol):
    """A random share of the ratings is hidden and predicted; RMSE and MAE in the rating's unit.

    Times are dropped and the rows sorted by user and item before the split, so that neither the
    time nor the file's order can be read.
    """

    name = "rating"
    asks = "how far is a predicted rating from the one given?"
    metrics = ("rmse", "mae")
    baseline_names = ("bias",)
    takes = frozenset({"share"})
    rates = True

    def prepare(self, dataset: Dataset) -> Dataset:
        dataset = super().prepare(dataset)
        order = np.lexsort((dataset.rating, dataset.item, dataset.user))
        user, item, rating = dataset.user[order], dataset.item[order], dataset.rating[order]
        return replace(dataset, user=user, item=item, rating=rating, time=None)

    def notes(self, dataset: Dataset) -> list[str]:  # noqa: ARG002
        return ["times and the order of ratings were dropped before the split"]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        share = 0.1 if options.share is None else options.share
        return [SplitRun(random_split(dataset, share, seed), seed) for seed in options.seeds]

    def measure(
        self,
        dataset: Dataset,
        run: SplitRun,
        options: ProtocolOptions,  # noqa: ARG002
        model: Artifact | Make,
    ) -> RunMetrics:
        """Each user's RMSE and MAE over their hidden ratings, weighted by the number of these."""
        if isinstance(model, Artifact):
            rater = ModelRater(model, dataset)
        else:
            rater = model().fit(dataset, run.split.train)
        rows = run.split.test
        user, actual = dataset.user[rows], dataset.rating[rows].astype(np.float64)
        error = rater.predict(user, dataset.item[rows]) - actual
        users, row, count = np.unique(user, return_inverse=True, return_counts=True)
        values = {
            "rmse": np.sqrt(np.bincount(row, error**2) / count),
            "mae": np.bincount(row, np.abs(error)) / count,
        }
        return RunMetrics(users.astype(np.int64), count.astype(np.float64), values)
