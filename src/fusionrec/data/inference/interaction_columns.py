"""What interactions say beside who took what: a rating, a count, an event, and when it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fusionrec.data.inference import name_hints
from fusionrec.data.inference.column_stats import (
    ISO_TIME,
    OTHER_TIME,
    ColumnStats,
    misfits,
    mostly,
    number,
    shown,
)
from fusionrec.data.inference.rating_scale import SHORT, guess_scale
from fusionrec.data.tabular.casting import COMMA, LATEST

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
_MOST_KINDS = 30  # of events
MOST = 0.5  # share of values by which a column looks like what they are
_EARLY = 1e8  # seconds since 1970; earlier times are hardly meant
_LACKING = 0.1  # of the rows: where more have no time, times cost more than they tell


@dataclass(frozen=True)
class InteractionColumn:
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


def guess_time(facts: ColumnStats) -> InteractionColumn | str | None:
    """The column as a time; why it should not be read as the time that it seems to be; or None."""
    found = _time(facts)
    lacking = facts.rows - (facts.filled if facts.lists else facts.known.total())
    if not isinstance(found, InteractionColumn) or not lacking:
        return found
    says = f"{lacking:,} of the {facts.rows:,} rows read have none"
    if lacking > _LACKING * facts.rows:
        unit = found.settings["time_unit"]
        return (
            f"when it was, it seems, but {says}, and every row without a time would be left out; "
            f'to take only those with one: time = {shown(facts.name)} and time_unit = "{unit}"'
        )
    why = {**found.why, "time": (*found.why["time"], f"{says}, and are left out")}
    return replace(found, why=why)


def _time(facts: ColumnStats) -> InteractionColumn | str | None:
    sure = 2 if name_hints.has(facts.name, name_hints.TIME) else 1
    seen = (f"such as {facts.examples(1)}",)
    if facts.stamped or mostly(facts, ISO_TIME):
        why = {"time": seen, "time_unit": ("dates as text, or of a type of their own",)}
        return InteractionColumn("time", facts.name, sure + 1, {"time_unit": "text"}, why)
    if mostly(facts, OTHER_TIME):
        return refused_time(facts) or (
            f"dates such as {facts.examples(1)} are not read: 2024-12-31 or 2024-12-31T23:59:59 are"
        )
    if not len(facts.numbers) or facts.numeric < 0.95 or not (facts.whole or sure == 2):
        return None  # numbers with a fraction are times only where they are called so
    middle = float(np.median(facts.numbers))
    unit = max(
        (u for u, least in _UNITS.items() if middle >= least), default="", key=_UNITS.__getitem__
    )
    if unit and middle / _UNITS[unit] * _UNITS["s"] > LATEST:
        unit = ""
    if not unit or (sure == 1 and facts.distinct < 10):
        wrong = f"numbers such as {facts.examples(1)} are no time since 1970"
        return wrong if sure == 2 and middle > 3000 else None
    first = np.datetime64(int(middle / _UNITS[unit] * _UNITS["s"]), "s").astype("datetime64[D]")
    why = {"time": seen, "time_unit": (f"the middle one is then in {str(first)[:7]}",)}
    return InteractionColumn("time", facts.name, sure, {"time_unit": unit}, why)


def refused_time(stats: ColumnStats) -> str:
    """Why a column that looks like times was not taken for them; empty where it does not.

    Args:
        stats: a column that ``guess_time`` made nothing of.
    """
    if stats.share(ISO_TIME) >= MOST:
        expected = "dates as they are read (2024-12-31T23:59:59+08:00 is)"
        return misfits(stats, expected, lambda text: bool(ISO_TIME.fullmatch(text.strip())))
    named = name_hints.has(stats.name, name_hints.TIME)
    if not named or stats.numeric < MOST or np.median(stats.numbers) < _EARLY:
        return ""
    return misfits(stats, "numbers", lambda value: not np.isnan(number(value)))


def guess_rating(facts: ColumnStats) -> InteractionColumn | str | None:
    """The column as a rating, with its scale; why it is none although it is called so; or None."""
    named = name_hints.has(facts.name, name_hints.RATING)
    if facts.truths and named:
        facts = _thumbs(facts)
    numbers = facts.numbers
    if facts.numeric < 0.95 or not len(numbers):
        other = next((v for v in facts.some if v in facts.known and np.isnan(number(v))), "")
        says = f"called a rating, but {1 - facts.numeric:.0%} of its values are no numbers, such as"
        return f"{says} {shown(other)}" if named and facts.numeric >= 0.5 else None
    low, high, notes = guess_scale(facts.name, numbers)
    levels = np.unique(numbers)
    if not named and (not facts.whole or not 3 <= len(levels) <= 11 or (low, high) not in SHORT):
        return None
    if len(levels) == 1:
        only = f"every rating is {levels[0]:g}, so that nothing tells what is liked better"
        return only if named else None
    held = ", ".join(f"{value:g}" for value in levels[:11]) if len(levels) <= 11 else ""
    seen = f"values {held}" if held else f"values from {levels[0]:g} to {levels[-1]:g}"
    said = (f"{seen} in the {facts.rows:,} rows read", *notes)
    doubt = () if named else ("its name does not say that; could also be a count",)
    commas = sum(often for value, often in facts.known.items() if re.fullmatch(COMMA, value))
    if commas:
        doubt = (*doubt, f"in {commas:,} rows with a decimal comma, which is read as a point")
    why = {"rating": (f"{len(levels):,} distinct numbers", *doubt), "scale": said}
    return InteractionColumn("rating", facts.name, 2 if named else 1, {"scale": [low, high]}, why)


def _thumbs(facts: ColumnStats) -> ColumnStats:
    """True and false as 1 and 0, as which ratings of that type are read."""
    values = [value and str(int(value == "true")) for value in facts.values]
    return replace(facts, values=values, truths=False)


def guess_count(facts: ColumnStats) -> InteractionColumn | None:
    """The column as a count, by its name and whole numbers."""
    if not name_hints.has(facts.name, name_hints.COUNT) or facts.numeric < 0.95 or not facts.whole:
        return None
    if facts.numbers.min() < 0 or facts.numbers.max() <= 1:
        return None
    why = (f"whole numbers from {facts.numbers.min():g} to {facts.numbers.max():g}",)
    return InteractionColumn("count", facts.name, 2, {}, {"count": why})


def guess_event(facts: ColumnStats) -> InteractionColumn | None:
    """The column as a kind of event, with weights for the kinds that are known by their names."""
    if facts.lists or not 1 <= len(facts.known) <= _MOST_KINDS or facts.words > 4:
        return None
    named = name_hints.has(facts.name, name_hints.EVENT)
    weights = {kind: _weight(kind) for kind in facts.known}
    known = sum(weight is not None for weight in weights.values())
    if known < max(1, len(weights) / 2) and not (named and facts.numeric < 0.5):
        return None
    factorize = name_hints.has(facts.name, name_hints.RATING | name_hints.EVENT) or _weight(
        facts.name
    )
    if facts.numeric > 0.5 and not factorize:
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
    return InteractionColumn("event", facts.name, 1 + named, {"events": kept}, why)


def _weight(kind: str) -> float | None:
    """What a kind of event seems to weigh: 0 speaks against the item; None is not known."""
    found = set(name_hints.words(kind)) | {kind.strip().lower()}
    if found & set(_AGAINST.split()):
        return 0.0
    return max((w for w, names in _WEIGHTS.items() if found & set(names.split())), default=None)


def guess_marks(columns: Sequence[ColumnStats]) -> tuple[list[InteractionColumn], dict[str, str]]:
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
        if isinstance(found, InteractionColumn):
            times.append(found)
        elif found:
            left[facts.name] = found
    timed = {mark.column for mark in times} | left.keys()
    values = []
    for facts in columns:
        if facts.name in timed:
            continue
        tried = (guess_rating(facts), guess_event(facts), guess_count(facts))
        marks = [one for one in tried if isinstance(one, InteractionColumn)]
        values += marks
        why = [one for one in tried if isinstance(one, str)]
        if why and not marks:
            left[facts.name] = why[0]
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
