"""Statistics of a column, from which its role is inferred."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from fusionrec.data.detection.name_hints import UNKNOWN
from fusionrec.data.tabular.number_formats import COMMA

_SAMPLE = 2000  # distinct values that patterns are matched against
_SHOWN = 40  # characters of a value that are shown

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
URL = re.compile(r"(https?:)?//\S+|www\.\S+|\S+\.(jpe?g|png|gif|webp|svg)", re.IGNORECASE)
PHONE = re.compile(r"(\+|00|\()[\d() ./-]{6,20}|\d{2,5}[ ./-]\d{3}[\d ./-]{3,12}")
ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){4,7}", re.IGNORECASE)
ISO_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z| UTC|[+-]\d\d(:?\d\d)?)?)?", re.IGNORECASE
)
OTHER_TIME = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([T ,]+\d{1,2}:\d\d.*)?")
CODE = re.compile(r"(?=\S*\d)[\w.:{}-]{4,}")
BRACKETS = re.compile(r"\(.*\)|\[.*\]|<.*>")
NESTED = re.compile(r"\s*[\[{].*[\]}]\s*", re.DOTALL)


@dataclass(frozen=True)
class ColumnStats:
    """A column's first rows and their statistics.

    Attributes:
        name: the column's name.
        values: one per row: a text, a list of texts, or None; an empty text counts as None.
        stamped: whether the file's type for it is a date or time.
        truths: whether the file's type for it is boolean.
    """

    name: str
    values: Sequence[Any]
    stamped: bool = False
    truths: bool = False

    @cached_property
    def lists(self) -> int:
        """How many values are lists."""
        return sum(isinstance(value, list) for value in self.values)

    @cached_property
    def counts(self) -> Counter[str]:
        """Distinct non-empty texts, or members of lists -> number of rows."""
        texts: Iterable[Any] = self.values
        if self.lists:
            each = (value if isinstance(value, list) else [value] for value in self.values)
            texts = [str(member) for value in each for member in value if member is not None]
        counts = Counter(texts)
        return Counter({text: n for text, n in counts.items() if text is not None and text.strip()})

    @cached_property
    def codes(self) -> np.ndarray:
        """int64 [rows]: the number of each row's distinct value; -1 where it is empty."""
        values = [v and str(v) for v in self.values] if self.lists else self.values
        numbers: dict[Any, int] = {None: -1}
        codes = [numbers.setdefault(value or None, len(numbers)) for value in values]
        return np.array(codes, dtype=np.int64)

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return len(self.values)

    @cached_property
    def filled(self) -> int:
        """How many rows are not empty."""
        if not self.lists:
            return self.counts.total()
        return sum(value not in (None, "", []) for value in self.values)

    @property
    def distinct(self) -> int:
        """How many distinct values there are."""
        return len(self.counts)

    @property
    def unique(self) -> float:
        """Distinct values as a share of the non-empty rows, 0 to 1."""
        return self.distinct / max(1, self.filled)

    @cached_property
    def some(self) -> list[str]:
        """The first distinct values, at most 2,000."""
        return list(islice(self.counts, _SAMPLE))

    def share(self, pattern: re.Pattern[str]) -> float:
        """The share of ``some`` that a pattern matches in full, 0 to 1."""
        fits = [pattern.fullmatch(value.strip()) is not None for value in self.some]
        return sum(fits) / max(1, len(fits))

    @cached_property
    def unknown(self) -> list[str]:
        """Values that mean "not known", such as ``N/A`` or the only value in brackets, such as
        ``(none given)``; the most frequent first.
        """
        # "None" is Python's; "none" may be a value, such as of a membership.
        unknown = [v for v in self.counts if v.strip().casefold() in UNKNOWN or v == "None"]
        bracketed = [v for v in self.some if BRACKETS.fullmatch(v.strip())]
        if len(bracketed) == 1 and self.distinct > 2 and not NESTED.fullmatch(bracketed[0]):
            unknown += bracketed
        return sorted(unknown, key=lambda v: -self.counts[v])

    @cached_property
    def known(self) -> Counter[str]:
        """``counts`` without ``unknown``."""
        return Counter({v: n for v, n in self.counts.items() if v not in set(self.unknown)})

    @cached_property
    def numbers(self) -> np.ndarray:
        """float64, the known values that are finite numbers, repeated by their counts."""
        parsed = np.array([number(value) for value in self.known], dtype=np.float64)
        often = np.array(list(self.known.values()), dtype=np.int64)
        finite = np.isfinite(parsed)
        return np.repeat(parsed[finite], often[finite])

    @property
    def numeric(self) -> float:
        """The share of known values that are numbers, 0 to 1."""
        return len(self.numbers) / max(1, self.known.total())

    @cached_property
    def whole(self) -> bool:
        """Whether there are numbers, and all of them are whole."""
        return len(self.numbers) > 0 and bool(np.all(self.numbers == np.rint(self.numbers)))

    @cached_property
    def words(self) -> float:
        """How many words a distinct value has, on average."""
        return float(np.mean([len(value.split()) for value in self.some])) if self.some else 0.0

    def examples(self, count: int = 3) -> str:
        """Some values, for people; the most frequent first if values repeat."""
        often = self.distinct < self.filled / 2
        picked = self.known.most_common(count) if often else list(self.known.items())[:count]
        return ", ".join(shown(value) for value, _ in picked)


def number(text: str) -> float:
    """A number as ``casting.numbers`` reads it, or NaN: ``1,5`` is 1.5, ``1_000`` is no number."""
    if re.fullmatch(COMMA, text):
        text = text.replace(",", ".")
    try:
        return float(text) if "_" not in text else np.nan
    except ValueError:
        return np.nan


def shown(value: str) -> str:
    """A value in quotes for people, on one line, shortened if long."""
    cut = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
    plain = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in cut)
    return f'"{plain}"'


def agreement(of: ColumnStats, by: ColumnStats) -> float:
    """How far one column of a file depends on another: 0 as by chance, 1 if it always does. Rows
    with an empty value do not count, nor do those whose value of ``by`` occurs once.
    """
    both = (of.codes >= 0) & (by.codes >= 0)
    values, keys = of.codes[both], by.codes[both]
    again = np.bincount(keys, minlength=1)[keys] > 1
    values, keys = values[again], keys[again]
    if len(values) < 2:
        return 0.0
    pairs, often = np.unique(keys * (values.max() + 1) + values, return_counts=True)
    first = np.flatnonzero(np.diff(pairs // (values.max() + 1), prepend=-1))
    share = float(np.maximum.reduceat(often, first).sum()) / len(values)
    base = float(np.bincount(values).max()) / len(values)
    return (share - base) / (1 - base) if base < 1 else 0.0


def overlap(ids: ColumnStats, key: ColumnStats) -> float:
    """The share of rows whose id is in another file's column, 0 to 1."""
    known = sum(count for value, count in ids.counts.items() if value in key.counts)
    return known / max(1, ids.counts.total())


def mostly(stats: ColumnStats, pattern: re.Pattern[str]) -> bool:
    """Whether over 90% of the distinct values match a pattern."""
    return stats.distinct > 0 and stats.share(pattern) > 0.9


def misfits(stats: ColumnStats, expected: str, fits: Callable[[str], bool]) -> str:
    """How many known values are not what was ``expected``, in words; empty if all are."""
    odd = {value: often for value, often in stats.known.items() if not fits(value)}
    if not odd:
        return ""
    first = max(odd, key=odd.__getitem__)
    of = f"{sum(odd.values()):,} of its {stats.known.total():,} values"
    return f"{of} are no {expected}, such as {shown(first)}"
