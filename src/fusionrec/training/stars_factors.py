"""Bayesian matrix factorisation with side information, by Gibbs sampling.

A rating is a mean plus ``u . v`` plus a bias of the user and one of the item, with normal noise.
Each row (u and bias) has a normal prior whose mean is linear in the row's features (Salakhutdinov
and Mnih, Bayesian Probabilistic Matrix Factorization, ICML 2008; Simm et al., Macau, MLSP 2017).
With who rated what among the features this is SVD++ for both sides (Rendle et al., On the
Difficulty of Evaluating Baselines, 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg, sparse

from fusionrec.training.stars_biases import Ratings

_MEAN_WEIGHT = 2.0  # rows that the prior of the mean counts as
_START = 0.1  # standard deviation of the first factors
_FEATURE_PENALTY = 5.0  # where its sampling starts
_CHUNK = 4096  # rows that are drawn at a time
_PAIRS = 200_000  # ratings that are predicted at a time


class Side:
    """The rows of all users, or of all items, with ratings; and their prior.

    Args:
        features: groups of features, float64 [n, width] each, 0 on average; each group has a
            penalty of its own.
        width: of a row, the bias being its last number.
        rng: for all draws.

    Attributes:
        theta: float64 [n, width], the rows as drawn last.
        precision: float64 [width, width], of the prior.
    """

    def __init__(
        self, features: Sequence[np.ndarray], width: int, rng: np.random.Generator
    ) -> None:
        self.width, self._rng, self._x = width, rng, np.hstack(features)
        self._gram = self._x.T @ self._x
        self._sizes = [group.shape[1] for group in features]
        self._penalties = np.full(len(features), _FEATURE_PENALTY)
        self._weights = np.zeros((self._x.shape[1], width))
        self.theta = _START * rng.standard_normal((len(self._x), width))
        self._mean = np.zeros(width)
        self.precision = np.eye(width)

    def draw_prior(self) -> None:
        """Draws the prior's precision, mean and weights of features, given the rows."""
        rng, n, width = self._rng, len(self.theta), self.width
        rest = self.theta - self._x @ self._weights
        penalty = np.repeat(self._penalties, self._sizes)
        mean = rest.mean(axis=0)
        scatter = np.eye(width) + (rest - mean).T @ (rest - mean)
        scatter += _MEAN_WEIGHT * n / (_MEAN_WEIGHT + n) * np.outer(mean, mean)
        scatter += (self._weights * penalty[:, None]).T @ self._weights
        self.precision = wishart(scatter, width + 1.0 + n + len(penalty), rng)
        lower = np.linalg.cholesky(self.precision)

        def noise(count: int) -> np.ndarray:
            white = rng.standard_normal((width, count))
            return np.asarray(linalg.solve_triangular(lower, white, lower=True, trans="T").T)

        self._mean = n * mean / (_MEAN_WEIGHT + n) + noise(1)[0] / np.sqrt(_MEAN_WEIGHT + n)
        if not len(penalty):
            return
        seen = self._x.T @ (self.theta - self._mean + noise(n))
        seen += np.sqrt(penalty)[:, None] * noise(len(penalty))
        factor = linalg.cho_factor(self._gram + np.diag(penalty))
        self._weights = linalg.cho_solve(factor, seen)
        self._draw_penalties()

    def _draw_penalties(self) -> None:
        squares = np.einsum("fd,de,fe->f", self._weights, self.precision, self._weights)
        groups = np.split(squares, np.cumsum(self._sizes)[:-1])
        for number, group in enumerate(groups):
            shape, rate = 1.0 + len(group) * self.width / 2, 0.01 + float(group.sum()) / 2
            self._penalties[number] = self._rng.gamma(shape) / rate

    def draw_rows(
        self, seen: sparse.csr_array, targets: sparse.csr_array, other: np.ndarray, alpha: float
    ) -> None:
        """Draws the rows, given the other side's.

        Args:
            seen: ones where there is a rating, float32 [m, others].
            targets: ratings less the other side's bias, likewise.
            other: float64 [others, width], the other side's rows.
            alpha: precision of a rating.
        """
        design = np.hstack([other[:, :-1], np.ones((len(other), 1))]).astype(np.float32)
        right = alpha * (targets @ design) + (self._mean + self._x @ self._weights) @ self.precision
        for begin in range(0, len(self.theta), _CHUNK):
            rows = slice(begin, min(begin + _CHUNK, len(self.theta)))
            gram = alpha * grams(seen, design, rows) + self.precision
            lower = np.linalg.cholesky(gram)
            white = self._rng.standard_normal((rows.stop - begin, self.width, 1))
            half = np.linalg.solve(lower, right[rows, :, None])
            drawn = np.linalg.solve(np.swapaxes(lower, 1, 2), half + white)
            self.theta[rows] = drawn[:, :, 0]


