"""Guesses the attribute in a column of users or items from its values and name, with reasons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.column_stats import (
    ADDRESS,
    CODE,
    EMAIL,
    IMAGE,
    NESTED,
    PHONE,
    URL,
    ColumnStats,
    mostly,
    shown,
)
from fusionrec.data.detection.signal_guesses import looks_like_time
from fusionrec.data.schema import Side
from fusionrec.data.tabular.spec import FieldSpec

SEPARATORS = ("|", ";", ",", "/")
_MOST_MISSING = 5  # words for "not known" that are listed
_MOST_CODES = 12  # distinct whole numbers; so few may be codes
_CODED = ("type", "class", "category", "group", "level", "status", "flag", "tier", "code", "id")
_DATES = "dates are not read as attributes; a column with the year, as a number, would be"
_INITIALS = re.compile(r"(\w\.[ -]?)+")
_SINGLE = re.compile(r"[A-Z][\w'’&-]*")  # a category of one word, as a list between spaces has


@dataclass(frozen=True)
class Attribute:
    """A column that becomes a field.

    Attributes:
        source: the column's name in the file.
        column: how it is read.
        why: reasons, for people.
        name: the field's name.
    """

    source: str
    column: FieldSpec
    why: tuple[str, ...]
    name: str = ""


def guess_attribute(stats: ColumnStats, side: Side) -> Attribute | str:
    """The attribute in a column with a row for each user or item, or why to leave it out."""
    if not stats.known:
        return "it is empty"
    if len(stats.known) == 1 and stats.filled == stats.rows:
        return f"every row says {shown(next(iter(stats.known)))}"
    if why_not := _personal(stats, side):
        return why_not
    guessed = _pictures(stats, side) or _unreadable(stats) or _several(stats) or _number(stats)
    guessed = guessed or _worded(stats)
    if isinstance(guessed, str):
        return guessed
    missing = tuple(dict.fromkeys(value.strip() for value in stats.unknown[:_MOST_MISSING]))
    why = guessed.why
    if missing:
        why = (*why, f'{" and ".join(map(shown, missing))} seems to mean "not known"')
    if stats.filled < stats.rows:
        why = (*why, f"empty in {stats.rows - stats.filled:,} of {stats.rows:,} rows")
    filtered = side == "item" and guessed.column.kind not in ("text", "image")
    column = replace(guessed.column, missing=missing, filter=filtered)
    return replace(guessed, column=column, why=why)


def _personal(stats: ColumnStats, side: Side) -> str:
    """Why a column is personal data, without showing values; else empty."""
    own = name_hints.has(stats.name, name_hints.PERSONAL)
    named = name_hints.has(stats.name, name_hints.PEOPLE_NAME) and not name_hints.is_id(stats.name)
    of_people = side == "user"
    why = ""
    if mostly(stats, EMAIL):
        why = "email addresses"
    elif mostly(stats, ADDRESS) and stats.numeric < 0.5:
        why = "network addresses"
    elif mostly(stats, PHONE) and stats.time_form is None and (own or of_people):
        why = "phone numbers" if stats.unique > 0.5 else ""
    elif of_people and own and stats.unique > 0.05:
        why = "by its name"
    elif of_people and named and stats.unique > 0.3 and stats.numeric < 0.5:
        why = "the names of people"
    elif of_people and stats.unique > 0.5 and stats.words > 4:
        why = "what people wrote about themselves"
    return f"personal data: {why}" if why else ""


def _pictures(stats: ColumnStats, side: Side) -> Attribute | None:
    if side == "user" or stats.lists or not mostly(stats, IMAGE):
        return None
    return _made(stats, f"pictures by their names, such as {stats.examples(2)}", kind="image")


def _unreadable(stats: ColumnStats) -> str:
    if mostly(stats, URL):
        return "addresses of pages or pictures are not read"
    named = name_hints.has(stats.name, name_hints.TIME) and stats.numeric < 0.5
    if (looks_like_time(stats) and stats.numeric < 0.95) or (named and _dated(stats)):
        return _DATES
    if stats.lists and any(value.startswith("[[") for value in stats.values):
        return "lists within lists"
    if not stats.lists and mostly(stats, NESTED):
        return "lists or objects written as text; JSON Lines or Parquet hold them as lists"
    return ""


def _dated(stats: ColumnStats) -> bool:
    """Whether nearly all values have digits, as dates in a form that is not read do."""
    digits = [any(c.isdigit() for c in value) for value in stats.some]
    return sum(digits) > 0.9 * len(digits)


def _made(stats: ColumnStats, why: str, **settings: Any) -> Attribute:
    return Attribute(stats.name, FieldSpec(**settings), (why,))


def _several(stats: ColumnStats) -> Attribute | None:
    """Several categories: lists, or words between separators that repeat."""
    if stats.lists:
        why = f"lists, of {len(stats.known):,} distinct values such as {stats.examples()}"
        return _made(stats, why, kind="categories")
    typed = stats.name.endswith(":token_seq")  # RecBole's: single values between spaces
    if typed and not name_hints.has(stats.name, name_hints.TITLE):
        words = Counter(word for value in stats.some for word in value.split())
        most = ", ".join(shown(word) for word, _ in words.most_common(3))
        why = f"{len(words):,} distinct values between spaces, as its header says, such as {most}"
        return _made(stats, why, kind="categories", separator=" ")
    if separator := list_separator(stats, (*SEPARATORS, " ")):
        parts = Counter(p.strip() for v in stats.some for p in v.split(separator) if p.strip())
        most = ", ".join(shown(part) for part, _ in parts.most_common(3))
        why = f'{len(parts):,} distinct values with "{separator}" between, such as {most}'
        return _made(stats, why, kind="categories", separator=separator)
    return None


def list_separator(stats: ColumnStats, separators: Sequence[str]) -> str:
    """What stands between the several values in a column's cells; empty if there is one in each."""
    for separator in () if mostly(stats, URL) else separators:
        if sum(separator in value for value in stats.some) < max(2, 0.05 * len(stats.some)):
            continue
        parts: Counter[str] = Counter()
        split = 0
        for value in stats.some:
            pieces = [piece.strip() for piece in value.split(separator)]
            split += len(pieces) > 1
            parts.update(piece for piece in pieces if piece)
        if _is_list(stats, parts, split, separator) and not _names(stats, separator):
            return separator
    return ""


