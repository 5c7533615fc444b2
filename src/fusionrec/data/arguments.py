"""Reads the arguments of Python callers: each says what it expected, and what came."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fusionrec.data.values import is_finite
from fusionrec.errors import UsageError

_SHOWN = 80  # characters of a value in a message


def shortened(value: Any) -> str:
    """A value for a message; only the beginning if it is long."""
    if isinstance(value, int) and not is_finite(value):
        return "a number of hundreds of digits"
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def expected(name: str, what: str, value: Any) -> UsageError:
    """The error for an argument that is none of ``what``."""
    return UsageError(f"{name} must be {what}, got {shortened(value)}")


def instance(name: str, value: Any, kinds: type | tuple[type, ...], what: str) -> None:
    """Refuses a value of another type (UsageError)."""
    if not isinstance(value, kinds):
        raise expected(name, what, value)


def whole_number(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, NumPy's too; a truth value is none.

    Raises:
        UsageError: it is none, or below ``least``.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not is_finite(number):
        raise expected(name, "a whole number", value)
    if least is not None and number < least:
        raise UsageError(f"{name} must be {least} or more, got {number}")
    return number


def number(name: str, value: Any) -> float:
    """A number, or a text of one; a truth value is none (UsageError)."""
    try:
        if not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise expected(name, "a number", value)


def flag(name: str, value: Any) -> bool:
    """True or False; anything else is refused, since the text "no" would count as true."""
    instance(name, value, (bool, np.bool_), "True or False")
    return bool(value)


def text(name: str, value: Any) -> str:
    """An id or another value of any type as text: a text, a number, a date, a UUID.

    Raises:
        UsageError: nothing, NaN, bytes or a collection, whose text is nobody's id.
    """
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    several = isinstance(value, Iterable) and not isinstance(value, str)  # bytes too
    if missing or several:
        raise expected(name, "one text or number", value)
    try:
        return str(value)
    except ValueError as error:  # a whole number of more digits than Python writes
        raise UsageError(f"{name} has too many digits: {error}") from error


def texts(**given: Any) -> None:
    """Refuses an argument that is neither a text nor None (UsageError); the names are theirs."""
    for name, value in given.items():
        instance(name, value, (str, type(None)), "one text")


def listed(name: str, value: Any) -> list[Any]:
    """A list, or a single value as a list of it; None is an empty one.

    Raises:
        UsageError: it is a mapping.
    """
    if value is None:
        return []
    if isinstance(value, str | bytes | int | float) or not isinstance(value, Iterable):
        return [value]
    if isinstance(value, Mapping):
        raise expected(name, "a list", value)
    return list(value)
