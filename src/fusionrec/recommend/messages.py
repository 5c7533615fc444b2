"""Notes and errors on queries: unknown names, and why an answer is empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.index import Condition
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.query import Query

NONE_LEFT = "no item meets these conditions"
NO_REASON = "no reason is known for any of these items"
_SHOWN = 5  # names in one message


def remarks(finder: ItemSearch, query: Query) -> tuple[str, ...]:
    """Notes on a query's items: those that are unknown, and those that were rated twice."""
    ratings: dict[str, set[float | None]] = {}
    for one in query.history:
        ratings.setdefault(one.item, set()).add(one.rating)
    twice = [
        f"item {item} was rated more than once: the last rating of it counts"
        for item, given in ratings.items()
        if len(given) > 1 and item in finder.rows and not finder.artifact.schema.repeats
    ]
    missing = [item for item in ratings if item not in finder.rows][:_SHOWN]
    guessed = [f"instead of {item!r}, {near}" for item in missing if (near := finder.guess(item))]
    return (*twice, *guessed, *finder.unknown(query.where))


def refuse_unknown(finder: ItemSearch, query: Query) -> None:
    """Refuses a query with unknown items alone.

    Raises:
        UsageError: no item is known, and nothing else is given; the hint guesses which are meant.
    """
    asked = list(dict.fromkeys(one.item for one in query.history))
    if not asked or query.profile or any(item in finder.rows for item in asked):
        return
    if query.user is not None and query.user in finder.artifact.user_positions:
        return
    who = "" if query.user is None else f"; nor is there a user {query.user!r}"
    near = [guess for item in asked[:_SHOWN] if (guess := finder.guess(item))]
    several = f"none of the {len(asked)} items named is"
    raise UsageError(
        (f"item {asked[0]!r} is not" if len(asked) == 1 else several)
        + f" among the {len(finder.rows)} items of {finder.artifact.version}{who}",
        hint=" ".join([*near, finder.example()]),
        code="unknown_item",
    )


def why_empty(finder: ItemSearch, query: Query, barred: np.ndarray) -> tuple[str, ...]:
    """Notes on why an answer is empty.

    Args:
        finder: of the version's items.
        query: the query.
        barred: int [n], rows of what the person has taken or hidden.
    """
    if query.offset:
        return ("there are no more items",)
    left = finder.catalog.columns.mask(query.where) & finder.catalog.available
    if not left.any():
        return none_left(finder, query.where)
    left[barred] = False
    again = finder.artifact.schema.repeats and query.goal != "taste"
    if left.any() or query.seen or again:
        return (NONE_LEFT,)
    did = "taken" if finder.artifact.schema.events else "rated"
    which = "the items that meet these conditions" if query.where else "items"
    hidden = " or hidden" if query.hidden else ""
    return (f"the person has {did}{hidden} all {which} already: `seen` shows what was {did}",)


def none_left(finder: ItemSearch, where: Sequence[Condition]) -> tuple[str, ...]:
    """Notes that no item meets some conditions, with guesses which are meant."""
    return (NONE_LEFT, *finder.missed(where))
