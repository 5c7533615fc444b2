"""What the ledger holds, as values that are checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from fusionrec.errors import UsageError

EventKind = Literal["rating", "like", "dislike", "view", "hide"]
Outcome = Literal["new", "known", "other"]  # other: the id was used before for something else
Scope = Literal["read", "feedback", "admin"]

LONGEST = 500  # characters of an outside id
_LONGEST_EVENT_ID = 64


def check_id(name: str, value: object, longest: int = LONGEST) -> None:
    """Refuses what not every database can hold, or not as an index's key.

    Raises:
        UsageError: it is not a text of 1 to ``longest`` characters, or one of these is a NUL or
            half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text, got {type(value).__name__}")
    if not 1 <= len(value) <= longest:
        raise UsageError(f"{name} must have 1 to {longest} characters, got {len(value):,}")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise UsageError(
            f"{name} must be text in Unicode without NUL, got {value[:80]!a}",
            hint="a lone surrogate (\\ud800 to \\udfff) comes of text that was cut or wrongly read",
        )


def _check_time(time: object) -> None:
    ok = isinstance(time, int | float) and not isinstance(time, bool) and math.isfinite(time)
    if not ok or time < 0:  # type: ignore[operator]  # a number by now
        raise UsageError(
            f"time must be seconds since 1970, 0 or more, got {time!r}",
            hint="datetime.timestamp() and time.time() give them",
        )


@dataclass(frozen=True)
class Activation:
    """That a version became the one that answers.

    Attributes:
        version: its name.
        place: the store that holds its index; empty for the workspace's own embedded Milvus, so
            that a workspace can be moved.
        at: when, in UTC, ISO 8601.
        changes: number of the last change of items that the index was built with; 0 for none.
        collection: the index's name in its store.
    """

    version: str
    place: str
    at: str
    changes: int = 0
    collection: str = ""


@dataclass(frozen=True)
class UserState:
    """What is kept of a user.

    Attributes:
        events: what the user said and did, with numbers, the oldest first.
        profile: user attribute -> value; empty where there is none.
        forgotten: whether what training knows of the user is not to be used.
    """

    events: tuple[tuple[int, Event], ...] = ()
    profile: Mapping[str, str] = field(default_factory=dict)
    forgotten: bool = False


@dataclass(frozen=True)
class Recent:
    """What users took within some time.

    Attributes:
        users: how many users took anything.
        takers: outside item id -> how many users took it.
    """

    users: int = 0
    takers: Mapping[str, int] = field(default_factory=dict)


class Revision(NamedTuple):
    """Numbers by which who follows the ledger notices that something of a user is new or gone.

    Attributes:
        gone: rises when a user is forgotten or a profile removed; the others may fall with it.
        event: of the last event; 0 for none.
        profile: of the profile that was set last; -1 for none.
    """

    gone: int = 0
    event: int = 0
    profile: int = -1


@dataclass(frozen=True)
class ItemChange:
    """That an item was added, changed, withdrawn or restored.

    Attributes:
        number: its place among all changes, rising.
        item: outside item id.
        content: attribute -> plain JSON value; None where the item was withdrawn, which leaves its
            content as it was.
        withdrawn: whether the item is withdrawn after this change; always so without content.
    """

    number: int
    item: str
    content: Mapping[str, Any] | None
    withdrawn: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "withdrawn", self.withdrawn or self.content is None)


@dataclass(frozen=True)
class Event:
    """One thing that someone said or did about an item.

    Attributes:
        id: 1 to 64 characters, given by whoever reports it; reporting it again changes nothing.
        user: outside user id, or a visitor's.
        item: outside item id.
        kind: what it is.
        rating: of kind "rating" alone, and always there.
        time: seconds since 1970, UTC.

    Raises:
        UsageError: one of them is not so.
    """

    id: str
    user: str
    item: str
    kind: EventKind
    rating: float | None = None
    time: float = 0.0

    def __post_init__(self) -> None:
        check_id("an event's id", self.id, _LONGEST_EVENT_ID)
        check_id("user", self.user)
        check_id("item", self.item)
        if self.kind not in get_args(EventKind):
            known = ", ".join(get_args(EventKind))
            raise UsageError(f"an event's kind must be one of {known}, got {self.kind!r}")
        _check_time(self.time)
        if (self.rating is None) == (self.kind == "rating"):
            raise UsageError(
                f"an event of kind {self.kind!r} came with rating {self.rating!r}",
                hint="kind 'rating' needs a rating, and no other kind has one",
            )
        if self.rating is not None:
            number = isinstance(self.rating, int | float) and not isinstance(self.rating, bool)
            if not number or not math.isfinite(self.rating):
                raise UsageError(f"rating must be a finite number, got {self.rating!r}")
            object.__setattr__(self, "rating", float(self.rating))
        object.__setattr__(self, "time", float(self.time))

    def says_the_same(self, other: Event) -> bool:
        """Whether both tell of one thing. A report made again may bear another time."""
        return (self.user, self.item, self.kind, self.rating) == (
            other.user,
            other.item,
            other.kind,
            other.rating,
        )


@dataclass(frozen=True)
class Impression:
    """What was shown to someone.

    Attributes:
        answer: id of the answer.
        user: outside user id, or a visitor's.
        kind: of the answer.
        version: that answered.
        items: outside item ids, in the order shown.
        time: seconds since 1970, UTC.

    Raises:
        UsageError: one of them is not so.
    """

    answer: str
    user: str
    kind: str
    version: str
    items: tuple[str, ...]
    time: float

    def __post_init__(self) -> None:
        for name in ("answer", "user", "kind", "version"):
            check_id(name, getattr(self, name))
        if isinstance(self.items, str):
            raise UsageError("items must be several ids, got one text")
        object.__setattr__(self, "items", tuple(self.items))
        for item in self.items:
            check_id("item", item)
        _check_time(self.time)
        object.__setattr__(self, "time", float(self.time))


@dataclass(frozen=True)
class Key:
    """A key to the service, without its secret.

    Attributes:
        name: unique.
        scopes: what it opens.
        at: when it was made, in UTC, ISO 8601.
    """

    name: str
    scopes: frozenset[Scope]
    at: str


def check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes as a set.

    Raises:
        UsageError: there is none, or one is unknown.
    """
    given, known = frozenset(scopes), get_args(Scope)
    if not given or not given <= frozenset(known):
        raise UsageError(
            f"a key's scopes must be one or more of {', '.join(known)}, "
            f"got {', '.join(sorted(map(str, given))) or 'none'}"
        )
    return given