def grams(seen: sparse.csr_array, design: np.ndarray, rows: slice) -> np.ndarray:
    """For each of some rows the Gram matrix of the design at its columns: float32 [rows, d, d]."""
    ends = seen.indptr
    found = np.empty((rows.stop - rows.start, design.shape[1], design.shape[1]), dtype=np.float32)
    for place, row in enumerate(range(rows.start, rows.stop)):
        some = design[seen.indices[ends[row] : ends[row + 1]]]
        np.matmul(some.T, some, out=found[place])
    return found


def wishart(scatter: np.ndarray, freedom: float, rng: np.random.Generator) -> np.ndarray:
    """A draw of Wishart's distribution; its scale is the inverse of ``scatter``, [d, d]."""
    size = len(scatter)
    lower = np.linalg.cholesky(np.linalg.inv(scatter))
    below = np.tril(rng.standard_normal((size, size)), -1)
    below[np.diag_indices(size)] = np.sqrt(rng.chisquare(freedom - np.arange(size)))
    half = lower @ below
    return np.asarray(half @ half.T)


class FactorSampler:
    """Draws factorisations of ratings.

    Args:
        ratings: one or more.
        features: groups of features of the users, and of the items, that have ratings, in order;
            see ``Side``.
        width: factors, beside the bias.
        seed: of all draws.

    Attributes:
        mean, scale: of the ratings; factors predict what is left, over the scale.
        user_ids, item_ids: int64 [users] and [items], positions of the rows of both sides.
        users, items: both sides.
    """

    def __init__(
        self,
        ratings: Ratings,
        features: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
        width: int,
        seed: int,
    ) -> None:
        rng = self._rng = np.random.default_rng(seed)
        self.mean = float(ratings.value.mean())
        self.scale = float(ratings.value.std()) or 1.0
        self._value = (ratings.value - self.mean) / self.scale
        self.user_ids, self._user = np.unique(ratings.user, return_inverse=True)
        self.item_ids, self._item = np.unique(ratings.item, return_inverse=True)
        self.users = Side(features[0], width + 1, rng)
        self.items = Side(features[1], width + 1, rng)
        self._by_user, self._user_order = grouped(self._user, self._item)
        self._by_item, self._item_order = grouped(self._item, self._user)
        self._alpha = 1.0

    def sweep(self) -> None:
        """Draws every parameter once."""
        users, items, value = self.users, self.items, self._value
        users.draw_prior()
        rest = value - items.theta[self._item, -1]
        by_user = with_data(self._by_user, rest[self._user_order])
        users.draw_rows(self._by_user, by_user, items.theta, self._alpha)
        items.draw_prior()
        rest = value - users.theta[self._user, -1]
        by_item = with_data(self._by_item, rest[self._item_order])
        items.draw_rows(self._by_item, by_item, users.theta, self._alpha)
        squared = self._squared_error()
        self._alpha = self._rng.gamma(1.0 + len(value) / 2) / (1.0 + squared / 2)

    def _squared_error(self) -> float:
        users, items = self.users.theta.astype(np.float32), self.items.theta.astype(np.float32)
        total = 0.0
        for begin in range(0, len(self._value), _PAIRS):
            some = slice(begin, begin + _PAIRS)
            user, item = users[self._user[some]], items[self._item[some]]
            predicted = np.einsum("nd,nd->n", user[:, :-1], item[:, :-1])
            error = self._value[some] - predicted - user[:, -1] - item[:, -1]
            total += float(error @ error)
        return total


def grouped(own: np.ndarray, other: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
    """Ones at pairs, int64 [n] each, as float32 [owns, others]; and their order there, int64 [n].

    Pairs that repeat stay apart.
    """
    order = np.argsort(own, kind="stable")
    ends = np.r_[0, np.cumsum(np.bincount(own))]
    shape = (len(ends) - 1, int(other.max()) + 1)
    ones = np.ones(len(own), dtype=np.float32)
    return sparse.csr_array((ones, other[order], ends), shape=shape), order


def with_data(pattern: sparse.csr_array, data: np.ndarray) -> sparse.csr_array:
    """The same pattern with other numbers, float [n]; they become float32."""
    values = data.astype(np.float32)
    return sparse.csr_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)
