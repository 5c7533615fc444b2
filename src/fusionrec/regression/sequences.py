"""Interactions in order of time as the rows of a regression, and their Gram matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from fusionrec.data.schema import Schema
from fusionrec.registry.blend import strength_weights, strengths
from fusionrec.registry.tables import Histories

_ROWS = 100_000  # interactions, or users, that are multiplied at a time
_COLUMNS = 1_000  # of a Gram matrix, that are multiplied at a time

# Histories, float32 [rows, size], and what came next or beside them, [rows, size], in blocks.
Examples = Iterator[tuple[sparse.csr_array, sparse.csr_array]]
# Makes the examples anew, all of them, or those alone in which an item from a column on came.
MakeExamples = Callable[[int], Examples]


@dataclass(frozen=True)
class HistoryChoice:
    """Settings of a regression from items to items.

    Attributes:
        ordered: whether an item is predicted from those before it (``next``), or from all others
            (``taste``).
        decay: weight of an item for each item that follows it, in (0, 1].
        window: newest items that are read; 0 for all.
        weakest: weight of interactions of strength 0; see ``strengths`` of ``registry.blend``.
        ridge: L2 penalty.
        width: dimensions.
        figure: NDCG@10 on the holdout, at this width; None without one.
        whole: the same of the whole matrix.
    """

    ordered: bool
    decay: float
    window: int
    weakest: float
    ridge: float
    width: int
    figure: float | None = None
    whole: float | None = None


class Sequences:
    """The interactions of all users in order of time, of some items.

    Args:
        histories: of n users.
        columns: int [items], an item's column in the regressions, or -1.
        visible: bool [n], interactions that are read.
        schema: of the data.
    """

    def __init__(
        self, histories: Histories, columns: np.ndarray, visible: np.ndarray, schema: Schema
    ) -> None:
        counts = np.diff(histories.offsets)
        item = columns[histories.item]
        kept = (item >= 0) & visible
        self.user = np.repeat(np.arange(len(counts)), counts)[kept]
        self.item, self.size = item[kept], int(columns.max(initial=-1)) + 1
        self.strength, self.users = strengths(histories.rating[kept], schema), len(counts)
        begins = np.r_[0, np.cumsum(np.bincount(self.user, minlength=self.users))]
        self.place = np.arange(len(self.user)) - begins[self.user]  # in the user's history
        self.left = begins[self.user + 1] - np.arange(len(self.user)) - 1  # items that follow
        pair = self.user * np.int64(max(self.size, 1)) + self.item
        _, from_end = np.unique(pair[::-1], return_index=True)
        self.last = np.zeros(len(pair), dtype=bool)  # of its user and item
        self.last[len(pair) - 1 - from_end] = True

    def weight(self, choice: HistoryChoice) -> np.ndarray:
        """What each interaction weighs in a history, but for its age: float32 [n]."""
        return strength_weights(self.strength, choice.weakest)

    def past(self, choice: HistoryChoice, rows: np.ndarray) -> sparse.csr_array:
        """The histories before some interactions, int [n], as weights: float32 [n, size]."""
        counts = np.minimum(self.place[rows], choice.window)
        offsets = np.r_[0, np.cumsum(counts)]
        back = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        before = np.repeat(rows, counts) - back - 1
        weight = (choice.decay ** np.arange(choice.window)).astype(np.float32)[back]
        weight *= strength_weights(self.strength[before], choice.weakest)
        shape = (len(rows), self.size)
        column = self.item[before].astype(np.int32)
        return sparse.csr_array((weight, column, offsets.astype(np.int32)), shape=shape)

    def histories(self, choice: HistoryChoice) -> sparse.csr_array:
        """Each user's history as weights of items: float32 [users, size]. Where all are read, in no
        order, an item counts once: when it was taken last.
        """
        read = self.left < choice.window if choice.window else self.last
        weight = choice.decay ** self.left[read] * self.weight(choice)[read]
        shape = (self.users, self.size)
        entries = weight.astype(np.float32), (self.user[read], self.item[read])
        return sparse.csr_array(entries, shape=shape)

    def examples(self, choice: HistoryChoice) -> MakeExamples:
        """The rows of the regression: interactions if it is ordered, else users."""
        if not choice.ordered:
            return beside(self.histories(choice))

        def make(least: int) -> Examples:
            rows = np.flatnonzero((self.item >= least) & (self.place > 0))
            for begin in range(0, len(rows), _ROWS):
                some = rows[begin : begin + _ROWS]
                ones, place = np.ones(len(some), dtype=np.float32), np.arange(len(some) + 1)
                shape = (len(some), self.size)
                came = sparse.csr_array((ones, self.item[some], place), shape=shape)
                yield self.past(choice, some), came

        return make

    def tail_gram(self, choice: HistoryChoice, least: int) -> TailGram:
        """The Gram matrix from a column on."""
        if not choice.ordered:
            return TasteTail(self.histories(choice)[:, least:])
        return NextTail(self, choice, least)


class TailGram(Protocol):
    """The Gram matrix of the histories' columns from one on, [n, n], which may be too large."""

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """Its product with vectors, float32 [n, d]."""
        ...

    def squares(self) -> np.ndarray:
        """Its diagonal, float32 [n]."""
        ...


