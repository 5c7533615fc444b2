"""Years in what people type: ``1970s``, ``the nineties``, ``1990-95``, ``since 2000``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.index import FilterColumns

_LEAST, _MOST = 1800, 2100  # what a field of years holds
_NAMES = {
    "twenties": 20,
    "thirties": 30,
    "forties": 40,
    "fifties": 50,
    "sixties": 60,
    "seventies": 70,
    "eighties": 80,
    "nineties": 90,
}
_UNIT = rf"(?:[12][0-9]{{2}}0['’]?s|[12][0-9]{{3}}|['’]?[0-9]0['’]?s|{'|'.join(_NAMES)})(?!\w)"
_THE = r"(?:the\s+)?"
_YEARS = re.compile(
    rf"(?<!\w)(?:"
    rf"(?:between\s+|from\s+)?{_THE}(?P<low>{_UNIT})"
    rf"(?:\s*(?:-|‐|‑|–|—|\.\.+)\s*|\s+(?:to|until|till|through|and)\s+){_THE}"
    rf"(?P<high>{_UNIT}|[0-9]{{2}}(?!\w))"
    rf"|(?P<before>before|prior\s+to|older\s+than|earlier\s+than|pre)[\s-]+{_THE}(?P<end>{_UNIT})"
    rf"|(?:until|till|up\s+to)\s+{_THE}(?P<last>{_UNIT})"
    rf"|(?P<after>after|newer\s+than|later\s+than|post)[\s-]+{_THE}(?P<start>{_UNIT})"
    rf"|since\s+{_THE}(?P<first>{_UNIT})"
    rf"|from\s+{_THE}(?P<onward>{_UNIT})\s+on(?:wards?)?(?!\w)"
    rf"|(?P<one>{_UNIT})(?:\s+(?:or|and)\s+(?P<more>later|newer|after|earlier|older|before)(?!\w))?"
    rf")"
)
_ENDS = ("one", "end", "last", "start", "first", "onward")


class Years(NamedTuple):
    """A range of years that was typed, both ends included; None is no bound.

    Attributes:
        text: as it was typed.
    """

    low: int | None
    high: int | None
    text: str

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.high} or earlier"
        if self.high is None:
            return f"{self.low} or later"
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"


def read_years(text: str, latest: int) -> list[Years]:
    """The years in a text, in its order.

    Args:
        text: in lower case.
        latest: the last year that any item has: ``20s`` are the last such decade up to it.
    """
    return [_read(found, latest) for found in _YEARS.finditer(text)]


def without_years(text: str) -> str:
    """A text in lower case without what ``read_years`` reads."""
    return _YEARS.sub(" ", text)


def _read(found: re.Match[str], latest: int) -> Years:
    named, text = found.groupdict(), found.group()
    if low := named["low"]:
        high = named["high"]
        short = len(high) == 2 and high.isdecimal()  # 1990-95
        ends = (*_unit(low, latest), *_unit(low[:2] + high if short else high, latest))
        return Years(min(ends), max(ends), text)
    first, last = _unit(next(filter(None, map(named.get, _ENDS))), latest)
    if named["before"]:
        return Years(None, first - 1, text)
    if named["after"]:
        return Years(last + 1, None, text)
    if named["last"] or named["more"] in ("earlier", "older", "before"):
        return Years(None, last, text)
    return Years(first, None if named["more"] or not named["one"] else last, text)


def _unit(text: str, latest: int) -> tuple[int, int]:
    """The first and the last year of a year or a decade."""
    digits = text.strip("s'’")
    if len(digits) == 4 and digits.isdecimal():
        return int(digits), int(digits) + 9 * text.endswith("s")
    decade = _NAMES[text] if text in _NAMES else int(digits)
    begin = max((c + decade for c in (1800, 1900, 2000) if c + decade <= latest), default=1900)
    return begin, begin + 9


def within(numbers: np.ndarray, asked: Sequence[Years]) -> np.ndarray:
    """Which numbers are in one of the closed ranges, if there are any, and in every open one."""
    inside, closed = np.ones(len(numbers), dtype=bool), np.zeros(len(numbers), dtype=bool)
    for low, high, _ in asked:
        here = numbers >= (-np.inf if low is None else low)
        here &= numbers <= (np.inf if high is None else high)
        if low is None or high is None:
            inside &= here
        else:
            closed |= here
    some = any(low is not None and high is not None for low, high, _ in asked)
    return inside & closed if some else inside


def year_field(schema: Schema, columns: FilterColumns) -> tuple[str, np.ndarray] | None:
    """The heading and the numbers, float64 [n], of the first field of years: a number by which
    answers may be filtered, whose values are whole numbers such as 1977.
    """
    for field in schema.filters():
        if field.kind == "number":
            numbers = columns.numbers(field)
            known = numbers[~np.isnan(numbers)]
            usual = (known >= _LEAST) & (known <= _MOST) & (known == np.floor(known))
            if len(known) and usual.mean() > 0.95:
                return field.heading, numbers
    return None
