"""What is shown: which items the lists show, how popular and how evenly spread."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.evaluation.report.blocks import Plot, Table, number, percent
from fusionrec.evaluation.report.quality import K, rankings
from fusionrec.evaluation.report.scoring import MOST_USERS, Scorer
from fusionrec.evaluation.report.svg import FAINT, FIRST, SECOND, figure, legend
from fusionrec.evaluation.report.terms import Terms, terms_for
from fusionrec.metrics import CatalogStats, ItemSets, exposure, figures, popularity_percentile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 20  # of a histogram over popularity percentiles

# Name among the metrics, name for people, a factor, and how it is written.
_OF_LISTS: tuple[tuple[str, str, float, Callable[[float], str]], ...] = (
    ("coverage", "Items shown to anyone", 1, percent),
    ("gini", "Gini index of exposure (0 all alike, 1 one item alone)", 1, number),
    ("percentile", "Mean popularity percentile (100 the most {done})", 100, number),
    ("novelty", "Novelty (bits; more is less expected)", 1, number),
)


def shown(scorer: Scorer) -> dict[str, Any]:
    """How popular, varied and evenly spread the lists are, by the model and by popularity."""
    schema, seen, words = scorer.artifact.schema, scorer.seen, terms_for(scorer.artifact.schema)
    count = np.bincount(seen.items, minlength=len(scorer.artifact.items))
    nothing = ItemSets.of(np.empty(0, int), np.empty(0, int), len(seen))
    excluded = None if schema.repeats else seen
    lists = rankings(scorer, scorer.users, nothing, excluded, count)
    catalog = CatalogStats(count, int((seen.counts > 0).sum()))
    measured = [figures(ranked, catalog, (K,)) for ranked in lists]

    rows = [  # a catalog of fewer than K items has no lists of K: NaN
        [
            name.format(done=words.done),
            *(write(scale * of.get(f"{key}@{K}", math.nan)) for of in measured),
        ]
        for key, name, scale, write in _OF_LISTS
    ]
    spread = _by_percentile(count, exposure(lists[0].best, len(count)))
    return {
        "k": K,
        "users": len(scorer.users),
        "everybody": len(scorer.artifact.users),
        "most": MOST_USERS,
        "plot": _plot(spread, _by_percentile(count, count), words),
        "table": Table(f"Lists of {K}", ["Figure", "Model", "Popularity"], rows),
    }


def _by_percentile(count: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Shares of a weight per item, float64 [BINS], by the items' popularity percentile."""
    bins = np.minimum((popularity_percentile(count) * BINS).astype(int), BINS - 1)
    total = np.bincount(bins, weight, BINS)
    return np.asarray(total / max(total.sum(), 1))


def _plot(shown: np.ndarray, rated: np.ndarray, words: Terms) -> Plot:
    """Popularity percentiles of the lists' items and of the rated items."""
    edges = np.linspace(0, 100, BINS + 1)

    def draw(axes: Axes) -> None:
        axes.stairs(100 * shown, edges, color=FIRST, linewidth=1.8, label="places in lists")
        axes.stairs(
            100 * rated, edges, color=SECOND, linewidth=1.8, linestyle="--", label=words.plural
        )
        axes.axhline(100 / BINS, color=FAINT, linestyle=":", linewidth=1.2, label="all items alike")
        axes.set(
            xlabel=f"popularity percentile of the item (100 is the most {words.done})",
            ylabel=f"share per {100 // BINS} percentiles (%)",
        )
        axes.set_ylim(bottom=0)
        legend(axes)

    alt = (
        f"Step plot: the {100 // BINS}% best-known items take {percent(shown[-1])} of the "
        f"places in lists and {percent(rated[-1])} of all {words.plural}."
    )
    caption = f"Lists beside what people {words.did} themselves."
    return figure("shown", alt, caption, (5.6, 3.2), draw)
