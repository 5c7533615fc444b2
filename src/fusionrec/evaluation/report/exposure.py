"""The distribution of scores, and the items that lists show; needs no holdout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.quality import K, rankings
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.terms import terms_for
from fusionrec.metrics import CatalogStats, ItemSets, exposure, figures, popularity_percentile

_SAMPLE = 20_000  # pairs of user and item whose scores are shown
BINS = 20  # of a histogram over popularity percentiles


@dataclass(frozen=True)
class ScoreSample:
    """Scores of pairs of one kind: those rated alike, or those not rated.

    Attributes:
        label: such as ``4 stars``; of events ``taken``.
        scores: float32 [n].
        stars: mean rating that the scores predict; None where the version only ranks.
        free: whether they are unrated pairs.
    """

    label: str
    scores: np.ndarray
    stars: float | None
    free: bool = False


@dataclass(frozen=True)
class Exposure:
    """Which items the lists show.

    Attributes:
        users: whose lists were made.
        model, popular: ``coverage@10``, ``gini@10``, ``percentile@10``, ``novelty@10``.
        shown, rated: float64 [BINS], shares of list positions, and of all ratings, by the item's
            popularity percentile.
    """

    users: int
    model: Mapping[str, float]
    popular: Mapping[str, float]
    shown: np.ndarray
    rated: np.ndarray


def score_samples(scorer: Scorer, holdout: Holdout | None) -> list[ScoreSample]:
    """The scores of pairs by their rating, lowest first, and of pairs not rated, last.

    Ratings are those of the holdout where there is one, else the training ratings.
    """
    rng = np.random.default_rng(1)
    user, item, rating = _rated(scorer, holdout, rng)
    scores = scorer.pairs(user, item)
    schema = scorer.artifact.schema
    bands = _weights(rating) if schema.events else _bands(rating)
    samples = [_sample(scorer, name, scores[members]) for name, members in bands if members.any()]
    others = _unrated(scorer, rng)
    if len(others):
        samples.append(_sample(scorer, f"not {terms_for(schema).done}", others, free=True))
    return samples


def list_exposure(scorer: Scorer) -> Exposure:
    """The exposure of items in the lists of the report's users, by the model and by popularity."""
    seen = scorer.seen
    count = np.bincount(seen.items, minlength=len(scorer.artifact.items))
    nothing = ItemSets.of(np.empty(0, int), np.empty(0, int), len(seen))
    excluded = None if scorer.artifact.schema.repeats else seen
    model, popular = rankings(scorer, scorer.users, nothing, excluded, count)
    catalog = CatalogStats(count, int((seen.counts > 0).sum()))
    return Exposure(
        len(scorer.users),
        figures(model, catalog, (K,)),
        figures(popular, catalog, (K,)),
        _by_percentile(count, exposure(model.best, len(count))),
        _by_percentile(count, count),
    )


def _rated(
    scorer: Scorer, holdout: Holdout | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items and ratings, [n] each, of the report's users."""
    if holdout is not None and len(holdout.rows):
        data, rows = holdout.dataset, holdout.rows
        user, item, rating = data.user[rows], data.item[rows], data.rating[rows]
    else:
        histories = scorer.artifact.histories
        user = np.repeat(np.arange(len(scorer.seen)), np.diff(histories.offsets))
        item, rating = histories.item, histories.rating
    chosen = np.flatnonzero(np.isin(user, scorer.users))
    if len(chosen) > _SAMPLE:
        chosen = np.sort(rng.choice(chosen, _SAMPLE, replace=False))
    return user[chosen], item[chosen], rating[chosen]


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


def _unrated(scorer: Scorer, rng: np.random.Generator) -> np.ndarray:
    """Scores of random unrated pairs, float32 [n]."""
    items = len(scorer.artifact.items)
    user = rng.choice(scorer.users, _SAMPLE // 2)
    item = rng.integers(items, size=len(user))
    owner, rated = scorer.seen.pairs()
    free = ~np.isin(user * np.int64(items) + item, owner * np.int64(items) + rated)
    return scorer.pairs(user[free], item[free])


def _sample(scorer: Scorer, name: str, scores: np.ndarray, *, free: bool = False) -> ScoreSample:
    artifact = scorer.artifact
    stars = float(np.mean(artifact.scores.rating(scores))) if artifact.predicts_ratings else None
    return ScoreSample(name, scores, stars, free)


def _by_percentile(count: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Shares of a weight per item, in bins of the items' popularity percentile."""
    bins = np.minimum((popularity_percentile(count) * BINS).astype(int), BINS - 1)
    total = np.bincount(bins, weight, BINS)
    return np.asarray(total / max(total.sum(), 1))
