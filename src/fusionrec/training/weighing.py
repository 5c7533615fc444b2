"""Chooses how much each part of a version counts, by what was held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusionrec.training.holdouts import Holdout, by_user, ndcg
from fusionrec.training.parts import PROFILE, FittedPart

FEWEST_USERS = 20  # who are asked for what is held out; below, no difference is sure
STEPS = (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5)  # weights beside the strongest part
ROUNDS = 2  # in which weights are changed, after all parts were tried
SURE = 1.96  # standard errors of a paired difference, above which a part is added
POOL = 300  # best items of each part, among which each user's are ranked
DENSE = 2_500  # items up to which all are ranked
BLOCK = 256  # users whose scores are computed at a time


@dataclass(frozen=True)
class Weighed:
    """The weights of one goal.

    Attributes:
        weights: part -> weight, of all parts with one.
        figure: NDCG@10 on the holdout; None without one.
        alone: part -> its own NDCG@10 there.
        users: how many were asked.
        values: NDCG@10 of each of them, float64 [users], ascending by user; of whoever was asked
            several times the mean.
    """

    weights: dict[str, float]
    figure: float | None
    alone: dict[str, float]
    users: int
    values: np.ndarray | None = None

    def to_json(self) -> dict[str, Any]:
        """For the manifest: all but the values of each user."""
        return {name: x for name, x in vars(self).items() if name != "values"}


class Board:
    """Scores of several parts for the users of several holdouts, each in standard deviations.

    Args:
        sides: a holdout, and the parts that were fitted without it, the same ones each time.
    """

    def __init__(self, sides: Sequence[tuple[Holdout, Sequence[FittedPart]]]) -> None:
        self.names = [part.part.name for part in sides[0][1]]
        blocks = [
            block
            for holdout, parts in sides
            for begin in range(0, len(holdout.users), BLOCK)
            for block in [_block(holdout, parts, slice(begin, begin + BLOCK))]
        ]
        width = max(block[1].shape[1] for block in blocks)
        self.relevant = np.concatenate([_padded(block[1], width, False) for block in blocks])
        self.users = np.concatenate([holdout.users for holdout, _ in sides])
        self.counts = np.concatenate([block[2] for block in blocks])
        self.scores = {
            name: np.concatenate([_padded(block[0][n], width, -np.inf) for block in blocks])
            for n, name in enumerate(self.names)
        }

    def judge(self, weights: Mapping[str, float]) -> np.ndarray:
        """NDCG@10 of each user, float64 [users]; see ``Weighed.values``."""
        used = [np.float32(w) * self.scores[name] for name, w in weights.items() if w > 0]
        return by_user(ndcg(np.sum(used, axis=0), self.relevant, self.counts), self.users)


def _padded(values: np.ndarray, width: int, fill: float) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=fill)


def _block(
    holdout: Holdout, parts: Sequence[FittedPart], which: slice
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Each part's scores, float32 [b, n]; relevant, bool [b, n]; and how many these are of all.

    The n columns are each user's own best items, in no order; -inf and False are padding.
    """
    users, relevant = holdout.users[which], holdout.relevant[which].toarray()
    scores = []
    for part in parts:
        one = part.scores(users)
        spread = one.std(axis=1, keepdims=True)
        one = (one - one.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        if holdout.seen is not None:
            one[holdout.seen[which].nonzero()] = -np.inf
        scores.append(one)
    if relevant.shape[1] > DENSE:
        chosen = relevant.copy()
        for one in scores:
            best = np.argpartition(one, one.shape[1] - POOL, axis=1)[:, -POOL:]
            np.put_along_axis(chosen, best, True, axis=1)
        width = int(chosen.sum(axis=1).max())
        columns = np.argsort(~chosen, axis=1, kind="stable")[:, :width]
        padding = ~np.take_along_axis(chosen, columns, axis=1)
        scores = [np.take_along_axis(one, columns, axis=1) for one in scores]
        for one in scores:
            one[padding] = -np.inf
        relevant = np.take_along_axis(relevant, columns, axis=1) & ~padding
    counts = np.asarray(holdout.relevant[which].sum(axis=1)).ravel()
    return scores, relevant, counts


def choose_weights(board: Board) -> Weighed:
    """Begins with the best part alone, and adds others that are surely of use.

    Where no part is better than profile and popularity by more than a standard error, these begin.
    A part is added at the weight with the best mean NDCG@10, if the paired difference is more than
    ``SURE`` standard errors above 0; then all weights are tried once more.
    """
    alone = {name: board.judge({name: 1.0}) for name in board.names}
    means = {name: float(values.mean()) for name, values in alone.items()}
    first = max(means, key=lambda name: means[name])
    if not surely_above(alone[first], alone[PROFILE], 1.0):
        first = PROFILE
    weights, values = {first: 1.0}, alone[first]
    while True:
        found = [
            (name, step, board.judge({**weights, name: step}))
            for name in board.names
            if name not in weights
            for step in STEPS
        ]
        sure = [one for one in found if surely_above(one[2], values)]
        if not sure:
            break
        name, step, values = max(sure, key=lambda one: float(one[2].mean()))
        weights[name] = step
    for _ in range(ROUNDS if len(weights) > 1 else 0):
        for name in list(weights):
            for step in (0.7 * weights[name], 1.4 * weights[name]):
                tried = board.judge({**weights, name: step})
                if tried.mean() > values.mean():
                    weights, values = {**weights, name: step}, tried
    top = max(weights.values())
    rounded = {name: round(weight / top, 4) for name, weight in weights.items()}
    return Weighed(rounded, float(values.mean()), means, len(values), values)


def surely_above(values: np.ndarray, others: np.ndarray, errors: float = SURE) -> bool:
    """Whether the mean of paired values, float64 [users], is higher by so many standard errors."""
    difference = values - others
    error = difference.std() / np.sqrt(max(len(difference), 1))
    return bool(difference.mean() > errors * error and difference.mean() > 0)
