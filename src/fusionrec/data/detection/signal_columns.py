"""Guesses which columns of interactions are the rating, count, event and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import ColumnStats, determines
from fusionrec.data.detection.doubts import Doubt
from fusionrec.data.detection.rating_scale import MISSING
from fusionrec.data.detection.signal_guesses import (
    InteractionColumn,
    guess_count,
    guess_event,
    guess_rating,
    guess_time,
)
from fusionrec.data.tabular.toml_file import assignments

_ORDER = ("rating", "event", "count", "time")
_MOST_RATING = 10  # of a wide table's values; larger ones are counts


Told = Mapping[str, str]  # key of [interactions] -> its column, "" for none


def guess_signals(
    columns: Sequence[ColumnStats],
    user: ColumnStats,
    item: ColumnStats,
    told: Told,
    wide: str = "",
    headerless: bool = False,
) -> tuple[list[InteractionColumn], dict[str, str]]:
    """The signals among the columns of interactions.

    Args:
        columns: those that are not ids.
        user, item: those of the ids. What one of them determines is said of the user or the item,
            such as a place's average rating, and is no signal.
        told: key -> the column that it is; "" for none.
        wide: the column of a wide table's values, if it was one.
        headerless: whether columns have no names that could tell.

    Returns:
        At most one of rating, event and count, and at most one time; and rejected column -> why it
        is not used.
    """
    left_out: dict[str, str] = {}
    usable = (user.codes >= 0) & (item.codes >= 0)
    if usable.any() and not usable.all():  # others, such as totals, are left out
        rows = np.flatnonzero(usable)
        user, item, *columns = (stats.take(rows) for stats in (user, item, *columns))
    times: list[InteractionColumn] = []
    values: list[InteractionColumn] = []
    baskets = [s for s in columns if name_hints.has(s.name, name_hints.BASKET) and s.distinct > 11]
    for stats in columns:
        if stats.lists or not stats.known:
            continue
        said = next((key for key, column in told.items() if column == stats.name), "")
        time = guess_time(stats) if said in ("", "time") else None
        of_item = not said and determines(item, stats)
        if of_item or (not said and determines(user, stats)):
            once = None if of_item or not time else _once_each(time, user.name)
            if isinstance(once, InteractionColumn):
                times.append(once)
            elif time:  # never an attribute
                same = "it is the same in all rows of an item, and so said of the item"
                left_out[stats.name] = time if isinstance(time, str) else same
            continue
        if isinstance(time, InteractionColumn):
            times.append(time)
        elif time:
            left_out[stats.name] = time
        elif stats.running and not said:
            left_out[stats.name] = "a running number"
        elif not said and any(determines(basket, stats) for basket in baskets):
            values += _of_order(stats, left_out)
        else:
            values += _values(stats, said or _wide_role(stats, wide), left_out, headerless)
    return [*_chosen(values, told, left_out), *_chosen(times, told, left_out)], left_out


def _chosen(
    signals: Sequence[InteractionColumn], told: Told, left_out: dict[str, str]
) -> list[InteractionColumn]:
    """The surest of the signals, if there is any; others are added to ``left_out``."""
    fits = [signal for signal in signals if told.get(signal.key, signal.column) == signal.column]
    fits.sort(key=lambda signal: (-round(signal.sure, 3), _ORDER.index(signal.key)))
    for signal in fits[1:]:
        if signal.column != (taken := fits[0].column):
            left_out[signal.column] = f"could also be the {signal.key}; {taken} is taken for it"
    return [_with_rivals(fits, told)] if fits else []


def _once_each(time: InteractionColumn | str, user: str) -> InteractionColumn | None:
    """A time that is the same in all rows of a user: of their only visit; None if it is rather said
    of the user, such as when someone joined.
    """
    if isinstance(time, str) or not name_hints.JOINED.isdisjoint(name_hints.words(time.column)):
        return None
    says = f"{time.column} is the same in all rows of a {user}, so that nothing came first or last"
    doubt = Doubt("one_time_per_user", f"{says}: it may as well be left out", "", (time.column,),
                  key="interactions.time", choices=(time.column, ""))  # fmt: skip
    return replace(time, sure=time.sure - 1.5, doubts=(*time.doubts, doubt))


def _of_order(stats: ColumnStats, left_out: dict[str, str]) -> list[InteractionColumn]:
    """What is said of a whole order: an event such as "cancelled", or nothing."""
    event = guess_event(stats)
    if isinstance(event, InteractionColumn):
        return [event]
    left_out[stats.name] = "it is said of a whole order, not of an item"
    return []


def _wide_role(stats: ColumnStats, wide: str) -> str:
    """What a wide table's values are; empty for other columns."""
    if not wide or stats.name != wide or not len(stats.numbers):
        return ""
    given = stats.numbers[stats.numbers != MISSING]
    rated = len(given) == 0 or given.min() < 0 or np.quantile(given, 0.99) <= _MOST_RATING
    return "rating" if rated and not stats.fading else "count"


def _values(
    stats: ColumnStats, said: str, left_out: dict[str, str], headerless: bool
) -> list[InteractionColumn]:
    """The column as a rating, an event or a count, by what it may be or is ``said`` to be."""
    guesses: dict[str, InteractionColumn | str | None] = {}
    if said in ("", "rating"):
        guesses["rating"] = guess_rating(stats, said == "rating", headerless)
    if said in ("", "event"):
        guesses["event"] = guess_event(stats, said == "event")
    if said in ("", "count"):
        guesses["count"] = guess_count(stats, said == "count", headerless)
    lacking = 1 - stats.filled / max(1, stats.rows)  # such rows would be left out
    signals = [
        replace(guess, sure=guess.sure - lacking)
        for guess in guesses.values()
        if isinstance(guess, InteractionColumn)
    ]
    whys = [guess for guess in guesses.values() if isinstance(guess, str)]
    if whys and not signals:
        left_out[stats.name] = whys[0]
    return signals


def _with_rivals(signals: Sequence[InteractionColumn], told: Told) -> InteractionColumn:
    """The first of the signals, with a doubt about others of its kind that are named alike."""
    first, *rest = signals
    if first.key in told:
        return replace(first, doubts=())
    rivals = [
        other
        for other in rest
        if other.key == first.key and other.column != first.column and other.sure >= 2
    ]
    if not rivals:
        return first
    names = [other.column for other in rivals]
    says = f"{' and '.join(names)} could also be the {first.key}; {first.column} is taken for it"
    doubt = Doubt(
        f"two_{first.key}s",
        says,
        assignments(
            {first.key: names[0], **dict.fromkeys(first.settings, ""), **rivals[0].settings}
        ),
        (first.column, *names),
        key=f"interactions.{first.key}",
        choices=(first.column, *names, ""),
    )
    return replace(first, doubts=(*first.doubts, doubt))
