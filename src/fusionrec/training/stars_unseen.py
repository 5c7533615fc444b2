"""Rows of the rating head for users and items without ratings: from attributes, if they help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from fusionrec.training.stars_biases import Biases, Ratings

POWERS = (0.0, 0.5, 1.0)  # of the number of ratings, as an id's weight in the regression
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
FOLDS = 4
FEWEST = 20  # rated ids for a validation
MOST = 300_000  # ratings that the validation reads

Rows = tuple[np.ndarray, np.ndarray]  # of all users and of all items


@dataclass(frozen=True)
class OneSide:
    """The users, or the items, of ratings.

    Attributes:
        own, other: int64 [n], positions of each rating's id on this side and on the other.
        rows, others: float64 [ids, width] of this side and of the other; a rating is predicted as
            an inner product of two.
        attributes: float64 [ids, w].
    """

    own: np.ndarray
    other: np.ndarray
    rows: np.ndarray
    others: np.ndarray
    attributes: np.ndarray

    def counts(self) -> np.ndarray:
        """Ratings of each id, int64 [ids]."""
        return np.bincount(self.own, minlength=len(self.rows))

    def by_attributes(self, weight: np.ndarray, penalty: float) -> np.ndarray:
        """Every id's row by its attributes, float64 [ids, width]: ridge regression, in which each
        id counts by its weight, float64 [ids].
        """
        share = weight / weight.sum()
        mean, middle = share @ self.rows, share @ self.attributes
        x = self.attributes - middle
        weighted = x.T * (weight / weight[weight > 0].mean())
        gram = weighted @ x + penalty * np.eye(x.shape[1])
        return np.asarray(mean + x @ np.linalg.solve(gram, weighted @ (self.rows - mean)))


def rows_by_attributes(
    side: OneSide, value: np.ndarray, plain: np.ndarray, bounds: tuple[float, float], seed: int
) -> np.ndarray | None:
    """Rows of all ids by their attributes, float64 [ids, width]; None if, for ids that are held
    out, they predict no better than what is known of the other side alone.

    Args:
        side: whose rows.
        value: float64 [n], the ratings.
        plain: float64 [n], what the other side alone predicts.
        bounds: lowest and highest rating.
        seed: of the held-out ids.
    """
    counts, rng = side.counts(), np.random.default_rng(seed)
    rated = np.flatnonzero(counts)
    if len(rated) < FEWEST or not side.attributes.shape[1]:
        return None
    fold = np.full(len(counts), -1)
    fold[rated] = rng.permutation(len(rated)) % FOLDS
    some = rng.permutation(len(value))[:MOST]
    own, others = side.own[some], side.others[side.other[some]]

    def gain(power: float, penalty: float) -> np.ndarray:
        """What is gained on each rated id, in squared error, summed over its ratings."""
        rows = np.empty_like(side.rows)
        for number in range(FOLDS):
            kept = np.where(fold == number, 0.0, (counts > 0) * counts.astype(float) ** power)
            rows[fold == number] = side.by_attributes(kept, penalty)[fold == number]
        found = np.clip(np.einsum("nd,nd->n", rows[own], others), *bounds)
        lost = np.clip(plain[some], *bounds)
        gained = (lost - value[some]) ** 2 - (found - value[some]) ** 2
        return np.asarray(np.bincount(own, gained, len(counts))[rated])

    best = max(product(POWERS, PENALTIES), key=lambda one: float(gain(*one).sum()))
    gains = gain(*best)
    if not gains.mean() > gains.std() / math.sqrt(len(gains)):
        return None
    return side.by_attributes((counts > 0) * counts.astype(float) ** best[0], best[1])


def complete(
    rows: Rows, ratings: Ratings, biases: Biases, attributes: Sequence[np.ndarray], seed: int
) -> tuple[Rows, tuple[bool, bool]]:
    """A head's rows, float32, with those of users and items without ratings, and of all others.

    With such an id on one side a rating is the mean plus the other side's bias, and the mean with
    two, by columns that are 0 elsewhere: the inner product of two rows with ratings stays as it is.
    Where attributes predict an id's row better, it is that.

    Args:
        rows: float64 [users, width] and [items, width].
        ratings: all.
        biases: of them.
        attributes: of ``attributes_of``, for users and for items.
        seed: of the validation.

    Returns:
        The rows, float32 [users + 1, width + 3] and [items + 1, width + 3], and whether those of
        unrated users and items are by attributes.
    """
    users, items = rows
    by_user = OneSide(ratings.user, ratings.item, users, items, attributes[0])
    by_item = OneSide(ratings.item, ratings.user, items, users, attributes[1])
    plain = biases.mean + biases.item[ratings.item], biases.mean + biases.user[ratings.user]
    made = [
        rows_by_attributes(side, ratings.value, other, ratings.range, seed)
        for side, other in zip((by_user, by_item), plain, strict=True)
    ]
    (users, lone_users), (items, lone_items) = (
        _filled(side, new) for side, new in zip((by_user, by_item), made, strict=True)
    )
    of_users = [users, np.r_[biases.user, 0.0], np.ones(len(users)), lone_users]
    # A lone user meets a lone item in one of the two blocks only.
    of_items = [items, lone_items, biases.mean * lone_items]
    of_items.append((biases.mean + np.r_[biases.item, 0.0]) * (1.0 - lone_items))
    joined = np.column_stack(of_users), np.column_stack(of_items)
    found = joined[0].astype(np.float32), joined[1].astype(np.float32)
    return found, (made[0] is not None, made[1] is not None)


def _filled(side: OneSide, made: np.ndarray | None) -> Rows:
    """Rows with one more, which is 0 as are those of unrated ids, unless others were made; and
    which rows are 0: float64 [ids + 1].
    """
    unrated = side.counts() == 0
    rows = side.rows.copy()
    rows[unrated] = 0.0 if made is None else made[unrated]
    lone = unrated & (made is None)
    return np.vstack([rows, np.zeros(rows.shape[1])]), np.r_[lone, True].astype(np.float64)
