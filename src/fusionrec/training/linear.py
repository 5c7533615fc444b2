"""Regressions from items to items in closed form, and the choice of their settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, sparse

from fusionrec.data.schema import Schema
from fusionrec.models.linear_settings import LinearTraining
from fusionrec.registry.tables import Histories
from fusionrec.training.holdouts import Holdout
from fusionrec.training.ridge import directions

KEPT = 0.985  # share of the whole matrix' NDCG@10 that a width must keep
_ROWS = 200_000  # interactions that are multiplied at a time


@dataclass(frozen=True)
class HistoryChoice:
    """Settings of a regression from items to items.

    Attributes:
        ordered: whether an item is predicted from those before it (``next``), or from all others.
        decay: weight of an item for each item that follows it, in (0, 1].
        window: newest items that are read; 0 for all.
        disliked: weight of items rated below the schema's ``like``.
        ridge: L2 penalty.
        width: dimensions.
        figure: NDCG@10 on the holdout, at this width; None without one.
        whole: the same of the whole matrix.
    """

    ordered: bool
    decay: float
    window: int
    disliked: float
    ridge: float
    width: int
    figure: float | None = None
    whole: float | None = None


Best = tuple[HistoryChoice, np.ndarray, np.ndarray]  # with its matrix and Gram matrix


class Sequences:
    """The interactions of all users in order of time, of some items.

    Args:
        histories: of n users.
        columns: int [items], an item's column in the regressions, or -1.
        visible: bool [n], interactions that are read.
        like: rating below which an item is disliked.
    """

    def __init__(
        self, histories: Histories, columns: np.ndarray, visible: np.ndarray, like: float
    ) -> None:
        counts = np.diff(histories.offsets)
        item = columns[histories.item]
        kept = (item >= 0) & visible
        self.user = np.repeat(np.arange(len(counts)), counts)[kept]
        self.item, self.size = item[kept], int(columns.max(initial=-1)) + 1
        self.columns, self.below = columns, histories.rating[kept] < like
        self.users = len(counts)
        begins = np.r_[0, np.cumsum(np.bincount(self.user, minlength=self.users))]
        self.place = np.arange(len(self.user)) - begins[self.user]  # in the user's history
        self.left = begins[self.user + 1] - np.arange(len(self.user)) - 1  # items that follow

    def weight(self, disliked: float) -> np.ndarray:
        """What each interaction weighs, float32 [n]."""
        return np.where(self.below, np.float32(disliked), np.float32(1.0))

    def past(
        self, decay: float, window: int, rows: slice, disliked: float = 1.0
    ) -> sparse.csr_array:
        """Each interaction's history as weights of items: float32 [rows, size]."""
        place, n = self.place[rows], np.arange(rows.start, rows.start + len(self.place[rows]))
        weight, parts = self.weight(disliked), []
        for back in range(1, window + 1):
            has = np.flatnonzero(place >= back)
            at = n[has] - back
            parts.append((has, self.item[at], weight[at] * decay ** (back - 1)))
        row, column, value = (np.concatenate(part) for part in zip(*parts, strict=True))
        shape = (len(place), self.size)
        return sparse.csr_array((value.astype(np.float32), (row, column)), shape=shape)

    def histories(self, decay: float, window: int, disliked: float = 1.0) -> sparse.csr_array:
        """Each user's history as weights of items: float32 [users, size]."""
        read = self.left < window if window else np.ones(len(self.left), dtype=bool)
        weight = decay ** self.left[read] * self.weight(disliked)[read]
        shape = (self.users, self.size)
        entries = weight.astype(np.float32), (self.user[read], self.item[read])
        return sparse.csr_array(entries, shape=shape)


def regression(sequences: Sequences, choice: HistoryChoice) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix of the inputs, and their products with the targets: float32 [size, size].

    Ordered, an autoregression: each interaction is predicted from the items before it, whose
    weights fall with the items between, as in Choi et al., Session-aware Linear Item-Item Models,
    WWW 2021. Else both are those of EASE: each item is predicted from all others of the user.
    """
    c = choice
    if not c.ordered:
        taken = sequences.histories(1.0, 0, c.disliked)
        gram = np.asarray((taken.T @ taken).toarray(), dtype=np.float32)
        return gram, gram
    size, total = sequences.size, len(sequences.user)
    gram, targets = (np.zeros((size, size), dtype=np.float32) for _ in range(2))
    for begin in range(0, total, _ROWS):
        rows = slice(begin, min(begin + _ROWS, total))
        past = sequences.past(c.decay, c.window, rows, c.disliked)
        places = np.arange(past.shape[0]), sequences.item[rows]
        ones = np.ones(past.shape[0], dtype=np.float32)
        came = sparse.csr_array((ones, places), shape=past.shape)
        gram += (past.T @ past).toarray()
        targets += (past.T @ came).toarray()
    return gram, targets


def solve(choice: HistoryChoice, gram: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The item x item weights, float32 [size, size], from the item that was taken to the others."""
    if choice.ordered:
        return next_weights(gram, targets, choice.ridge)
    return taste_weights(gram, choice.ridge)


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


