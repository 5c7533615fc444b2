"""Accuracy: metrics of the ranks of relevant items, and errors of predicted ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.metrics.item_sets import ItemSets


@dataclass(frozen=True)
class Ranked:
    """The full rankings of some users; made by ``Ranking``.

    Every metric is an array, float64 [n], one value in 0..1 per user, NaN for a user without
    relevant items: ``mean`` leaves those out. k may be any number from 1, also beyond the
    length of ``best`` and of the catalog; below 1 it is a UsageError. Relevance is 0 or 1.

    Attributes:
        users: int64 [n].
        best: int32 [n, k], each user's list, best first; −1 where there is no item.
        offsets: int64 [n + 1]; the targets of row r are those at ``offsets[r]:offsets[r + 1]``.
        target: int32 [m], the relevant items.
        ranks: float64 [m], their ranks from 1, ascending within a row; inf: not ranked.
    """

    users: np.ndarray
    best: np.ndarray
    offsets: np.ndarray
    target: np.ndarray
    ranks: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    @property
    def counts(self) -> np.ndarray:
        """How many items are relevant to each user, int64 [n]."""
        return np.diff(self.offsets)

    def hit_rate(self, k: int) -> np.ndarray:
        """HR@k: 1 where any relevant item is among the first k, else 0.

        Deshpande and Karypis, Item-based top-N recommendation algorithms, TOIS 2004.
        """
        return self._nan_without_relevant(self._first() <= check_k(k))

    def recall(self, k: int) -> np.ndarray:
        """Recall@k: the share of the relevant items that are among the first k.

        Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, section 8.3.
        """
        return self._mean_over_relevant(self.ranks <= check_k(k))

    def ndcg(self, k: int) -> np.ndarray:
        """NDCG@k: ``sum(1 / log2(rank + 1))`` over ranks up to k, over that of an ideal list.

        Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002, with
        gains of 0 and 1 and the discount of Burges et al., ICML 2005.
        """
        gain = np.where(self.ranks <= check_k(k), 1 / np.log2(self.ranks + 1), 0.0)
        length = min(k, int(self.counts.max(initial=0)))
        ideal = np.r_[np.nan, np.cumsum(1 / np.log2(np.arange(2, length + 2)))]
        return np.asarray(self._sum(gain) / ideal[np.minimum(self.counts, length)])

    def average_precision(self, k: int) -> np.ndarray:
        """AP@k: precision at each relevant item's rank up to k, summed, over all relevant items.

        Manning, Raghavan and Schütze, 2008, section 8.4; cut as trec_eval's ``map_cut`` is: the
        divisor is the number of relevant items, also where that is more than k.
        """
        position = np.arange(len(self.ranks)) - np.repeat(self.offsets[:-1], self.counts) + 1
        precision = np.where(self.ranks <= check_k(k), position / self.ranks, 0.0)
        return self._mean_over_relevant(precision)

    def reciprocal_rank(self) -> np.ndarray:
        """1 / rank of the first relevant item of all, 0 if none is ranked; its mean is MRR.

        Voorhees, The TREC-8 Question Answering Track Report, 1999; without a cut.
        """
        return self._nan_without_relevant(1 / self._first())

    def take(self, rows: np.ndarray) -> Ranked:
        """The rankings of some rows, int [b] or bool [n], such as a group of users."""
        rows = np.arange(len(self))[rows]
        sets = ItemSets(self.offsets, np.arange(len(self.target))).take(rows)
        index = sets.items
        columns = self.users[rows], self.best[rows], sets.offsets
        return Ranked(*columns, self.target[index], self.ranks[index])

    def restrict_to(self, members: np.ndarray) -> Ranked:
        """The same rankings, with the items outside ``members``, bool [items], removed.

        Ranks stay those among all items; removed items become −1 in the lists.
        """
        kept = members[self.target]
        owner = np.repeat(np.arange(len(self)), self.counts)[kept]
        counts = np.bincount(owner, minlength=len(self))
        best = np.where((self.best >= 0) & members[self.best], self.best, -1)
        offsets = np.r_[0, np.cumsum(counts)].astype(np.int64)
        return Ranked(self.users, best, offsets, self.target[kept], self.ranks[kept])

    @classmethod
    def concatenate(cls, parts: Sequence[Ranked]) -> Ranked:
        """The rows of several rankings, one after the other."""
        users, best, counts, target, ranks = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("users", "best", "counts", "target", "ranks")
        )
        return cls(users, best, np.r_[0, np.cumsum(counts)].astype(np.int64), target, ranks)

    def _first(self) -> np.ndarray:
        """The rank of each user's first relevant item, float64 [n]; inf where there is none."""
        first = np.full(len(self), np.inf)
        some = self.counts > 0
        first[some] = self.ranks[self.offsets[:-1][some]]
        return first

    def _sum(self, value: np.ndarray) -> np.ndarray:
        """Each user's sum of a value per target, float64 [n]."""
        owner = np.repeat(np.arange(len(self)), self.counts)
        return np.bincount(owner, value, len(self))

    def _mean_over_relevant(self, value: np.ndarray) -> np.ndarray:
        return np.asarray(self._sum(value) / np.where(self.counts > 0, self.counts, np.nan))

    def _nan_without_relevant(self, value: np.ndarray) -> np.ndarray:
        return np.where(self.counts > 0, value, np.nan)


def check_k(k: int) -> int:
    """The number itself; a UsageError if it is below 1."""
    if k < 1:
        raise UsageError(f"k must be 1 or more, got {k}")
    return k


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Root mean squared error of two arrays [n], in their unit.

    Herlocker et al., Evaluating collaborative filtering recommender systems, TOIS 2004.

    Raises:
        UsageError: a value is NaN, the lengths differ, or there is none.
    """
    return float(np.sqrt(np.mean(_errors(predicted, actual) ** 2)))


def mae(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Mean absolute error of two arrays [n], in their unit; source and errors as of ``rmse``."""
    return float(np.mean(np.abs(_errors(predicted, actual))))


def _errors(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    if predicted.shape != actual.shape or predicted.size == 0:
        raise UsageError(f"expected two equal lengths, got {predicted.shape} and {actual.shape}")
    errors: np.ndarray = predicted.astype(np.float64) - actual
    if np.isnan(errors).any():
        raise UsageError("a predicted or an actual value is NaN")
    return errors
