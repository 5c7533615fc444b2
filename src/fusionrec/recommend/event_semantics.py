"""What events mean: which are opinions that count, and which items a user refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fusionrec.data.schema import Schema
from fusionrec.ledger import Event

Pair = tuple[str, str]  # outside ids of a user and an item


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


def current_events(events: Iterable[tuple[int, Event]], schema: Schema) -> CurrentEvents:
    """The opinions and refusals among some events.

    Ratings, likes and dislikes are opinions. The latest one of an item counts; where people take
    items again, all of them. A hide refuses an item until an opinion of it follows. "Later" goes
    by the events' own times, since an app without a network may report late; at equal times the
    one that arrived last is later.

    Where interactions are events, only a like is an opinion: one more event. A dislike or hide
    takes back what the user said of the item and refuses it. Ratings mean nothing there. A dislike
    also refuses where people take items again, since nothing else would keep the item out of
    their answers. A view is never an opinion: who has looked may still want it.

    Args:
        events: with their numbers, in any order.
        schema: of the items.
    """
    by_pair: dict[Pair, list[tuple[int, Event]]] = {}
    refused: dict[Pair, float] = {}
    meaningless = 0
    for number, event in sorted(events, key=_by_time):
        pair = (event.user, event.item)
        if event.kind == "view":
            continue
        if event.kind == "rating" and schema.events:
            meaningless += 1
            continue
        no = event.kind in ("hide", "dislike")
        if event.kind == "hide" or (no and (schema.events or schema.repeats)):
            refused[pair] = event.time
        else:
            refused.pop(pair, None)
        if no and schema.events:
            by_pair.pop(pair, None)
        elif event.kind != "hide":
            if not schema.repeats:
                by_pair.pop(pair, None)
            by_pair.setdefault(pair, []).append((number, event))
    opinions = sorted((event for events in by_pair.values() for event in events), key=_by_time)
    return CurrentEvents(tuple(opinions), refused, meaningless)


def worth(event: Event, schema: Schema) -> float:
    """The rating that an opinion stands for: a like is the schema's ``like``, or the weight of one
    event; a dislike is the lowest rating; a rating is clipped to the scale.
    """
    low, high = schema.rating_range
    if event.kind == "like":
        return high if schema.events else schema.like
    return low if event.rating is None else min(max(event.rating, low), high)


def _by_time(one: tuple[int, Event]) -> tuple[float, int]:
    number, event = one
    return event.time, number
