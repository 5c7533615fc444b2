"""Vectors of items: of the most-taken ones from exact weights, of all others folded in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.registry.tables import Histories
from fusionrec.regression.item_weights import ItemWeights, item_weights
from fusionrec.regression.ridge import OVERSAMPLE, Product, principal, rotation
from fusionrec.regression.sequences import (
    HistoryChoice,
    MakeExamples,
    Sequences,
    TailGram,
    regression,
)

_STEPS = 2  # of the search for directions with the tail
_ITERATIONS = 4  # of the regression of the tail; 6 are no better


@dataclass(frozen=True)
class ItemVectors:
    """What the items of all columns are and say.

    Attributes:
        items: float32 [size, width]; ``user @ items.T`` are scores.
        history: float32 [size, width], what each adds to a user's vector.
    """

    items: np.ndarray
    history: np.ndarray


def item_vectors(
    histories: Histories,
    columns: np.ndarray,
    visible: np.ndarray,
    schema: Schema,
    choice: HistoryChoice,
    seed: int,
) -> tuple[np.ndarray, Sequences, ItemVectors]:
    """The vectors of all items that anybody took.

    Columns of ordered histories are divided by the root of their popularity before the directions
    are found: else the few most popular items take most of the width.

    Args:
        histories, visible, schema: as of ``Sequences``.
        columns: int [items], a column for each item of the head, -1 for all others.
        choice: all settings.
        seed: of the search for directions.

    Returns:
        Each item's row in the vectors, int [items], -1 where nobody took it; the interactions of
        these rows; and the vectors.
    """
    size = int(columns.max()) + 1
    counts = np.bincount(histories.item[visible], minlength=len(columns))
    tail = np.flatnonzero((columns < 0) & (counts > 0))
    places = columns.copy()
    places[tail] = size + np.arange(len(tail))
    sequences = Sequences(histories, places, visible, schema)
    gram, targets = regression(sequences, choice, size)
    joint = FoldIn(
        item_weights(choice.ordered, gram, targets, choice.ridge),
        gram,
        sequences.examples(choice),
        popularity_scale(sequences, choice),
        choice.ridge,
        sequences.tail_gram(choice, size),
        excludes=not choice.ordered,
    )
    return places, sequences, joint.vectors(choice.width, seed)


def popularity_scale(sequences: Sequences, choice: HistoryChoice) -> np.ndarray:
    """What each column is multiplied by before the search for directions: float32 [size]."""
    if not choice.ordered:
        return np.ones(sequences.size, dtype=np.float32)
    counts = np.bincount(sequences.item, minlength=sequences.size) + 1
    return np.asarray(counts**-0.5, dtype=np.float32)


@dataclass(frozen=True)
class FoldIn:
    """A regression whose weights are known among its first m columns, the head; the tail follows.

    Attributes:
        weights: of the head.
        gram: float32 [m, m], of the head.
        make: the examples, of all ``size`` columns.
        scale: float32 [size], by which columns are multiplied when directions are sought.
        l2: the penalty.
        tail: the Gram matrix of the columns from m on.
        excludes: whether an item is no example of itself, as in ``taste``.
    """

    weights: ItemWeights
    gram: np.ndarray
    make: MakeExamples
    scale: np.ndarray
    l2: float
    tail: TailGram
    excludes: bool

    def vectors(self, width: int, seed: int) -> ItemVectors:
        """All items' vectors, of a width at most: reduced-rank regression with a tail.

        A tail item as an *output* is regressed on the head like any head item, with the same
        penalty: the weights ``(G + l2)⁻¹ C``, with C the products of the head's histories with the
        tail, are a factorised matrix times a sparse one and never stored. The directions are those
        in which predictions of all items vary most, by subspace iteration from the head's ones.
        Tail items as *inputs* are regressed on what the head leaves unexplained, ``Y V - U``, with
        the penalty again, by a few conjugate gradients: one step to each item's own mean of it
        (Jacobi) tells the same thing once for each of a user's tail items, and is too much where
        they are many.
        """
        m, scale = len(self.gram), self.scale[:, None]
        own = scale[:m]

        def times(vectors: np.ndarray) -> np.ndarray:
            return self.weights.times(own * vectors)

        def back(vectors: np.ndarray) -> np.ndarray:
            return np.asarray(own * self.weights.transposed_times(vectors))

        if m == len(scale):
            items = principal(times, back, self.gram, width, seed)
            return ItemVectors(items / scale, times(items))
        head = principal(times, back, self.gram, width + OVERSAMPLE, seed)
        basis = np.zeros((len(scale), head.shape[1]), dtype=np.float32)
        basis[:m] = head
        read = times(head)
        for _ in range(_STEPS):
            basis = np.linalg.qr(scale * self.transposed_times(self.gram @ read))[0]
            read = self.times(scale * basis)
        turned = rotation(read, self.gram, width)
        items = basis @ turned
        history = np.zeros_like(items)
        history[:m] = read @ turned
        history[m:] = self.read_of_tail(scale * items, history[:m])
        return ItemVectors(items / scale, history)

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """``B @ vectors``, [m, d], of vectors [size, d]: B are the head's weights for all items."""
        m = len(self.gram)
        products = np.zeros((m, vectors.shape[1]), dtype=np.float32)
        for past, came in self.make(m):
            products += past[:, :m].T @ (came[:, m:] @ vectors[m:])
        return np.asarray(self.weights.times(vectors[:m]) + self.weights.further(products))

    def transposed_times(self, vectors: np.ndarray) -> np.ndarray:
        """``B.T @ vectors``, [size, d], of vectors [m, d]; see ``times``."""
        m = len(self.gram)
        found = np.zeros((len(self.scale), vectors.shape[1]), dtype=np.float32)
        found[:m] = self.weights.transposed_times(vectors)
        solved = self.weights.further(vectors)
        for past, came in self.make(m):
            found[m:] += came[:, m:].T @ (past[:, :m] @ solved)
        return found

    def read_of_tail(self, items: np.ndarray, read: np.ndarray) -> np.ndarray:
        """What tail items add to a user's vector, [size - m, width]; see ``vectors``.

        Args:
            items: [size, width], what each item that came adds to the target.
            read: [m, width], what the head's items add.
        """
        m, own = len(self.gram), self.tail.squares()[:, None]
        total = np.zeros((len(self.scale) - m, items.shape[1]), dtype=np.float32)
        for past, came in self.make(0):
            tail = past[:, m:]
            some = np.flatnonzero(np.diff(tail.indptr))
            total += tail[some].T @ (came[some] @ items - past[some, :m] @ read)
        if self.excludes:
            total -= own * items[m:]
        l2 = np.float32(self.l2)
        return conjugate_gradient(
            lambda vectors: self.tail.times(vectors) + l2 * vectors, total, own + l2, _ITERATIONS
        )


def conjugate_gradient(
    times: Product, right: np.ndarray, diagonal: np.ndarray, iterations: int
) -> np.ndarray:
    """An approximate solution, float32 [n, d], of ``times(x) = right`` for each column by itself.

    Preconditioned by the diagonal (Hestenes and Stiefel, 1952); the first step is Jacobi's with the
    best length.

    Args:
        times: multiplies by a positive definite matrix.
        right: float32 [n, d].
        diagonal: of the matrix, [n, 1].
        iterations: how many.
    """
    found, rest = np.zeros_like(right), right.copy()
    step = rest / diagonal
    size = np.einsum("nd,nd->d", rest, step)
    for _ in range(iterations):
        moved = times(step)
        length = size / np.maximum(np.einsum("nd,nd->d", step, moved), np.float32(1e-30))
        found += length * step
        rest -= length * moved
        towards = rest / diagonal
        before, size = size, np.einsum("nd,nd->d", rest, towards)
        step = towards + size / np.maximum(before, np.float32(1e-30)) * step
    return found
