"""What events mean: which of them are opinions that count, and which items a user refuses."""

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
        opinions: the events that are opinions and still count, with their numbers, oldest first.
        refused: pairs of users and the items that they do not want to see -> since when, in seconds
            since 1970.
        meaningless: how many events the schema has no meaning for: ratings among events.
    """

    opinions: tuple[tuple[int, Event], ...]
    refused: Mapping[Pair, float]
    meaningless: int = 0


def current_events(events: Iterable[tuple[int, Event]], schema: Schema) -> CurrentEvents:
    """The opinions among some events, and the refusals.

    A rating, a like and a dislike are opinions of an item, of which the latest one counts, or,
    where people take items again, all of them. A hide refuses an item until an opinion of it
    follows. The events' own times decide which one is later: an app that was without a network
    may report late. Of equal times the one that arrived last is the later one.

    Where interactions are events, a like alone is an opinion: it is one more event. Whoever
    dislikes or hides an item there takes back what they said of it and refuses it; ratings mean
    nothing. A dislike also refuses where people take items again, for nothing else would keep the
    item out of their answers. A view is no opinion anywhere: who has looked may still want it.

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
    """The rating, or among events the weight, that an opinion stands for: a like is the lowest
    rating that the schema counts as liking, or one more event; a dislike is the lowest rating; a
    rating is clipped to the scale.
    """
    low, high = schema.rating_range
    if event.kind == "like":
        return high if schema.events else schema.like
    return low if event.rating is None else min(max(event.rating, low), high)


def _by_time(one: tuple[int, Event]) -> tuple[float, int]:
    number, event = one
    return event.time, number
