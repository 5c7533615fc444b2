"""Guesses whether a column of interactions is a rating, a count, an event or a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import ColumnStats, misfits, shown
from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.rating_scale import SHORT, guess_scale
from fusionrec.data.tabular.ids import looks_rounded
from fusionrec.data.tabular.time_formats import TimeForm
from fusionrec.data.tabular.toml_file import assignments

_MOST_KINDS = 30  # of events
MOST = 0.5  # share of values that makes a column look like a time or count
_LACKING = 0.1  # share of rows; if more lack a time, it costs more rows than it is worth

_WORDS_FOR_RATINGS = (
    "its values are words such as {}, and so every row counts alike; events = {{ … }} can list "
    "those that speak for an item"
)
_STAMPED = TimeForm("text", "", False, "dates of a type of their own", "second", 1.0)


@dataclass(frozen=True)
class InteractionColumn:
    """A column of interactions and how to read it.

    Attributes:
        key: ``rating``, ``count``, ``event`` or ``time``.
        column: the column's name.
        sure: 1 by its values alone, 2 by its name and values, more where more speaks for it.
        settings: other keys of ``[interactions]`` that go with it.
        why: key -> reasons, for people.
        doubts: what is not sure of how it is read.
    """

    key: str
    column: str
    sure: float
    settings: dict[str, Any] = field(default_factory=dict)
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()


def looks_like_time(stats: ColumnStats) -> bool:
    """Whether a column holds dates or times, by its type or by the form of its texts."""
    if stats.stamped:
        return True
    form = stats.time_form
    if form is None or form.share < MOST:
        return False
    # Numbers may as well be codes.
    return form.unit == "text" or name_hints.has(stats.name, name_hints.TIME)


def guess_time(stats: ColumnStats) -> InteractionColumn | str | None:
    """The column as a time; why it cannot be used as a time although it looks like one; or None."""
    named = name_hints.has(stats.name, name_hints.TIME)
    form = stats.time_form if not stats.stamped else _STAMPED
    if form is None or form.share < MOST:
        return _no_time(stats) if named else None
    clock = form.format == "%Y" and not np.all((stats.numbers >= 1900) & (stats.numbers <= 2100))
    if clock or (not named and form.unit != "text" and stats.distinct < 10):
        return None  # such as 1631, of a clock
    if form.share < 0.9:
        odd = f"{1 - form.share:.0%} of its values are no times"
        return f"{odd}, though others such as {stats.examples(1)} are"
    lacking = stats.rows - stats.known.total()
    says = f"{lacking:,} of the {stats.rows:,} rows read have none"
    settings = {"time_unit": form.unit} | ({"time_format": form.format} if form.format else {})
    if lacking > _LACKING * stats.rows:
        lines = assignments({"time": stats.name} | settings)
        return (
            f"{says}, and every row without a time would be left out; "
            f"to use only rows with one, add {lines}, each on its own line"
        )
    seen = (f"such as {stats.examples(1)}", *((f"{says}, and are left out",) if lacking else ()))
    why = {"time": seen, "time_unit": (form.says,)}
    doubts: tuple[Doubt, ...] = ()
    if form.ambiguous:
        swapped = form.format.replace("%d", "%@").replace("%m", "%d").replace("%@", "%m")
        mend = f'time_format = "{swapped}"'
        doubts = (Doubt("day_or_month", f"{stats.name}: {form.says}", mend, (stats.name,)),)
    elif form.unit != "text" and looks_rounded(stats.some):
        says = f"{stats.name} has rounded numbers such as {stats.examples(1)}: digits are lost"
        doubts = (Doubt("time_rounded", says, "", (stats.name,)),)
    sure = 1.0 + named + (stats.stamped or form.unit == "text")
    sure -= 0.3 * name_hints.has(stats.name, name_hints.LATE)
    return InteractionColumn("time", stats.name, sure, settings, why, doubts)


def _no_time(stats: ColumnStats) -> str | None:
    """Why a column that is called a time cannot be read as one; None if it hardly is one."""
    if _named_count(stats):
        return None
    if stats.numeric < 0.5 or (stats.number_form and stats.number_form.unit):
        dated = any(c.isdigit() for value in stats.some[:20] for c in value)
        return (
            f"values such as {stats.examples(1)} are no dates that can be read" if dated else None
        )
    of_calendar = {*name_hints.words(stats.name)} - name_hints.ID <= name_hints.CALENDAR
    late = np.median(stats.numbers) > 3000 or of_calendar
    return f"values such as {stats.examples(1)} are no time since 1970" if late else None


def _top(stats: ColumnStats) -> float:
    """The highest rating if the values say it, as ``4/5`` does; else 0."""
    tops = stats.number_form.tops if stats.number_form else ()
    return tops[0] if len(tops) == 1 else 0.0


def guess_rating(
    stats: ColumnStats, told: bool = False, halves: bool = False
) -> InteractionColumn | str | None:
    """The column as a rating, with its scale; why it is none although it is named so; or None.

    Args:
        stats: the column.
        told: whether it is known to be one.
        halves: whether half stars are enough without a telling name, as whole ones are.
    """
    named = told or name_hints.has(stats.name, name_hints.RATING)
    if stats.truths and named:
        import pyarrow.compute as pc

        # As 1 and 0, as boolean ratings are read.
        flags = pc.if_else(pc.equal(stats.column, "true"), "1", "0")
        stats = replace(stats, column=flags, truths=False)
    numbers = stats.numbers
    if named and not len(numbers) and len(stats.known) <= _MOST_KINDS:
        return _WORDS_FOR_RATINGS.format(stats.examples(2))
    if stats.numeric < 0.95 or not len(numbers):
        unread = np.flatnonzero(np.isnan(stats.parsed))
        says = f"called a rating, but {1 - stats.numeric:.0%} of its values are no numbers, such as"
        known = list(stats.known)
        return (
            f"{says} {shown(known[unread[0]])}"
            if named and len(unread) and stats.numeric >= 0.5
            else None
        )
    low, high, notes = guess_scale(stats.name, numbers, _top(stats))
    levels = np.unique(numbers)
    stars = stats.whole or (halves and bool(np.all(2 * levels == np.rint(2 * levels))))
    if not named and (not stars or not 3 <= len(levels) <= 11 or (low, high) not in SHORT):
        return None
    other = name_hints.is_id(stats.name) or name_hints.has(stats.name, name_hints.EVENT)
    if not named and (stats.fading or other):
        return None
    if len(levels) == 1:
        only = f"every rating is {levels[0]:g}, which does not show what is liked more"
        return only if named else None
    listed = ", ".join(f"{value:g}" for value in levels) if len(levels) <= 11 else ""
    seen = f"values {listed}" if listed else f"values from {levels[0]:g} to {levels[-1]:g}"
    scale = (f"{seen} in the {stats.rows:,} rows read", *notes)
    doubt = () if named else ("its name does not say that; could also be a count",)
    why = {"rating": (f"{len(levels):,} distinct numbers", *doubt), "scale": scale}
    own = name_hints.has(stats.name, name_hints.OWN) or len(name_hints.words(stats.name)) == 1
    others = name_hints.has(stats.name, name_hints.AVERAGE)
    sure = 1 + named + 0.2 * own - 0.4 * others - 0.5 * stats.fading
    doubts = [*_written(stats, "rating")]
    if not named:
        says = f"{stats.name} is taken for a rating by its values alone; it could also be a count"
        mend = f"{assignments({'count': stats.name})} in place of rating and scale"
        doubts.append(Doubt("rating_unnamed", says, mend, (stats.name,)))
    if none := [note for note in notes if "no rating" in note]:
        says = f"{stats.name}: {none[0]}"
        mend = f"scale = [{numbers.min():g}, {high:g}]"
        doubts.append(Doubt("zero_is_no_rating", says, mend, (stats.name,)))
    return InteractionColumn("rating", stats.name, sure, {"scale": [low, high]}, why, tuple(doubts))


def _written(stats: ColumnStats, key: str) -> tuple[Doubt, ...]:
    """Doubts about thousands and decimals in numbers."""
    form = stats.number_form
    if form is None or not (form.thousands or form.ambiguous):
        return ()
    sign = next((v for v in stats.known if "," in v or "." in v or "'" in v), "")
    says = f"{stats.name} has numbers such as {shown(sign)}"
    other = "," if stats.decimal == "." else "."
    mend = f'decimal = "{other}"' if form.ambiguous else ""
    if form.ambiguous:
        says += f', which may have thousands or decimals; "{stats.decimal}" is taken for decimals'
    else:
        says += ", which are read with thousands"
    return (Doubt(f"{key}_thousands", says, mend, (stats.name,)),)


def _named_count(stats: ColumnStats) -> bool:
    named = name_hints.has(stats.name, name_hints.COUNT)
    return named and not name_hints.has(stats.name, name_hints.PRICE)


def guess_count(
    stats: ColumnStats, told: bool = False, headerless: bool = False
) -> InteractionColumn | None:
    """The column as a count or an amount such as hours, by its name and numbers; or None."""
    named = told or _named_count(stats)
    if not (named or headerless) or stats.numeric < 0.95:
        return None
    numbers = stats.numbers
    # Most are small and few are large; numbers of things are not.
    if not named and not (stats.whole and np.mean(numbers) > 1.2 * np.median(numbers)):
        return None
    negative = float((numbers < 0).mean())
    if numbers.max() <= 1 or negative > 0.5 or numbers.max() == numbers.min():
        return None
    kind = "whole numbers" if stats.whole else "numbers"
    why = [f"{kind} from {numbers.min():g} to {numbers.max():g}"]
    doubts = [*_written(stats, "count")]
    if negative:
        says = (
            f"{negative:.1%} of {stats.name} is below zero: such rows take back the latest earlier "
            "rows of the same user and item"
        )
        why.append(says)
        doubts.append(Doubt("returns", says, "", (stats.name,)))
    sure = 2 if stats.whole else 1.8  # what was paid is no count
    if not named:
        sure = 0.9
        says = f"{stats.name} is taken for a count by its values alone"
        doubts.append(Doubt("count_unnamed", says, "", (stats.name,)))
    return InteractionColumn("count", stats.name, sure, {}, {"count": tuple(why)}, tuple(doubts))


def guess_event(stats: ColumnStats, told: bool = False) -> InteractionColumn | str | None:
    """The column as the kind of event, with weights for known kinds; why it is none; or None."""
    if stats.lists or not 2 - told <= len(stats.known) <= _MOST_KINDS or stats.words > 4:
        return None
    named = told or name_hints.has(stats.name, name_hints.EVENT)
    weights = {kind: event_weight(kind) for kind in stats.known}
    known = sum(weight is not None for weight in weights.values())
    asked = named or name_hints.has(stats.name, name_hints.RATING)
    answers = all(kind.strip().lower() in name_hints.ANSWER for kind in weights)
    telling = told or name_hints.has(stats.name, name_hints.EVENT - name_hints.VAGUE)
    worded = stats.numeric <= 0.5
    if known < max(1, len(weights) / 2) and not (telling or (named and known and worded)):
        return None
    if (not worded or answers) and not (asked or event_weight(stats.name)):
        return None
    if not worded and known < len(weights):
        return "its numbers stand for kinds of events, and what each weighs is not known"
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
    doubts: tuple[Doubt, ...] = ()
    if unknown:
        kinds = ", ".join(map(shown, unknown[:5]))
        says = f"rows whose {stats.name} is {kinds} are left out: what they weigh is not known"
        doubts = (Doubt("events_unknown", says, "", (stats.name,)),)
    return InteractionColumn("event", stats.name, 1 + named, {"events": kept}, why, doubts)


def event_weight(kind: str) -> float | None:
    """The weight of a kind of event; 0 if it speaks against the item, None if unknown."""
    words = (*name_hints.words(kind), kind.strip().lower())
    known = name_hints.EVENT_WEIGHTS
    weights = [known[word] for word in words if word in known]
    return max(weights, default=None) if all(weights) else 0.0


def refused_count(stats: ColumnStats) -> str:
    """Why a column that is named as a count is none; empty if it is none by its name."""
    if not _named_count(stats) or not any(map(str.isdigit, "".join(stats.some[:20]))):
        return ""
    flags = stats.whole and stats.numbers.min() >= 0 and stats.numbers.max() <= 1
    if stats.numeric >= 0.95 and flags:
        return ""  # as counts they would say nothing
    if stats.number_form is None:
        return f"hardly any of its values is a number; the first is {shown(stats.some[0])}"
    return misfits(stats, "numbers", ~np.isnan(stats.parsed))
