"""What the templates say of the holdout: tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.evaluation.report.blocks import Plot, Table, number, percent
from fusionrec.evaluation.report.quality import (
    KS,
    K,
    MetricsByK,
    PopularityBand,
    Quality,
    UserGroup,
)
from fusionrec.evaluation.report.svg import FIRST, GREY, SECOND, figure, legend
from fusionrec.evaluation.report.terms import Terms, terms_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METRICS = (("hr", "HR"), ("recall", "Recall"), ("ndcg", "NDCG"))


def ranking(schema: Schema, measured: Quality) -> dict[str, Any]:
    """HR, Recall and NDCG by K, for any rating and for high ones."""
    words = terms_for(schema)
    tables = [_table_by_k(f"Any held-out {words.singular} is relevant", measured.any)]
    if measured.liked.users:
        liked = f"Ratings of {schema.like:g} stars or more are relevant"
        tables.append(_table_by_k(liked, measured.liked))
    return {"plots": [_plot_by_k(*m, measured.any) for m in _METRICS], "tables": tables}


def _table_by_k(what: str, metrics: MetricsByK) -> Table:
    rows = [
        [str(k)]
        + [
            number(figures[f"{name}@{k}"])
            for name, _ in _METRICS
            for figures in (metrics.model, metrics.popular)
        ]
        for k in KS
    ]
    header = ["K"] + [f"{t}, {who}" for _, t in _METRICS for who in ("model", "popularity")]
    caption = f"{what}: {metrics.targets:,} of {metrics.users:,} users; metrics from 0 to 1"
    return Table(caption, header, rows)


def _plot_by_k(name: str, title: str, measured: MetricsByK) -> Plot:
    """One metric of the model and of popularity over K; ``name`` is as in ``metrics.figures``."""
    ours, theirs = ([f[f"{name}@{k}"] for k in KS] for f in (measured.model, measured.popular))

    def draw(axes: Axes) -> None:
        axes.plot(KS, ours, color=FIRST, marker="o", label="model")
        axes.plot(KS, theirs, color=SECOND, marker="s", linestyle="--", label="popularity")
        axes.set_xscale("log")
        axes.set_xticks(KS, [str(k) for k in KS])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set(xlabel="K", ylabel=title)
        legend(axes)

    at = KS.index(K)
    alt = (
        f"Line plot: {title} by K. At {K} the model has {ours[at]:.3f}, "
        f"popularity {theirs[at]:.3f}."
    )
    return figure(f"by-k-{name}", alt, f"{title} at K, higher is better.", (4.0, 3.0), draw)


def groups(schema: Schema, measured: Quality) -> list[dict[str, Any]]:
    """The same metrics for groups of users, by each attribute."""
    words, parts = terms_for(schema), []
    for field, found in measured.groups:
        name = field.name.replace("_", " ")
        column, errors = _rmse(measured, [g.rmse for g in found])
        rows = [
            [
                g.label,
                f"{g.users:,}",
                f"{g.targets:,}",
                f"{number(g.ndcg)} ± {number(g.margin)}",
                number(g.hit_rate),
                *error,
            ]
            for g, error in zip(found, errors, strict=True)
        ]
        header = [name, "Users", words.heading, f"NDCG@{K} ± 95%", f"HR@{K}", *column]
        made = Table(f"Users by {name}", header, rows)
        parts.append({"name": name, "plot": _plot_groups(name, found), "table": made})
    return parts


def _plot_groups(name: str, groups: Sequence[UserGroup]) -> Plot:
    """NDCG of each group of users, with its interval."""

    def draw(axes: Axes) -> None:
        position = np.arange(len(groups))
        value = np.array([g.ndcg for g in groups])
        margin = np.nan_to_num(np.array([g.margin for g in groups]))
        low = np.minimum(margin, value)  # NDCG does not go below 0
        axes.errorbar(
            value, position, xerr=(low, margin), fmt="o", color=FIRST, ecolor=GREY, elinewidth=1.4
        )
        axes.set_yticks(
            position, [g.label if len(g.label) <= 24 else f"{g.label[:23]}…" for g in groups]
        )
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"NDCG@{K}, with its 95% interval")

    known = [g for g in groups if not np.isnan(g.ndcg)]
    best, worst = max(known, key=lambda g: g.ndcg), min(known, key=lambda g: g.ndcg)
    alt = (
        f"Dot plot: NDCG@{K} by {name}, from {worst.ndcg:.3f} ({worst.label}) to {best.ndcg:.3f} "
        f"({best.label})."
    )
    size = (5.2, 1.0 + 0.27 * len(groups))
    return figure(f"group-{name}", alt, f"By {name}. Wide intervals hold few users.", size, draw)


def strata(schema: Schema, measured: Quality) -> dict[str, Any]:
    """The same metrics for items that are rated about equally often."""
    words = terms_for(schema)
    column, errors = _rmse(measured, [s.rmse for s in measured.strata])
    rows = [
        [
            s.name,
            f"{s.items:,} ({percent(s.catalog)})",
            percent(s.ratings),
            percent(s.shown),
            percent(s.shown_popular),
            f"{s.targets:,}",
            number(s.recall),
            *error,
        ]
        for s, error in zip(measured.strata, errors, strict=True)
    ]
    header = [
        "Stratum",
        "Items",
        f"Training {words.plural}",
        f"Places in lists of {K}",
        "Popularity's places",
        f"Held-out {words.plural}",
        f"Recall@{K}",
        *column,
    ]
    made = Table("By popularity stratum", header, rows)
    return {"plot": _plot_strata(measured.strata, words), "table": made}


def _rmse(measured: Quality, values: Sequence[float]) -> tuple[list[str], list[list[str]]]:
    """The header and cells of a table's RMSE column; none where the version only ranks."""
    if measured.by_score is None:
        return [], [[] for _ in values]
    return ["RMSE (stars)"], [[number(value)] for value in values]


def _plot_strata(bands: Sequence[PopularityBand], words: Terms) -> Plot:
    """Shares of catalog, ratings and places in lists, by stratum."""
    bars = (
        ("items", GREY, "", [s.catalog for s in bands]),
        (words.plural, SECOND, "//", [s.ratings for s in bands]),
        ("places in lists", FIRST, "", [s.shown for s in bands]),
    )

    def draw(axes: Axes) -> None:
        position = np.arange(len(bands))
        for row, (label, colour, hatch, values) in enumerate(bars):
            at = position + 0.27 * (row - 1)
            drawn = axes.barh(
                at, [100 * v for v in values], 0.25, label=label, color=colour, hatch=hatch,
                edgecolor="#00000000",
            )  # fmt: skip
            axes.bar_label(drawn, [percent(v, 0) for v in values], padding=3, fontsize=9)
        axes.set_yticks(position, [s.name for s in bands])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 112)
        axes.set_xlabel("share (%)")
        legend(axes)

    alt = "Bar plot: " + "; ".join(
        f"{s.name}: {percent(s.catalog, 0)} of items, {percent(s.ratings, 0)} of {words.plural}, "
        f"{percent(s.shown, 0)} of places in lists"
        for s in bands
    )
    return figure("strata", f"{alt}.", "What each stratum takes.", (5.6, 3.2), draw)
