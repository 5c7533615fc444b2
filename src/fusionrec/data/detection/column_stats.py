"""Statistics of a column, from which its role is inferred."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from fusionrec.data.detection.name_hints import TIME, UNKNOWN, has
from fusionrec.data.tabular.casting import numbers
from fusionrec.data.tabular.number_formats import NumberForm, number_form
from fusionrec.data.tabular.time_formats import TimeForm, find_time_form

_SAMPLE = 2000  # distinct values that patterns are matched against
_SPREAD = 200  # distinct values that are looked for in another column
_MOST_FORMS = 5000  # distinct values, evenly from all, that show how they are written
_LONGEST_UNKNOWN = 14  # letters
_FIRST = 200  # distinct values that show whether others may be numbers or times
_MOST_UNITS = 3  # words behind numbers; with more they are names that begin with a number
_SHOWN = 40  # characters of a value that are shown

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
IMAGE = re.compile(r"(?!http:|//)\S(.*\S)?\.(jpe?g|png|gif|webp)", re.IGNORECASE)
URL = re.compile(r"(https?:)?//\S+|www\.\S+|\S+\.(jpe?g|png|gif|webp|svg)", re.IGNORECASE)
PHONE = re.compile(r"(\+|00|\()[\d() ./-]{6,20}|\d{2,5}[ ./-]\d{3}[\d ./-]{3,12}")
ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){4,7}", re.IGNORECASE)
CODE = re.compile(r"(?=\S*\d)[\w.:{}-]{4,}")
BRACKETS = re.compile(r"\(.*\)|\[.*\]|<.*>")
NESTED = re.compile(r"\s*[\[{].*[\]}]\s*", re.DOTALL)


@dataclass(frozen=True, eq=False)
class ColumnStats:
    """A column's first rows and their statistics.

    Attributes:
        name: the column's name.
        column: a pyarrow Array of texts, or of lists of texts, one per row.
        stamped: whether the file's type for it is a date or time.
        truths: whether the file's type for it is boolean.
        decimal: what stands before the fraction of its numbers.
    """

    name: str
    column: Any
    stamped: bool = False
    truths: bool = False
    decimal: str = "."

    @cached_property
    def lists(self) -> bool:
        """Whether rows hold lists."""
        return "list" in str(self.column.type)

    @cached_property
    def _encoded(self) -> tuple[np.ndarray, list[str]]:
        """``codes``, and the distinct values that these number; lists as their JSON."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = self.column
        if self.lists:
            rows = (row and json.dumps(row, ensure_ascii=False) for row in texts.to_pylist())
            rows = (row or None for row in rows)  # empty lists are empty cells
            texts = pa.array(rows, pa.string())
        encoded = texts.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        blank = pc.equal(pc.utf8_trim_whitespace(encoded.dictionary), "")
        given = np.append(~blank.to_numpy(zero_copy_only=False), False)
        numbers = np.where(given, np.cumsum(given) - 1, -1)
        return numbers[codes], encoded.dictionary.filter(pc.invert(blank)).to_pylist()

    @property
    def codes(self) -> np.ndarray:
        """int64 [rows]: the number of each row's distinct value; -1 where it is empty."""
        return self._encoded[0]

    @property
    def values(self) -> list[str]:
        """The distinct values in the order of their appearance; lists as their JSON."""
        return self._encoded[1]

    @cached_property
    def counts(self) -> Counter[str]:
        """Distinct values, or members of lists -> how many there are."""
        if self.lists:
            members = self.column.flatten().to_pylist()
            return Counter(str(m) for m in members if m is not None and str(m).strip())
        often = np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))
        return Counter(dict(zip(self.values, often.tolist(), strict=True)))

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return len(self.column)

    @cached_property
    def filled(self) -> int:
        """How many rows are not empty."""
        return int((self.codes >= 0).sum())

    def take(self, rows: np.ndarray) -> ColumnStats:
        """The statistics of some rows, int [n]."""
        return replace(self, column=self.column.take(rows))

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
        short = (v for v in self.counts if len(v) <= _LONGEST_UNKNOWN and not v[0].isdigit())
        unknown = [v for v in short if v.strip().casefold() in UNKNOWN or v == "None"]
        bracketed = [v for v in self.some if BRACKETS.fullmatch(v.strip())]
        if len(bracketed) == 1 and self.distinct > 2 and not NESTED.fullmatch(bracketed[0]):
            unknown += bracketed
        return sorted(unknown, key=lambda v: -self.counts[v])

    @cached_property
    def known(self) -> Counter[str]:
        """``counts`` without ``unknown``."""
        if not (unknown := set(self.unknown)):
            return self.counts
        return Counter({v: n for v, n in self.counts.items() if v not in unknown})

    @cached_property
    def number_form(self) -> NumberForm | None:
        """How its numbers are written; None if hardly any value is one."""
        known = list(self.known)
        form = number_form(known[:_FIRST])
        if form is None or form.share < 0.5:
            return None
        return number_form(_some(known)) if len(known) > _FIRST else form

    @cached_property
    def time_form(self) -> TimeForm | None:
        """How its times are written, if most values are such."""
        named = has(self.name, TIME)
        known = list(self.known)
        if self.lists or not known or find_time_form(known[:_FIRST], named) is None:
            return None
        return find_time_form(_some(known), named)

    @cached_property
    def parsed(self) -> np.ndarray:
        """float64 [distinct known values]: their numbers; NaN where a value is none."""
        import pyarrow as pa

        if self.number_form is None or self.number_form.units > _MOST_UNITS:
            return np.full(len(self.known), np.nan)
        return numbers(pa.array(list(self.known), pa.string()), self.name, self.decimal)

    @cached_property
    def numbers(self) -> np.ndarray:
        """float64, the known values that are finite numbers, repeated by their counts."""
        often = np.array(list(self.known.values()), dtype=np.int64)
        finite = np.isfinite(self.parsed)
        return np.repeat(self.parsed[finite], often[finite])

    @property
    def numeric(self) -> float:
        """The share of known values that are numbers, 0 to 1."""
        return len(self.numbers) / max(1, self.known.total())

    @cached_property
    def whole(self) -> bool:
        """Whether there are numbers, and all of them are whole."""
        return len(self.numbers) > 0 and bool(np.all(self.numbers == np.rint(self.numbers)))

    @cached_property
    def fading(self) -> bool:
        """Whether its numbers are whole and each step above the lowest is rarer than the one below,
        as how often something was done is, and hardly ever an opinion.
        """
        if not self.whole or self.numbers.min() not in (0.0, 1.0) or self.numbers.max() < 2:
            return False
        often = np.bincount(self.numbers[self.numbers <= 5].astype(np.int64))
        often = often[int(self.numbers.min()) :][:4]
        return len(often) > 2 and bool(np.all(often[1:] < 0.8 * often[:-1]))

    @cached_property
    def running(self) -> bool:
        """Whether whole numbers count rows, or the rows of a group: each is the one before and 1,
        or the first one anew.
        """
        codes = self.codes
        if self.lists or len(codes) < 5 or codes.min() < 0 or not self.whole or self.numeric < 1:
            return False
        values = self.parsed[codes] if len(self.known) == len(self.values) else np.zeros(0)
        if len(values) == 0 or values.max() == values.min():
            return False
        steps = np.diff(values)
        anew = (steps != 1) & (values[1:] != values.min())
        return bool(values.min() in (0.0, 1.0) and anew.mean() < 0.01 and (steps == 1).mean() > 0.3)

    @cached_property
    def spread(self) -> list[tuple[str, int]]:
        """A few distinct values from all of the column, each with how often it is there."""
        step = max(1, len(self.counts) // _SPREAD)
        return list(islice(self.counts.items(), 0, None, step))

    @cached_property
    def words(self) -> float:
        """How many words a distinct value has, on average."""
        return float(np.mean([len(value.split()) for value in self.some])) if self.some else 0.0

    def examples(self, count: int = 3) -> str:
        """Some values, for people; the most frequent first if values repeat."""
        often = self.distinct < self.filled / 2
        picked = self.known.most_common(count) if often else list(self.known.items())[:count]
        return ", ".join(shown(value) for value, _ in picked)


def _some(known: list[str]) -> list[str]:
    return known[:: -(-len(known) // _MOST_FORMS)]


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


def determines(by: ColumnStats, of: ColumnStats) -> bool:
    """Whether one column's value always gives the other's, seen in enough rows that repeat it."""
    keys = by.codes[(of.codes >= 0) & (by.codes >= 0)]
    again = int((np.bincount(keys, minlength=1)[keys] > 1).sum()) if len(keys) else 0
    return again >= max(5, 0.1 * len(keys)) and agreement(of, by) >= 0.98


def overlap(ids: ColumnStats, key: ColumnStats) -> float:
    """About the share of rows whose id is in another file's column, 0 to 1."""
    there = key.counts.keys()
    known = sum(count for value, count in ids.spread if value in there)
    return known / max(1, sum(count for _, count in ids.spread))


def mostly(stats: ColumnStats, pattern: re.Pattern[str]) -> bool:
    """Whether over 90% of the distinct values match a pattern."""
    return stats.distinct > 0 and stats.share(pattern) > 0.9


def misfits(stats: ColumnStats, expected: str, fits: np.ndarray) -> str:
    """How many known values are not what was ``expected``, in words; empty if all are.

    Args:
        stats: the column.
        expected: in words.
        fits: bool [distinct known values].
    """
    known = list(stats.known.items())
    odd = {known[n][0]: known[n][1] for n in np.flatnonzero(~fits)}
    if not odd:
        return ""
    first = max(odd, key=odd.__getitem__)
    of = f"{sum(odd.values()):,} of its {stats.known.total():,} values"
    return f"{of} are no {expected}, such as {shown(first)}"
