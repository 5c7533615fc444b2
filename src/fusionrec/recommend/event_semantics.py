"""What events mean: which are opinions that count, and which items a user refuses."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fusionrec.data.schema import Schema
from fusionrec.ledger import Event

Pair = tuple[str, str]  # outside ids of a user and an item
_Moment = tuple[float, int]  # an event's time and number, by which one is later than another
Opinion = tuple[float, int, Event]  # its time and number, and itself
_FEW = 8
_BEFORE_ALL: _Moment = (-1.0, 0)


@dataclass(frozen=True)
class CurrentEvents:
    """What events come to under a schema.

    Attributes:
        opinions: the opinions that still count, with their numbers, oldest first.
        refused: (user, item) -> since when the user does not want to see it, in seconds since 1970.
        meaningless: how many ratings there are where interactions are events.
    """

    opinions: tuple[tuple[int, Event], ...]
    refused: Mapping[Pair, float]
    meaningless: int = 0


@dataclass(slots=True)
class _Said:
    """What one user said of one item: the opinions that count, oldest first, and the last moments
    at which they refused it, and did not.
    """

    opinions: list[_Moment] = field(default_factory=list)
    no: _Moment = _BEFORE_ALL
    yes: _Moment = _BEFORE_ALL


class UserOpinions:
    """The opinions and refusals of one user, event by event, whatever the order in which these
    come. An event costs the same however many came before.

    Ratings, likes and dislikes are opinions. The latest one of an item counts; where people take
    items again, all of them. A hide refuses an item until an opinion of it follows. "Later" goes
    by the events' own times, since an app without a network may report late; at equal times the
    one that arrived last is later.

    Where interactions are events, only a like is an opinion: one more event. A dislike or hide
    takes back what the user said of the item and refuses it. Ratings mean nothing there. A dislike
    also refuses where people take items again, since nothing else would keep the item out of
    their answers. A view is never an opinion: who has looked may still want it.

    Args:
        schema: of the items.

    Attributes:
        opinions: time, number and event of those that count, the oldest first.
        items: what any event was on, views too.
        meaningless: how many ratings there are where interactions are events.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.opinions: list[Opinion] = []
        self.items: set[str] = set()
        self.meaningless = 0
        self._said: dict[str, _Said] = {}

    def __len__(self) -> int:
        """How much this holds: items, and opinions of them."""
        return len(self.items) + len(self.opinions)

    def add(self, number: int, event: Event) -> None:
        """Takes in one event, which was not taken in before."""
        self.items.add(event.item)
        if event.kind == "view":
            return
        if event.kind == "rating" and self.schema.events:
            self.meaningless += 1
            return
        said, moment = self._said.setdefault(event.item, _Said()), (event.time, number)
        no = event.kind in ("hide", "dislike")
        if event.kind == "hide" or (no and (self.schema.events or self.schema.repeats)):
            said.no = max(said.no, moment)
        else:
            said.yes = max(said.yes, moment)
        if no and self.schema.events:
            cut = bisect_left(said.opinions, moment)
            self._remove(said.opinions[:cut])
            del said.opinions[:cut]
        elif event.kind != "hide":
            self._add_opinion(said, moment, event)

    def of(self, item: str, most: int) -> list[Opinion]:
        """The newest opinions of an item that count, at most so many; the oldest of them first."""
        said = self._said.get(item)
        moments = [] if said is None else said.opinions[-most:]
        return [self.opinions[self._place(moment)] for moment in moments]

    def refused_since(self, item: str) -> float | None:
        """Since when the user does not want to see an item, in seconds since 1970; None if they do
        not refuse it.
        """
        said = self._said.get(item)
        return said.no[0] if said is not None and said.no > said.yes else None

    def _add_opinion(self, said: _Said, moment: _Moment, event: Event) -> None:
        if self.schema.events and moment < said.no:
            return
        if not self.schema.repeats and said.opinions:
            if moment < said.opinions[0]:
                return
            self._remove([said.opinions.pop()])
        insort(said.opinions, moment)
        insort(self.opinions, (*moment, event))

    def _remove(self, moments: list[_Moment]) -> None:
        if len(moments) > _FEW:
            gone = set(moments)
            self.opinions = [one for one in self.opinions if one[:2] not in gone]
        else:
            for moment in moments:
                del self.opinions[self._place(moment)]

    def _place(self, moment: _Moment) -> int:
        return bisect_left(self.opinions, moment)  # type: ignore[type-var]  # begins an opinion


def current_events(events: Iterable[tuple[int, Event]], schema: Schema) -> CurrentEvents:
    """The opinions and refusals among some events of any users; see ``UserOpinions``.

    Args:
        events: with their numbers, in any order.
        schema: of the items.
    """
    users: dict[str, UserOpinions] = {}
    for number, event in events:
        if event.user not in users:
            users[event.user] = UserOpinions(schema)
        users[event.user].add(number, event)
    merged = sorted(opinion for one in users.values() for opinion in one.opinions)
    refused = {
        (user, item): since
        for user, one in users.items()
        for item in one.items
        if (since := one.refused_since(item)) is not None
    }
    meaningless = sum(one.meaningless for one in users.values())
    return CurrentEvents(tuple((n, event) for _, n, event in merged), refused, meaningless)


def worth(event: Event, schema: Schema) -> float:
    """The rating that an opinion stands for: a like is the schema's ``like``, or the weight of one
    event; a dislike is the lowest rating; a rating is clipped to the scale.
    """
    low, high = schema.rating_range
    if event.kind == "like":
        return high if schema.events else schema.like
    return low if event.rating is None else min(max(event.rating, low), high)
