"""The question and who asks it: a query, and the person that one comes to."""

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

PersonKind = Literal["user", "profile", "history", "mixed", "popular"]


@dataclass(frozen=True)
class Rated:
    """An item that someone rated or took, or named as one they like.

    Attributes:
        item: outside item id.
        rating: on the schema's scale, of an event its weight; None where it is not known.
        time: seconds since 1970; None where it is not known.
        named: whether they only named it as one they like, and the rating stands for that.
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
        profile: user attribute -> value; wins over what is stored of the user.
        history: what the person rated beside what is stored, the newest last; put in the order of
            time where every one has a time.
        k: items wanted, 1 or more; there may be fewer.
        offset: how many are passed over before them; asked for again with the same k, the next
            ones continue the answer.
        where: conditions that every item must meet.
        seen: whether items that the user has rated may be in the answer; where people take items
            again they always may.
        hidden: outside ids of items that the user wants not to be shown; never in an answer.
        explain: whether items that are recommended carry the reason why. This and the next three
            are of recommendations alone, not of searches.
        diversity: 0..1, how much unlike each other the items shall be; see ``rerank.order``.
        calibration: 0..1, how much the items' categories shall mix as in what the person likes.
        fresh: outside id -> how often the item was shown to the person in vain; each time it
            counts a fifth less.
        recent: what people took in the last days, of which what is popular is made, beside the
            training data.
        now: when it is asked, in seconds since 1970; the present where None. Only a model that
            reads the clock looks at it.
    """

    user: str | None = None
    profile: Mapping[str, str] = field(default_factory=dict)
    history: Sequence[Rated] = ()
    k: int = 10
    where: Sequence[Condition] = ()
    seen: bool = False
    hidden: Collection[str] = ()
    now: float | None = None
    offset: int = 0
    explain: bool = False
    diversity: float = 0.0
    calibration: float = 0.0
    fresh: Mapping[str, int] | None = None
    recent: RecentActivity = field(default_factory=RecentActivity)

    @property
    def reorders(self) -> bool:
        """Whether more than the scores decides the order; see ``rerank``."""
        return bool(self.diversity or self.calibration or self.fresh)

    def check(self) -> None:
        """Refuses a page or an order that cannot be.

        Raises:
            UsageError: k, offset, diversity or calibration is out of its range.
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
    """What a query comes to.

    Attributes:
        vector: float32 [dim], of length 1; None where nothing is known of the person.
        kind: what it was made from: a known ``user``, a ``profile``, a ``history`` that was given,
            several of these (``mixed``), or nothing (``popular``).
        rated: int [n], positions of the items that they are known to have rated.
        notes: what the person who asked should know, in sentences.
        rates: whether scores of the vector predict ratings. Those of a model that only ranks do
            not, nor does the cosine of items' vectors that were put in the person's.
        history: what is known of what they rated, each item once unless people take items again;
            the newest last.
        read: how many of it, from the end, the vector was made of.
        named: positions of those that they named without rating them.
        profile: the user attributes that the vector was made of; empty where an id or a history
            says more than those that are stored.
    """

    vector: np.ndarray | None
    kind: PersonKind
    rated: np.ndarray
    notes: tuple[str, ...] = ()
    rates: bool = False
    history: History = field(default_factory=History.of)
    read: int = 0
    named: frozenset[int] = frozenset()
    profile: Mapping[str, object] = field(default_factory=dict)


def weights(ratings: np.ndarray, schema: Schema) -> np.ndarray:
    """What rated items weigh in a person's vector, float [n]: from −1 for the lowest rating to 1
    for the highest, events their own weight. What is only known to be liked weighs as the lowest
    rating that means so (``Schema.like``), or as one event.

    Args:
        ratings: float [n]; NaN where not known.
        schema: of the items.
    """
    low, high = schema.rating_range
    share = ratings if schema.events else 2 * (ratings - low) / (high - low) - 1
    like = high if schema.events else 2 * (schema.like - low) / (high - low) - 1
    return np.where(np.isnan(ratings), like, share)
