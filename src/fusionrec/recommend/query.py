"""A query, and the user vector that it comes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.errors import UsageError
from fusionrec.features.history import History
from fusionrec.index import Condition
from fusionrec.ledger import RecentActivity

NO_ROWS = np.empty(0, dtype=np.int64)
PersonKind = Literal["user", "profile", "history", "mixed", "popular"]


@dataclass(frozen=True)
class Rated:
    """An item that someone rated, took, or named as one they like.

    Attributes:
        item: outside item id.
        rating: on the schema's scale, of an event its weight; None if unknown.
        time: seconds since 1970; None for the time of the request.
        named: whether it was only named as liked, so that the rating stands for that.
    """

    item: str
    rating: float | None = None
    time: float | None = None
    named: bool = False


@dataclass(frozen=True)
class Query:
    """Whom to answer, and with what.

    Attributes:
        user: an outside user id, or None.
        profile: user attribute -> value; wins over the stored profile.
        history: what the person rated beside what is stored, the newest last; sorted by time if
            every one has a time.
        k: items wanted, 1 or more; there may be fewer.
        offset: how many items to skip; with the same k, the next page of the same answer.
        where: conditions that every item must meet.
        seen: whether items that the user has rated may be in the answer; where people take items
            again they always may.
        taken: int64 [m], positions of all items that they rated or took beside what is stored, also
            of those that are not in ``history``.
        hidden: outside ids of items that the user does not want to see; never in an answer.
        explain: whether recommended items carry reasons. This and the next three are ignored by
            searches.
        diversity: 0..1, how different the items should be from each other; see ``rerank.order``.
        calibration: 0..1, how closely their categories should match the person's own mix.
        fresh: outside id -> how often the item was shown to the person in vain; each time it
            counts a fifth less.
        goal: what the list is for, of a version with parts; its own by default.
        recent: what people took in the last days, which counts for popularity beside the training
            data.
        now: seconds since 1970; None for the present. It is the time of items that were named
            without one, and of the request, for a model that reads the clock.
    """

    user: str | None = None
    profile: Mapping[str, str] = field(default_factory=dict)
    history: Sequence[Rated] = ()
    k: int = 10
    where: Sequence[Condition] = ()
    seen: bool = False
    taken: np.ndarray = field(default_factory=lambda: NO_ROWS, compare=False)
    hidden: Collection[str] = ()
    now: float | None = None
    offset: int = 0
    explain: bool = False
    diversity: float = 0.0
    calibration: float = 0.0
    fresh: Mapping[str, int] | None = None
    goal: str | None = None
    recent: RecentActivity = field(default_factory=RecentActivity)

    @property
    def reorders(self) -> bool:
        """Whether more than the scores decides the order; see ``rerank``."""
        return bool(self.diversity or self.calibration or self.fresh)

    def check(self) -> None:
        """Checks the ranges.

        Raises:
            UsageError: k, offset, diversity or calibration is out of range.
        """
        if self.k < 1:
            raise UsageError(f"k must be 1 or more, got {self.k}")
        if self.offset < 0:
            raise UsageError(f"offset must be 0 or more, got {self.offset}")
        for name, share in (("diversity", self.diversity), ("calibration", self.calibration)):
            if not 0 <= share <= 1:
                raise UsageError(f"{name} must be 0 to 1, got {share}")


@dataclass(frozen=True)
class UserVector:
    """The vector of a query's person.

    Attributes:
        vector: float32 [dim], of length 1; None if nothing is known of the person.
        kind: what it was made from: a known ``user``, a ``profile``, a given ``history``, several
            of these (``mixed``), or nothing (``popular``).
        rated: int [n], positions of the items that they are known to have rated.
        notes: sentences for the person who asked.
        rates: whether ratings can be predicted: by a rating head, or by scores of the vector. These
            do not for a model that only ranks, and if vectors of items were added to the person's.
        head_user: position of the user whose ratings the head predicts, or ``NOBODY`` for what
            people give on average; None where scores predict.
        history: all that is known of what they rated, each item once unless people take items
            again; the newest last.
        read: how many of it, from the end, the vector was made of.
        named: positions of the items named without a rating.
        profile: the user attributes that the vector was made of; empty if an id or a history says
            more than the stored ones.
        goal: that the vector is for; None for the version's own.
        repeats: positions of items, int64 [n], that they took before, and what these items' scores
            gain by that, float32 [n]; see ``BlendRunner.repeats``.
    """

    vector: np.ndarray | None
    kind: PersonKind
    rated: np.ndarray
    notes: tuple[str, ...] = ()
    rates: bool = False
    head_user: int | None = None
    history: History = field(default_factory=History.of)
    read: int = 0
    named: frozenset[int] = frozenset()
    profile: Mapping[str, object] = field(default_factory=dict)
    goal: str | None = None
    repeats: tuple[np.ndarray, np.ndarray] = (np.empty(0, np.int64), np.empty(0, np.float32))


def weights(ratings: np.ndarray, schema: Schema) -> np.ndarray:
    """What rated items weigh in a person's vector, float [n]: −1 for the lowest rating to 1 for the
    highest; events weigh what they are given. An unknown rating, NaN, weighs as ``Schema.like``,
    the lowest rating that means liking, or as one event.

    Args:
        ratings: float [n].
        schema: of the items.
    """
    low, high = schema.rating_range
    known = np.where(np.isnan(ratings), high if schema.events else schema.like, ratings)
    return known if schema.events else 2 * (known - low) / (high - low) - 1
