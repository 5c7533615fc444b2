"""What is held out of the training rows, to choose settings and weights by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from fusionrec.data.schema import Schema
from fusionrec.registry.tables import Histories

INSTANTS = (1.0, 0.9, 0.8, 0.7, 0.6)  # quantiles of all times; windows lie between neighbours
ENOUGH = 600  # users over all windows, from which no earlier window is added
TASTE_SHARE = 0.2  # of each user's liked items
FEW = 200  # users below which each is asked ``TIMES`` times, for other interactions each time
TIMES = 5


@dataclass(frozen=True)
class Holdout:
    """Some rows that are hidden, and the users who are asked for them.

    Attributes:
        visible: bool [n], the interactions that may be trained on, in the order of ``Histories``.
        users: int [m], ascending.
        relevant: bool [m, items], what each of them took of the hidden rows.
        seen: bool [m, items], what is not ranked; None where people take items again.
    """

    visible: np.ndarray
    users: np.ndarray
    relevant: sparse.csr_array
    seen: sparse.csr_array | None

    def take(self, which: slice) -> Holdout:
        """The same of some of the users."""
        seen = None if self.seen is None else self.seen[which]
        return Holdout(self.visible, self.users[which], self.relevant[which], seen)

    def ndcg(self, scores: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """NDCG@10 of each user, float64 [m].

        Args:
            scores: float [m, n]; they are overwritten.
            columns: int [n], which items these are of; all by default. A relevant item that is not
                among them counts as not found.
        """
        which = slice(None) if columns is None else columns
        if self.seen is not None:
            scores[self.seen[:, which].nonzero()] = -np.inf
        counts = np.asarray(self.relevant.sum(axis=1)).ravel()
        return ndcg(scores, self.relevant[:, which].toarray(), counts)


def ndcg(scores: np.ndarray, relevant: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """NDCG@10 of each row, float64 [m].

    Args:
        scores: float [m, n]; items with -inf are not ranked.
        relevant: bool [m, n].
        counts: int [m], each row's relevant items, those of other columns too; 1 or more.
    """
    k = min(10, scores.shape[1])
    best = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k :]
    value = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-value, axis=1, kind="stable")
    hits = np.take_along_axis(np.take_along_axis(relevant, best, axis=1), order, axis=1)
    hits &= np.isfinite(np.take_along_axis(value, order, axis=1))
    discount = 1 / np.log2(np.arange(2, 12))
    ideal = np.cumsum(discount)[np.minimum(counts, 10) - 1]
    return np.asarray(hits @ discount[:k] / ideal)


def asked(holdouts: Sequence[Holdout]) -> int:
    """How many different users some holdouts ask."""
    return len({int(user) for one in holdouts for user in one.users})


def by_user(values: np.ndarray, users: np.ndarray) -> np.ndarray:
    """The mean of each user's values, float64 [distinct users], ascending: who was asked several
    times counts once.

    Args:
        values: float [m].
        users: int [m], of whom each is.
    """
    _, place = np.unique(users, return_inverse=True)
    return np.asarray(np.bincount(place, values) / np.bincount(place))


def next_holdouts(
    histories: Histories, schema: Schema, users: np.ndarray, items: int, seed: int
) -> list[Holdout]:
    """Hides the last interaction of some users, int [m], or any one where there are no times. Of
    few users the one before it is asked for in a second holdout, and so on.
    """
    found, first, end = list[Holdout](), histories.offsets[:-1], histories.offsets[1:]
    for back in range(1 if len(users) >= FEW else TIMES):
        users = users[end[users] - first[users] - back >= 3]
        rows, visible = end[users] - 1 - back, None
        if histories.ordered:
            visible = np.ones(len(histories.item), dtype=bool)
            for row, last in zip(rows, end[users], strict=True):
                visible[row:last] = False
        else:
            rows = np.random.default_rng([seed, 5 + back]).integers(first[users], end[users])
        made = _holdout(histories, schema, items, users, rows, visible)
        found += [] if made is None else [made]
    return found


def hiding_only(holdout: Holdout, histories: Histories, new: np.ndarray) -> Holdout:
    """The holdout of those users of whom it hides new interactions alone, bool [n]; all others are
    visible.
    """
    owner = np.repeat(np.arange(len(histories.offsets) - 1), np.diff(histories.offsets))
    kept = ~np.isin(holdout.users, owner[~holdout.visible & ~new])
    hidden = ~holdout.visible & np.isin(owner, holdout.users[kept])
    seen = None if holdout.seen is None else holdout.seen[kept]
    return Holdout(~hidden, holdout.users[kept], holdout.relevant[kept], seen)


def drawn_users(
    histories: Histories, most: int, seed: int, among: np.ndarray | None = None
) -> np.ndarray:
    """Users of a holdout, int [m] ascending: a draw of those with 3 interactions or more, of the
    users ``among``, int [n], if they are given.
    """
    users = np.flatnonzero(np.diff(histories.offsets) >= 3)
    if among is not None:
        users = np.intersect1d(users, among)
    return np.sort(np.random.default_rng([seed, 2]).permutation(users)[:most])


def taste_holdouts(
    histories: Histories, schema: Schema, users: np.ndarray, items: int, seed: int
) -> list[Holdout]:
    """Hides a random share of the items that some users, int [m], liked, whenever they were taken;
    what is visible is not asked for, also where people take items again. Of few users another share
    is hidden in a second holdout, and so on, until each liked item was asked for once.
    """
    counts = np.diff(histories.offsets)
    owner = np.repeat(np.arange(len(counts)), counts)
    pair = owner * np.int64(items) + histories.item
    many = np.bincount(np.unique(pair) // items, minlength=len(counts))  # items of each user
    liked = pair[np.isin(owner, users) & (histories.rating >= schema.like)]
    liked = liked[np.sort(np.unique(liked, return_index=True)[1])]
    drawn = liked[np.random.default_rng([seed, 3]).permutation(len(liked))]
    drawn = drawn[np.argsort(drawn // items, kind="stable")]
    user = drawn // items
    likes = np.bincount(user, minlength=len(counts))
    rank = np.arange(len(drawn)) - (np.cumsum(likes) - likes)[user]
    hidden = np.minimum(np.maximum(np.rint(likes * TASTE_SHARE), 1), many - 1)
    drawn, rank, user = (one[hidden[user] > 0] for one in (drawn, rank, user))
    turn, found = rank // hidden[user], list[Holdout]()
    once = replace(schema, repeats=False)
    for fold in range(1 if len(users) >= FEW else TIMES):
        rows = np.flatnonzero(np.isin(pair, drawn[turn == fold]))
        made = _holdout(histories, once, items, users, rows)
        found += [] if made is None else [made]
    return found


def later_holdouts(
    histories: Histories, schema: Schema, items: int, most: int, seed: int
) -> list[Holdout]:
    """Hides all that came after some instants, the latest window first; empty without times.

    The users are those who took something before the instant and in the window after it.
    """
    if histories.time is None:
        return []
    counts, found = np.diff(histories.offsets), list[Holdout]()
    owner = np.repeat(np.arange(len(counts)), counts)
    ordered = np.sort(histories.time)
    cuts = [ordered[min(int(q * len(ordered)), len(ordered) - 1)] for q in INSTANTS]
    cuts[0] += 1
    rng = np.random.default_rng([seed, 4])
    for begin, end in zip(cuts[1:], cuts, strict=False):
        before, window = histories.time < begin, histories.time < end
        window &= ~before
        users = np.intersect1d(owner[before], owner[window])
        users = np.sort(rng.permutation(users)[:most])
        held = np.flatnonzero(window & np.isin(owner, users))
        made = _holdout(histories, schema, items, users, held, before)
        if made is not None:
            found.append(made)
        if len(found) > 1 and sum(len(one.users) for one in found) >= ENOUGH:
            break
    return found


def _holdout(
    histories: Histories,
    schema: Schema,
    items: int,
    users: np.ndarray,
    rows: np.ndarray,
    visible: np.ndarray | None = None,
) -> Holdout | None:
    """The holdout of some rows, int [n], of some users, int [m]; users without any are left out."""
    counts = np.diff(histories.offsets)
    owner = np.repeat(np.arange(len(counts)), counts)
    if visible is None:
        visible = np.ones(len(owner), dtype=bool)
        visible[rows] = False
    shape = len(counts), items
    relevant = _sets(owner[rows], histories.item[rows], shape)
    before = _sets(owner[visible], histories.item[visible], shape)
    if not schema.repeats:  # what was rated twice is not asked for
        relevant = relevant - relevant.multiply(before)
        relevant.eliminate_zeros()
    some = np.diff(relevant.indptr)[users] > 0
    some &= np.diff(before.indptr)[users] > 0
    users = users[some]
    if not len(users):
        return None
    seen = None if schema.repeats else before[users]
    return Holdout(visible, users, relevant[users].astype(bool), seen)


def _sets(user: np.ndarray, item: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Which user has which item, as float32 ones: [users, items]."""
    ones = np.ones(len(user), dtype=np.float32)
    made = sparse.coo_array((ones, (user, item)), shape=shape).tocsr()
    made.data[:] = 1.0
    return made
