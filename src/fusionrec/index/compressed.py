"""Search of many vectors in a compressed copy: most of the best are found, with exact scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from fusionrec.index.batch import BatchSearch
from fusionrec.index.exact import ExactIndex, Hits, RowNumbers, nearest_candidates, rank_exactly
from fusionrec.index.filters import Condition
from fusionrec.index.inverted_lists import InvertedLists

EXACT_NUMBERS = 10_000_000  # in all vectors, which an exact search compares in some 5 ms
RECALL = 0.99  # of the exact best, that a copy must find
_DEPTHS = (10, 100, 1_000)  # numbers of items for which that is measured
_MOST_READ = 0.25  # of all lists: reading more takes as long as an exact search
POOL = 100  # rows scored again beyond those that are asked for
# Of what may be missed, the shares that unread lists may have on the queries that choose; the
# first with which the queries that judge find enough is taken.
_MISSED = (0.8, 0.5, 0.25)
_GATHERED = 0.1  # of all rows: fewer are copied together to be compared, more are where they are


def is_compressed(items: int, width: int) -> bool:
    """Whether a copy of so many vectors is compressed, since an exact search would take long."""
    return items * width > EXACT_NUMBERS


@dataclass(frozen=True)
class CompressedVectors:
    """Vectors in a compressed form, with what was measured of it.

    Attributes:
        lists: of all vectors.
        probes: depth -> how many lists are read to find ``RECALL`` of so many best items; empty if
            that takes too many.
        recall: the share of the exact ten best that was found, 0 to 1.
    """

    lists: InvertedLists
    probes: Mapping[int, int]
    recall: float

    @classmethod
    def build(cls, vectors: np.ndarray, samples: Sequence[Sample]) -> CompressedVectors:
        """Compresses vectors, and measures with samples of queries how many lists must be read: the
        first half of each chooses, the second judges.

        Args:
            vectors: float32 [n, d].
            samples: one for each kind of query, all of which must find enough.
        """
        lists = InvertedLists.build(vectors)
        trials = [_Trial(lists, vectors, sample) for sample in samples]
        probes, recall = {}, 0.0
        for depth in _DEPTHS:
            for missed in _MISSED:
                needed = max(trial.probes(depth, missed * (1 - RECALL)) for trial in trials)
                count = min(needed, max(1, int(_MOST_READ * lists.count)))
                found = min(trial.recall(depth, count) for trial in trials)
                if found >= RECALL:
                    probes[depth] = count
                    break
            if depth == _DEPTHS[0]:
                recall = found
            if depth not in probes:
                break
        return cls(lists, probes, recall)

    def probes_for(self, depth: int) -> int | None:
        """How many lists are read for so many best items; None where all must be compared."""
        return next((count for most, count in sorted(self.probes.items()) if depth <= most), None)


class Sample(NamedTuple):
    """Queries of one kind.

    Attributes:
        queries: float32 [b, d], b ≥ 2.
        excluded: for each query rows that it does not ask for, int [e] distinct.
    """

    queries: np.ndarray
    excluded: Sequence[np.ndarray]


class _Trial:
    """Lists, tried with a sample of queries."""

    def __init__(self, lists: InvertedLists, vectors: np.ndarray, sample: Sample) -> None:
        self._lists, self._vectors, self._sample = lists, vectors, sample
        self._best = exact_best(vectors, sample, min(_DEPTHS[-1], len(vectors)))
        self._half = len(sample.queries) // 2

    def probes(self, depth: int, missed: float) -> int:
        """How many lists hold all but a share of the first half's best."""
        best = [rows[:depth] for rows in self._best[: self._half]]
        ranks = self._lists.ranks(self._sample.queries[: self._half], best)
        return 1 + int(np.quantile(ranks, 1 - missed, method="higher"))

    def recall(self, depth: int, probes: int) -> float:
        """The share of the second half's best that a search finds."""
        shares = []
        second = zip(*self._sample, self._best, strict=True)
        for query, excluded, best in islice(second, self._half, None):
            allowed = np.ones(len(self._vectors), dtype=bool)
            allowed[excluded] = False
            rows = self._lists.nearest(query, depth + POOL, probes, allowed)
            found = rank_exactly(query, self._vectors, rows, depth).rows
            shares.append(np.isin(best[:depth], found).mean())
        return float(np.mean(shares))


def exact_best(vectors: np.ndarray, sample: Sample, depth: int) -> list[np.ndarray]:
    """The rows of the best items for each query, without those that are excluded."""
    search = BatchSearch(vectors, np.ones(len(vectors), dtype=bool))
    rows, _ = search.each(sample.queries, depth, sample.excluded)
    return [one[one >= 0] for one in rows]


class CompressedIndex(ExactIndex):
    """Searches a compressed copy, and scores what it finds by the vectors themselves.

    All vectors that may be returned are compared where the copy would not do: where few meet the
    conditions, more are asked for than it was measured for, or the lists that are read hold too
    few.

    Args:
        copy: of the first rows of the vectors.
        changed: int64 [m], distinct rows whose vectors differ from the copy's, or are not in it.
        args, given: of ``ExactIndex``, whose errors are raised.
    """

    def __init__(
        self, copy: CompressedVectors, changed: np.ndarray, *args: Any, **given: Any
    ) -> None:
        super().__init__(*args, **given)
        self._copy, self._changed = copy, changed
        self._hidden = changed[changed < len(copy.lists)]
        self._changed_vectors = self.vectors[changed]

    def search(
        self, vector: np.ndarray, k: int, where: Sequence[Condition] = (), exclude: RowNumbers = ()
    ) -> Hits:
        """About the k items with the highest inner product; see ``ExactIndex.search``."""
        query, excluded = self._checked(vector, k, exclude)
        allowed = self.allowed(where)
        # What is excluded counts, since it was left out when the recall was measured, too.
        count = int(np.count_nonzero(allowed))
        allowed[excluded] = False
        rows = self._listed(query, allowed, count, k)
        if rows is None:
            rows = self._compared(query, allowed, k)
        return rank_exactly(query, self.vectors, rows, k)

    def _listed(
        self, query: np.ndarray, allowed: np.ndarray, count: int, k: int
    ) -> np.ndarray | None:
        """The best of the copy's rows, and of those that changed; None where that does not do."""
        # Of every tenth item, the ten best are among the hundred best of all.
        probes = self._copy.probes_for(k * len(self) // count) if count else None
        if probes is None:
            return None
        listed = allowed[: len(self._copy.lists)].copy()
        listed[self._hidden] = False
        most = k + POOL
        rows = self._copy.lists.nearest(query, most, probes, listed)
        if len(rows) < min(most, int(np.count_nonzero(listed))):
            return None
        near = nearest_candidates(query, self._changed_vectors, allowed[self._changed], k)
        return np.concatenate([rows, self._changed[near]])

    def _compared(self, query: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
        """The best of all allowed rows, and perhaps some more."""
        if np.count_nonzero(allowed) > _GATHERED * len(self):
            return nearest_candidates(query, self.vectors, allowed, k)
        rows = np.flatnonzero(allowed)
        near = nearest_candidates(query, self.vectors[rows], np.ones(len(rows), dtype=bool), k)
        return np.asarray(rows[near])
