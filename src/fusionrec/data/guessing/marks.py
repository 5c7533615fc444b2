"""What interactions say beside who took what: a rating, a count, an event, and when it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fusionrec.data.guessing import naming
from fusionrec.data.guessing.evidence import ISO_TIME, OTHER_TIME, Facts, mostly, shown

# What kinds of events weigh, by words in their names: looked at first, then wanted, then taken.
_WEIGHTS = {
    0.1: """
        impression impressions show shown open hover
    """,
    0.2: """
        view views viewed click clicks clicked visit visited browse browsed pv detail preview see
        seen scroll search ansehen просмотр 浏览 点击
    """,
    0.5: """
        cart addtocart basket add added wishlist wish favorite favourite fav bookmark save saved
        start started share shared merken warenkorb корзина 加购 收藏
    """,
    1.0: """
        buy bought purchase purchased order ordered transaction transactions pay paid payment sale
        sold checkout rent rented borrow borrowed loan like liked love loved play played listen
        listened watch watched read complete completed finish finished download install subscribe
        book booked kauf gekauft bestellt achat acheté compra comprado покупка купил 购买 true yes 1
    """,
}
_AGAINST = """
    remove removed delete deleted dislike disliked hate skip skipped hide hidden return returned
    refund refunded cancel cancelled canceled unlike false no 0 -1
