"""The answer: a user's vector, a search, and what is known of the items found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from fusionrec.artifact import Artifact
from fusionrec.errors import UsageError
from fusionrec.index import Condition, Hits, Index
from fusionrec.index.filters import mask
from fusionrec.people import People, Person, PersonKind, Query
from fusionrec.scores import SCALE

NOBODY = "nothing is known of the person: these are the items rated most often"

AnswerKind = PersonKind | Literal["similar"]


@dataclass(frozen=True)
class Recommended:
    """One item of an answer.

    Attributes:
        rank: from 1.
        id: outside item id.
        title: as people know it; the id where items have no title.
        score: ``5·cos`` of the two vectors, in [-5, 5]; in a ``popular`` answer, how often the
            item was rated.
        stars: the rating predicted: a known user's by the rating head, if the version has one, any
            other by the score; None where the score predicts none.
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
        kind: as of ``Person``, or ``similar`` (items like an item).
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
        self.people = People(artifact)

    def close(self) -> None:
        """Lets go of the index, and of an embedded store's lock with it."""
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recommend(self, query: Query) -> Answer:
        """Items for a user, a profile, a history or any mixture; the most popular where nothing is
        known.

        Raises:
            UsageError: as of ``People.find``, or k is below 1.
            StoreError: the store failed.
        """
        person = self.people.find(query)
        if person.vector is None:
            return self._popular(query, person)
        barred = np.empty(0, dtype=np.int64) if query.seen else person.rated
        hits = self.index.search(person.vector, query.k, query.where, barred)
        user = query.user if person.kind == "user" else None
        return self._answer(hits, person.kind, person.notes, user, rated=person.rates)

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
        return self._answer(hits, "similar", (), rated=False)

    def _popular(self, query: Query, person: Person) -> Answer:
        """The most often rated items: all that can be said to someone of whom nothing is known."""
        if query.k < 1:
            raise UsageError(f"k must be 1 or more, got {query.k}")
        counts = self.artifact.item_counts
        allowed = mask(query.where, self.artifact.items, self.artifact.schema)
        if not query.seen:
            allowed[person.rated] = False
        rows = np.flatnonzero(allowed & (counts > 0))
        best = rows[np.lexsort((rows, -counts[rows]))][: query.k]
        items = [
            self._item(rank, int(row), float(counts[row]), None) for rank, row in _ranked(best)
        ]
        notes = (*self.notes, *person.notes, NOBODY)
        return Answer(items, "popular", self.artifact.version, "counts", notes)

    def _answer(
        self,
        hits: Hits,
        kind: AnswerKind,
        notes: tuple[str, ...],
        user: str | None = None,
        *,
        rated: bool,
    ) -> Answer:
        stars = self._stars(hits, user) if rated else None
        items = []
        for rank, row in _ranked(hits.rows):
            score = SCALE * float(hits.scores[rank - 1])
            predicted = None if stars is None else float(stars[rank - 1])
            items.append(self._item(rank, row, score, predicted))
        return Answer(items, kind, self.artifact.version, self.index.place, self.notes + notes)

    def _stars(self, hits: Hits, user: str | None) -> np.ndarray:
        """Predicted ratings, float [n]: a known user's from the rating head, if there is one."""
        by_score = self.artifact.scores.rating(SCALE * np.asarray(hits.scores, dtype=np.float64))
        head = self.artifact.stars if user is not None else None
        if user is None or head is None:
            return by_score
        row = np.full(len(hits.rows), self.artifact.users.positions()[user])
        return head.rating(row, hits.rows, by_score, *self.artifact.schema.rating_range)

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
