"""All metrics of a ranking at once: overall, by groups of users and by strata of items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.metrics import beyond_accuracy
from fusionrec.metrics.accuracy import Ranked

T = TypeVar("T")


@dataclass(frozen=True)
class CatalogStats:
    """Statistics of the items that list metrics need.

    Attributes:
        count: int [items], by how many users each item was rated in training.
        users: how many users there are in training.
        vectors: float [items, d] for diversity, such as categories as 0 and 1; else none is given.
        members: bool [items], the items that can be shown; all by default.
    """

    count: np.ndarray
    users: int
    vectors: np.ndarray | None = None
    members: np.ndarray | None = None


def figures(
    ranked: Ranked, catalog: CatalogStats | None = None, ks: Sequence[int] = (10, 50)
) -> dict[str, float]:
    """Every metric, each the mean over the users that have one.

    Args:
        ranked: the ranks and lists.
        catalog: of the items; without it accuracy alone.
        ks: cuts for accuracy. Those up to the lists' length serve the metrics of lists too.

    Returns:
        ``hr@k``, ``recall@k``, ``ndcg@k``, ``map@k`` and ``mrr``; of the lists ``coverage@k``,
        ``gini@k``, ``percentile@k``, ``novelty@k`` and ``diversity@k``. NaN where no user has one.

    Raises:
        UsageError: a k is below 1.
    """
    metrics: dict[str, float] = {}
    for k in ks:
        metrics[f"hr@{k}"] = mean(ranked.hit_rate(k))
        metrics[f"recall@{k}"] = mean(ranked.recall(k))
        metrics[f"ndcg@{k}"] = mean(ranked.ndcg(k))
        metrics[f"map@{k}"] = mean(ranked.average_precision(k))
    metrics["mrr"] = mean(ranked.reciprocal_rank())
    if catalog is not None:
        for k in ks:
            if k <= ranked.best.shape[1]:
                metrics |= list_figures(ranked.best[:, :k], catalog, k)
    return metrics


def by_group(
    labels: Sequence[object] | np.ndarray, measure: Callable[[np.ndarray], T]
) -> dict[str, T]:
    """Any metric for each group of rows, of users or of ratings.

    ``by_group(genders, lambda rows: figures(ranked.take(rows)))``, or
    ``by_group(genders, lambda rows: rmse(predicted[rows], actual[rows]))``.

    ``labels`` name each row's group; ``measure`` is called with a group's rows, int64 [m].

    Returns:
        Label, as text, -> what ``measure`` made, in the labels' order as text.
    """
    names, group = np.unique(np.array([str(label) for label in labels]), return_inverse=True)
    return {str(name): measure(np.flatnonzero(group == g)) for g, name in enumerate(names)}


def by_stratum(
    ranked: Ranked, catalog: CatalogStats, stratum: np.ndarray, ks: Sequence[int] = (10, 50)
) -> dict[int, dict[str, float]]:
    """``figures`` for each stratum of items, with only its items relevant.

    The ranking is still over all items. ``coverage`` and ``gini`` are within the stratum, the
    other metrics of lists over those of its items that are shown; ``share@k`` is added, the
    stratum's share of all list positions. ``stratum`` is int [items], of ``popularity_strata``.
    """
    by_number = {}
    for s in np.unique(stratum):
        members = stratum == s
        within = members if catalog.members is None else members & catalog.members
        part = ranked.restrict_to(within)
        by_number[int(s)] = figures(part, replace(catalog, members=within), ks)
        for k in ks:
            if k <= ranked.best.shape[1]:
                positions = int((ranked.best[:, :k] >= 0).sum())
                taken = int((part.best[:, :k] >= 0).sum())
                by_number[int(s)][f"share@{k}"] = taken / positions if positions else float("nan")
    return by_number


def mean(values: np.ndarray) -> float:
    """The mean of the values, [n], that are not NaN; NaN where there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def list_figures(best: np.ndarray, catalog: CatalogStats, k: int) -> dict[str, float]:
    """The metrics of lists in ``figures``, of lists of length k, int [users, k]."""
    count = catalog.count
    shown = beyond_accuracy.exposure(best, len(count))
    if len(shown) > len(count):
        raise UsageError(f"lists hold an item beyond the catalog of {len(count)}")
    shown = shown if catalog.members is None else shown[catalog.members]
    metrics = {
        f"coverage@{k}": beyond_accuracy.coverage(shown),
        f"gini@{k}": beyond_accuracy.gini(shown),
        f"percentile@{k}": mean(beyond_accuracy.shown_percentile(best, count)),
        f"novelty@{k}": mean(beyond_accuracy.novelty(best, count, catalog.users)),
    }
    if catalog.vectors is not None:
        metrics[f"diversity@{k}"] = mean(beyond_accuracy.diversity(best, catalog.vectors))
    return metrics
