"""Answers for all users of a version: exact, block by block, in bounded memory."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fusionrec.errors import Progress, UsageError
from fusionrec.features.score_scale import SCALE
from fusionrec.index import BatchSearch, ExactIndex
from fusionrec.ledger import Revision
from fusionrec.recommend.feedback import Feedback, add
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.workspace import move_in, writing

if TYPE_CHECKING:
    import pyarrow as pa

_SCORES = 4_000_000  # of a block, which bounds memory
_LEAST, _MOST = 32, 256  # users of a block: fewer multiply slowly, more do not fit the cache
_GROUP = 16_384  # users at most whose answers are written together

_TEXT = (".csv", ".tsv", ".txt", ".json", ".jsonl")

# A row of answers, for one user and item: positions of the two, the rank from 1, ``5·cos`` (NaN for
# a popular item that stands in for an answer) and the predicted rating (NaN for none).
ROW = np.dtype(
    [("user", "i8"), ("item", "i8"), ("rank", "i4"), ("score", "f8"), ("stars", "f8")], align=True
)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of several parts, ``ROW`` [n], by user and rank."""
    rows = np.concatenate([np.empty(0, ROW), *parts])
    return rows[np.lexsort((rows["rank"], rows["user"]))]


def _rows(user: Any, item: Any, rank: Any, score: Any, stars: Any) -> np.ndarray:
    rows = np.empty(np.size(rank), ROW)
    columns = user, item, rank, score, stars
    for name, column in zip(ROW.names or (), columns, strict=True):
        rows[name] = column
    return rows


@dataclass(frozen=True)
class Share:
    """What the feedback since the training says of some users.

    Attributes:
        forgotten: int64 [n], positions of those who are to be forgotten.
        queries: position -> query of those who are answered one by one.
    """

    forgotten: np.ndarray
    queries: Mapping[int, Query]


