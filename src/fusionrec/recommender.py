"""The answer: a user's vector, a search, and what is known of the items found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from fusionrec.artifact import Artifact
from fusionrec.errors import UsageError
from fusionrec.index import Condition, Hits, Index
from fusionrec.index.filters import mask
from fusionrec.scores import SCALE

AnswerKind = Literal["user", "profile", "mixed", "popular", "similar"]


@dataclass(frozen=True)
class Query:
    """Whom to answer, and with what.

    Attributes:
        user: an outside user id, or None.
        profile: user attribute -> value; wins over what is stored of the user.
        k: items wanted, 1 or more; there may be fewer.
        where: conditions that every item must meet.
        seen: whether items that the user has rated may be in the answer.
    """

    user: str | None = None
    profile: Mapping[str, str] = field(default_factory=dict)
    k: int = 10
    where: Sequence[Condition] = ()
    seen: bool = False


@dataclass(frozen=True)
class Recommended:
    """One item of an answer.

    Attributes:
        rank: from 1.
        id: outside item id.
        title: as people know it; the id where items have no title.
        score: ``5·cos`` of the two vectors, in [-5, 5]; in a ``popular`` answer, how often the
            item was rated.
        stars: the rating that the score predicts; None where the score predicts none.
        content: the item's other attributes, by name.
    """

    rank: int
    id: str
    title: str
    score: float
    stars: float | None
    content: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """Items, the best first, and how they were found.

    Attributes:
        items: what is recommended.
        kind: ``user`` (a known user's vector), ``profile`` (from attributes alone), ``mixed``
            (a known user with attributes given), ``popular`` (nothing was known of the user) or
            ``similar`` (items like an item).
        version: of the model.
        place: where the vectors were searched.
        notes: what the person who asked should know, in sentences.
    """

    items: list[Recommended]
    kind: AnswerKind
    version: str
    place: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON values; what is not known is left out."""
        items = []
        for item in self.items:
            shown: dict[str, Any] = {
                "rank": item.rank,
                "id": item.id,
                "title": item.title,
                "score": round(item.score, 6),
            }
            if item.stars is not None:
                shown["stars"] = round(item.stars, 3)
            known = {n: v for n, v in item.content.items() if _is_known(v)}
            # An attribute that is called like one of an answer's own words does not replace it.
            items.append(shown | {n: _plain(v) for n, v in known.items() if n not in shown})
        notes = {"notes": list(self.notes)} if self.notes else {}
        about = {"kind": self.kind, "version": self.version, "place": self.place}
        return {"items": items} | about | notes


class Recommender:
    """Answers from one version's towers and the index of that version.

    Args:
        artifact: the version.
        index: holds the version's item vectors.
        notes: go with every answer, such as why the answer does not come from Milvus.
    """

    def __init__(self, artifact: Artifact, index: Index, notes: Sequence[str] = ()) -> None:
        self.artifact, self.index, self.notes = artifact, index, tuple(notes)
        self._users = artifact.users.positions()
        who = artifact.encoder.vocabularies[artifact.schema.id("user").name]
        self._trained = frozenset(who.values)

    def close(self) -> None:
        """Lets go of the index, and of an embedded store's lock with it."""
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recommend(self, query: Query) -> Answer:
        """Items for a user, a profile, or both; the most popular where nothing is known.

        Raises:
            UsageError: the user is unknown and no profile was given, a profile's value is not a
                choice, or k is below 1.
            StoreError: the store failed.
        """
        position = self._position(query)
        profile = self.artifact.encoder.profile(query.profile)
        seen = self._seen(position) if position is not None and not query.seen else np.empty(0, int)
        if position is None and not profile:
            return self._popular(query)
        vector, trained = self._user_vector(position, profile)
        kind: AnswerKind = "profile"
        if trained:
            kind = "mixed" if profile else "user"
        hits = self.index.search(vector, query.k, query.where, seen)
        return self._answer(hits, kind, self._unknown(query, position))

    def similar(self, item: str, k: int = 10, where: Sequence[Condition] = ()) -> Answer:
        """Items whose vectors are nearest to an item's, itself left out.

        Raises:
            UsageError: there is no such item, or k is below 1.
            StoreError: the store failed.
        """
        rows = self.artifact.items.positions()
        if item not in rows:
            raise UsageError(
                f"item {item!r} is not among the {len(rows)} items of {self.artifact.version}",
                hint=f"an item's id is a {self.artifact.schema.id('item').name}, "
                f"such as {self.artifact.items.ids[0]}",
            )
        row = rows[item]
        hits = self.index.search(self.artifact.item_vectors[row], k, where, [row])
        return self._answer(hits, "similar", ())

    def user_vector(self, user: str | None, profile: Mapping[str, str]) -> np.ndarray:
        """The vector of a user, a profile or both, float32 [dim], of length 1.

        Raises:
            UsageError: as in ``recommend``.
        """
        query = Query(user=user, profile=profile)
        return self._user_vector(
            self._position(query), self.artifact.encoder.profile(query.profile)
        )[0]

    def _position(self, query: Query) -> int | None:
        """The stored user's position; None if none is named, or an unknown one with a profile."""
        if query.user is None:
            return None
        position = self._users.get(query.user)
        if position is None and not query.profile:
            options = " ".join(
                f"--profile {f.name}={next(iter(f.choices), 'VALUE')}"
                for f in self.artifact.schema.attributes("user")
            )
            raise UsageError(
                f"user {query.user!r} is not among the {len(self._users)} users of "
                f"{self.artifact.version}",
                hint=f"say what is known of them instead, such as {options}",
            )
        return position

    def _unknown(self, query: Query, position: int | None) -> tuple[str, ...]:
        if query.user is None or position is not None:
            return ()
        return (f"user {query.user} is not in {self.artifact.version}: answered from the profile",)

    def _user_vector(
        self, position: int | None, profile: Mapping[str, str]
    ) -> tuple[np.ndarray, bool]:
        """The vector, and whether the user's id had a row in training."""
        users, encoder = self.artifact.users, self.artifact.encoder
        if position is not None and not profile:
            trained = users.ids[position] in self._trained
            return self.artifact.user_vectors[position], trained
        stored = users.row(position) if position is not None else {}
        known = {**stored, **profile}
        columns = {name: [value] for name, value in known.items()}
        ids = [users.ids[position] if position is not None else None]
        features = encoder.encode("user", ids, columns)
        return self.artifact.user_tower.vectors(features)[0], ids[0] in self._trained

    def _seen(self, position: int) -> np.ndarray:
        return np.unique(self.artifact.histories.of(position)[0])

    def _popular(self, query: Query) -> Answer:
        """The most often rated items: all that can be said to someone of whom nothing is known."""
        if query.k < 1:
            raise UsageError(f"k must be 1 or more, got {query.k}")
        counts = self.artifact.item_counts
        allowed = mask(query.where, self.artifact.items, self.artifact.schema)
        rows = np.flatnonzero(allowed & (counts > 0))
        best = rows[np.lexsort((rows, -counts[rows]))][: query.k]
        items = [
            self._item(rank, int(row), float(counts[row]), None) for rank, row in _ranked(best)
        ]
        return Answer(items, "popular", self.artifact.version, "counts", self.notes)

    def _answer(self, hits: Hits, kind: AnswerKind, notes: tuple[str, ...]) -> Answer:
        stars = kind != "similar"  # the cosine of two items predicts no rating
        items = []
        for rank, row in _ranked(hits.rows):
            score = SCALE * float(hits.scores[rank - 1])
            predicted = self.artifact.scores.rating(score) if stars else None
            items.append(self._item(rank, row, score, predicted))
        return Answer(items, kind, self.artifact.version, self.index.place, self.notes + notes)

    def _item(self, rank: int, row: int, score: float, stars: float | None) -> Recommended:
        table, title = self.artifact.items, self.artifact.schema.title
        content = table.row(row)
        name = content.pop(title, "") if title else ""
        return Recommended(rank, table.ids[row], name or table.ids[row], score, stars, content)


def _is_known(value: Any) -> bool:
    return value not in (None, "") and not (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _ranked(rows: np.ndarray) -> list[tuple[int, int]]:
    return [(rank, int(row)) for rank, row in enumerate(rows, start=1)]
