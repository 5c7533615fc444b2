"""Why an item is not in a list, or where in it the item is: "why not this one?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.features.score_scale import SCALE
from fusionrec.index import Condition, Only, Without
from fusionrec.index.exact import MARGIN
from fusionrec.index.filters import AllOf, Between, NoneOf, field_of
from fusionrec.recommend.answer import Answer
from fusionrec.recommend.popular import popular_hits
from fusionrec.recommend.query import Query, UserVector
from fusionrec.recommend.recommender import Recommender

Status = Literal["shown", "withdrawn", "hidden", "taken", "filtered", "ranked", "unranked"]
REPEATED = "taken before"  # what repeats add, among the parts
_MISSED = "the search, which is approximate, has missed it"


@dataclass(frozen=True)
class PartScore:
    """What a part of a version gives to two items.

    Attributes:
        name: of the part.
        item, last: its share in the score of the item, and of the last item shown; None for no
            such item.
    """

    name: str
    item: float
    last: float | None


@dataclass(frozen=True)
class WhyNot:
    """Where an item stands for someone.

    Attributes:
        item, title: its id, and its title, or the id again.
        status: ``shown``: it is in the list. ``withdrawn``, ``hidden`` (by the person) and
            ``taken`` (or rated by them): it is in no list of theirs. ``filtered``: it does not meet
            a condition. ``ranked``: others come before it. ``unranked``: nothing is known by which
            to rank it.
        text: the same for people.
        kind, version: of the answer.
        k: items asked for.
        rank: its place among all items that may be in the list, from 1; where it may not be, the
            place that it would have. None where nothing ranks it.
        of: how many items that are, with this one.
        score, last_score: of the item and of the last item shown: what ``Recommended.score`` is,
            or, where popularity ranks, how many took them.
        last, last_title: id and title of the last item shown; empty where none is.
        failed: the conditions that it does not meet, as they are written.
        parts: of a version with parts, what each gives; their sum is the score.
        reason: what speaks for it; empty if nothing is known.
    """

    item: str
    title: str
    status: Status
    text: str
    kind: str
    version: str
    k: int
    rank: int | None = None
    of: int | None = None
    score: float | None = None
    last_score: float | None = None
    last: str = ""
    last_title: str = ""
    failed: tuple[str, ...] = ()
    parts: tuple[PartScore, ...] = ()
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The values as JSON, without what is unknown."""
        known = {name: value for name, value in vars(self).items() if value not in (None, "", ())}
        parts = [{"name": p.name, "item": p.item, "last": p.last} for p in self.parts]
        return {**known, **({"parts": parts} if parts else {})}


def why_not(recommender: Recommender, query: Query, item: str) -> WhyNot:
    """Why an item is not in the answer to a query, whose order is by scores alone.

    Every item's score is compared, so the rank is exact. Takes an answer and a pass over all
    vectors.

    Args:
        recommender: with an index.
        query: the question; its offset and what reorders the answer are left out.
        item: outside id.

    Raises:
        UsageError: there is no such item (code ``unknown_item``), or as of ``recommend``.
        StoreError: the store failed.
    """
    row = recommender.finder.row(item)
    query = replace(query, offset=0, diversity=0.0, calibration=0.0, fresh=None, explain=False)
    person = recommender.person(query, visitors=True)
    answer = recommender.recommend_to(person, query)
    standing = _Standing(recommender, query, person, answer, row)
    return standing.told()