class BatchRecommender:
    """Answers every user of a version as ``recommend`` answers each of them.

    Users with feedback since the training are answered one by one, and users who are to be
    forgotten are left out.

    Args:
        recommender: of the version, with all changes of items.
        feedback: of all users since the training; None where ``with_share`` gives it.
        query: ``k``, ``where``, ``seen`` and ``goal`` for everybody.
        threads: searches at the same time. More than one is faster only if NumPy itself uses one.

    Raises:
        UsageError: the version has no users or no such goal, the query sets more than those four,
            or a condition does not fit.
    """

    def __init__(
        self, recommender: Recommender, feedback: Feedback | None, query: Query, threads: int = 1
    ) -> None:
        catalog, artifact = recommender.catalog, recommender.artifact
        artifact.require_towers("it knows no users", "needs_trained_version")
        plain = Query(k=query.k, where=query.where, seen=query.seen, goal=query.goal, now=query.now)
        if query != plain:
            raise UsageError("for everybody there are k, where, seen and goal, and nothing else")
        if query.goal is not None:
            artifact.require_goal(query.goal)
        vectors = catalog.matrix
        parts = (artifact.schema, catalog.items, vectors)
        index = ExactIndex(*parts, available=catalog.available)
        self.recommender = recommender.over(index, ())
        self.query = replace(query, now=time.time() if query.now is None else query.now)
        self._catalog, self._artifact, self._threads = catalog, artifact, threads
        self._search = BatchSearch(vectors, index.allowed(query.where))
        # Read first, so that whoever compares it later misses nothing.
        self.revision = Revision() if feedback is None else feedback.revision()
        self._forgotten, self._queries = np.zeros(len(self), dtype=bool), dict[int, Query]()
        if feedback is not None:
            self._forgotten, self._queries = self._split_users(feedback)

    def __len__(self) -> int:
        return len(self._artifact.users)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the conditions, in sentences."""
        items, where = self.recommender.finder, self.query.where
        return (*items.unknown(where), *items.missed(where))

    @property
    def forgotten(self) -> int:
        """How many users are left out because they are to be forgotten."""
        return int(self._forgotten.sum())

    @property
    def with_feedback(self) -> int:
        """How many users are answered one by one."""
        return len(self._queries)

    def share(self, begin: int, end: int) -> Share:
        """What the feedback says of the users at some positions."""
        gone = begin + np.flatnonzero(self._forgotten[begin:end])
        return Share(gone, {at: self._queries[at] for at in self._asked_in(begin, end)})

    def with_share(self, share: Share) -> Self:
        """The same, with what the feedback says of some users; nobody else has any."""
        made = copy(self)
        made._forgotten = np.zeros(len(self), dtype=bool)
        made._forgotten[share.forgotten] = True
        made._queries = dict(share.queries)
        return made

    def _asked_in(self, begin: int, end: int) -> list[int]:
        at = np.fromiter(self._queries, dtype=np.int64, count=len(self._queries))
        return [*map(int, at[(at >= begin) & (at < end)])]

    def _split_users(self, feedback: Feedback) -> tuple[np.ndarray, dict[int, Query]]:
        """Which users are to be forgotten, bool [users]; and position -> query of those whose
        feedback, or visit at this time, changes their answer.
        """
        ids, positions = self._artifact.users.ids, self._artifact.user_positions
        gone = np.zeros(len(ids), dtype=bool)
        gone[[positions[user] for user in feedback.forgotten(ids)]] = True
        visiting = np.zeros_like(gone)
        newest, blend = self._artifact.histories.newest, self._artifact.blend
        if blend is not None and self.query.goal is None and newest is not None:
            visiting = blend.visits(newest, self.query.now or 0.0) & ~gone
        asked = {at: replace(self.query, user=ids[at]) for at in np.flatnonzero(visiting).tolist()}
        for user in feedback.users():
            position = positions.get(user)
            if position is None or gone[position]:
                continue
            said = feedback.of(user, self._catalog)
            if said.history or said.hidden or said.profile:
                asked[position] = add(replace(self.query, user=user), said)
        return gone, asked

    def lists(self, users: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, int]]:
        """The answers group by group of users, ``ROW`` [n], with how many users are done.

        Args:
            users: int64 [m] rising, positions of those to answer; all by default.

        Raises:
            UsageError: k is below 1.
        """
        if users is None:
            users = np.arange(len(self))
        block = min(max(_LEAST, _SCORES // len(self._catalog)), _MOST)
        group = _GROUP // block * block
        one_by_one = self._forgotten.copy()
        one_by_one[list(self._queries)] = True
        with ThreadPoolExecutor(self._threads) as pool:
            for begin in range(0, len(users), group):
                some = users[begin : begin + group]
                blocks = [some[low : low + block] for low in range(0, len(some), block)]
                found = joined(list(pool.map(self._block, blocks)))
                own = [self._one(at) for at in some.tolist() if at in self._queries]
                yield joined([found[~one_by_one[found["user"]]], *own]), begin + len(some)

    def table(self, users: Iterable[str]) -> pa.Table:
        """The answers of some users, by their outside ids, as ``table`` has them.

        Raises:
            UsageError: the version knows no such user.
        """
        positions = self._artifact.user_positions
        try:
            asked = np.array(sorted({positions[user] for user in users}), dtype=np.int64)
        except KeyError as error:
            raise UsageError(
                f"{self._artifact.version} knows no user {error.args[0]!r}",
                "ask for users of its training data, by their ids as texts",
                code="unknown_users",
            ) from error
        return table(joined([rows for rows, _ in self.lists(asked)]), self.recommender)

    def _one(self, position: int) -> np.ndarray:
        """The answer to one user with feedback."""
        items = self.recommender.recommend(self._queries[position]).items
        rows = self._catalog.positions
        numbers = [
            [np.nan if number is None else number for number in column]
            for column in ([one.score for one in items], [one.stars for one in items])
        ]
        ids = [rows[one.id] for one in items]
        return _rows(position, ids, [one.rank for one in items], *numbers)

    def _block(self, users: np.ndarray) -> np.ndarray:
        """The answers of users, int64 [b] positions, by what training saw of them."""
        barred, artifact = None, self._artifact
        if not self.recommender.keeps_seen(self.query):
            barred = self._taken(users)
        vectors = self._vectors(users)
        added = self._repeats(vectors, users) if artifact.repeats_part else None
        rows, cosines = self._search.search(vectors, self.query.k, barred, added)
        place, rank = np.nonzero(rows >= 0)
        user, item, score = users[place], rows[place, rank], cosines[place, rank]
        stars = artifact.ratings(user, item, score)
        return _rows(user, item, rank + 1, SCALE * score.astype(float), stars)

    def _taken(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What users, int64 [b], took: places among them, and items, int [p] each."""
        histories = self._artifact.histories
        begin = histories.offsets[users]
        lengths = histories.offsets[users + 1] - begin
        place = np.repeat(np.arange(len(users)), lengths)
        before = np.cumsum(lengths) - lengths
        row = np.arange(len(place)) + np.repeat(begin - before, lengths)
        return place, histories.item[row]

    def _repeats(self, vectors: np.ndarray, users: np.ndarray) -> np.ndarray:
        """What scores of users, int64 [b], gain by what these took before: float32 [b, items]."""
        added = np.zeros((len(vectors), len(self._catalog)), dtype=np.float32)
        for row, (user, vector) in enumerate(zip(users.tolist(), vectors, strict=True)):
            history = self._artifact.histories.of(user)
            rows, gains = self._artifact.repeats(vector, history, self.query.goal)
            added[row, rows] = gains
        return added

    def _vectors(self, users: np.ndarray) -> np.ndarray:
        """The vectors of users, int64 [b]: float32 [b, dim]; of a model that reads the clock, as of
        now; made for the goal if one was asked for.
        """
        artifact, goal = self._artifact, self.query.goal
        found: np.ndarray
        if goal in (None, *artifact.goals[:1]) and not artifact.reads_clock:
            found = artifact.user_vectors[users]
            return found
        some = artifact.users.take(users)
        histories = [artifact.histories.of(user) for user in users.tolist()]
        now = np.full(len(users), self.query.now)
        asked = list(some.ids), some.columns, histories, now
        found = artifact.vectors_of(*asked, self._catalog.vectors, goal)
        return found


