"""Metrics in plain NumPy. Full rankings only; ties break by row, never towards a target."""

from __future__ import annotations

import numpy as np

from fusionrec.errors import UsageError


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Root mean squared error of two arrays [n], in their unit.

    Raises:
        UsageError: a value is NaN, the lengths differ, or there is none.
    """
    return float(np.sqrt(np.mean(_errors(predicted, actual) ** 2)))


def mae(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Mean absolute error of two arrays [n], in their unit; raises as ``rmse``."""
    return float(np.mean(np.abs(_errors(predicted, actual))))


def top(scores: np.ndarray, k: int, exclude: np.ndarray | None = None) -> np.ndarray:
    """The k best columns of each row, best first; equal scores in the order of their columns.

    Args:
        scores: float [users, items].
        k: 1 or more; counts as ``items`` where it is more.
        exclude: bool [users, items], what may not be among them; or None.

    Returns:
        int64 [users, min(k, items)]; −1 where a row has no more items.

    Raises:
        UsageError: a score is NaN, or k is below 1.
    """
    if k < 1:
        raise UsageError(f"k must be 1 or more, got {k}")
    if np.isnan(scores).any():
        raise UsageError("a score is NaN, so there is no ranking")
    held = scores if exclude is None else np.where(exclude, -np.inf, scores)
    k = min(k, held.shape[1])
    # The k-th best score of each row; all above it are in, and of those equal to it the first.
    threshold = -np.partition(-held, k - 1, axis=1)[:, k - 1 : k]
    above, equal = held > threshold, held == threshold
    room = k - above.sum(axis=1, keepdims=True)
    chosen = above | (equal & (np.cumsum(equal, axis=1) <= room))
    columns = np.nonzero(chosen)[1].reshape(len(held), k)
    order = np.argsort(-np.take_along_axis(held, columns, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(columns, order, axis=1)
    return np.where(np.isneginf(np.take_along_axis(held, best, axis=1)), -1, best)


def hits(best: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Which places of each user's list hold a relevant item.

    Args:
        best: int64 [users, k], as ``top`` returns it.
        relevant: bool [users, items].

    Returns:
        bool [users, k].
    """
    found = np.take_along_axis(relevant, np.maximum(best, 0), axis=1)
    return found & (best >= 0)


def hit_rate(hit: np.ndarray) -> np.ndarray:
    """HR@k of each user: 1.0 where any of ``hit``, bool [users, k], is true; else 0.0."""
    return np.asarray(hit.any(axis=1), dtype=np.float64)


def ndcg(hit: np.ndarray, relevant_count: np.ndarray) -> np.ndarray:
    """NDCG@k of each user, with gains of 0 or 1 (Järvelin and Kekäläinen, TOIS 2002).

    ``sum(hit / log2(place + 1))`` over places from 1, over its value for an ideal list.

    Args:
        hit: bool [users, k].
        relevant_count: int [users], how many items are relevant to each.

    Returns:
        float64 [users], NaN for a user to whom nothing is relevant.
    """
    discount = 1.0 / np.log2(np.arange(2, hit.shape[1] + 2))
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])
    return np.asarray(
        (hit * discount).sum(axis=1) / ideal[np.minimum(relevant_count, hit.shape[1])]
    )


def popularity_percentile(count: np.ndarray) -> np.ndarray:
    """Each item's place among all by how often it was rated, float64 [items], 0 rarest to 1.

    Equal counts share the mean of their places.
    """
    ordered = np.sort(count)
    below, upto = np.searchsorted(ordered, count), np.searchsorted(ordered, count, side="right")
    return np.asarray((below + upto - 1) / 2 / max(len(count) - 1, 1))


def _errors(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    if predicted.shape != actual.shape or predicted.size == 0:
        raise UsageError(f"expected two equal lengths, got {predicted.shape} and {actual.shape}")
    errors: np.ndarray = predicted.astype(np.float64) - actual
    if np.isnan(errors).any():
        raise UsageError("a predicted or an actual value is NaN")
    return errors
