"""The answer to a query, the same wherever it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from fusionrec.recommend.explanations import Reason
from fusionrec.recommend.query import PersonKind
from fusionrec.recommend.word_search import Suggestion

AnswerKind = PersonKind | Literal["similar", "search"]

_EXACT = 2.0**53  # below it a float holds every whole number


@dataclass(frozen=True)
class Recommended:
    """One item of an answer.

    Attributes:
        rank: from 1.
        id: outside item id.
        title: the id if items have no titles.
        score: what the items are ordered by: ``5·cos`` of the two vectors, in [-5, 5]; in a
            ``search`` as in ``word_search``, above 0, or, with a person, the sum of two reciprocal
            ranks; None in a ``popular`` answer.
        stars: the predicted rating: by the rating head for a known user if the version has one,
            else by the score; None if the score predicts none.
        content: the item's other attributes, by name.
        ratings: how often the item was rated, in a ``popular`` answer.
        reason: why it is in the answer, if that was asked and a reason is known.
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
        items: the recommended items.
        kind: as in ``UserVector``, ``similar`` (items like an item) or ``search`` (by words).
        version: of the model.
        place: where the vectors were searched.
        notes: sentences for the person who asked.
        goal: what the list is for, if the request chose it and a vector was made for it.
        suggestions: what misspelt words of a search may mean.
    """

    items: list[Recommended]
    kind: AnswerKind
    version: str
    place: str
    notes: tuple[str, ...] = ()
    goal: str | None = None
    suggestions: tuple[Suggestion, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON values, without what is unknown. Attributes of an item are under
        ``content``, so that their names cannot collide with the answer's own.
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
        about: dict[str, Any] = {"kind": self.kind, "version": self.version, "place": self.place}
        if self.goal is not None:
            about["goal"] = self.goal
        if self.suggestions:
            meant = [one._asdict() for one in self.suggestions]
            about["suggestions"] = [{n: v for n, v in one.items() if v} for one in meant]
        return {"items": items} | about | {"notes": list(self.notes)}


def _is_known(value: Any) -> bool:
    return value not in (None, "") and not (isinstance(value, float) and math.isnan(value))


def whole(value: Any) -> Any:
    """A float that is a whole number below 2^53 as an int; any other value as it is."""
    exact = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return int(value) if exact else value
