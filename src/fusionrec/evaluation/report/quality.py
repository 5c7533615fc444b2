"""How good the lists and the predicted ratings are on the holdout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.evaluation.baselines import item_sets, popularity, user_counts
from fusionrec.evaluation.model_source import ModelRater
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.scoring import Scorer, label
from fusionrec.metrics import (
    CatalogStats,
    ItemSets,
    Ranked,
    Ranking,
    by_group,
    by_stratum,
    figures,
    mae,
    mean,
    popularity_strata,
    rmse,
)

KS = (1, 5, 10, 20, 50, 100)
K = 10  # of the figures for a single K
STRATA = ("head", "middle", "tail")
MOST_GROUPS = 25  # values of an attribute that users are grouped by, at most


@dataclass(frozen=True)
class MetricsByK:
    """Metrics of the model and of popularity by their names in ``metrics.figures``.

    Attributes:
        users: those with a relevant item.
        targets: relevant items of all users.
        model, popular: metric@K -> mean over those users.
    """

    users: int
    targets: int
    model: Mapping[str, float]
    popular: Mapping[str, float]


@dataclass(frozen=True)
class RatingError:
    """How far predicted ratings are from those given, in stars."""

    rmse: float
    mae: float


@dataclass(frozen=True)
class UserGroup:
    """One value of a user attribute; ``margin`` is half the width of NDCG@10's 95% interval, and
    ``rmse`` is that of the scores, NaN where the version only ranks.
    """

    label: str
    users: int
    targets: int
    ndcg: float
    margin: float
    hit_rate: float
    rmse: float


@dataclass(frozen=True)
class PopularityBand:
    """Items that were rated about equally often: their shares of the catalog, of ratings, and of
    positions in the lists of the model and of popularity, and their recall on the holdout;
    ``rmse`` is as in ``UserGroup``.
    """

    name: str
    items: int
    catalog: float
    ratings: float
    shown: float
    shown_popular: float
    targets: int
    recall: float
    rmse: float


@dataclass(frozen=True)
class Quality:
    """All figures on the holdout. In ``any`` every rating is relevant, in ``liked`` only high ones
    (of events, none).

    ``by_score`` is the error of ratings predicted by scores, None where the version only ranks;
    ``by_head`` that of the rating head, None where there is none. The head was fitted on the
    holdout too, and reads it.
    """

    rows: int
    by_score: RatingError | None
    by_head: RatingError | None
    any: MetricsByK
    liked: MetricsByK
    groups: list[tuple[Field, list[UserGroup]]]
    strata: list[PopularityBand]


def measure(scorer: Scorer, holdout: Holdout) -> Quality:
    """Measures a version on its holdout, which must not be empty.

    Popularity, histories and strata come from the training rows alone, and so do the vectors of a
    model that reads histories.

    Args:
        scorer: the version's scores, made with ``holdout``.
        holdout: the rows to measure on.
    """
    data = holdout.dataset
    rows = holdout.rows[np.isin(data.user[holdout.rows], scorer.users)]
    user, item, actual = data.user[rows], data.item[rows], data.rating[rows]
    artifact = scorer.artifact
    predicted: np.ndarray | None = None
    by_head: RatingError | None = None
    if artifact.predicts_ratings:
        predicted = artifact.scores.rating(scorer.pairs(user, item))
        if artifact.rating_head is not None:
            by_head = _error(ModelRater(artifact, data).predict(user, item), actual)
    model, popular = _rankings(scorer, holdout, rows)
    liked = rows[data.rating[rows] >= data.schema.like]
    if data.schema.events:  # every event counts as liking
        liked = liked[:0]
    return Quality(
        len(rows),
        None if predicted is None else _error(predicted, actual),
        by_head,
        _by_k(model, popular),
        _by_k(*_rankings(scorer, holdout, liked)) if len(liked) else MetricsByK(0, 0, {}, {}),
        _groups(holdout, rows, predicted, model),
        _strata(holdout, rows, predicted, model, popular),
    )


def _rankings(scorer: Scorer, holdout: Holdout, rows: np.ndarray) -> tuple[Ranked, Ranked]:
    """Rankings of some holdout rows by the model and by popularity."""
    data = holdout.dataset
    seen = None if data.schema.repeats else item_sets(data, holdout.trained)
    count = popularity(data, holdout.trained)
    return rankings(scorer, np.unique(data.user[rows]), item_sets(data, rows), seen, count)


def rankings(
    scorer: Scorer, users: np.ndarray, relevant: ItemSets, seen: ItemSets | None, count: np.ndarray
) -> tuple[Ranked, Ranked]:
    """Rankings of all items but those seen, by the model and by popularity, ``count`` [items]."""
    model, popular = (Ranking(relevant, len(count), K, exclude=seen) for _ in range(2))
    for block, scores in scorer.blocks(users):
        model.add(block, scores)
        popular.add(block, np.broadcast_to(count, scores.shape))
    return model.result(), popular.result()


def _error(predicted: np.ndarray, actual: np.ndarray) -> RatingError:
    return RatingError(rmse(predicted, actual), mae(predicted, actual))


def _rmse(predicted: np.ndarray | None, actual: np.ndarray, some: np.ndarray) -> float:
    """RMSE of some of the pairs; NaN if there are none, or nothing is predicted."""
    if predicted is None or not len(actual[some]):
        return float("nan")
    return rmse(predicted[some], actual[some])


def _by_k(model: Ranked, popular: Ranked) -> MetricsByK:
    return MetricsByK(len(model), len(model.target), figures(model, ks=KS), figures(popular, ks=KS))


def _groups(
    holdout: Holdout, rows: np.ndarray, predicted: np.ndarray | None, ranked: Ranked
) -> list[tuple[Field, list[UserGroup]]]:
    """The groups of every user attribute with few values, in the order of the field's choices."""
    data = holdout.dataset
    ndcg, hit = ranked.ndcg(K), ranked.hit_rate(K)
    grouped = []
    for field in data.schema.attributes("user"):
        if field.kind not in ("category", "number"):
            continue
        column = np.array([_group_name(value) for value in data.users.columns[field.name]])
        if not 2 <= len(np.unique(column)) <= MOST_GROUPS:
            continue
        errors = by_group(
            column[data.user[rows]],
            lambda some: (len(some), _rmse(predicted, data.rating[rows], some)),
        )
        lists = by_group(column[ranked.users], lambda some: some)
        order = [*field.choices, *(name for name in lists if name not in field.choices)]
        groups = [
            UserGroup(
                label(field, name) or "not known",
                len(lists[name]),
                errors[name][0],
                mean(ndcg[lists[name]]),
                _margin(ndcg[lists[name]]),
                mean(hit[lists[name]]),
                errors[name][1],
            )
            for name in order
            if name in lists
        ]
        grouped.append((field, groups))
    return grouped