class _Standing:
    """Where an item stands in an answer."""

    def __init__(
        self, recommender: Recommender, query: Query, person: UserVector, answer: Answer, row: int
    ) -> None:
        self.recommender, self.query, self.person = recommender, query, person
        self.answer, self.row, self.catalog = answer, row, recommender.catalog
        self.schema = self.catalog.artifact.schema
        self.id = self.catalog.items.ids[row]
        self.last = self.catalog.positions[answer.items[-1].id] if answer.items else None
        failed = [c for c in query.where if not self.catalog.columns.mask([c])[row]]
        self.failed = tuple(written(self.schema, condition) for condition in failed)

    def told(self) -> WhyNot:
        """All of it."""
        status = self._status()
        rank, of, score, last_score = self._ranked()
        if rank is None and status == "ranked":
            status = "unranked"
        last = self.answer.items[-1] if self.answer.items else None
        made = WhyNot(
            item=self.id,
            title=self.recommender.finder.title(self.id) or self.id,
            status=status,
            text="",
            kind=self.answer.kind,
            version=self.answer.version,
            k=self.query.k,
            rank=rank,
            of=of,
            score=score,
            last_score=last_score,
            last=last.id if last else "",
            last_title=last.title if last else "",
            failed=self.failed,
            parts=self._parts(),
            reason=self._reason(),
        )
        return replace(made, text=self._text(made))

    def _status(self) -> Status:
        hidden = self.catalog.rows(self.query.hidden)
        if self.id in {one.id for one in self.answer.items}:
            return "shown"
        if not self.catalog.available[self.row]:
            return "withdrawn"
        if self.row in hidden:
            return "hidden"
        if not self.recommender.keeps_seen(self.query) and self.row in self.person.rated:
            return "taken"
        return "filtered" if self.failed else "ranked"

    def _allowed(self) -> np.ndarray:
        """Which items may be in the answer, bool [n], with this one."""
        allowed: np.ndarray = self.catalog.columns.mask(self.query.where) & self.catalog.available
        allowed[self.catalog.rows(self.query.hidden)] = False
        if not self.recommender.keeps_seen(self.query):
            allowed[self.person.rated] = False
        allowed[self.row] = True
        return allowed

    def _ranked(self) -> tuple[int | None, int | None, float | None, float | None]:
        """Rank, of how many, score, and score of the last item shown; see ``WhyNot``."""
        allowed, vector = self._allowed(), self.person.vector
        if vector is None:
            return self._by_popularity(allowed)
        scores = np.asarray(self.catalog.matrix @ vector, dtype=np.float32)
        rows, gains = self.person.repeats
        scores[rows] += gains
        # Near the item's own they are compared in double precision, as a search does.
        near = np.flatnonzero(allowed & (np.abs(scores - scores[self.row]) <= 2 * MARGIN))
        exact = self.catalog.vectors[near].astype(np.float64) @ vector.astype(np.float64)
        gained = np.zeros(len(scores), dtype=np.float32)
        gained[rows] = gains
        scores[near] = exact.astype(np.float32) + gained[near]
        own = scores[self.row]
        first = np.arange(len(scores)) < self.row  # of equal scores, as a search has it
        before = allowed & ((scores > own) | ((scores == own) & first))
        last = None if self.last is None else SCALE * float(scores[self.last])
        return int(before.sum()) + 1, int(allowed.sum()), SCALE * float(own), last

    def _by_popularity(
        self, allowed: np.ndarray
    ) -> tuple[int | None, int | None, float | None, float | None]:
        query = replace(self.query, where=())
        barred = np.flatnonzero(~allowed)
        hits, _ = popular_hits(self.recommender.finder, query, barred, len(allowed))
        found = np.flatnonzero(hits.rows == self.row)
        counts = self.catalog.counts
        last = None if self.last is None else float(counts[self.last])
        rank = int(found[0]) + 1 if len(found) else None
        return rank, len(hits.rows), float(counts[self.row]), last

    def _parts(self) -> tuple[PartScore, ...]:
        blend, vector = self.catalog.artifact.blend, self.person.vector
        if blend is None or vector is None:
            return ()
        rows = [self.row] if self.last is None else [self.row, self.last]
        both = self.catalog.vectors[np.array(rows)]
        given = {name: both[:, at] @ vector[at] for name, at in blend.spans().items()}
        given = {
            name: scores for name, scores in given.items() if vector[blend.spans()[name]].any()
        }
        repeated, gains = self.person.repeats
        gained = dict(zip(repeated.tolist(), gains.tolist(), strict=True))
        if any(row in gained for row in rows):
            given[REPEATED] = np.array([gained.get(row, 0.0) for row in rows])
        return tuple(
            PartScore(name, SCALE * float(one[0]), SCALE * float(one[1]) if len(one) > 1 else None)
            for name, one in given.items()
        )

    def _reason(self) -> str:
        (reason,) = self.recommender.explainer.of(np.array([self.row]), self.person, self.query)
        return "" if reason is None else reason.text

    def _text(self, found: WhyNot) -> str:
        place = "" if found.rank is None else f"rank {found.rank:,} of {found.of:,}"
        else_ = f"; else it would have {place}" if place else ""
        did = "taken" if self.schema.events else "rated"
        skipped = self.catalog.skipped.get(self.id)
        gone = f"its content cannot be used: {skipped}" if skipped else "it is withdrawn"
        said = {
            "shown": f"it is in the list, with {place}",
            "withdrawn": f"{gone}, so it is in nobody's list{else_}",
            "hidden": f"they have hidden it, or said that they do not want it{else_}",
            "taken": f"they have {did} it already{else_}",
            "filtered": f"it does not meet {' and '.join(found.failed)}{else_}",
            "unranked": "nothing is known of the person or of the item by which to rank it",
        }
        if found.status in said:
            return said[found.status]
        if found.rank is not None and found.rank <= found.k:
            return f"it has {place}, but {_MISSED}"
        return f"it has {place}, and {found.k} are shown: {self._because(found)}"

    def _because(self, found: WhyNot) -> str:
        score, last = found.score, found.last_score
        if score is None or last is None:
            return "the list is empty"
        if found.kind == "popular":
            did = "took" if self.schema.events else "rated"
            return f"{score:,.0f} people {did} it, and {last:,.0f} the last one shown"
        said = f"its score is {score:.3f}, and that of the last one shown {last:.3f}"
        behind = [(part.last or 0.0) - part.item for part in found.parts]
        if not behind or max(behind) <= 0:
            return said
        most = found.parts[int(np.argmax(behind))]
        return f"{said}, mostly because the part {most.name!r} puts it {max(behind):.3f} behind"


def written(schema: Schema, condition: Condition) -> str:
    """A condition as people write it, such as ``year=1980..1989``."""
    if isinstance(condition, Only | Without):
        return "the list of the only items" if isinstance(condition, Only) else "the items left out"
    name = field_of(schema, condition).flag
    if isinstance(condition, Between):
        ends: Sequence[float | None] = (condition.low, condition.high)
        return f"{name}={'..'.join('' if end is None else f'{end:g}' for end in ends)}"
    sign = "+=" if isinstance(condition, AllOf) else "!=" if isinstance(condition, NoneOf) else "="
    return f"{name}{sign}{','.join(condition.values)}"
