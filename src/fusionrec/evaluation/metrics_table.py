"""Metrics of one model or baseline: values per user and run, and their means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

LOWER_IS_BETTER = ("rmse", "mae")
POWER = {"rmse": 2.0}  # RMSE averages squares and takes the root; other metrics are means


@dataclass(frozen=True)
class RunMetrics:
    """The metrics of one model or baseline in one run.

    Attributes:
        users: int64 [n], positions of the users tested.
        weight: float64 [n], of each user: 1 in rankings, the number of ratings in ``rating``.
        values: metric -> float64 [n], one value per user; NaN where undefined.
        lists: metric -> figure of all lists together, such as coverage.
    """

    users: np.ndarray
    weight: np.ndarray
    values: Mapping[str, np.ndarray]
    lists: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricsRow:
    """A model or a baseline in all runs: a line of the table."""

    name: str  # for display
    is_model: bool  # whether it is a model of the project, not a baseline
    runs: Sequence[RunMetrics]  # one per split, in their order
    seconds: float  # fitting and scoring, of all runs

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics, in the order in which they are shown."""
        return [*self.runs[0].values, *self.runs[0].lists]

    def by_run(self, metric: str) -> list[float]:
        """A metric's figure in each run: the users' weighted mean; NaN where no user has it."""
        power = POWER.get(metric, 1.0)
        figures = []
        for run in self.runs:
            if metric in run.lists:
                figures.append(run.lists[metric])
                continue
            known = ~np.isnan(run.values[metric])
            value, weight = run.values[metric][known], run.weight[known]
            sums = weight @ value**power, weight.sum()
            figures.append(float((sums[0] / sums[1]) ** (1 / power)) if sums[1] > 0 else math.nan)
        return figures

    def figure(self, metric: str) -> float:
        """The mean of ``by_run``."""
        return float(np.mean(self.by_run(metric)))

    def sums(self, metric: str, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The numerator and denominator of a metric's figure, user by user.

        Args:
            metric: one with values per user.
            users: int64 [u], distinct positions, ascending, with all tested users.

        Returns:
            Weighted values (to the metric's power) and weights, float64 [u, runs] each; 0 where a
            user has no value in a run.
        """
        top, bottom = np.zeros((2, len(users), len(self.runs)))
        for number, run in enumerate(self.runs):
            value = run.values[metric]
            known = ~np.isnan(value)
            row = np.searchsorted(users, run.users[known])
            top[row, number] = run.weight[known] * value[known] ** POWER.get(metric, 1.0)
            bottom[row, number] = run.weight[known]
        return top, bottom


def best_baseline(baselines: Sequence[MetricsRow], metric: str) -> MetricsRow | None:
    """The baseline with the best figure in a metric, the first of equal ones; None if none."""
    known = [b for b in baselines if not np.isnan(b.figure(metric))]
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    return max(known, key=lambda b: sign * b.figure(metric), default=None)
