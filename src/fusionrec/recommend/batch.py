"""Answers for all users of a version at once: exact, block by block, in bounded memory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from fusionrec.errors import Progress, UsageError
from fusionrec.features.score_scale import SCALE
from fusionrec.index import BatchSearch, ExactIndex
from fusionrec.recommend.feedback import Feedback, add
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.workspace import move_in, writing

if TYPE_CHECKING:
    import pyarrow as pa

_SCORES = 4_000_000  # of a block, which bounds memory
_LEAST, _MOST = 32, 256  # users of a block: fewer make no quick product, more leave the cache
_GROUP = 16_384  # users at most whose answers are written together

_TEXT = (".csv", ".tsv", ".txt", ".json", ".jsonl")


@dataclass(frozen=True)
class Lists:
    """Answers of some users, a row for each user and item: users in the order of their positions,
    items in that of their ranks.

    Attributes:
        user: int64 [n], positions among the version's users.
        item: int64 [n], positions in the catalog.
        rank: int32 [n], from 1.
        score: float64 [n], ``5·cos``; NaN where a popular item stands in for an answer.
        stars: float64 [n], the rating predicted; NaN where the score predicts none.
    """

    user: np.ndarray
    item: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    stars: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def none(cls) -> Self:
        """No row."""
        whole, real = np.empty(0, dtype=np.int64), np.empty(0)
        return cls(whole, whole, whole.astype(np.int32), real, real)

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The rows of several with users of their own, put in order."""
        names = ("user", "item", "rank", "score", "stars")
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        order = np.lexsort((columns[2], columns[0]))
        return cls(*(column[order] for column in columns))

    def take(self, rows: np.ndarray) -> Lists:
        """Some of the rows: bool [n]."""
        return Lists(*(column[rows] for column in vars(self).values()))


class BatchRecommender:
    """Answers every user of a version as ``recommend`` answers each of them.

    Those of whom the ledger knows more than the training are asked one by one. Those who are to be
    forgotten are left out.

    Args:
        recommender: of the version, with all changes of items.
        feedback: what users said since the training.
        query: what is wished for everybody: ``k``, ``where`` and ``seen``.
        threads: how many search at the same time. More than one is quicker only where NumPy itself
            computes in one.

    Raises:
        UsageError: the version knows no users, the query names one or wishes what is not for
            everybody, or a condition does not fit.
    """

    def __init__(
        self, recommender: Recommender, feedback: Feedback, query: Query, threads: int = 1
    ) -> None:
        catalog, artifact = recommender.catalog, recommender.artifact
        artifact.require_towers("it knows no users", "needs_trained_version")
        if query != Query(k=query.k, where=query.where, seen=query.seen, now=query.now):
            raise UsageError("for everybody there are k, where and seen, and nothing else")
        parts = (artifact.schema, catalog.items, catalog.vectors)
        index = ExactIndex(*parts, available=catalog.available)
        self.recommender = recommender.over(index, ())
        self.query = replace(query, now=time.time() if query.now is None else query.now)
        self._catalog, self._artifact, self._threads = catalog, artifact, threads
        self._search = BatchSearch(catalog.vectors, index.allowed(query.where))
        self._forgotten, self._queries = self._split_users(feedback)

    def __len__(self) -> int:
        return len(self._artifact.users)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say of the conditions, in sentences."""
        items, where = self.recommender.finder, self.query.where
        return (*items.unknown(where), *items.missed(where))

    @property
    def forgotten(self) -> int:
        """How many are left out, since they are to be forgotten."""
        return int(self._forgotten.sum())

    @property
    def with_feedback(self) -> int:
        """How many are asked one by one."""
        return len(self._queries)

    def _split_users(self, feedback: Feedback) -> tuple[np.ndarray, dict[int, Query]]:
        """Who is to be forgotten, bool [users]; and the queries of those, by position, who said
        something since the training that changes their answer.
        """
        ids, positions = self._artifact.users.ids, self._artifact.user_positions
        gone = np.zeros(len(ids), dtype=bool)
        gone[[positions[user] for user in feedback.forgotten(ids)]] = True
        asked = {}
        for user in feedback.users():
            position = positions.get(user)
            if position is None or gone[position]:
                continue
            said = feedback.of(user, self._catalog)
            if said.history or said.hidden or said.profile:
                asked[position] = add(replace(self.query, user=user), said)
        return gone, asked

    def lists(self) -> Iterator[tuple[Lists, int]]:
        """The answers, group by group of users, with how many users are done then.

        Raises:
            UsageError: k is below 1.
        """
        block = min(max(_LEAST, _SCORES // len(self._catalog)), _MOST)
        group = _GROUP // block * block
        one_by_one = self._forgotten.copy()
        one_by_one[list(self._queries)] = True
        with ThreadPoolExecutor(self._threads) as pool:
            for begin in range(0, len(self), group):
                end = min(begin + group, len(self))
                lows = range(begin, end, block)
                highs = (min(low + block, end) for low in lows)
                found = Lists.joined(list(pool.map(self._block, lows, highs)))
                ours = [position for position in self._queries if begin <= position < end]
                own = [self._one(position) for position in ours]
                yield Lists.joined([found.take(~one_by_one[found.user]), *own]), end

    def _one(self, position: int) -> Lists:
        """The answer to one user, from all that is known of them."""
        items = self.recommender.recommend(self._queries[position]).items
        rows = self._catalog.positions
        known = [(np.nan if i.score is None else i.score) for i in items]
        stars = [(np.nan if i.stars is None else i.stars) for i in items]
        return Lists(
            np.full(len(items), position),
            np.array([rows[item.id] for item in items], dtype=np.int64),
            np.arange(1, len(items) + 1, dtype=np.int32),
            np.array(known, dtype=np.float64),
            np.array(stars, dtype=np.float64),
        )

    def _block(self, begin: int, end: int) -> Lists:
        """The answers of users by what training saw of them."""
        barred = None if self.recommender.keeps_seen(self.query) else self._rated(begin, end)
        rows, cosines = self._search.search(self._vectors(begin, end), self.query.k, barred)
        place, rank = np.nonzero(rows >= 0)
        user, item, score = begin + place, rows[place, rank], cosines[place, rank]
        stars = np.full(len(user), np.nan)
        if self._artifact.predicts_ratings:
            stars = self._artifact.ratings(user, item, score)
        return Lists(user, item, (rank + 1).astype(np.int32), SCALE * score.astype(float), stars)

    def _rated(self, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """The pairs of a block: each user's place in it with the items that they rated."""
        histories = self._artifact.histories
        offsets = histories.offsets[begin : end + 1]
        user = np.repeat(np.arange(end - begin), np.diff(offsets))
        return user, histories.item[offsets[0] : offsets[-1]]

    def _vectors(self, begin: int, end: int) -> np.ndarray:
        """The users' vectors: float32 [b, dim]; of a model that reads the clock, as of now."""
        artifact = self._artifact
        if not artifact.reads_clock:
            return artifact.user_vectors[begin:end]
        ids = list(artifact.users.ids[begin:end])
        columns = {name: column[begin:end] for name, column in artifact.users.columns.items()}
        histories = [artifact.histories.of(position) for position in range(begin, end)]
        now = np.full(len(ids), self.query.now)
        return artifact.vectors_of(ids, columns, histories, now, self._catalog.vectors)


