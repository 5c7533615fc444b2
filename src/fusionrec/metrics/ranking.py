"""From blocks of scores to each user's list and the ranks of what is relevant to them."""

from __future__ import annotations

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.metrics.accuracy import Ranked
from fusionrec.metrics.item_sets import ItemSets


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best columns of each row, best first; equal scores in the order of their columns.

    Args:
        scores: float [users, items]; −inf leaves an item out.
        k: 1 or more; counts as ``items`` where it is more.

    Returns:
        int64 [users, min(k, items)]; −1 where a row has no more items.

    Raises:
        UsageError: a score is NaN, or k is below 1.
    """
    _check_k(k)
    held = _floats(scores)
    items = held.shape[1]
    k = min(k, items)
    return _pick(held, np.partition(held, items - k, axis=1)[:, items - k], k)


class Ranking:
    """Collects blocks of scores into a ``Ranked``, in memory of a block and of the results.

    An item's rank is 1 + the items scored above it + those scored the same that stand before it
    in the catalog. So a target gains nothing from a tie, and a scorer that gives every item the
    same score scores as the catalog's own order does: chance, unless the catalog's order has to
    do with relevance, as where old and well-known items come first. Then ``tie_order``, a shuffled
    one, makes it chance again (McSherry and Najork, Computing Information Retrieval Performance
    Measures Efficiently in the Presence of Tied Scores, ECIR 2008).

    Args:
        relevant: what each user should be shown; users may have none.
        items: how many items the catalog has.
        k: length of the lists that are kept; ranks are kept whatever k is.
        exclude: what each user must not be shown, such as what was seen in training.
        candidates: bool [items], what may be shown at all; everything by default.
        tie_order: int [items], every item position once; of items scored the same, those that
            stand before others here come first. By default the catalog's order.

    Raises:
        UsageError: k is below 1, a set or the candidates do not fit the catalog, or a relevant
            item is no candidate and so could never be found, or the order is no permutation.
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
        _check_k(k)
        _check_sets(relevant, items, exclude)
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
        self._in_order = slice(None) if tie_order is None else order
        self._blocks: list[Ranked] = []

    def add(self, users: np.ndarray, scores: np.ndarray) -> None:
        """Ranks every item for a block of users.

        Args:
            users: int [b], positions, none of them ranked before.
            scores: float [b, items]; left as they are. −inf: never shown.

        Raises:
            UsageError: a score is NaN, a shape does not fit, or an item is both relevant to a
                user and excluded for them.
        """
        if scores.shape != (len(users), self.items):
            raise UsageError(f"scores must be [{len(users)}, {self.items}], got {scores.shape}")
        held = np.array(_floats(scores)[:, self._in_order])
        if self.candidates is not None:
            held[:, ~self.candidates[self._item]] = -np.inf
        wanted = self.relevant.take(users)
        row, item = wanted.pairs()
        column = self._column[item]
        before = held[row, column]
        if self.exclude is not None:
            barred = self.exclude.take(users).pairs()
            held[barred[0], self._column[barred[1]]] = -np.inf
        # One sort serves the lists and the ranks, and without its order it is several times
        # faster than argsort.
        ascending = np.sort(held, axis=1)
        ranks = _ranks(held, ascending, row, column)
        if (np.isinf(ranks) & ~np.isneginf(before)).any():
            raise UsageError("an item is both relevant to a user and excluded for them")
        best = _pick(held, ascending[:, self.items - self.k], self.k)
        best = np.where(best >= 0, self._item[best], -1)
        self._keep(users, best, wanted, ranks)

    def add_lists(self, users: np.ndarray, best: np.ndarray) -> None:
        """Takes lists made elsewhere, such as an index' answers; what is not in them has no rank.

        Args:
            users: int [b], positions, none of them ranked before.
            best: int [b, m], m of at least k, item positions, best first; −1 where a list ends.
                Every place counts for ranks; the first k are kept as the list.

        Raises:
            UsageError: a shape does not fit, a position is out of range, or a list repeats an
                item or holds one that is excluded or no candidate.
        """
        if best.ndim != 2 or len(best) != len(users) or best.shape[1] < self.k:
            raise UsageError(f"lists must be [{len(users)}, {self.k} or more], got {best.shape}")
        if best.size and (best.min() < -1 or best.max() >= self.items):
            raise UsageError(f"a list's items must lie in −1..{self.items - 1}")
        row, place = np.nonzero(best >= 0)
        rank = np.full((len(users), self.items), np.inf)
        rank[row, best[row, place]] = place + 1.0
        self._check_shown(users, rank, len(row))
        wanted = self.relevant.take(users)
        self._keep(users, best[:, : self.k], wanted, rank[wanted.pairs()])

    def result(self) -> Ranked:
        """All that was added, in the order in which it was.

        Raises:
            UsageError: nothing was added, or a user twice.
        """
        if not self._blocks:
            raise UsageError("nothing was ranked")
        ranked = Ranked.joined(self._blocks)
        if len(np.unique(ranked.users)) != len(ranked.users):
            raise UsageError("a user was ranked twice")
        return ranked

    def _keep(
        self, users: np.ndarray, best: np.ndarray, wanted: ItemSets, ranks: np.ndarray
    ) -> None:
        owner, item = wanted.pairs()
        order = np.lexsort((ranks, owner))
        block = Ranked(
            np.array(users, dtype=np.int64),
            best.astype(np.int32),
            wanted.offsets,
            item[order],
            ranks[order],
        )
        self._blocks.append(block)

    def _check_shown(self, users: np.ndarray, rank: np.ndarray, places: int) -> None:
        shown = np.isfinite(rank)
        if shown.sum() != places:
            raise UsageError("a list holds an item twice")
        if self.candidates is not None and shown[:, ~self.candidates].any():
            raise UsageError("a list holds an item that is not among the candidates")
        if self.exclude is not None and shown[self.exclude.take(users).pairs()].any():
            raise UsageError("a list holds an item that is excluded for its user")


