"""Ratings as a mean plus what the user and the item add to it; damping chosen by validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Dataset

NEVER = 1e9  # a damping that leaves the mean alone
DAMPINGS = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0, 100.0, NEVER)
USUAL = 4.0  # without validation
TOLERANCE = 0.5  # standard errors that more damping may cost
_SWEEPS, _ROUNDS = 10, 5


@dataclass(frozen=True)
class Ratings:
    """Some ratings.

    Attributes:
        user, item: int64 [n], positions.
        value: float64 [n].
        users, items: how many users and items there are.
        range: lowest and highest rating possible.
    """

    user: np.ndarray
    item: np.ndarray
    value: np.ndarray
    users: int
    items: int
    range: tuple[float, float]

    def __len__(self) -> int:
        return len(self.value)

    @classmethod
    def of(cls, dataset: Dataset, rows: np.ndarray) -> Ratings:
        """Those of some rows, int [n], in the order of users and items, which tells nothing."""
        user, item = dataset.user[rows].astype(np.int64), dataset.item[rows].astype(np.int64)
        order = np.lexsort((dataset.rating[rows], item, user))
        value = dataset.rating[rows].astype(np.float64)
        sizes = len(dataset.users), len(dataset.items)
        return cls(user[order], item[order], value[order], *sizes, dataset.schema.rating_range)

    def take(self, rows: np.ndarray) -> Ratings:
        """Those of some positions, int [m] or bool [n]."""
        some = self.user[rows], self.item[rows], self.value[rows]
        return Ratings(*some, self.users, self.items, self.range)

    def squared(self, predicted: np.ndarray) -> np.ndarray:
        """Squared errors of predictions, float [n], which are clipped to the range: float64 [n]."""
        return np.asarray((np.clip(predicted, *self.range) - self.value) ** 2)


@dataclass(frozen=True)
class Biases:
    """A mean, and what each user and each item adds to it; 0 for those without ratings.

    Attributes:
        mean: of all ratings.
        user, item: float64 [users] and [items].
    """

    mean: float
    user: np.ndarray
    item: np.ndarray

    def predict(self, ratings: Ratings) -> np.ndarray:
        """Predictions of the ratings' users and items, float64 [n]."""
        return np.asarray(self.mean + self.user[ratings.user] + self.item[ratings.item])


def fit_biases(ratings: Ratings, damping: tuple[float, float]) -> Biases:
    """Ridge regression on one indicator per user and per item, by alternating means (Koren, Factor
    in the Neighbors, TKDD 2010, equation 1).

    Args:
        ratings: one or more.
        damping: how many ratings' weight the mean has against a user's, and an item's, own.
    """
    mean = float(ratings.value.mean())
    rest, user, item = ratings.value - mean, np.zeros(ratings.users), np.zeros(ratings.items)
    users = np.bincount(ratings.user, minlength=ratings.users) + damping[0]
    items = np.bincount(ratings.item, minlength=ratings.items) + damping[1]
    for _ in range(_SWEEPS):
        item = np.bincount(ratings.item, rest - user[ratings.user], ratings.items) / items
        user = np.bincount(ratings.user, rest - item[ratings.item], ratings.users) / users
    return Biases(mean, user, item)


def choose_damping(ratings: Ratings, folds: Sequence[np.ndarray]) -> tuple[float, float]:
    """The dampings of users and items with the least squared error on what is held out.

    One side is searched after the other, from the usual value, until neither changes, or five
    times. Of dampings whose errors hardly differ, the largest is chosen.

    Args:
        ratings: all.
        folds: int64 [m] each, disjoint positions that are held out in turn; ``USUAL`` for none.
    """
    if not folds:
        return USUAL, USUAL
    parts = [(ratings.take(np.delete(np.arange(len(ratings)), f)), ratings.take(f)) for f in folds]
    known: dict[tuple[float, float], np.ndarray] = {}

    def error(damping: tuple[float, float]) -> np.ndarray:
        if damping not in known:
            errors = [held.squared(fit_biases(rest, damping).predict(held)) for rest, held in parts]
            known[damping] = np.concatenate(errors)
        return known[damping]

    best = USUAL, USUAL
    for _ in range(_ROUNDS):
        before = best
        best = _most_damped([(one, best[1]) for one in DAMPINGS], error)
        best = _most_damped([(best[0], one) for one in DAMPINGS], error)
        if best == before:
            break
    return best


def _most_damped(
    choices: Sequence[tuple[float, float]], error: Callable[[tuple[float, float]], np.ndarray]
) -> tuple[float, float]:
    """The last of some choices whose error is hardly above the least.

    Where all ids have many ratings, errors hardly tell dampings apart; a small one would then show
    an id with two ratings as if it had many.
    """
    least = min((error(one) for one in choices), key=lambda errors: float(errors.mean()))
    for one in reversed(choices):
        more = error(one) - least
        if more.mean() <= TOLERANCE * more.std() / math.sqrt(len(more)):
            return one
    raise AssertionError("the least error is not above itself")
