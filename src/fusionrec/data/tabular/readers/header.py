"""Tells a header from the rows below it, by the values alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_NUMBER = re.compile(r"[^\w\s]?[+-]?(\d[\d.,]*|\.\d+)([eE][+-]?\d+)?%?")
_DATE = re.compile(r"\d[\d\-/.:, T+Z]*( ?[AaPp]\.?[Mm]\.?)?")
_MISSING = {"", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "\\n", "."}
_SURE = 0.9  # share of a column's values that must be alike


def kind_of(value: str) -> str:
    """``number``, ``date``, ``code`` (letters and digits), ``word`` or empty for no value."""
    value = value.strip()
    if value.lower() in _MISSING:
        return ""
    if _NUMBER.fullmatch(value):
        return "number"
    if _DATE.fullmatch(value):
        return "date"
    return "code" if re.search(r"\d", value) else "word"


def are_names(values: Sequence[str]) -> bool:
    """Whether values may be the names of columns: words, all different."""
    stripped = [value.strip() for value in values]
    return all(kind_of(value) == "word" for value in stripped) and len(set(stripped)) == len(values)


def looks_headerless(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a file's first row looks like those below it, and not like names of columns.

    Args:
        first: its values.
        rows: those of rows below, as many in each.
    """
    if not rows:
        return bool(first) and {kind_of(value) for value in first} <= {"number", "date", ""}
    if any(list(row) == list(first) for row in rows) and are_names(first):
        return False  # a header that comes again
    alike = False
    for number, value in enumerate(first):
        below = [row[number] for row in rows if number < len(row)]
        verdict = _like(value, below)
        if verdict is False:
            return False
        alike = alike or verdict is True
    return alike


def _like(first: str, below: Sequence[str]) -> bool | None:
    """Whether a value is one like those below; None where it cannot be told."""
    kinds = Counter(kind for value in below if (kind := kind_of(value)))
    first_kind = kind_of(first)
    if not first.strip() and kinds.total() == len(below) > 0:
        return False
    if not kinds or not first_kind:
        return None
    kind, often = kinds.most_common(1)[0]
    if first_kind == "word":
        if kind != "word" and kinds["word"] <= (1 - _SURE) * kinds.total():
            return False
        return True if first in below else None
    if often < _SURE * kinds.total() or first_kind != kind:
        return None
    # Codes are alike if letters and digits come in the same order: u1 and u17, but not col1.
    return True if kind != "code" or _shape(first) in set(map(_shape, below)) else None


def _shape(value: str) -> str:
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d]+", "a", value))
