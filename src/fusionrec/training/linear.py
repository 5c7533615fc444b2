"""Trains the linear model: closed-form regressions, without Paddle."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, sparse

from fusionrec.data.dataset import Dataset
from fusionrec.features.encoder import Encoder
from fusionrec.features.flat import centred, flatten, means
from fusionrec.models.linear_settings import LinearRecipe
from fusionrec.registry.tables import Histories
from fusionrec.training.ridge import directions, ridge

KEPT = 0.99  # share of the whole matrix' NDCG@10 that a width must keep
PROFILE_RIDGE = 100.0
_ROWS = 200_000  # interactions that are multiplied at a time


@dataclass(frozen=True)
class Choice:
    """What the holdout chose.

    Attributes:
        goal: ``next`` or ``taste``.
        decay: weight of an item for each item that follows it, in (0, 1].
        window: newest items that are read; 0 for all.
        ridge: L2 penalty.
        share: weight of profile and popularity beside a history.
        width: of the part that reads histories.
        figure: NDCG@10 on the holdout; None without one.
    """

    goal: str
    decay: float
    window: int
    ridge: float
    share: float
    width: int
    figure: float | None


class Sequences:
    """The interactions of all users in order of time, of some items.

    Args:
        histories: of n users.
        columns: int [items], an item's column in the regressions, or -1.
        without: bool [n], interactions that are left out.
    """

    def __init__(self, histories: Histories, columns: np.ndarray, without: np.ndarray) -> None:
        counts = np.diff(histories.offsets)
        item = columns[histories.item]
        kept = (item >= 0) & ~without
        self.user = np.repeat(np.arange(len(counts)), counts)[kept]
        self.item, self.size = item[kept], int(columns.max(initial=-1)) + 1
        self.users = len(counts)
        begins = np.r_[0, np.cumsum(np.bincount(self.user, minlength=self.users))]
        self.place = np.arange(len(self.user)) - begins[self.user]  # in the user's history
        self.left = begins[self.user + 1] - np.arange(len(self.user)) - 1  # items that follow

    def past(self, decay: float, window: int, rows: slice) -> sparse.csr_array:
        """Each interaction's history as weights of items: float32 [rows, size]."""
        place, n = self.place[rows], np.arange(rows.start, rows.start + len(self.place[rows]))
        parts = []
        for back in range(1, window + 1):
            has = np.flatnonzero(place >= back)
            parts.append((has, self.item[n[has] - back], np.full(len(has), decay ** (back - 1))))
        row, column, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        shape = (len(place), self.size)
        return sparse.csr_array((weight.astype(np.float32), (row, column)), shape=shape)

    def histories(self, decay: float, window: int) -> sparse.csr_array:
        """Each user's history as weights of items: float32 [users, size]."""
        read = self.left < window if window else np.ones(len(self.left), dtype=bool)
        weight = (decay ** self.left[read]).astype(np.float32)
        shape = (self.users, self.size)
        return sparse.csr_array((weight, (self.user[read], self.item[read])), shape=shape)


def next_regression(
    sequences: Sequences, decay: float, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix of histories, and their products with what came next: float32 [size, size].

    An autoregression: each interaction is predicted from the items before it, whose weights fall
    with the items between, as in Choi et al., Session-aware Linear Item-Item Models, WWW 2021.
    """
    size, total = sequences.size, len(sequences.user)
    gram, targets = (np.zeros((size, size), dtype=np.float32) for _ in range(2))
    for begin in range(0, total, _ROWS):
        rows = slice(begin, min(begin + _ROWS, total))
        past = sequences.past(decay, window, rows)
        came = sparse.csr_array(
            (
                np.ones(past.shape[0], dtype=np.float32),
                (np.arange(past.shape[0]), sequences.item[rows]),
            ),
            shape=past.shape,
        )
        gram += (past.T @ past).toarray()
        targets += (past.T @ came).toarray()
    return gram, targets


def next_weights(gram: np.ndarray, targets: np.ndarray, l2: float) -> np.ndarray:
    """Ridge regression: item x item weights, float32, from the item that was taken to the next."""
    penalised = gram.copy()
    penalised[np.diag_indices_from(penalised)] += np.float32(l2)
    return np.asarray(linalg.solve(penalised, targets, assume_a="pos", overwrite_a=True))


def taste_weights(gram: np.ndarray, l2: float) -> np.ndarray:
    """EASE's item x item weights, 0 on the diagonal (Steck, WWW 2019)."""
    penalised = gram.astype(np.float64)
    penalised[np.diag_indices_from(penalised)] += l2
    inverse = linalg.inv(penalised, overwrite_a=True)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, dtype=np.float32)