def _names(stats: ColumnStats, separator: str) -> bool:
    """Whether commas are part of people's names, such as ``Woolf, B.``: what comes before a comma
    hardly ever comes after one.
    """
    if separator != ",":
        return False
    names = [[part.strip() for part in value.split(",")] for value in stats.some if "," in value]
    before, behind = {parts[0] for parts in names}, {p for parts in names for p in parts[1:]}
    pairs = sum(len(parts) == 2 for parts in names) > 0.95 * len(names)
    initials = sum(bool(_INITIALS.fullmatch(part)) for part in behind) > 0.5 * len(behind)
    return initials or (pairs and len(before & behind) < 0.05 * len(before | behind))


def _is_list(stats: ColumnStats, parts: Counter[str], split: int, separator: str) -> bool:
    """Whether values with a separator are lists: of short parts, each in several values."""
    if split < max(2, 0.1 * len(stats.some)):
        return False
    again = parts.total() / max(1, len(parts))
    short = sum(len(part.split()) <= 3 and len(part) <= 40 for part in parts) / max(1, len(parts))
    lone = {value.strip() for value in stats.some} & set(parts)
    numbers = sum(part.replace(".", "").isdigit() for part in parts) / max(1, len(parts))
    # Bars and semicolons are rare within a single value; commas and slashes are not.
    often = sum(count > 1 for count in parts.values()) > 0.5 * len(parts)
    plain = separator in "|;" and split > 0.3 * len(stats.some) and often
    enough = again >= 3 or (again >= 1.5 and (plain or len(lone) >= 2))
    if separator == " ":  # is also within names: a list has few single words that come alone too
        codes = name_hints.has(stats.name, name_hints.SEVERAL)
        single = sum(bool(_SINGLE.fullmatch(part)) for part in parts) == len(parts) <= 60
        listed = single and len(lone) >= 0.4 * len(parts) and split > 0.3 * len(stats.some)
        return again >= 2 and (codes or listed)
    numbers *= not name_hints.has(stats.name, name_hints.SEVERAL)
    return enough and short > 0.95 and numbers < 0.5


def _number(stats: ColumnStats) -> Attribute | str | None:
    numbers = stats.numbers
    if stats.numeric < 0.95 or stats.name.endswith(":token"):  # RecBole's: a category
        return None
    low, high = float(numbers.min()), float(numbers.max())
    factorize = not set(name_hints.words(stats.name)).isdisjoint(_CODED)
    if stats.whole and len(stats.known) <= _MOST_CODES and (factorize or len(stats.known) == 2):
        why = f"{len(stats.known)} distinct numbers, {stats.examples()}: codes, it seems"
        return _made(stats, why)
    if stats.whole and name_hints.is_id(stats.name):
        return _codes(stats)
    if stats.whole and low >= 1e7 and looks_like_time(stats):
        return _DATES
    if stats.whole and stats.unique > 0.99 and high >= 1e6:
        return "every row has a different number: a code, it seems"
    why = f"numbers from {low:g} to {high:g}"
    uneven = ""
    deviation = float(numbers.std())
    # Equal steps differ in meaning if the distribution has a long tail.
    if (
        deviation
        and len(np.unique(numbers)) > _MOST_CODES
        and (abs(np.mean(((numbers - numbers.mean()) / deviation) ** 3)) > 2)
    ):
        uneven = "most are small and few very large"
    elif name_hints.has(stats.name, name_hints.AGE):
        uneven = "tastes do not rise or fall evenly with age"
    if uneven:
        why += f"; {uneven}, so it is read by buckets"
    return _made(stats, why, kind="number", buckets=bool(uneven))


def _codes(stats: ColumnStats) -> Attribute | str:
    """Codes: a category if they repeat."""
    if stats.unique > 0.5:
        return "nearly every row has a different value: a code, it seems"
    return _made(stats, f"{len(stats.known):,} distinct codes such as {stats.examples()}")


def _worded(stats: ColumnStats) -> Attribute | str:
    few = len(stats.known)
    if stats.unique <= 0.5 and (stats.words < 6 or few <= 50):
        return _made(stats, f"{few:,} distinct values such as {stats.examples()}")
    titled = name_hints.has(stats.name, name_hints.TITLE) and not name_hints.is_id(stats.name)
    if name_hints.is_id(stats.name) or (mostly(stats, CODE) and not titled):
        return _codes(stats)
    if stats.words < 1.5 and not titled:
        if stats.unique > 0.8:
            return "nearly every row has a different word"
        why = f"{few:,} distinct values such as {stats.examples()}; could also be left out"
        return _made(stats, why)
    why = f"{few:,} distinct texts such as {stats.examples(2)}"
    if stats.unique <= 0.8 and stats.words < 4:
        why += '; could also be a "category", since many repeat'
    return _made(stats, why, kind="text")
