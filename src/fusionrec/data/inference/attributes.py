"""What a column says of users or of items: a guess from its values and name, with its reasons."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from fusionrec.data.inference import name_hints
from fusionrec.data.inference.column_stats import (
    ADDRESS,
    CODE,
    EMAIL,
    ISO_TIME,
    NESTED,
    OTHER_TIME,
    PHONE,
    URL,
    ColumnStats,
    mostly,
    shown,
)
from fusionrec.data.schema import Side
from fusionrec.data.tabular.spec import FieldSpec

_SEPARATORS = ("|", ";", ",", "/")
_MOST_MISSING = 5  # words for "not known" that are written down
_MOST_CODES = 12  # whole numbers of so few distinct values may be codes
_CODED = ("type", "class", "category", "group", "level", "status", "flag", "tier", "code", "id")
_INITIALS = re.compile(r"(\w\.[ -]?)+")
_MONEY = re.compile(r"[$€£¥₽₾]\s?\d[\d.,]*|\d[\d.,]*\s?[$€£¥₽₾%]|\d{1,3}(,\d{3})+(\.\d+)?|\d+,\d+")


@dataclass(frozen=True)
class Attribute:
    """A column that becomes a field.

    Attributes:
        source: the column's name in the file.
        column: how it is read.
        why: sentences, for people.
        name: the field's name.
    """

    source: str
    column: FieldSpec
    why: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True)
class Attributes:
    """What was made of a table's columns.

    Attributes:
        kept: those that become fields, in the file's order.
        left: column -> why it is left out.
        title: the name of the text field that people know an item by; empty where there is none.
    """

    kept: tuple[Attribute, ...] = ()
    left: dict[str, str] = field(default_factory=dict)
    title: str = ""


def guess_attribute(facts: ColumnStats, side: Side) -> Attribute | str:
    """What a column says, or why it should be left out.

    Args:
        facts: the column, one row for each user or item.
        side: whose column it is.
    """
    if useless := _useless(facts) or _personal(facts, side) or _unreadable(facts):
        return useless
    guessed = _several(facts) or _number(facts) or _worded(facts)
    if isinstance(guessed, str):
        return guessed
    missing = tuple(dict.fromkeys(value.strip() for value in facts.unknown[:_MOST_MISSING]))
    why = guessed.why
    if missing:
        why = (*why, f"{' and '.join(map(shown, missing))} seems to mean that it is not known")
    if facts.filled < facts.rows:
        why = (*why, f"empty in {facts.rows - facts.filled:,} of {facts.rows:,} rows")
    filtered = side == "item" and guessed.column.kind != "text"
    return replace(
        guessed, column=replace(guessed.column, missing=missing, filter=filtered), why=why
    )


def _useless(facts: ColumnStats) -> str:
    if not facts.known:
        return "it is empty"
    if len(facts.known) == 1 and facts.filled == facts.rows:
        return f"every row says {shown(next(iter(facts.known)))}"
    return ""


def _personal(facts: ColumnStats, side: Side) -> str:
    """Why a column is about persons so closely that it stays out; values are not shown."""
    own = name_hints.has(facts.name, name_hints.PERSONAL)
    named = name_hints.has(facts.name, name_hints.PEOPLE_NAME) and not name_hints.is_id(facts.name)
    of_people = side == "user"
    why = ""
    if mostly(facts, EMAIL):
        why = "email addresses"
    elif mostly(facts, ADDRESS) and facts.numeric < 0.5:
        why = "network addresses"
    elif mostly(facts, PHONE) and not mostly(facts, ISO_TIME) and (own or of_people):
        why = "phone numbers" if facts.unique > 0.5 else ""
    elif of_people and own and facts.unique > 0.05:
        why = "it seems, by its name"
    elif of_people and named and facts.unique > 0.3 and facts.numeric < 0.5:
        why = "the names of people"
    elif of_people and facts.unique > 0.5 and facts.words > 4:
        why = "what people wrote of themselves, it seems"
    return f"personal data: {why}" if why else ""


def _unreadable(facts: ColumnStats) -> str:
    if mostly(facts, URL):
        return "addresses of pages or pictures say nothing by themselves"
    if facts.stamped or mostly(facts, ISO_TIME) or mostly(facts, OTHER_TIME):
        return "dates are not read as attributes; a column with the year, as a number, would be"
    lists = (value for value in facts.values if facts.lists and isinstance(value, list))
    if any(isinstance(one, list) for value in lists for one in value):
        return "lists within lists"
    if not facts.lists and mostly(facts, NESTED):
        return "lists or objects written as text; JSON Lines or Parquet hold them as lists"
    if mostly(facts, _MONEY) and facts.numeric < 0.9:
        return (
            "numbers with other signs in them; written plainly, such as 1234.5, they would be read"
        )
    return ""


def _several(facts: ColumnStats) -> Attribute | None:
    """Several categories: lists, or words with a separator between that come again and again."""
    if facts.lists:
        of = f"lists, of {len(facts.known):,} distinct values such as {facts.examples()}"
        return Attribute(facts.name, FieldSpec(kind="categories"), (of,))
    for separator in _SEPARATORS:
        parts: Counter[str] = Counter()
        split = 0
        for value in facts.some:
            held = [part.strip() for part in value.split(separator)]
            split += len(held) > 1
            parts.update(part for part in held if part)
        if _is_list(facts, parts, split, separator) and not _names(facts, separator):
            most = ", ".join(shown(part) for part, _ in parts.most_common(3))
            why = f'{len(parts):,} distinct values with "{separator}" between, such as {most}'
            return Attribute(facts.name, FieldSpec(kind="categories", separator=separator), (why,))
    return None


def _names(facts: ColumnStats, separator: str) -> bool:
    """Whether a comma stands within names of people, such as ``Woolf, B.``: what stands before it
    never stands behind it.
    """
    if separator != ",":
        return False
    held = [[part.strip() for part in value.split(",")] for value in facts.some if "," in value]
    before, behind = {parts[0] for parts in held}, {p for parts in held for p in parts[1:]}
    pairs = sum(len(parts) == 2 for parts in held) > 0.95 * len(held)
    initials = sum(bool(_INITIALS.fullmatch(part)) for part in behind) > 0.5 * len(behind)
    return initials or (pairs and len(before & behind) < 0.05 * len(before | behind))


def _is_list(facts: ColumnStats, parts: Counter[str], split: int, separator: str) -> bool:
    """Whether values that a separator splits are lists: short parts, each in several values."""
    if split < max(2, 0.1 * len(facts.some)) or mostly(facts, ISO_TIME):
        return False
    again = parts.total() / max(1, len(parts))
    short = sum(len(part.split()) <= 3 and len(part) <= 40 for part in parts) / max(1, len(parts))
    lone = {value.strip() for value in facts.some} & set(parts)
    numbers = sum(part.replace(".", "").isdigit() for part in parts) / max(1, len(parts))
    # A bar or a semicolon seldom stands in one value; a comma or a slash often does.
    often = sum(count > 1 for count in parts.values()) > 0.5 * len(parts)
    plain = separator in "|;" and split > 0.3 * len(facts.some) and often
    enough = again >= 3 or (again >= 1.5 and (plain or len(lone) >= 2))
    return enough and short > 0.95 and numbers < 0.5


def _number(facts: ColumnStats) -> Attribute | str | None:
    numbers = facts.numbers
    if facts.numeric < 0.95:
        return None
    low, high = float(numbers.min()), float(numbers.max())
    factorize = not set(name_hints.words(facts.name)).isdisjoint(_CODED)
    if facts.whole and len(facts.known) <= _MOST_CODES and (factorize or len(facts.known) == 2):
        why = f"{len(facts.known)} distinct numbers, {facts.examples()}: codes, it seems"
        return Attribute(facts.name, FieldSpec(), (why,))
    if facts.whole and name_hints.is_id(facts.name):
        return _codes(facts)
    if facts.whole and low >= 1e8 and name_hints.has(facts.name, name_hints.TIME):
        return "dates are not read as attributes; a column with the year, as a number, would be"
    if facts.whole and facts.unique > 0.99 and high >= 1e6:
        return "every value is another number: a code, it seems"
    why = f"numbers from {low:g} to {high:g}"
    uneven = ""
    if _skewness(numbers):
        uneven = "most are small and few very large"
    elif name_hints.has(facts.name, name_hints.AGE):
        uneven = "tastes do not rise or fall evenly with age"
    if uneven:
        why += f"; {uneven}, so it is read by buckets"
    return Attribute(facts.name, FieldSpec(kind="number", buckets=bool(uneven)), (why,))


def _skewness(numbers: np.ndarray) -> bool:
    """Whether a tail is so long that a step says one thing at one end and another at the other."""
    deviation = float(numbers.std())
    if deviation == 0 or len(np.unique(numbers)) <= _MOST_CODES:
        return False
    return bool(abs(np.mean(((numbers - numbers.mean()) / deviation) ** 3)) > 2)


def _codes(facts: ColumnStats) -> Attribute | str:
    """Numbers or words that stand for something: a category where they come again."""
    if facts.unique > 0.5:
        return "nearly every row has another value: a code, it seems"
    why = f"{len(facts.known):,} distinct codes such as {facts.examples()}"
    return Attribute(facts.name, FieldSpec(), (why,))


def _worded(facts: ColumnStats) -> Attribute | str:
    few = len(facts.known)
    if facts.unique <= 0.5 and (facts.words < 6 or few <= 50):
        why = f"{few:,} distinct values such as {facts.examples()}"
        if few == facts.distinct == facts.filled:  # too few rows to tell
            why += "; too few rows to be sure"
        return Attribute(facts.name, FieldSpec(), (why,))
    titled = name_hints.has(facts.name, name_hints.TITLE) and not name_hints.is_id(facts.name)
    if name_hints.is_id(facts.name) or (mostly(facts, CODE) and not titled):
        return _codes(facts)
    if facts.words < 1.5 and not titled:
        if facts.unique > 0.8:
            return "nearly every row has another word: nothing that two rows could share"
        why = f"{few:,} distinct values such as {facts.examples()}; could also be left out"
        return Attribute(facts.name, FieldSpec(), (why,))
    why = f"{few:,} distinct texts such as {facts.examples(2)}"
    if facts.unique <= 0.8 and facts.words < 4:
        why += '; could also be a "category", since many come again'
    return Attribute(facts.name, FieldSpec(kind="text"), (why,))
