"""What an answer is, wherever it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from fusionrec.recommend.explanations import Reason
from fusionrec.recommend.query import PersonKind

AnswerKind = PersonKind | Literal["similar", "search"]

_EXACT = 2.0**53  # below it a float holds every whole number


@dataclass(frozen=True)
class Recommended:
    """One item of an answer.

    Attributes:
        rank: from 1.
        id: outside item id.
        title: as people know it; the id where items have no title.
        score: what the items are ordered by: ``5·cos`` of the two vectors, in [-5, 5]; in a
            ``search`` BM25, above 0, or, with a person, the sum of two reciprocal ranks; None in a
            ``popular`` answer.
        stars: the rating predicted: a known user's by the rating head, if the version has one, any
            other by the score; None where the score predicts none.
        content: the item's other attributes, by name.
        ratings: how often the item was rated, in a ``popular`` answer.
        reason: why it is in the answer, where that was asked and there is one.
    """

    rank: int
    id: str
    title: str
    score: float | None
    stars: float | None
    content: dict[str, Any]
    ratings: int | None = None
    reason: Reason | None = None


@dataclass(frozen=True)
class Answer:
    """Items, the best first, and how they were found.

    Attributes:
        items: what is recommended.
        kind: as of ``UserVector``, ``similar`` (items like an item) or ``search`` (by words).
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
        """The answer as plain JSON values; what is not known is left out.

        An item's own attributes stand under ``content``, so that no name of theirs can meet one of
        the answer's.
        """
        items = []
        for item in self.items:
            shown: dict[str, Any] = {"rank": item.rank, "id": item.id, "title": item.title}
            if item.score is not None:
                shown["score"] = round(item.score, 6)
            if item.ratings is not None:
                shown["ratings"] = item.ratings
            if item.stars is not None:
                shown["stars"] = round(item.stars, 3)
            if item.reason is not None:
                shown["reason"] = item.reason.to_json()
            known = {n: whole(v) for n, v in item.content.items() if _is_known(v)}
            items.append(shown | {"content": known})
        about = {"kind": self.kind, "version": self.version, "place": self.place}
        return {"items": items} | about | {"notes": list(self.notes)}


def _is_known(value: Any) -> bool:
    return value not in (None, "") and not (isinstance(value, float) and math.isnan(value))


def whole(value: Any) -> Any:
    """A whole number without a fraction; any other value as it is, and so are numbers of 2^53 and
    more, of which a float does not hold every whole one.
    """
    exact = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return int(value) if exact else value
