"""Ranks blocks of scores: each user's list, and the ranks of the relevant items."""

from __future__ import annotations

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.metrics.accuracy import Ranked, check_k
from fusionrec.metrics.item_sets import ItemSets


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best columns of each row of scores, float [users, items]; −inf leaves an item out.

    Returns:
        int64 [users, min(k, items)], best first, equal scores in the order of their columns; −1
        after the last item of a row.

    Raises:
        UsageError: a score is NaN, or k is below 1.
    """
    check_k(k)
    scores = _floats(scores)
    items = scores.shape[1]
    k = min(k, items)
    return _pick(scores, np.partition(scores, items - k, axis=1)[:, items - k], k)


class Ranking:
    """Collects blocks of scores into a ``Ranked``, in memory of a block and of the results.

    An item's rank is 1 + the items with a higher score + those with the same score that are before
    it in the catalog. So a target gains nothing from a tie, and a scorer that gives every item the
    same score ranks in the catalog's order. That is chance, unless the order depends on relevance,
    as where old and well-known items come first; then pass a shuffled ``tie_order`` (McSherry and
    Najork, Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
    Scores, ECIR 2008).

    Args:
        relevant: each user's relevant items; users may have none.
        items: how many items the catalog has.
        k: length of the lists; ranks do not depend on it.
        exclude: each user's items that are not ranked, such as those seen in training.
        candidates: bool [items], the items that are ranked; all by default.
        tie_order: int [items], a permutation of item positions; orders items with equal scores.
            By default the catalog's order.

    Raises:
        UsageError: k is below 1, a set or the candidates do not fit the catalog, a relevant item
            is no candidate, or the order is no permutation.
    """

    def __init__(
        self,
        relevant: ItemSets,
        items: int,
        k: int = 10,
        exclude: ItemSets | None = None,
        candidates: np.ndarray | None = None,
        tie_order: np.ndarray | None = None,
    ) -> None:
        check_k(k)
        for name, sets in (("relevant", relevant), ("excluded", exclude)):
            if sets is not None and sets.items.max(initial=-1) >= items:
                raise UsageError(f"{name} items must lie below {items}")
        if exclude is not None and len(exclude) != len(relevant):
            raise UsageError(
                f"{len(relevant)} users have relevant items, {len(exclude)} excluded ones"
            )
        if candidates is not None:
            if candidates.dtype != bool or candidates.shape != (items,):
                raise UsageError(f"candidates must be bool [{items}], got {candidates.shape}")
            if not candidates[relevant.items].all():
                lost = int((~candidates[relevant.items]).sum())
                raise UsageError(f"{lost} relevant items are not among the candidates")
        self.relevant, self.items, self.k = relevant, items, min(k, items)
        self.exclude, self.candidates = exclude, candidates
        order = np.arange(items) if tie_order is None else tie_order
        if not np.array_equal(np.sort(order), np.arange(items)):
            raise UsageError(f"tie_order must hold each of {items} items once")
        # Columns are sorted as ``tie_order`` says; an item's column is looked up in ``_column``.
        self._item, self._column = order, np.argsort(order)
        self._tie_order = slice(None) if tie_order is None else order
        self._blocks: list[Ranked] = []

    def add(self, users: np.ndarray, scores: np.ndarray) -> None:
        """Ranks every item for a block of users, int [b], none of them ranked before.

        ``scores`` are float [b, items], and are not changed; −inf leaves an item out.

        Raises:
            UsageError: a score is NaN, a shape does not fit, or an item is both relevant to a
                user and excluded for them.
        """
        if scores.shape != (len(users), self.items):
            raise UsageError(f"scores must be [{len(users)}, {self.items}], got {scores.shape}")
        ordered = np.array(_floats(scores)[:, self._tie_order])
        if self.candidates is not None:
            ordered[:, ~self.candidates[self._item]] = -np.inf
        relevant = self.relevant.take(users)
        row, item = relevant.pairs()
        column = self._column[item]
        before = ordered[row, column]
        if self.exclude is not None:
            excluded = self.exclude.take(users).pairs()
            ordered[excluded[0], self._column[excluded[1]]] = -np.inf
        # One sort serves lists and ranks; sorting values is several times faster than argsort.
        ascending = np.sort(ordered, axis=1)
        ranks = _ranks(ordered, ascending, row, column)
        if (np.isinf(ranks) & ~np.isneginf(before)).any():
            raise UsageError("an item is both relevant to a user and excluded for them")
        best = _pick(ordered, ascending[:, self.items - self.k], self.k)
        best = np.where(best >= 0, self._item[best], -1)
        self._add_block(users, best, relevant, ranks)

    def add_lists(self, users: np.ndarray, best: np.ndarray) -> None:
        """Adds lists made elsewhere, such as by an index; items that are not in them have no rank.

        ``users`` is int [b], none of them ranked before; ``best`` is int [b, m], m of at least k,
        item positions, best first, −1 where a list ends. Every position counts for ranks; the first
        k are kept as the list.

        Raises:
            UsageError: a shape does not fit, a position is out of range, or a list repeats an
                item or holds one that is excluded or no candidate.
        """
        if best.ndim != 2 or len(best) != len(users) or best.shape[1] < self.k:
            raise UsageError(f"lists must be [{len(users)}, {self.k} or more], got {best.shape}")
        if best.size and (best.min() < -1 or best.max() >= self.items):
            raise UsageError(f"a list's items must lie in −1..{self.items - 1}")
        row, position = np.nonzero(best >= 0)
        rank = np.full((len(users), self.items), np.inf)
        rank[row, best[row, position]] = position + 1.0
        shown = np.isfinite(rank)
        if shown.sum() != len(row):
            raise UsageError("a list holds an item twice")
        if self.candidates is not None and shown[:, ~self.candidates].any():
            raise UsageError("a list holds an item that is not among the candidates")
        if self.exclude is not None and shown[self.exclude.take(users).pairs()].any():
            raise UsageError("a list holds an item that is excluded for its user")
        relevant = self.relevant.take(users)
        self._add_block(users, best[:, : self.k], relevant, rank[relevant.pairs()])

    def result(self) -> Ranked:
        """The added users, in order.

        Raises:
            UsageError: nothing was added, or a user twice.
        """
        if not self._blocks:
            raise UsageError("nothing was ranked")
        ranked = Ranked.concatenate(self._blocks)
        if len(np.unique(ranked.users)) != len(ranked.users):
            raise UsageError("a user was ranked twice")
        return ranked

    def _add_block(
        self, users: np.ndarray, best: np.ndarray, relevant: ItemSets, ranks: np.ndarray
    ) -> None:
        owner, item = relevant.pairs()
        order = np.lexsort((ranks, owner))
        columns = np.array(users, dtype=np.int64), best.astype(np.int32), relevant.offsets
        self._blocks.append(Ranked(*columns, item[order], ranks[order]))


def _ranks(
    scores: np.ndarray, ascending: np.ndarray, row: np.ndarray, item: np.ndarray
) -> np.ndarray:
    """Each target's rank in its row, float64 [m], 1 is first; inf where its score is −inf.

    ``ascending`` is the scores, float [b, items], with each row sorted; ``row`` and ``item``,
    int [m], are the targets.
    """
    items = scores.shape[1]
    score = scores[row, item]
    upto = _count_upto(ascending, row, score)
    ranks = (items - upto + 1).astype(np.float64)
    tied = (upto > 1) & (ascending[row, np.maximum(upto - 2, 0)] == score)
    if tied.any():
        rows, inverse = np.unique(row[tied], return_inverse=True)
        order = np.argsort(-scores[rows], axis=1, kind="stable")
        position = np.empty_like(order)
        np.put_along_axis(position, order, np.arange(items)[None, :], axis=1)
        ranks[tied] = position[inverse, item[tied]] + 1
    return np.asarray(np.where(np.isneginf(score), np.inf, ranks))


def _count_upto(ascending: np.ndarray, row: np.ndarray, score: np.ndarray) -> np.ndarray:
    """How many values of its sorted row are at most each score, int64 [m], by bisection."""
    items = ascending.shape[1]
    low, high = np.zeros(len(row), dtype=np.int64), np.full(len(row), items)
    for _ in range(items.bit_length()):
        middle = (low + high) // 2
        right = (low < high) & (ascending[row, np.minimum(middle, items - 1)] <= score)
        high = np.where(right, high, middle)
        low = np.where(right, middle + 1, low)
    return np.asarray(low)


def _pick(scores: np.ndarray, threshold: np.ndarray, k: int) -> np.ndarray:
    """The k best columns; ``threshold`` [b] is each row's k-th best score."""
    chosen = scores >= threshold[:, None]
    # Of items tied with the k-th best, the first ones that fit are taken.
    crowded = np.flatnonzero(chosen.sum(axis=1) > k)
    if len(crowded):
        above = scores[crowded] > threshold[crowded, None]
        equal = chosen[crowded] & ~above
        room = k - above.sum(axis=1, keepdims=True)
        chosen[crowded] = above | (equal & (np.cumsum(equal, axis=1) <= room))
    columns = np.flatnonzero(chosen).reshape(len(scores), k) % scores.shape[1]
    value = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-value, axis=1, kind="stable")
    value = np.take_along_axis(value, order, axis=1)
    best = np.take_along_axis(columns, order, axis=1)
    return np.where(np.isneginf(value), -1, best)


def _floats(scores: np.ndarray) -> np.ndarray:
    floats = np.asarray(scores, dtype=np.result_type(scores, np.float32))
    if floats.ndim != 2 or floats.shape[1] == 0:
        raise UsageError(f"scores must be [users, items], got {floats.shape}")
    if np.isnan(floats).any():
        raise UsageError("a score is NaN, so there is no ranking")
    return floats