def _ranks(
    held: np.ndarray, ascending: np.ndarray, row: np.ndarray, item: np.ndarray
) -> np.ndarray:
    """Each target's rank in its row, float64 [m], 1 is first; inf where its score is −inf.

    Args:
        held, ascending: float [b, items], scores as they are and each row sorted.
        row, item: int [m], the targets.
    """
    items = held.shape[1]
    score = held[row, item]
    upto = _count_upto(ascending, row, score)
    ranks = (items - upto + 1).astype(np.float64)
    tied = (upto > 1) & (ascending[row, np.maximum(upto - 2, 0)] == score)
    if tied.any():
        rows, inverse = np.unique(row[tied], return_inverse=True)
        order = np.argsort(-held[rows], axis=1, kind="stable")
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(items)[None, :], axis=1)
        ranks[tied] = place[inverse, item[tied]] + 1
    return np.asarray(np.where(np.isneginf(score), np.inf, ranks))


def _count_upto(ascending: np.ndarray, row: np.ndarray, score: np.ndarray) -> np.ndarray:
    """How many values of its sorted row are at most each score, int64 [m]: bisection of all."""
    items = ascending.shape[1]
    low, high = np.zeros(len(row), dtype=np.int64), np.full(len(row), items)
    for _ in range(items.bit_length()):
        middle = (low + high) // 2
        right = (low < high) & (ascending[row, np.minimum(middle, items - 1)] <= score)
        high = np.where(right, high, middle)
        low = np.where(right, middle + 1, low)
    return np.asarray(low)


def _pick(held: np.ndarray, threshold: np.ndarray, k: int) -> np.ndarray:
    """The k best columns; ``threshold`` [b] is each row's k-th best score."""
    chosen = held >= threshold[:, None]
    # Where more are equal to the k-th best than there is room for, the first of them are in.
    crowded = np.flatnonzero(chosen.sum(axis=1) > k)
    if len(crowded):
        above = held[crowded] > threshold[crowded, None]
        equal = chosen[crowded] & ~above
        room = k - above.sum(axis=1, keepdims=True)
        chosen[crowded] = above | (equal & (np.cumsum(equal, axis=1) <= room))
    columns = np.flatnonzero(chosen).reshape(len(held), k) % held.shape[1]
    value = np.take_along_axis(held, columns, axis=1)
    order = np.argsort(-value, axis=1, kind="stable")
    value = np.take_along_axis(value, order, axis=1)
    best = np.take_along_axis(columns, order, axis=1)
    return np.where(np.isneginf(value), -1, best)


def _floats(scores: np.ndarray) -> np.ndarray:
    held = np.asarray(scores, dtype=np.result_type(scores, np.float32))
    if held.ndim != 2 or held.shape[1] == 0:
        raise UsageError(f"scores must be [users, items], got {held.shape}")
    if np.isnan(held).any():
        raise UsageError("a score is NaN, so there is no ranking")
    return held


def _check_k(k: int) -> None:
    if k < 1:
        raise UsageError(f"k must be 1 or more, got {k}")


def _check_sets(relevant: ItemSets, items: int, exclude: ItemSets | None) -> None:
    for name, sets in (("relevant", relevant), ("excluded", exclude)):
        if sets is not None and sets.items.max(initial=-1) >= items:
            raise UsageError(f"{name} items must lie below {items}")
    if exclude is not None and len(exclude) != len(relevant):
        raise UsageError(f"{len(relevant)} users have relevant items, {len(exclude)} excluded ones")
