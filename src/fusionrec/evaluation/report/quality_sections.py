"""The sections that are measured on the holdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.html import Markup, join, number, percent, table, tag
from fusionrec.evaluation.report.quality import (
    KS,
    K,
    MetricsByK,
    PopularityBand,
    Quality,
    RatingError,
    UserGroup,
)
from fusionrec.evaluation.report.svg import FIRST, GREY, SECOND, figure, legend
from fusionrec.evaluation.report.terms import Terms, repeat_note, terms_for
from fusionrec.recommend.feedback_dataset import without_feedback
from fusionrec.registry import Artifact

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METRICS = (("hr", "HR"), ("recall", "Recall"), ("ndcg", "NDCG"))


def why_absent(artifact: Artifact, holdout: Holdout | None) -> str:
    """Why there are no figures on holdout rows; empty if there are."""
    if artifact.has_parts:
        return (
            "Not measured: this version was trained again on every row it was given, so no row is "
            "left that it has not learnt from. What was measured before stands under “What it is "
            "worth”."
        )
    share = artifact.manifest.get("recipe", {}).get("training", {}).get("validation", 0)
    if share == 0 or (holdout is not None and not len(holdout.rows)):
        return (
            "Not measured: this version was trained on every row it was given "
            f"(training.validation={share:g}), so no row is left that it has not learnt from."
        )
    if holdout is None:
        return (
            "Not measured: that needs rows that training did not learn from, and a version keeps "
            "no such rows. Make the report with the data set it was trained on: fusionrec report "
            f"--version {artifact.version} --data {without_feedback(artifact.manifest['data'])}"
        )
    return ""


def ranking_section(artifact: Artifact, measured: Quality) -> Markup:
    """HR, Recall and NDCG by K, for any rating and for high ones."""
    schema, words = artifact.schema, terms_for(artifact.schema)
    if schema.repeats:
        ranked = f"every item, also what a user had {words.done} in the training rows,"
    else:
        ranked = f"every item that a user had not {words.done} in the training rows"
    drawn = f"they are drawn at random over time, so a user's later {words.plural}"
    history = ""
    if artifact.history_features:
        drawn = f"each is its user's latest alone, so what others {words.did} later"
        history = (
            " They are the latest of some users, one of each. A user's vector is made anew from "
            "the history without them: what is asked is in nothing that the model reads."
        )
    intro = (
        f"Measured on {measured.rows:,} {words.plural} held out of training: {ranked} is ranked, "
        f"and the question is how high those held out come.{history}"
    )
    caveat = (
        f"These validation rows chose the epoch, and {drawn} may have been trained on. Compare "
        "versions of one data set and seed by them, and of models that hold out alike; for figures "
        "to publish, run a protocol of the evaluation on rows that chose none."
    )
    parts = [
        tag("p", intro),
        *([] if schema.events else _rating_errors(measured)),
        tag("p", caveat, class_="note"),
        tag("div", *(_plot_by_k(*m, measured.any) for m in _METRICS), class_="row"),
        _table_by_k(f"Any held-out {words.singular} is relevant", measured.any),
    ]
    if measured.liked.users:
        liked = f"Ratings of {schema.like:g} stars or more are relevant"
        parts.append(_table_by_k(liked, measured.liked))
    metrics = (
        "HR@K: share of users with a relevant item among their first K. Recall@K: share of a "
        "user's relevant items among them. NDCG@K: the same with higher places counting more."
    )
    return join([*parts, tag("p", metrics)])


def _rating_errors(measured: Quality) -> list[Markup]:
    """The error of ratings that scores predict; none if the version only ranks."""
    error = measured.by_score
    if error is None:
        intro = "This version was taught to rank: it predicts no ratings, so there is no error."
        return [tag("p", intro)]
    return [tag("p", f"Of their ratings the error of the scores is {_shown(error)}.")]


def _shown(error: RatingError) -> str:
    return f"{number(error.rmse, 4)} stars (RMSE), {number(error.mae, 4)} stars (MAE)"


def _table_by_k(what: str, metrics: MetricsByK) -> Markup:
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
    return table(caption, header, rows)


def _plot_by_k(name: str, title: str, measured: MetricsByK) -> Markup:
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


def groups_section(artifact: Artifact, measured: Quality) -> Markup:
    """The same metrics for groups of users."""
    if not measured.groups:
        return tag("p", "Users have no attribute with few values, so there are no groups.")
    words = terms_for(artifact.schema)
    intro = (
        f"On the same held-out {words.plural}, any of them relevant. An interval says how far "
        "the figure may be off because few users stand behind it; where intervals overlap, a "
        "difference may be chance."
    )
    parts: list[Markup] = [tag("p", intro)]
    for field, groups in measured.groups:
        name = field.name.replace("_", " ")
        column, errors = _rmse(measured, [g.rmse for g in groups])
        rows = [
            [
                g.label,
                f"{g.users:,}",
                f"{g.targets:,}",
                f"{number(g.ndcg)} ± {number(g.margin)}",
                number(g.hit_rate),
                *error,
            ]
            for g, error in zip(groups, errors, strict=True)
        ]
        header = [name, "Users", words.heading, f"NDCG@{K} ± 95%", f"HR@{K}", *column]
        made = table(f"Users by {name}", header, rows)
        parts.append(tag("h3", f"By {name}"))
        parts.append(tag("div", _plot_groups(name, groups), made, class_="pair"))
    return join(parts)


def _plot_groups(name: str, groups: Sequence[UserGroup]) -> Markup:
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


def strata_section(artifact: Artifact, measured: Quality) -> Markup:
    """The same metrics for items that are rated about equally often."""
    words = terms_for(artifact.schema)
    intro = (
        f"Items from the most {words.done} on, cut where each third of the training {words.plural} "
        "is reached: head, middle, tail. A model that shows the head alone finds nothing of the "
        f"tail.{repeat_note(artifact.schema)}"
    )
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
    made = table("By popularity stratum", header, rows)
    return join([tag("p", intro), _plot_strata(measured.strata, words), made])


def _rmse(measured: Quality, values: Sequence[float]) -> tuple[list[str], list[list[str]]]:
    """The header and cells of a table's RMSE column; none where the version only ranks."""
    if measured.by_score is None:
        return [], [[] for _ in values]
    return ["RMSE (stars)"], [[number(value)] for value in values]


def _plot_strata(bands: Sequence[PopularityBand], words: Terms) -> Markup:
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
