"""Metrics of one model or baseline: values per user and run, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fusionrec.errors import UsageError

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
    """A model or a baseline in all runs: a line of the table.

    Attributes:
        name: for display.
        is_model: whether it is a model of the project, not a baseline.
        runs: one per split, in their order.
        seconds: fitting and scoring, of all runs.
    """

    name: str
    is_model: bool
    runs: Sequence[RunMetrics]
    seconds: float

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics, in the order in which they are shown."""
        return [*self.runs[0].values, *self.runs[0].lists]

    def by_run(self, metric: str) -> list[float]:
        """A metric's figure in each run: the users' weighted mean; NaN where no user has row."""
        return [_mean_figure(run, metric) for run in self.runs]

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


def tested_users(row: MetricsRow) -> np.ndarray:
    """The distinct users tested in any run, int64 [u], ascending."""
    return np.unique(np.concatenate([run.users for run in row.runs]))


def check_paired(row: MetricsRow, other: MetricsRow) -> None:
    """Refuses two rows that were not measured on the same users in the same runs.

    Raises:
        UsageError: they were not.
    """
    same = len(row.runs) == len(other.runs) and all(
        np.array_equal(a.users, b.users) for a, b in zip(row.runs, other.runs, strict=True)
    )
    if not same:
        raise UsageError(f"{row.name} and {other.name} were not measured on the same users")


def _mean_figure(run: RunMetrics, metric: str) -> float:
    if metric in run.lists:
        return run.lists[metric]
    value = run.values[metric]
    known = ~np.isnan(value)
    weight = run.weight[known]
    if not weight.sum() > 0:
        return float("nan")
    power = POWER.get(metric, 1.0)
    return float((weight @ value[known] ** power / weight.sum()) ** (1 / power))
