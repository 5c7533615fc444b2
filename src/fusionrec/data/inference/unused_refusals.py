"""Why a column is no count or no time, although its name or most of its values look like one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusionrec.data.inference import name_hints
from fusionrec.data.inference.column_stats import ISO_TIME, ColumnStats, number, shown

_MOST = 0.5  # of the values, so that a column looks like what they are
_EARLY = 1e8  # as seconds since 1970, what is below is hardly meant


def refused_count(facts: ColumnStats) -> str:
    """Why a column that is called a count was not taken for one; empty where it does not seem so.

    Args:
        facts: a column that ``guess_count`` made nothing of.
    """
    if not name_hints.has(facts.name, name_hints.COUNT) or facts.numeric < _MOST:
        return ""
    if facts.numeric >= 0.95 and facts.whole and facts.numbers.min() >= 0 and _flags(facts):
        return ""
    fits = "whole numbers from 0 on"
    return _but(facts, fits, lambda value: _whole(value) and number(value) >= 0)


def _flags(facts: ColumnStats) -> bool:
    """Whether no number is above 1: of such counts none would tell anything."""
    return bool(facts.numbers.max() <= 1)


def refused_time(facts: ColumnStats) -> str:
    """Why a column that looks like times was not taken for them; empty where it does not.

    Args:
        facts: a column that ``guess_time`` made nothing of.
    """
    if facts.share(ISO_TIME) >= _MOST:
        return _but(facts, "dates as they are read (2024-12-31T23:59:59+08:00 is)", _dated)
    named = name_hints.has(facts.name, name_hints.TIME)
    if not named or facts.numeric < _MOST or np.median(facts.numbers) < _EARLY:
        return ""
    return _but(facts, "numbers", lambda value: not np.isnan(number(value)))


def _whole(value: str) -> bool:
    return bool(number(value) == np.rint(number(value)))


def _dated(text: str) -> bool:
    return bool(ISO_TIME.fullmatch(text.strip()))


def _but(facts: ColumnStats, fits: str, test: Callable[[str], bool]) -> str:
    """Says how many values are not as they should be; empty where all are.

    Args:
        facts: the column.
        fits: what they should be.
        test: whether a value is.
    """
    odd = {value: often for value, often in facts.known.items() if not test(value)}
    if not odd:
        return ""
    first = max(odd, key=odd.__getitem__)
    of = f"{sum(odd.values()):,} of its {facts.known.total():,} values"
    return f"{of} are no {fits}, such as {shown(first)}"