class Holdout:
    """One interaction of each of some users, hidden from training: the last one, or any.

    Args:
        histories: of all users.
        columns: int [items], as of ``Sequences``.
        goal: ``next`` hides the last, ``taste`` any.
        most: users, at most; those with three interactions or more.
        seed: of the draw.
        repeats: whether what a user has taken may be ranked.
    """

    def __init__(
        self,
        histories: Histories,
        columns: np.ndarray,
        goal: str,
        most: int,
        seed: int,
        repeats: bool,
    ) -> None:
        rng = np.random.default_rng(seed)
        counts = np.diff(histories.offsets)
        users = np.flatnonzero(counts >= 3)
        users = np.sort(rng.permutation(users)[:most])
        rows = histories.offsets[users + 1] - 1
        if goal == "taste":
            rows = histories.offsets[users] + rng.integers(counts[users])
        ranked = columns[histories.item[rows]] >= 0
        self.users, self.target = users[ranked], columns[histories.item[rows[ranked]]]
        self.hidden = np.zeros(len(histories.item), dtype=bool)
        self.hidden[rows] = True
        self.repeats = repeats

    def ndcg(self, scores: np.ndarray, histories: sparse.csr_array) -> float:
        """NDCG@10 of scores, float [users, size]; they are overwritten."""
        if not self.repeats:
            seen = histories[self.users].nonzero()
            scores[seen] = -np.inf
        own = scores[np.arange(len(self.users)), self.target]
        above = (scores > own[:, None]).sum(axis=1)
        # Half of the equal ones are above, so that a constant is worth what chance is.
        above = above + ((scores == own[:, None]).sum(axis=1) - 1) / 2
        return float(np.where(above < 10, 1 / np.log2(above + 2), 0.0).mean())


def profile_scores(
    dataset: Dataset, histories: Histories, encoder: Encoder, without: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the share of users who took each item depends on the profile, by ridge regression.

    Args:
        dataset, histories: the training data.
        encoder: of the profiles.
        without: bool [n], interactions that are left out.

    Returns:
        The weights, float64 [width + 1, items], of the profile's columns and, last, of everybody;
        the columns' means, float32 [width]; and all users' columns, float32 [users, width + 1].
    """
    taken = Sequences(histories, np.arange(len(dataset.items)), without).histories(1.0, 0)
    taken.data[:] = 1.0
    known = np.flatnonzero(np.diff(taken.indptr))
    flat = flatten(encoder, "user", encoder.encode_table("user", dataset.users))
    mean = means(flat[known])
    inputs = centred(flat, mean)
    share = np.asarray(taken.sum(axis=0)).ravel() / max(len(known), 1)
    weights = ridge(inputs[known], taken[known], PROFILE_RIDGE)
    columns = np.concatenate([inputs, np.ones((len(inputs), 1), dtype=np.float32)], axis=1)
    return np.concatenate([weights, share[None]]), mean, columns


def choose(
    dataset: Dataset,
    histories: Histories,
    columns: np.ndarray,
    recipe: LinearRecipe,
    goal: str,
    encoder: Encoder,
) -> Choice:
    """Chooses decay, penalty, share and width by a holdout.

    Args:
        dataset, histories: the training data.
        columns: int [items], as of ``Sequences``.
        recipe: the candidates.
        goal: ``next`` or ``taste``.
        encoder: of the profiles.
    """
    s, seed = recipe.training, recipe.training.seed
    hold = Holdout(histories, columns, goal, s.validation, seed, dataset.schema.repeats)
    reads = [(1.0, 0)]  # decays and windows
    if goal == "next":
        reads = [(0.5 ** (1 / h), min(s.window, math.ceil(6 * h))) for h in s.halvings]
    if not len(hold.users):
        return Choice(goal, *reads[0], s.ridges[0], s.shares[0], recipe.model.dims[-1], None)
    sequences = Sequences(histories, columns, hold.hidden)
    weights, _, user_columns = profile_scores(dataset, histories, encoder, hold.hidden)
    base = standard((user_columns[hold.users] @ weights[:, columns >= 0]).astype(np.float32))
    seen = sequences.histories(1.0, 0)
    best: tuple[float, Choice, np.ndarray, np.ndarray] | None = None
    for decay, window in reads:
        gram, targets = regression(sequences, goal, decay, window)
        read = sequences.histories(decay, window)
        for l2 in s.ridges:
            matrix = solve(goal, gram, targets, l2)
            scores = standard(np.asarray(read[hold.users] @ matrix))
            for share in s.shares:
                figure = hold.ndcg(scores + np.float32(share) * base, seen)
                if best is None or figure > best[0]:
                    choice = Choice(goal, decay, window, l2, share, 0, figure)
                    best = figure, choice, matrix, gram
    assert best is not None
    figure, choice, matrix, gram = best
    read = sequences.histories(choice.decay, choice.window)
    basis = directions(matrix, gram, recipe.model.dims[-1], seed)
    width = basis.shape[1]
    for dim in recipe.model.dims:
        cut = basis[:, :dim]
        scores = standard(np.asarray(read[hold.users] @ (matrix @ cut)) @ cut.T)
        kept = hold.ndcg(scores + np.float32(choice.share) * base, seen)
        width = cut.shape[1]
        if kept >= KEPT * figure:
            break
    return replace(choice, width=width, figure=kept)


def regression(
    sequences: Sequences, goal: str, decay: float, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix and the targets of a goal: float32 [size, size]."""
    if goal == "next":
        return next_regression(sequences, decay, window)
    taken = sequences.histories(1.0, 0)
    gram = np.asarray((taken.T @ taken).toarray(), dtype=np.float32)
    return gram, gram


def solve(goal: str, gram: np.ndarray, targets: np.ndarray, l2: float) -> np.ndarray:
    """The item x item weights of a goal: float32 [size, size]."""
    return next_weights(gram, targets, l2) if goal == "next" else taste_weights(gram, l2)


def standard(scores: np.ndarray) -> np.ndarray:
    """Scores, float [users, items], over each user's standard deviation; 0 where they are equal."""
    spread = scores.std(axis=1, keepdims=True)
    return np.asarray(np.divide(scores, spread, out=np.zeros_like(scores), where=spread > 0))