def _group_name(value: object) -> str:
    """A value as the name of a group."""
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"  # noqa: PLR0124 (a NaN is not known)
    return str(value)


def _margin(values: np.ndarray) -> float:
    """Half the width of the 95% interval of the values' mean, by the normal approximation."""
    if len(values) < 2:
        return float("nan")
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))


def _strata(
    holdout: Holdout, rows: np.ndarray, predicted: np.ndarray | None, model: Ranked, popular: Ranked
) -> list[PopularityBand]:
    data = holdout.dataset
    count = user_counts(data, holdout.trained)
    stratum = popularity_strata(count, len(STRATA))
    catalog = CatalogStats(count, len(data.users))
    ours = by_stratum(model, catalog, stratum, (K,))
    theirs = by_stratum(popular, catalog, stratum, (K,))
    bands = []
    for number, name in enumerate(STRATA):
        members = stratum == number
        if not members.any():
            continue
        of_stratum = members[data.item[rows]]
        bands.append(
            PopularityBand(
                name,
                int(members.sum()),
                float(members.mean()),
                float(count[members].sum() / count.sum()),
                ours[number].get(f"share@{K}", math.nan),  # NaN: fewer than K items
                theirs[number].get(f"share@{K}", math.nan),
                int(of_stratum.sum()),
                ours[number][f"recall@{K}"],
                _rmse(predicted, data.rating[rows], of_stratum),
            )
        )
    return bands
