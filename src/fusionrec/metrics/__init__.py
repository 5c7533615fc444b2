"""Metrics in plain NumPy. Full rankings only; ties break by row, never towards a target.

A ranking among a few sampled items orders models otherwise than the full ranking does (Krichene
and Rendle, On Sampled Metrics for Item Recommendation, KDD 2020), so there is none here.

Use: fill a ``Ranking`` with blocks of scores, take its ``result()``, a ``Ranked``, and read its
metrics, or all of them at once with ``figures``.
"""

from fusionrec.metrics.accuracy import Ranked, mae, rmse
from fusionrec.metrics.beyond_accuracy import (
    coverage,
    diversity,
    exposure,
    gini,
    novelty,
    popularity_percentile,
    popularity_strata,
    shown_percentile,
)
from fusionrec.metrics.full_ranking import Ranking, top
from fusionrec.metrics.item_sets import ItemSets
from fusionrec.metrics.summary import (
    CatalogStats,
    by_group,
    by_stratum,
    figures,
    list_figures,
    mean,
)

__all__ = [
    "CatalogStats",
    "ItemSets",
    "Ranked",
    "Ranking",
    "by_group",
    "by_stratum",
    "coverage",
    "diversity",
    "exposure",
    "figures",
    "gini",
    "list_figures",
    "mae",
    "mean",
    "novelty",
    "popularity_percentile",
    "popularity_strata",
    "rmse",
    "shown_percentile",
    "top",
]
