"""Guesses which columns of interactions are the rating, count, event and time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import (
    ISO_TIME,
    OTHER_TIME,
    ColumnStats,
    misfits,
    mostly,
    number,
    shown,
)
from fusionrec.data.detection.rating_scale import SHORT, guess_scale
from fusionrec.data.tabular.casting import LATEST
from fusionrec.data.tabular.number_formats import COMMA

# Weights of events by words in their names: seen, looked at, wanted, taken; 0 for what speaks
# against the item.
_WORDS = {
    0.1: """impression impressions show shown open hover""",
    0.2: """view views viewed click clicks clicked visit visited browse browsed pv detail
        preview see seen scroll search ansehen просмотр 浏览 点击""",
    0.5: """cart addtocart basket add added wishlist wish favorite favourite fav bookmark save
        saved start started share shared merken warenkorb корзина 加购 收藏""",
    1.0: """buy bought purchase purchased order ordered transaction transactions pay paid
        payment sale sold checkout rent rented borrow borrowed loan like liked love loved play
        played listen listened watch watched read complete completed finish finished download
        install subscribe book booked kauf gekauft bestellt achat acheté compra comprado покупка
        купил 购买 true yes 1""",
    0.0: """remove removed delete deleted dislike disliked hate skip skipped hide hidden return
        returned refund refunded cancel cancelled canceled unlike false no 0 -1""",
}
_WEIGHT = {word: weight for weight, words in _WORDS.items() for word in words.split()}
_UNITS = {"s": 1e8, "ms": 1e11, "us": 1e14, "ns": 1e17}  # the lowest number that is plausible
_MOST_KINDS = 30  # of events
MOST = 0.5  # share of values that makes a column look like a time or count
_EARLY = 1e8  # seconds since 1970; earlier times are hardly meant
_LACKING = 0.1  # share of rows; if more lack a time, it costs more rows than it is worth


@dataclass(frozen=True)
class InteractionColumn:
    """A column of interactions and how to read it.

    Attributes:
        key: ``rating``, ``count``, ``event`` or ``time``.
        column: the column's name.
        sure: 1 by its values alone, 2 by its name and values, 3 if its values are dates, too.
        settings: other keys of ``[interactions]`` that go with it.
        why: key -> reasons, for people.
    """

    key: str
    column: str
    sure: int
    settings: dict[str, Any] = field(default_factory=dict)
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def guess_time(stats: ColumnStats) -> InteractionColumn | str | None:
    """The column as a time; why it cannot be used as a time although it looks like one; or None."""
    time = _time(stats)
    lacking = stats.rows - (stats.filled if stats.lists else stats.known.total())
    if not isinstance(time, InteractionColumn) or not lacking:
        return time
    says = f"{lacking:,} of the {stats.rows:,} rows read have none"
    if lacking > _LACKING * stats.rows:
        unit = time.settings["time_unit"]
        return (
            f"{says}, and every row without a time would be left out; "
            f'to use only rows with one: time = {shown(stats.name)} and time_unit = "{unit}"'
        )
    why = {**time.why, "time": (*time.why["time"], f"{says}, and are left out")}
    return replace(time, why=why)


def _time(stats: ColumnStats) -> InteractionColumn | str | None:
    sure = 2 if name_hints.has(stats.name, name_hints.TIME) else 1
    seen = (f"such as {stats.examples(1)}",)
    if stats.stamped or mostly(stats, ISO_TIME):
        why = {"time": seen, "time_unit": ("dates as text, or of a type of their own",)}
        return InteractionColumn("time", stats.name, sure + 1, {"time_unit": "text"}, why)
    if mostly(stats, OTHER_TIME):
        return refused_time(stats) or (
            f"dates such as {stats.examples(1)} are not read: 2024-12-31 or 2024-12-31T23:59:59 are"
        )
    if not len(stats.numbers) or stats.numeric < 0.95 or not (stats.whole or sure == 2):
        return None  # fractional numbers are times only by their name
    middle = float(np.median(stats.numbers))
    unit = next((u for u, least in reversed(_UNITS.items()) if middle >= least), "")
    if unit and middle / _UNITS[unit] * _UNITS["s"] > LATEST:
        unit = ""
    if not unit or (sure == 1 and stats.distinct < 10):
        wrong = f"numbers such as {stats.examples(1)} are no time since 1970"
        return wrong if sure == 2 and middle > 3000 else None
    first = np.datetime64(int(middle / _UNITS[unit] * _UNITS["s"]), "s").astype("datetime64[D]")
    why = {"time": seen, "time_unit": (f"the middle one is then in {str(first)[:7]}",)}
    return InteractionColumn("time", stats.name, sure, {"time_unit": unit}, why)


def refused_time(stats: ColumnStats) -> str:
    """Why a column that ``guess_time`` rejected is no time; empty if it does not look like one."""
    if stats.share(ISO_TIME) >= MOST:
        expected = "dates as they are read (2024-12-31T23:59:59+08:00 is)"
        return misfits(stats, expected, lambda text: bool(ISO_TIME.fullmatch(text.strip())))
    named = name_hints.has(stats.name, name_hints.TIME)
    if not named or stats.numeric < MOST or np.median(stats.numbers) < _EARLY:
        return ""
    return misfits(stats, "numbers", lambda value: not np.isnan(number(value)))


def guess_rating(stats: ColumnStats) -> InteractionColumn | str | None:
    """The column as a rating, with its scale; why it is none although it is named so; or None."""
    named = name_hints.has(stats.name, name_hints.RATING)
    if stats.truths and named:
        # As 1 and 0, as boolean ratings are read.
        values = [value and str(int(value == "true")) for value in stats.values]
        stats = replace(stats, values=values, truths=False)
    numbers = stats.numbers
    if stats.numeric < 0.95 or not len(numbers):
        other = next((v for v in stats.some if v in stats.known and np.isnan(number(v))), "")
        says = f"called a rating, but {1 - stats.numeric:.0%} of its values are no numbers, such as"
        return f"{says} {shown(other)}" if named and stats.numeric >= 0.5 else None
    low, high, notes = guess_scale(stats.name, numbers)
    levels = np.unique(numbers)
    if not named and (not stats.whole or not 3 <= len(levels) <= 11 or (low, high) not in SHORT):
        return None
    if len(levels) == 1:
        only = f"every rating is {levels[0]:g}, which does not show what is liked more"
        return only if named else None
    listed = ", ".join(f"{value:g}" for value in levels) if len(levels) <= 11 else ""
    seen = f"values {listed}" if listed else f"values from {levels[0]:g} to {levels[-1]:g}"
    scale = (f"{seen} in the {stats.rows:,} rows read", *notes)
    doubt = () if named else ("its name does not say that; could also be a count",)
    commas = sum(often for value, often in stats.known.items() if re.fullmatch(COMMA, value))
    if commas:
        doubt = (*doubt, f"in {commas:,} rows with a decimal comma, which is read as a point")
    why = {"rating": (f"{len(levels):,} distinct numbers", *doubt), "scale": scale}
    return InteractionColumn("rating", stats.name, 2 if named else 1, {"scale": [low, high]}, why)


def guess_count(stats: ColumnStats) -> InteractionColumn | None:
    """The column as a count, by its name and whole numbers; or None."""
    if not name_hints.has(stats.name, name_hints.COUNT) or stats.numeric < 0.95 or not stats.whole:
        return None
    if stats.numbers.min() < 0 or stats.numbers.max() <= 1:
        return None
    why = (f"whole numbers from {stats.numbers.min():g} to {stats.numbers.max():g}",)
    return InteractionColumn("count", stats.name, 2, {}, {"count": why})


def guess_event(stats: ColumnStats) -> InteractionColumn | None:
    """The column as the kind of event, with weights for known kinds; or None."""
    if stats.lists or not 1 <= len(stats.known) <= _MOST_KINDS or stats.words > 4:
        return None
    named = name_hints.has(stats.name, name_hints.EVENT)
    weights = {kind: _weight(kind) for kind in stats.known}
    known = sum(weight is not None for weight in weights.values())
    if known < max(1, len(weights) / 2) and not (named and stats.numeric < 0.5):
        return None
    if stats.numeric > 0.5 and not (
        name_hints.has(stats.name, name_hints.RATING | name_hints.EVENT) or _weight(stats.name)
    ):
        return None
    ordered = sorted(weights.items(), key=lambda item: (item[1] or 0.0, item[0]))
    kept = {kind: weight for kind, weight in ordered if weight}
    against = [kind for kind, weight in weights.items() if weight == 0]
    unknown = [kind for kind, weight in weights.items() if weight is None]
    if not kept:
        if against and not unknown:
            return None
        kept, unknown = dict.fromkeys(unknown, 1.0), []
    reasons = [", ".join(f"{shown(kind)} {stats.counts[kind]:,} times" for kind in kept)]
    reasons.append("kinds closer to taking the item weigh more; the weights are a suggestion")
    if left_out := against + unknown:
        reasons.append(f"left out, since not listed: {', '.join(map(shown, left_out))}")
    why = {"event": (f"{len(stats.known)} distinct values",), "events": tuple(reasons)}
    return InteractionColumn("event", stats.name, 1 + named, {"events": kept}, why)


def _weight(kind: str) -> float | None:
    """The weight of a kind of event; 0 if it speaks against the item, None if unknown."""
    words = (*name_hints.words(kind), kind.strip().lower())
    weights = [_WEIGHT[word] for word in words if word in _WEIGHT]
    return max(weights, default=None) if all(weights) else 0.0


def guess_signals(columns: Sequence[ColumnStats]) -> tuple[list[InteractionColumn], dict[str, str]]:
    """The signals among the columns of interactions, which exclude those of the ids.

    Returns:
        At most one of rating, event and count, and at most one time; and rejected column -> why it
        is not used.
    """
    left_out: dict[str, str] = {}
    times = []
    columns = [stats for stats in columns if not stats.lists]
    for stats in columns:
        time = guess_time(stats)
        if isinstance(time, InteractionColumn):
            times.append(time)
        elif time:
            left_out[stats.name] = time
    timed = {signal.column for signal in times} | left_out.keys()
    values = []
    for stats in columns:
        if stats.name in timed:
            continue
        rating = guess_rating(stats)
        signals = [
            guess
            for guess in (rating, guess_event(stats), guess_count(stats))
            if isinstance(guess, InteractionColumn)
        ]
        values += signals
        if isinstance(rating, str) and not signals:
            left_out[stats.name] = rating
    order = ("rating", "event", "count")
    values.sort(key=lambda signal: (-signal.sure, order.index(signal.key)))
    times.sort(key=lambda signal: -signal.sure)
    for kind in (values, times):
        for signal in kind[1:]:
            if signal.column != (taken := kind[0].column):
                left_out[signal.column] = f"could also be the {signal.key}; {taken} is taken for it"
    return [*values[:1], *times[:1]], left_out
