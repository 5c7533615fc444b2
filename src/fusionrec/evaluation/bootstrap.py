"""Confidence intervals of differences: paired bootstrap over users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.evaluation.metrics_table import LOWER_IS_BETTER, POWER, MetricsRow

RESAMPLES = 2000
MIN_USERS = 20  # for an interval; one from fewer users is misleading
MAX_COUNTS = 4_000_000  # of drawn users in memory at a time


@dataclass(frozen=True)
class Comparison:
    """The difference between a model's figure and a baseline's."""

    metric: str
    model: str
    baseline: str
    difference: float  # model less baseline, in the metric's unit
    low: float  # of its 95% interval
    high: float
    users: int  # how many are resampled

    @property
    def mark(self) -> str:
        """``better`` or ``worse`` where the interval excludes zero; else ``unclear``.

        ``few users`` where there are fewer than ``MIN_USERS``.
        """
        if self.users < MIN_USERS:
            return "few users"
        low, high = self.low, self.high
        if self.metric in LOWER_IS_BETTER:
            low, high = -high, -low
        return "better" if low > 0 else "worse" if high < 0 else "unclear"


def compare(
    model: MetricsRow, baseline: MetricsRow, metric: str, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """The paired percentile bootstrap of a difference (Efron and Tibshirani, 1993, chapter 13).

    Users are drawn with replacement, each with all their values in every run and on both sides:
    neither the ratings of one user nor a user's values in two runs are independent (Field and
    Welsh, Bootstrapping clustered data, JRSS B 2007). Each resample computes RMSE anew.

    Args:
        model, baseline: measured on the same users in the same runs.
        metric: one with values per user.
        resamples: how many, 1000 or more.
        seed: of the draws.

    Raises:
        UsageError: the two do not pair, or there are fewer resamples.
    """
    if resamples < 1000:
        raise UsageError(f"a bootstrap needs 1000 resamples or more, got {resamples}")
    ours, theirs = ([run.users for run in row.runs] for row in (model, baseline))
    if len(ours) != len(theirs) or not all(map(np.array_equal, ours, theirs)):
        raise UsageError(f"{model.name} and {baseline.name} were not measured on the same users")
    users = np.unique(np.concatenate(ours))
    columns = np.concatenate((*model.sums(metric, users), *baseline.sums(metric, users)), axis=1)
    rng, n, parts = np.random.default_rng(seed), len(users), []
    block = max(1, MAX_COUNTS // n)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        parts.append(counts.astype(np.float64) @ columns)
    a, a_weight, b, b_weight = np.split(np.concatenate(parts), 4, axis=1)
    power = POWER.get(metric, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample without any user of a run
        differences = (a / a_weight) ** (1 / power) - (b / b_weight) ** (1 / power)
    low, high = np.nanquantile(np.nanmean(differences, axis=1), (0.025, 0.975))
    difference = model.figure(metric) - baseline.figure(metric)
    names = model.name, baseline.name
    return Comparison(metric, *names, difference, float(low), float(high), len(users))