def table(rows: np.ndarray, recommender: Recommender) -> pa.Table:
    """Answers, ``ROW`` [n], as columns: outside ids ``user`` and ``item``, ``rank``, ``score``, and
    ``stars`` if the version predicts ratings; unknown numbers are null.
    """
    import pyarrow as pa

    def named(column: str, ids: Sequence[str]) -> pa.DictionaryArray:
        distinct, place = np.unique(rows[column], return_inverse=True)
        names = pa.array([ids[position] for position in distinct], pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(place.astype(np.int32)), names)

    columns = {
        "user": named("user", recommender.artifact.users.ids),
        "item": named("item", recommender.catalog.items.ids),
        "rank": pa.array(rows["rank"]),
        "score": pa.array(rows["score"], from_pandas=True),  # NaN becomes null
    }
    artifact = recommender.artifact
    if artifact.predicts_ratings or artifact.rates_every_pair:
        columns["stars"] = pa.array(rows["stars"], from_pandas=True)
    return pa.table(columns)


def write_answers(
    path: Path, everyone: BatchRecommender, progress: Progress = lambda *_: None
) -> int:
    """Writes everybody's answers as Parquet, a row for each user and item; see ``table``. The
    file's metadata name version, k and the goal, if one was asked for, under ``fusionrec``.

    Args:
        path: the file; replaced whole, or left as it was.
        everyone: who is answered.
        progress: called after each group with the number of users done, and of all.

    Returns:
        The number of rows.

    Raises:
        UsageError: the file is named as one of text, or k is below 1.
        FusionrecError: it cannot be written; see ``workspace.writing``.
    """
    check_named_as_parquet(path)
    about = {"version": everyone.recommender.artifact.version, "k": everyone.query.k}
    if everyone.query.goal is not None:
        about["goal"] = everyone.query.goal
    users = np.arange(len(everyone))
    return write_some(path, everyone, users, about, progress)


def check_named_as_parquet(path: Path) -> None:
    """Refuses a name of a file of text."""
    if path.suffix.lower() in _TEXT:
        raise UsageError(
            f"answers are written as Parquet, and {path.name} is named as text",
            f"call it {path.stem}.parquet",
        )


def write_some(
    path: Path,
    everyone: BatchRecommender,
    users: np.ndarray,
    about: Mapping[str, Any],
    progress: Progress = lambda *_: None,
) -> int:
    """Writes the answers of users, int64 [m] rising positions, as ``write_answers`` does. The
    file's metadata are what ``about`` says, and under ``fusionrec.rows`` the number of rows; each
    page has a checksum.
    """
    import pyarrow.parquet as pq

    recommender, count = everyone.recommender, 0
    schema = table(joined([]), recommender).schema.with_metadata({"fusionrec": json.dumps(about)})
    # The name is no other writer's, of this machine or another one.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    options: Any = {"compression": "zstd", "write_page_checksum": True}
    with writing(path):
        try:
            with pq.ParquetWriter(beside, schema, **options) as writer:
                for rows, done in everyone.lists(users):
                    writer.write_table(table(rows, recommender).cast(schema))
                    count += len(rows)
                    progress("answering", done, len(users))
                writer.add_key_value_metadata({"fusionrec.rows": str(count)})
            move_in(beside, path)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
    return count
