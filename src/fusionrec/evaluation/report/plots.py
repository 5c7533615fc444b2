"""The report's plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.evaluation.report.exposure import BINS, Exposure, ScoreSample
from fusionrec.evaluation.report.html import Markup, number, percent
from fusionrec.evaluation.report.quality import KS, K, MetricsByK, PopularityBand, UserGroup
from fusionrec.evaluation.report.svg import FAINT, FIRST, GREY, SECOND, figure, legend
from fusionrec.evaluation.report.terms import Terms

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning(
    epochs: Sequence[Mapping[str, Any]], best: int | None, measure: Mapping[str, Any]
) -> Markup:
    """Train and validation figures by epoch: in one plot if they are of one kind, else in two."""
    numbers = [e["number"] for e in epochs]
    lines = [("training", measure["train"], [e["train"] for e in epochs])]
    if epochs[0]["validation"] is not None:
        lines.append(("validation", measure["validation"], [e["validation"] for e in epochs]))
    plots = 1 if len({what for _, what, _ in lines}) == 1 else 2

    def draw(canvas: Figure) -> None:
        looks = ((FIRST, "o", "-"), (SECOND, "s", "--"))
        for position, (name, what, values) in enumerate(lines):
            if position < plots:
                axes = canvas.add_subplot(1, plots, position + 1)
                if best is not None:
                    axes.axvline(
                        best, color=FAINT, linestyle=":", linewidth=1.2, label="epoch kept"
                    )
            colour, mark, dash = looks[position]
            axes.plot(numbers, values, color=colour, marker=mark, linestyle=dash, label=name)
            axes.set_xlabel("epoch")
            axes.set_ylabel(what)
            axes.locator_params(axis="x", integer=True)
            legend(axes)

    ends = "; ".join(f"{name}: {what} {values[-1]:.3f}" for name, what, values in lines)
    alt = f"Line plot: figures by epoch. After {numbers[-1]} epochs {ends}."
    better = "higher is better" if measure["rising"] else "lower is better"
    judged = str(measure["validation"])
    caption = f"By epoch. {judged[:1].upper()}{judged[1:]}: {better}."
    return figure("learning", alt, caption, (5.6 if plots == 1 else 8.0, 3.2), draw)


def by_k(name: str, title: str, measured: MetricsByK) -> Markup:
    """One metric of the model and of popularity over K; ``name`` is as in ``metrics.figures``."""
    ours, theirs = ([f[f"{name}@{k}"] for k in KS] for f in (measured.model, measured.popular))

    def draw(canvas: Figure) -> None:
        axes = canvas.add_subplot()
        axes.plot(KS, ours, color=FIRST, marker="o", label="model")
        axes.plot(KS, theirs, color=SECOND, marker="s", linestyle="--", label="popularity")
        axes.set_xscale("log")
        axes.set_xticks(KS, [str(k) for k in KS])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("K")
        axes.set_ylabel(title)
        legend(axes)

    at = KS.index(K)
    alt = (
        f"Line plot: {title} by K. At {K} the model has {ours[at]:.3f}, "
        f"popularity {theirs[at]:.3f}."
    )
    return figure(f"by-k-{name}", alt, f"{title} at K, higher is better.", (4.0, 3.0), draw)


def groups(name: str, groups: Sequence[UserGroup]) -> Markup:
    """NDCG of each group of users, with its interval."""

    def draw(canvas: Figure) -> None:
        axes = canvas.add_subplot()
        position = np.arange(len(groups))
        value = np.array([g.ndcg for g in groups])
        margin = np.nan_to_num(np.array([g.margin for g in groups]))
        low = np.minimum(margin, value)  # NDCG does not go below 0
        axes.errorbar(
            value, position, xerr=(low, margin), fmt="o", color=FIRST, ecolor=GREY, elinewidth=1.4
        )
        axes.set_yticks(position, [_short(g.label, 24) for g in groups])
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


def strata(bands: Sequence[PopularityBand], words: Terms) -> Markup:
    """Shares of catalog, ratings and places in lists, by stratum."""
    bars = (
        ("items", GREY, "", [s.catalog for s in bands]),
        (words.plural, SECOND, "//", [s.ratings for s in bands]),
        ("places in lists", FIRST, "", [s.shown for s in bands]),
    )

    def draw(canvas: Figure) -> None:
        axes = canvas.add_subplot()
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


def scores(samples: Sequence[ScoreSample]) -> Markup:
    """A histogram of scores for each kind of pair, one above the other."""
    everything = np.concatenate([s.scores for s in samples])
    edges = np.linspace(everything.min() - 1e-6, everything.max() + 1e-6, 61)
    middle = (edges[1:] + edges[:-1]) / 2

    def draw(canvas: Figure) -> None:
        axes = canvas.add_subplot()
        for row, kind in enumerate(reversed(samples)):
            height = np.histogram(kind.scores, edges)[0].astype(float)
            height *= 0.85 / max(height.max(), 1)
            colour = GREY if kind.free else FIRST
            axes.fill_between(middle, row, row + height, color=colour, alpha=0.65, linewidth=0)
            axes.plot(middle, row + height, color=colour, linewidth=1)
            median = float(np.median(kind.scores))
            axes.plot([median, median], [row, row + 0.85], color=SECOND, linewidth=1.6)
        axes.set_yticks(np.arange(len(samples)), [s.label for s in reversed(samples)])
        axes.set_ylim(-0.1, len(samples) + 0.05)
        axes.set_xlabel("score (5·cosine); the upright line is the median")

    alt = "Histograms of scores; medians: " + ", ".join(
        f"{s.label} {number(float(np.median(s.scores)), 2)}" for s in samples
    )
    size = (5.6, 1.2 + 0.5 * len(samples))
    return figure("scores", f"{alt}.", "Each row is scaled to its own height.", size, draw)


def exposure(lists: Exposure, words: Terms) -> Markup:
    """Popularity percentiles of the lists' items and of the rated items."""
    edges = np.linspace(0, 100, BINS + 1)

    def draw(canvas: Figure) -> None:
        axes = canvas.add_subplot()
        shown, rated = 100 * lists.shown, 100 * lists.rated
        axes.stairs(shown, edges, color=FIRST, linewidth=1.8, label="places in lists")
        axes.stairs(rated, edges, color=SECOND, linewidth=1.8, linestyle="--", label=words.plural)
        axes.axhline(100 / BINS, color=FAINT, linestyle=":", linewidth=1.2, label="all items alike")
        axes.set_xlabel(f"popularity percentile of the item (100 is the most {words.done})")
        axes.set_ylabel(f"share per {100 // BINS} percentiles (%)")
        axes.set_ylim(bottom=0)
        legend(axes)

    alt = (
        f"Step plot: the {100 // BINS}% best-known items take {percent(lists.shown[-1])} of the "
        f"places in lists and {percent(lists.rated[-1])} of all {words.plural}."
    )
    caption = f"Lists beside what people {words.did} themselves."
    return figure("shown", alt, caption, (5.6, 3.2), draw)


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
