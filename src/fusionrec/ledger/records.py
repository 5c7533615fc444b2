"""The ledger's records, which check their values when they are created."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, get_args

from fusionrec.errors import UsageError

EventKind = Literal["rating", "like", "dislike", "view", "hide"]
# other: the id was used before for something else; retracted: for an event that was taken back
Outcome = Literal["new", "known", "other", "retracted"]
Scope = Literal["read", "feedback", "admin"]

MAX_ID_LENGTH = 500  # characters of an outside id
_MAX_EVENT_ID_LENGTH = 64


def check_id(name: str, value: object, longest: int = MAX_ID_LENGTH) -> None:
    """Rejects ids that PostgreSQL cannot store or index.

    Raises:
        UsageError: it is not a text of 1 to ``longest`` characters, or it contains NUL or a
            lone surrogate.
    """
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text, got {type(value).__name__}")
    if not 1 <= len(value) <= longest:
        raise UsageError(f"{name} must have 1 to {longest} characters, got {len(value):,}")
    lone = not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)
    if "\0" in value or lone:
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
    """The activation of a version.

    Attributes:
        version: its name.
        place: the address of the Milvus that stores its index; empty for the workspace's own
            embedded Milvus, so that a workspace can be moved.
        at: when, in UTC, ISO 8601.
        changes: number of the last item change in the index; 0 for none.
        collection: the index's name in Milvus.
    """

    version: str
    place: str
    at: str
    changes: int = 0
    collection: str = ""


@dataclass(frozen=True)
class UserState:
    """A user's events and profile.

    Attributes:
        events: the user's events with their numbers, the oldest first.
        profile: user attribute -> value; empty where there is none.
        forgotten: whether the user was forgotten, so that training data must not be used either.
        after: number of the event that ``events`` follow; 0 where they are the user's first ones.
        retraction: number of the user's last retraction, 0 for none. With another one than before,
            events that were read before may not count any more.
    """

    events: tuple[tuple[int, Event], ...] = ()
    profile: Mapping[str, str] = field(default_factory=dict)
    forgotten: bool = False
    after: int = 0
    retraction: int = 0


@dataclass(frozen=True)
class RecentActivity:
    """Items that users liked, or viewed, within a time span; see ``Ledger.recent_activity``.

    Attributes:
        users: number of users.
        takers: outside item id -> number of users.
    """

    users: int = 0
    takers: Mapping[str, int] = field(default_factory=dict)


class Revision(NamedTuple):
    """Numbers that change with every event, retraction, profile and forgotten user.

    Attributes:
        removals: rises when a user is forgotten or a profile is removed; the others may then fall.
        event: of the last event or retraction; 0 for none.
        profile: of the profile that was set last; -1 for none.
    """

    removals: int = 0
    event: int = 0
    profile: int = -1


@dataclass(frozen=True)
class ItemChange:
    """An item was added, changed, withdrawn or restored.

    Attributes:
        number: rises with every change.
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
    """An interaction of a user with an item.

    Attributes:
        id: 1 to 64 characters, chosen by the client; recording an id again changes nothing.
        user: outside user id, or a visitor's.
        item: outside item id.
        kind: of interaction.
        rating: always set for kind "rating", None for all others.
        time: seconds since 1970, UTC.

    Raises:
        UsageError: a value is invalid.
    """

    id: str
    user: str
    item: str
    kind: EventKind
    rating: float | None = None
    time: float = 0.0

    def __post_init__(self) -> None:
        check_id("an event's id", self.id, _MAX_EVENT_ID_LENGTH)
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

    def has_same_content(self, other: Event) -> bool:
        """Whether both are equal but for id and time: a repeated report may have another time."""
        return replace(self, id=other.id, time=other.time) == other


@dataclass(frozen=True)
class Retraction:
    """What takes an event back, which stays in the ledger and counts no more.

    Attributes:
        event: id of the event.
        number: of the event.
        user: who had reported it, outside id.
        time: seconds since 1970, UTC.
    """

    event: str
    number: int
    user: str
    time: float


@dataclass(frozen=True)
class Impression:
    """Items that were shown to a user.

    Attributes:
        answer, kind, version: the response's id and kind, and its model's version.
        user: outside user id, or a visitor's.
        items: outside item ids, in the order shown.
        time: seconds since 1970, UTC.

    Raises:
        UsageError: a value is invalid.
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
class Traffic:
    """Requests to one route within one span of time, of all workers that share a ledger.

    Attributes:
        start, width: the span, in seconds; ``start`` since 1970, UTC.
        route: its path.
        requests: all of them.
        errors: that failed by a fault of the service or of what it needs.
        shed: that were refused since too much was asked.
        refused: that were wrong, or not allowed.
        latency: number of a range of times -> answers that took so long. The ledger adds them up;
            what a number means is for whoever counts.
    """

    start: int
    width: int
    route: str
    requests: int = 0
    errors: int = 0
    shed: int = 0
    refused: int = 0
    latency: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: Traffic) -> Traffic:
        """Both together; span and route are those of the first."""
        latency = Counter(self.latency)
        latency.update(other.latency)
        return replace(
            self,
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            shed=self.shed + other.shed,
            refused=self.refused + other.refused,
            latency=dict(latency),
        )


@dataclass(frozen=True)
class EventCount:
    """How many events of one kind were told of one day.

    Attributes:
        day: when it began, in seconds since 1970, UTC.
        kind: of the events.
        turn: which of the times that were asked for came last before them; -1 for none.
        count: of events.
    """

    day: int
    kind: str
    turn: int
    count: int


@dataclass(frozen=True)
class ListsShown:
    """What users were shown.

    Attributes:
        lists: how many lists are counted.
        first: when the oldest of them was shown, in seconds since 1970, UTC.
        items: outside item id -> in how many of them it was.
    """

    lists: int = 0
    first: float = 0.0
    items: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MissedSearch:
    """A search that found nothing: its words, how often it was asked, and when it was last, in
    seconds since 1970, UTC.
    """

    words: str
    asked: int
    last: float


@dataclass(frozen=True)
class Key:
    """A key to the service, without its secret; ``at`` is when it was made, in UTC, ISO 8601."""

    name: str
    scopes: frozenset[Scope]
    at: str


LOOPBACK = "loopback"  # who acts without a key: a program on the same machine


@dataclass(frozen=True)
class LogEntry:
    """What someone who runs the service did.

    Attributes:
        at: when, in UTC, ISO 8601.
        who: the name of their key, or ``LOOPBACK``.
        action: such as ``activate``.
        object: such as ``v3``; never the id of a user, who may be forgotten.
    """

    at: str
    who: str
    action: str
    object: str
