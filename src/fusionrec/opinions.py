"""What someone's events come to: which of them are opinions that count, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fusionrec.data.schema import Schema
from fusionrec.ledger import Event

Pair = tuple[str, str]  # outside ids of a user and an item


@dataclass(frozen=True)
class Opinions:
    """What events come to under a schema.

    Attributes:
        told: the events that are opinions and still count, with their numbers, the oldest first.
        refused: pairs of users and the items that they do not want to see.
        meaningless: how many events the schema has no meaning for: ratings among events.
    """

    told: tuple[tuple[int, Event], ...]
    refused: frozenset[Pair]
    meaningless: int = 0


def opinions(events: Iterable[tuple[int, Event]], schema: Schema) -> Opinions:
    """The opinions among some events.

    A rating, a like and a dislike are opinions of an item, of which the last one counts, or, where
    people take items again, all of them. A hide refuses an item until an opinion of it follows.
    Where interactions are events, a like alone is an opinion: it is one more event. Whoever
    dislikes or hides an item there takes back what they said of it and refuses it; ratings mean
    nothing. A dislike also refuses where people take items again, for nothing else would keep the
    item out of their answers. A view is no opinion anywhere: who has looked may still want it.

    Args:
        events: with their numbers, the oldest first.
        schema: of the items.
    """
    told: dict[Pair, list[tuple[int, Event]]] = {}
    refused: set[Pair] = set()
    meaningless = 0
    for number, event in events:
        pair = (event.user, event.item)
        if event.kind == "view":
            continue
        if event.kind == "rating" and schema.events:
            meaningless += 1
            continue
        no = event.kind in ("hide", "dislike")
        if event.kind == "hide" or (no and (schema.events or schema.repeats)):
            refused.add(pair)
        else:
            refused.discard(pair)
        if no and schema.events:
            told.pop(pair, None)
        elif event.kind != "hide":
            if not schema.repeats:
                told.pop(pair, None)
            told.setdefault(pair, []).append((number, event))
    kept = sorted((one for held in told.values() for one in held), key=lambda one: one[0])
    return Opinions(tuple(kept), frozenset(refused), meaningless)