class NextTail:
    """Of ``next``: a sparse matrix of pairs of rare items in one window.

    Args:
        sequences, choice: as of ``next_regression``.
        least: the first column.
    """

    def __init__(self, sequences: Sequences, choice: HistoryChoice, least: int) -> None:
        size = sequences.size - least
        self._half = sparse.csr_array((size, size), dtype=np.float32)  # it and its transpose
        own = sequences.weight(choice)
        for lag in range(choice.window):
            rows = np.flatnonzero((sequences.place >= lag) & (sequences.item >= least))
            rows = rows[(sequences.item[rows - lag] >= least) & (sequences.left[rows] > 0)]
            pair = sequences.item[rows - lag] - least, sequences.item[rows] - least
            weight = shared_weights(choice.decay, choice.window, lag, sequences.left[rows])
            weight *= own[rows - lag] * own[rows]
            self._half += sparse.csr_array((weight, pair), shape=(size, size))

    def times(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(self._half @ vectors + self._half.T @ vectors)

    def squares(self) -> np.ndarray:
        return np.asarray(2 * self._half.diagonal())


class TasteTail:
    """Of ``taste``: through what users took, [users, n], of the rare items."""

    def __init__(self, taken: sparse.csr_array) -> None:
        self._taken = taken

    def times(self, vectors: np.ndarray) -> np.ndarray:
        found = np.zeros_like(vectors)
        for begin in range(0, self._taken.shape[0], _ROWS):
            some = self._taken[begin : begin + _ROWS]
            found += some.T @ (some @ vectors)
        return found

    def squares(self) -> np.ndarray:
        return np.asarray(self._taken.power(2).sum(axis=0))


def shared_weights(decay: float, window: int, lag: int, left: np.ndarray) -> np.ndarray:
    """What two items of a user, ``lag`` apart, add to half of a Gram matrix: float32 [n].

    The product of their weights in each history that holds both, which are a geometric series.

    Args:
        decay, window: see ``Sequences.past``.
        lag: from 0, an item with itself, to ``window`` - 1.
        left: int [n], how many items follow the later one.
    """
    series = np.cumsum(np.r_[0.0, decay ** (2.0 * np.arange(window) + lag)])
    if not lag:
        series /= 2
    return np.asarray(series[np.minimum(window - lag, left)], dtype=np.float32)


def beside(taken: sparse.csr_array) -> MakeExamples:
    """What users took, [users, size], as examples: each item came beside all others."""

    def make(least: int) -> Examples:
        for begin in range(0, taken.shape[0], _ROWS):
            some = taken[begin : begin + _ROWS]
            if least:
                some = some[np.diff(some[:, least:].indptr) > 0]
            yield some, some

    return make


def next_regression(
    sequences: Sequences, choice: HistoryChoice, size: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix of histories, and their products with what came next: float32 [size, size].

    An autoregression: each interaction is predicted from the items before it, whose weights fall
    with the items between, as in Choi et al., Session-aware Linear Item-Item Models, WWW 2021.

    A pair of items is summed over the histories that hold it at once, see ``shared_weights``: each
    interaction costs ``window`` products, and not their square.

    Args:
        sequences: the interactions.
        choice: decay, window and the weakest weight.
        size: of the first columns alone; by default all.
    """
    size = sequences.size if size is None else size
    gram, targets = (np.zeros(size * size, dtype=np.float32) for _ in range(2))
    item, place, weight = sequences.item, sequences.place, sequences.weight(choice)
    decay, window = choice.decay, choice.window
    own = np.flatnonzero((item < size) & (sequences.left > 0))
    # The smallest products first, since float32 would lose them beside large sums.
    for lag in range(window, -1, -1):
        rows = np.flatnonzero((place >= lag) & (item < size)) if lag else own
        rows = rows[item[rows - lag] < size]
        pair = item[rows - lag] * size + item[rows]
        if lag:
            np.add.at(targets, pair, np.float32(decay ** (lag - 1)) * weight[rows - lag])
        if lag < window:
            shared = shared_weights(decay, window, lag, sequences.left[rows])
            np.add.at(gram, pair, shared * weight[rows - lag] * weight[rows])
    found = gram.reshape(size, size)
    add_transposed(found)
    return found, targets.reshape(size, size)


def add_transposed(matrix: np.ndarray) -> None:
    """Adds its transpose to a matrix, [n, n], in place."""
    for begin in range(0, len(matrix), _COLUMNS):
        end = begin + _COLUMNS
        strip = matrix[begin:end, begin:] + matrix[begin:, begin:end].T
        matrix[begin:end, begin:], matrix[begin:, begin:end] = strip, strip.T


def taste_regression(taken: sparse.csr_array, size: int | None = None) -> np.ndarray:
    """The Gram matrix of what users took, [users, m]: float32 [size, size], the first columns."""
    size = taken.shape[1] if size is None else size
    head = taken[:, :size].tocsr()
    by_item, gram = head.T.tocsr(), np.empty((size, size), dtype=np.float32)
    for begin in range(0, size, _COLUMNS):
        rows = slice(begin, begin + _COLUMNS)
        gram[rows] = (by_item[rows] @ head).toarray()
    return gram


def regression(
    sequences: Sequences, choice: HistoryChoice, size: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix and the targets: float32 [size, size]; see ``next_regression``."""
    if choice.ordered:
        return next_regression(sequences, choice, size)
    gram = taste_regression(sequences.histories(choice), size)
    return gram, gram
