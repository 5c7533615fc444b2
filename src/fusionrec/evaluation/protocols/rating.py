"""Protocol ``rating``: the error of predicted ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import random_split
from fusionrec.evaluation.baselines import Bias, Rater
from fusionrec.evaluation.metrics_table import RunMetrics
from fusionrec.evaluation.model_source import ModelRater
from fusionrec.evaluation.protocols.common import (
    Make,
    Protocol,
    ProtocolOptions,
    SplitRun,
    refuse,
    runs_by_seed,
)
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

    def baselines(self, dataset: Dataset, seed: int) -> Mapping[str, Make]:  # noqa: ARG002
        return {"bias": Bias}

    def prepare(self, dataset: Dataset) -> Dataset:
        """See ``Protocol.prepare``; without times and the file's order. It must have ratings."""
        if dataset.schema.events:
            refuse(dataset, "holds events, and protocol rating asks how well ratings are predicted")
        order = np.lexsort((dataset.rating, dataset.item, dataset.user))
        return replace(
            dataset,
            user=dataset.user[order],
            item=dataset.item[order],
            rating=dataset.rating[order],
            time=None,
        )

    def notes(self, dataset: Dataset) -> list[str]:  # noqa: ARG002
        return ["times and the order of ratings were dropped before the split"]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        """See ``Protocol.runs``; one per seed."""
        share = 0.1 if options.share is None else options.share
        return runs_by_seed(options, lambda seed: random_split(dataset, share, seed))

    def measure_baseline(
        self,
        dataset: Dataset,
        run: SplitRun,
        options: ProtocolOptions,  # noqa: ARG002
        make: Make,
    ) -> RunMetrics:
        return measure_errors(dataset, run, make().fit(dataset, run.split.train))

    def measure_model(
        self,
        dataset: Dataset,
        run: SplitRun,
        options: ProtocolOptions,  # noqa: ARG002
        artifact: Artifact,
    ) -> RunMetrics:
        return measure_errors(dataset, run, ModelRater(artifact, dataset))


def measure_errors(dataset: Dataset, run: SplitRun, rater: Rater) -> RunMetrics:
    """Each user's RMSE and MAE over their hidden ratings, weighted by the number of these."""
    rows = run.split.test
    user, actual = dataset.user[rows], dataset.rating[rows].astype(np.float64)
    error = rater.predict(user, dataset.item[rows]) - actual
    users, row, count = np.unique(user, return_inverse=True, return_counts=True)
    squares = np.bincount(row, error**2) / count
    absolute = np.bincount(row, np.abs(error)) / count
    values = {"rmse": np.sqrt(squares), "mae": absolute}
    return RunMetrics(users.astype(np.int64), count.astype(np.float64), values)