"""
_UNITS = {"s": 1e8, "ms": 1e11, "us": 1e14, "ns": 1e17}  # the lowest number that is plausible
_SCALES = (  # the first that fits
    (0.5, 5.0),
    (1.0, 5.0),
    (0.0, 5.0),
    (1.0, 10.0),
    (0.0, 10.0),
    (-10.0, 10.0),
    (0.0, 100.0),
)
_MOST_KINDS = 30  # of events


@dataclass(frozen=True)
class Mark:
    """A column of interactions and how it is read.

    Attributes:
        key: ``rating``, ``count``, ``event`` or ``time``.
        column: the column's name.
        sure: how sure that is: 1 by its values alone, 2 by its name and its values.
        settings: other keys of ``[interactions]`` that go with it.
        why: key -> sentences, for people.
    """

    key: str
    column: str
    sure: int
    settings: dict[str, Any] = field(default_factory=dict)
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def guess_time(facts: Facts) -> Mark | str | None:
    """The column as a time; why it cannot be read as the time that it seems to be; or None."""
    sure = 2 if naming.has(facts.name, naming.TIME) else 1
    seen = (f"such as {facts.examples(1)}",)
    if facts.stamped or mostly(facts, ISO_TIME):
        why = {"time": seen, "time_unit": ("dates as text, or of a type of their own",)}
        return Mark("time", facts.name, sure + 1, {"time_unit": "text"}, why)
    if mostly(facts, OTHER_TIME):
        return (
            f"dates such as {facts.examples(1)} are not read: 2024-12-31 or 2024-12-31T23:59:59 are"
        )
    if not facts.whole or facts.numeric < 0.95:
        return None
    middle = float(np.median(facts.numbers))
    unit = max(
        (u for u, least in _UNITS.items() if middle >= least), default="", key=_UNITS.__getitem__
    )
    if not unit or (sure == 1 and facts.distinct < 10):
        wrong = f"numbers such as {facts.examples(1)} are no time since 1970"
        return wrong if sure == 2 and middle > 3000 else None
    first = np.datetime64(int(middle / _UNITS[unit] * _UNITS["s"]), "s").astype("datetime64[D]")
    why = {"time": seen, "time_unit": (f"the middle one is then in {str(first)[:7]}",)}
    return Mark("time", facts.name, sure, {"time_unit": unit}, why)


def guess_rating(facts: Facts) -> Mark | None:
    """The column as a rating, with its scale."""
    numbers = facts.numbers
    if facts.numeric < 0.95 or not len(numbers):
        return None
    named = naming.has(facts.name, naming.RATING)
    low, high, notes = _scale(numbers)
    levels = np.unique(numbers)
    if not named and (
        not facts.whole or not 3 <= len(levels) <= 11 or (low, high) not in _SCALES[:4]
    ):
        return None
    if len(levels) == 1:
        return None
    held = ", ".join(f"{value:g}" for value in levels[:11]) if len(levels) <= 11 else ""
    seen = f"values {held}" if held else f"values from {levels[0]:g} to {levels[-1]:g}"
    said = (f"{seen} in the {facts.rows:,} rows read", *notes)
    doubt = () if named else ("its name does not say that; could also be a count",)
    why = {"rating": (f"{len(levels):,} distinct numbers", *doubt), "scale": said}
    return Mark("rating", facts.name, 2 if named else 1, {"scale": [low, high]}, why)


def _scale(numbers: np.ndarray) -> tuple[float, float, tuple[str, ...]]:
    """The scale that ratings seem to be on, and what is to be said of it."""
    low, high = float(numbers.min()), float(numbers.max())
    levels = np.unique(numbers)
    if set(levels) <= {0.0, 1.0}:
        return 0.0, 1.0, ("thumbs down and up",)
    if set(levels) <= {-1.0, 0.0, 1.0}:
        return -1.0, 1.0, ("thumbs down and up",)
    lone = float(np.mean(numbers == low))
    whole = bool(np.all(levels == np.rint(levels)))
    apart = whole and low in (-1.0, 0.0) and levels[1] >= 1 and high in (5.0, 10.0)
    if apart and (low == -1.0 or lone > 0.3):
        note = f"{low:g}, in {lone:.0%} of the rows, seems to mean that there is no rating"
        return 1.0, high, (f"{note}: such rows are left out; else the scale begins at {low:g}",)
    if whole and low == 1.0 and 5 < high < 10 and len(levels) == high and len(numbers) >= 1000:
        return low, high, ()
    halves = not whole and bool(np.all(2 * levels == np.rint(2 * levels)))
    for least, most in _SCALES:
        if least <= low and high <= most and (halves or least != 0.5):
            return least, most, ("half stars",) if halves else ()
    return low, high, ("no scale that is usual; these are the lowest and the highest seen",)


def guess_count(facts: Facts) -> Mark | None:
    """The column as a count, by its name and whole numbers."""
    if not naming.has(facts.name, naming.COUNT) or facts.numeric < 0.95 or not facts.whole:
        return None
    if facts.numbers.min() < 0 or facts.numbers.max() <= 1:
        return None
    why = (f"whole numbers from {facts.numbers.min():g} to {facts.numbers.max():g}",)
    return Mark("count", facts.name, 2, {}, {"count": why})


def guess_event(facts: Facts) -> Mark | None:
    """The column as a kind of event, with weights for the kinds that are known by their names."""
    if facts.lists or not 1 <= len(facts.known) <= _MOST_KINDS or facts.words > 4:
        return None
    named = naming.has(facts.name, naming.EVENT)
    weights = {kind: _weight(kind) for kind in facts.known}
    known = sum(weight is not None for weight in weights.values())
    if known < max(1, len(weights) / 2) and not (named and facts.numeric < 0.5):
        return None
    coded = naming.has(facts.name, naming.RATING | naming.EVENT) or _weight(facts.name)
    if facts.numeric > 0.5 and not coded:
        return None
    ordered = sorted(weights.items(), key=lambda one: (one[1] or 0.0, one[0]))
    kept = {kind: weight for kind, weight in ordered if weight}
    against = [kind for kind, weight in weights.items() if weight == 0]
    open_ones = [kind for kind, weight in weights.items() if weight is None]
    if not kept:
        if against and not open_ones:
            return None
        kept = dict.fromkeys(open_ones, 1.0)
        open_ones = []
    said = [", ".join(f"{shown(kind)} {facts.counts[kind]:,} times" for kind in kept)]
    said.append("what is nearer to taking the item weighs more; the figures are a suggestion")
    if left := against + open_ones:
        said.append(f"left out, since not listed: {', '.join(map(shown, left))}")
    distinct = f"{len(facts.known)} distinct values"
    why = {"event": (distinct,), "events": tuple(said)}
    return Mark("event", facts.name, 1 + named, {"events": kept}, why)


def _weight(kind: str) -> float | None:
    """What a kind of event seems to weigh: 0 speaks against the item; None is not known."""
    found = set(naming.words(kind)) | {kind.strip().lower()}
    if found & set(_AGAINST.split()):
        return 0.0
    return max((w for w, names in _WEIGHTS.items() if found & set(names.split())), default=None)


def guess_marks(columns: Sequence[Facts]) -> tuple[list[Mark], dict[str, str]]:
    """What the columns of interactions, without those of the ids, are.

    Returns:
        At most one of rating, event and count, and at most one time; and column -> why it is not
        used, of those that were looked at in vain.
    """
    left: dict[str, str] = {}
    times = []
    columns = [facts for facts in columns if not facts.lists]
    for facts in columns:
        found = guess_time(facts)
        if isinstance(found, Mark):
            times.append(found)
        elif found:
            left[facts.name] = found
    timed = {mark.column for mark in times} | left.keys()
    values = [
        mark
        for facts in columns
        if facts.name not in timed
        for mark in (guess_rating(facts), guess_event(facts), guess_count(facts))
        if mark is not None
    ]
    order = ("rating", "event", "count")
    values.sort(key=lambda mark: (-mark.sure, order.index(mark.key)))
    times.sort(key=lambda mark: -mark.sure)
    for kind in (values, times):
        for mark in kind[1:]:
            if mark.column != kind[0].column:
                left[mark.column] = (
                    f"could also be the {mark.key}; {kind[0].column} is taken for it"
                )
    return [*values[:1], *times[:1]], left