def cut(
    choice: HistoryChoice,
    sequences: Sequences,
    matrix: np.ndarray,
    gram: np.ndarray,
    width: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The matrix as a product of history vectors and item vectors, float32 [size, width] each.

    Reduced-rank regression; see ``directions``. Columns of ordered histories are first divided by
    the root of their popularity: else the few most popular items take most of the width.
    """
    scale = np.ones(sequences.size, dtype=np.float32)
    if choice.ordered:
        counts = np.bincount(sequences.item, minlength=len(scale)) + 1
        scale = (counts**-0.5).astype(np.float32)
    scaled = matrix * scale
    basis = directions(scaled, gram, width, seed)
    return scaled @ basis, basis / scale[:, None]


def candidates(ordered: bool, settings: LinearTraining) -> list[HistoryChoice]:
    """All decays and windows, each with the first penalty; of unordered histories a single one."""
    reads = [(1.0, 0)]
    if ordered:
        reads = [
            (0.5 ** (1 / half), min(settings.window, math.ceil(6 * half)))
            for half in settings.halvings
        ]
    return [HistoryChoice(ordered, *read, 1.0, settings.ridges[0], 0) for read in reads]


def choose(
    ordered: bool,
    histories: Histories,
    columns: np.ndarray,
    schema: Schema,
    holdout: Holdout | None,
    settings: LinearTraining,
    dims: Sequence[int],
) -> HistoryChoice:
    """Chooses decay, penalty, the weight of dislikes, and then the width, by a holdout.

    Args:
        ordered: as of ``HistoryChoice``.
        histories, columns: as of ``Sequences``.
        schema: of the data.
        holdout: without one the first of each list and the last of ``dims`` are taken.
        settings: the candidates.
        dims: widths, rising.
    """
    tried = candidates(ordered, settings)
    if holdout is None:
        return replace(tried[0], width=dims[-1])
    sequences = Sequences(histories, columns, holdout.visible, schema.like)
    learned = np.flatnonzero(columns >= 0)
    best = _best_penalty(tried[0], sequences, holdout, learned, settings.ridges, None)
    for one in tried[1:]:
        best = _best_penalty(one, sequences, holdout, learned, settings.ridges, best)
    for disliked in settings.dislikes if sequences.below.any() else ():
        one = replace(best[0], disliked=disliked)
        best = _best_penalty(one, sequences, holdout, learned, (one.ridge,), best)
    choice, matrix, gram = best
    history, items = cut(choice, sequences, matrix, gram, dims[-1], settings.seed)
    read = sequences.histories(choice.decay, choice.window, choice.disliked)[holdout.users]
    for dim in dims:
        users = np.asarray(read @ history[:, :dim])
        figure = float(holdout.ndcg(users @ items[:, :dim].T, learned).mean())
        choice = replace(choice, width=min(dim, items.shape[1]), figure=figure)
        if figure >= KEPT * (choice.whole or 0.0):
            break
    return choice


def _best_penalty(
    choice: HistoryChoice,
    sequences: Sequences,
    holdout: Holdout,
    learned: np.ndarray,
    ridges: Sequence[float],
    best: Best | None,
) -> Best:
    """The better of ``best`` and a choice at one of some penalties, with matrix and Gram matrix."""
    gram, targets = regression(sequences, choice)
    read = sequences.histories(choice.decay, choice.window, choice.disliked)[holdout.users]
    for l2 in ridges:
        one = replace(choice, ridge=l2)
        matrix = solve(one, gram, targets)
        figure = float(holdout.ndcg(np.asarray(read @ matrix), learned).mean())
        if best is None or figure > (best[0].whole or 0.0):
            best = replace(one, whole=figure), matrix, gram
    assert best is not None, "there is a penalty"
    return best
