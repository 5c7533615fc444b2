"""How good the lists and the predicted ratings are on the holdout."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fusionrec.baselines import item_sets, popularity, user_counts
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Field
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
    """Metrics of the model and of popularity, means over users with a relevant item.

    ``model`` and ``popular`` are by the names in ``metrics.figures``, such as ``ndcg@10``.
    """

    users: int
    targets: int  # relevant items of all users
    model: Mapping[str, float]
    popular: Mapping[str, float]


@dataclass(frozen=True)
class RatingError:
    """How far predicted ratings are from those given, in stars."""

    rmse: float
    mae: float


@dataclass(frozen=True)
class UserGroup:
    """Users with one value of an attribute."""

    label: str
    users: int
    targets: int
    ndcg: float
    margin: float  # half the width of the 95% interval of ``ndcg``
    hit_rate: float
    rmse: float  # of the scores; NaN where the version only ranks


@dataclass(frozen=True)
class PopularityBand:
    """Items that were rated about equally often."""

    name: str
    items: int
    catalog: float  # their share of the items,
    ratings: float  # of the training ratings,
    shown: float  # of the places in the model's lists, NaN where there are fewer than K items,
    shown_popular: float  # and of those in popularity's lists
    targets: int
    recall: float
    rmse: float  # as in ``UserGroup``


@dataclass(frozen=True)
class Quality:
    """All figures on the holdout."""

    rows: int  # how many are measured
    # error of ratings predicted by scores; None where the version only ranks
    by_score: RatingError | None
    any: MetricsByK  # every rating is relevant
    liked: MetricsByK  # only high ratings are; of events, none
    # of each user attribute with few values, in the order of the field's choices
    groups: list[tuple[Field, list[UserGroup]]]
    strata: list[PopularityBand]  # from the most rated items to the least
    lists: Ranked  # the model's, where every rating is relevant


def measure(scorer: Scorer, holdout: Holdout) -> Quality:
    """Measures a version on its holdout, which must not be empty.

    Popularity, histories and strata come from the training rows alone, and so do the vectors of a
    model that reads histories.

    Args:
        scorer: the version's scores, made with ``holdout``.
        holdout: the rows to measure on.
    """
    data, artifact = holdout.dataset, scorer.artifact
    rows = holdout.rows[np.isin(data.user[holdout.rows], scorer.users)]
    user, item, actual = data.user[rows], data.item[rows], data.rating[rows]
    predicted = by_score = None
    if artifact.predicts_ratings:
        predicted = artifact.scores.rating(scorer.pairs(user, item))
        by_score = RatingError(rmse(predicted, actual), mae(predicted, actual))

    def error(some: np.ndarray) -> float:
        """RMSE of some of the rows; NaN if there are none, or nothing is predicted."""
        if predicted is None or not len(actual[some]):
            return float("nan")
        return rmse(predicted[some], actual[some])

    seen = None if data.schema.repeats else item_sets(data, holdout.trained)
    count = popularity(data, holdout.trained)

    def ranked(relevant: np.ndarray) -> tuple[Ranked, Ranked]:
        users = np.unique(data.user[relevant])
        return rankings(scorer, users, item_sets(data, relevant), seen, count)

    model, popular = ranked(rows)
    liked = rows[:0] if data.schema.events else rows[actual >= data.schema.like]
    return Quality(
        len(rows),
        by_score,
        _by_k(model, popular),
        _by_k(*ranked(liked)) if len(liked) else MetricsByK(0, 0, {}, {}),
        _groups(data, user, model, error),
        _strata(holdout, item, model, popular, error),
        model,
    )


def rankings(
    scorer: Scorer, users: np.ndarray, relevant: ItemSets, seen: ItemSets | None, count: np.ndarray
) -> tuple[Ranked, Ranked]:
    """Rankings of all items but those seen, by the model and by popularity, ``count`` [items]."""
    model, popular = (Ranking(relevant, len(count), K, exclude=seen) for _ in range(2))
    for block, scores in scorer.blocks(users):
        model.add(block, scores)
        popular.add(block, np.broadcast_to(count, scores.shape))
    return model.result(), popular.result()


def _by_k(model: Ranked, popular: Ranked) -> MetricsByK:
    return MetricsByK(len(model), len(model.target), figures(model, ks=KS), figures(popular, ks=KS))


def _groups(
    data: Dataset, user: np.ndarray, ranked: Ranked, error: Callable[[np.ndarray], float]
) -> list[tuple[Field, list[UserGroup]]]:
    ndcg, hit = ranked.ndcg(K), ranked.hit_rate(K)
    grouped = []
    for field in data.schema.attributes("user"):
        if field.kind not in ("category", "number"):
            continue
        column = np.array([_group_name(value) for value in data.users.columns[field.name]])
        if not 2 <= len(np.unique(column)) <= MOST_GROUPS:
            continue
        targets = by_group(column[user], lambda some: some)
        lists = by_group(column[ranked.users], lambda some: some)
        groups = []
        for name in [*field.choices, *(name for name in lists if name not in field.choices)]:
            if name in lists:
                own, rows = ndcg[lists[name]], targets[name]
                # The interval of a mean, by the normal approximation.
                few = len(own) < 2
                margin = math.nan if few else float(1.96 * own.std(ddof=1) / np.sqrt(len(own)))
                sizes, hits = (len(own), len(rows)), mean(hit[lists[name]])
                shown = label(field, name) or "not known"
                groups.append(UserGroup(shown, *sizes, mean(own), margin, hits, error(rows)))
        grouped.append((field, groups))
    return grouped


def _group_name(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:g}"
    return str(value)


def _strata(
    holdout: Holdout,
    item: np.ndarray,
    model: Ranked,
    popular: Ranked,
    error: Callable[[np.ndarray], float],
) -> list[PopularityBand]:
    count = user_counts(holdout.dataset, holdout.trained)
    stratum = popularity_strata(count, len(STRATA))
    catalog = CatalogStats(count, len(holdout.dataset.users))
    ours, theirs = (by_stratum(ranked, catalog, stratum, (K,)) for ranked in (model, popular))
    bands = []
    for number, name in enumerate(STRATA):
        members = stratum == number
        if not members.any():
            continue
        rows = np.flatnonzero(members[item])
        bands.append(
            PopularityBand(
                name,
                int(members.sum()),
                float(members.mean()),
                float(count[members].sum() / count.sum()),
                ours[number].get(f"share@{K}", math.nan),
                theirs[number].get(f"share@{K}", math.nan),
                len(rows),
                ours[number][f"recall@{K}"],
                error(rows),
            )
        )
    return bands
