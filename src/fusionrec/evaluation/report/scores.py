"""Scores: their distribution by rating, and that of unrated pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.evaluation.report.blocks import Plot, Table, number
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.svg import FIRST, GREY, SECOND, figure
from fusionrec.evaluation.report.terms import terms_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAMPLE = 20_000  # pairs of user and item whose scores are shown


def scores(scorer: Scorer, holdout: Holdout | None) -> dict[str, Any]:
    """The distribution of scores by rating, and of unrated pairs.

    Ratings are those of the holdout where there is one, else the training ratings.
    """
    artifact, words = scorer.artifact, terms_for(scorer.artifact.schema)
    if holdout is not None and not len(holdout.rows):
        holdout = None
    samples = _samples(scorer, holdout)
    header = [words.singular.capitalize(), "Pairs", "Score, 5%", "Median", "95%"]
    rows = [
        [name, f"{len(some):,}", *(number(v, 2) for v in np.quantile(some, (0.05, 0.5, 0.95)))]
        for name, some in samples.items()
    ]
    if artifact.predicts_ratings:
        header.append("Mean stars by the score")
        for row, some in zip(rows, samples.values(), strict=True):
            row.append(number(float(np.mean(artifact.scores.rating(some))), 2))
    return {
        "held_out": holdout is not None,
        "plot": _plot(samples, f"not {words.done}"),
        "table": Table(f"Scores by {words.singular}", header, rows),
    }


def _samples(scorer: Scorer, holdout: Holdout | None) -> dict[str, np.ndarray]:
    """Scores, float32 [n], of pairs rated alike, the lowest rating first, and of unrated pairs."""
    rng = np.random.default_rng(1)
    schema = scorer.artifact.schema
    if holdout is not None:
        data, rows = holdout.dataset, holdout.rows
        user, item, rating = data.user[rows], data.item[rows], data.rating[rows]
    else:
        histories = scorer.artifact.histories
        user = np.repeat(np.arange(len(scorer.seen)), np.diff(histories.offsets))
        item, rating = histories.item, histories.rating
    chosen = np.flatnonzero(np.isin(user, scorer.users))
    if len(chosen) > _SAMPLE:
        chosen = np.sort(rng.choice(chosen, _SAMPLE, replace=False))
    scores = scorer.pairs(user[chosen], item[chosen])
    bands = (_weights if schema.events else _bands)(rating[chosen])
    samples = {name: scores[members] for name, members in bands if members.any()}

    items = len(scorer.artifact.items)
    user = rng.choice(scorer.users, _SAMPLE // 2)
    item = rng.integers(items, size=len(user))
    owner, rated = scorer.seen.pairs()
    free = ~np.isin(user * np.int64(items) + item, owner * np.int64(items) + rated)
    if free.any():
        samples[f"not {terms_for(schema).done}"] = scorer.pairs(user[free], item[free])
    return samples


def _bands(rating: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Names and members, bool [n], of ratings that are alike: each value, or fifths of many."""
    values = np.unique(rating)
    if len(values) <= 11:
        return [(f"{v:g} star{'' if v == 1 else 's'}", rating == v) for v in values]
    edges = np.linspace(values[0], values[-1], 6)
    band = np.clip(np.searchsorted(edges, rating, side="right") - 1, 0, 4)
    return [(f"{edges[b]:.3g} to {edges[b + 1]:.3g} stars", band == b) for b in range(5)]


def _weights(weight: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Names and members, bool [n], of events that weigh alike: each weight, or all of many."""
    values = np.unique(weight)
    if not 1 < len(values) <= 11:
        return [("taken", np.ones(len(weight), dtype=bool))]
    return [(f"taken, weight {v:.3g}", weight == v) for v in values]


def _plot(samples: Mapping[str, np.ndarray], unrated: str) -> Plot:
    """A histogram of scores for each kind of pair, one above the other."""
    everything = np.concatenate(list(samples.values()))
    edges = np.linspace(everything.min() - 1e-6, everything.max() + 1e-6, 61)
    middle = (edges[1:] + edges[:-1]) / 2
    medians = {name: float(np.median(scores)) for name, scores in samples.items()}

    def draw(axes: Axes) -> None:
        for row, (name, scores) in enumerate(reversed(list(samples.items()))):
            height = np.histogram(scores, edges)[0].astype(float)
            height *= 0.85 / max(height.max(), 1)
            colour = GREY if name == unrated else FIRST
            axes.fill_between(middle, row, row + height, color=colour, alpha=0.65, linewidth=0)
            axes.plot(middle, row + height, color=colour, linewidth=1)
            axes.plot([medians[name]] * 2, [row, row + 0.85], color=SECOND, linewidth=1.6)
        axes.set_yticks(np.arange(len(samples)), [*samples][::-1])
        axes.set_ylim(-0.1, len(samples) + 0.05)
        axes.set_xlabel("score (5·cosine); the upright line is the median")

    alt = ", ".join(f"{name} {number(median, 2)}" for name, median in medians.items())
    size = (5.6, 1.2 + 0.5 * len(samples))
    caption = "Each row is scaled to its own height."
    return figure("scores", f"Histograms of scores; medians: {alt}.", caption, size, draw)