def table(lists: Lists, recommender: Recommender) -> pa.Table:
    """Answers as columns: ``user`` and ``item``, outside ids, ``rank``, ``score`` and, where the
    version predicts ratings, ``stars``; what is not known is null.
    """
    import pyarrow as pa

    users, items = recommender.artifact.users.ids, recommender.catalog.items.ids
    columns = {
        "user": _named(lists.user, users),
        "item": _named(lists.item, items),
        "rank": pa.array(lists.rank),
        "score": pa.array(lists.score, from_pandas=True),  # NaN becomes null
    }
    if recommender.artifact.predicts_ratings:
        columns["stars"] = pa.array(lists.stars, from_pandas=True)
    return pa.table(columns)


def _named(positions: np.ndarray, ids: Sequence[str]) -> pa.DictionaryArray:
    """Outside ids, each stored once."""
    import pyarrow as pa

    distinct, place = np.unique(positions, return_inverse=True)
    names = pa.array([ids[position] for position in distinct], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place.astype(np.int32)), names)


def write_answers(
    path: Path, everyone: BatchRecommender, progress: Progress = lambda *_: None
) -> int:
    """Writes everybody's answers as Parquet, a row for each user and item; see ``table``. The
    file's metadata say, as ``fusionrec``, which version they are of.

    Args:
        path: the file; replaced whole, or left as it was.
        everyone: who is answered.
        progress: called after each group with the users that are done, and all.

    Returns:
        How many rows there are.

    Raises:
        UsageError: the file is named as one of text, or k is below 1.
        FusionrecError: it cannot be written; see ``workspace.writing``.
    """
    import pyarrow.parquet as pq

    if path.suffix.lower() in _TEXT:
        raise UsageError(
            f"answers are written as Parquet, and {path.name} is named as text",
            f"call it {path.stem}.parquet",
        )
    recommender, rows = everyone.recommender, 0
    about = json.dumps({"version": recommender.artifact.version, "k": everyone.query.k})
    schema = table(Lists.none(), recommender).schema.with_metadata({"fusionrec": about})
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with writing(path):
        try:
            with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
                for lists, done in everyone.lists():
                    writer.write_table(table(lists, recommender).cast(schema))
                    rows += len(lists)
                    progress("answering", done, len(everyone))
            move_in(beside, path)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
    return rows
