"""Metrics of recommendation lists beyond accuracy: coverage, popularity, novelty, diversity.

Lists are int [users, k], item positions, −1 where there is no item; −1 is not counted.
"""

from __future__ import annotations

import numpy as np

from fusionrec.errors import UsageError


def exposure(best: np.ndarray, items: int) -> np.ndarray:
    """How often each item is in the lists, int64 [items]."""
    return np.bincount(best[best >= 0], minlength=items)


def coverage(shown: np.ndarray) -> float:
    """Catalog coverage: the share of items that are shown to anyone, 0..1; NaN of no items.

    ``shown`` is int [items], the ``exposure`` of each item that can be shown (Ge,
    Delgado-Battenfeld and Jannach, Beyond accuracy, RecSys 2010).
    """
    return float(np.mean(shown > 0)) if len(shown) else float("nan")


def gini(shown: np.ndarray) -> float:
    """Gini index of how often items are shown, as for ``coverage``: 0 all alike, 1 one item alone.

    ``sum((2·j − n − 1) · p_j) / (n − 1)``, j from 1 over items from the least shown, p_j the
    item's share of all that is shown (Shani and Gunawardana, Evaluating Recommendation Systems,
    in the Recommender Systems Handbook, 2011). NaN where nothing is shown, or of fewer than two.
    """
    n, total = len(shown), int(shown.sum())
    if n < 2 or total == 0:
        return float("nan")
    weight = 2 * np.arange(1, n + 1) - n - 1
    return float((weight * np.sort(shown)).sum() / (total * (n - 1)))


def popularity_percentile(count: np.ndarray) -> np.ndarray:
    """Each item's percentile by how often it was rated, float64 [items], from 0 (rarest) to 1.

    Equal counts share the mean of their ranks (midranks: Kendall, The treatment of ties in
    ranking problems, Biometrika 1945), so that the mean over all items is 1/2.
    """
    ordered = np.sort(count)
    below, upto = np.searchsorted(ordered, count), np.searchsorted(ordered, count, side="right")
    return np.asarray((below + upto - 1) / 2 / max(len(count) - 1, 1))


def shown_percentile(best: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean popularity percentile of each user's list, float64 [users], NaN of an empty list.

    ``count`` is int [items], how often each was rated in training. The average recommendation
    popularity of Abdollahpouri, Burke and Mobasher, Managing popularity bias, FLAIRS 2019, with
    percentiles instead of counts, so that it is comparable between catalogs.
    """
    return _mean_shown(best, popularity_percentile(count))


def novelty(best: np.ndarray, count: np.ndarray, users: int) -> np.ndarray:
    """Mean self-information of each user's list in bits, float64 [users], NaN of an empty list.

    ``−log2(count / users)``: how surprising it is that someone rated the item (Zhou et al.,
    Solving the apparent diversity-accuracy dilemma, PNAS 2010). ``count`` is int [items], by how
    many of ``users`` each was rated in training; 0 counts as 1, or the information were infinite.

    Raises:
        UsageError: there are fewer users than the largest count.
    """
    if users < max(count.max(initial=0), 1):
        raise UsageError(f"an item was rated by {count.max(initial=0)} of {users} users")
    return _mean_shown(best, -np.log2(np.maximum(count, 1) / users))


def diversity(best: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Intra-list diversity: mean of 1 − cosine over the pairs of each list, float64 [users].

    Ziegler et al., Improving recommendation lists through topic diversification, WWW 2005. 0..1
    for vectors without negative entries, else 0..2; NaN of a list of fewer than two.

    Args:
        best: the lists.
        vectors: float [items, d], such as an item's categories as 0 and 1. A zero vector is at
            right angles to every other.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros(vectors.shape), where=length > 0)
    # The cosines of all ordered pairs add up to |sum of vectors|² minus each vector with itself.
    # Column by column, so that no [users, k, d] array is needed.
    total = np.zeros((len(best), vectors.shape[1]))
    itself = np.zeros(len(best))
    for column in best.T:
        vector = unit[column] * (column >= 0)[:, None]
        total += vector
        itself += (vector**2).sum(axis=1)
    shown = (best >= 0).sum(axis=1)
    pairs = np.where(shown > 1, shown * (shown - 1.0), np.nan)
    return np.asarray(1 - ((total**2).sum(axis=1) - itself) / pairs)


def popularity_strata(count: np.ndarray, strata: int = 3) -> np.ndarray:
    """Cuts the catalog into strata that were rated about equally often, int64 [items]: 0 for the
    most popular one up to ``strata − 1``, which has all unrated items.

    Items from the most rated on by ``count``, int [items] (equal ones by row), are cut where each
    next ``1 / strata`` of all ratings is reached: head, middle, tail (the short head of Celma and
    Cano, From hits to niches?, 2008; after Steck, Item popularity and recommendation accuracy,
    RecSys 2011).

    Raises:
        UsageError: ``strata`` is below 1.
    """
    if strata < 1:
        raise UsageError(f"there must be 1 stratum or more, got {strata}")
    order = np.argsort(-count, kind="stable")
    before = np.cumsum(count[order]) - count[order]
    stratum = np.empty(len(count), dtype=np.int64)
    stratum[order] = np.minimum(before * strata // max(int(count.sum()), 1), strata - 1)
    stratum[count == 0] = strata - 1
    return stratum


def _mean_shown(best: np.ndarray, value: np.ndarray) -> np.ndarray:
    shown = best >= 0
    total = np.where(shown, value[best], 0.0).sum(axis=1)
    return np.asarray(total / np.where(shown.any(axis=1), shown.sum(axis=1), np.nan))
