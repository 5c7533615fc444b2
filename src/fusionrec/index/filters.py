"""Conditions on items: from what people type to a mask, or to a Milvus expression."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import UsageError
from fusionrec.index.layout import ROW, Layout, filter_fields

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


@dataclass(frozen=True)
class AnyOf:
    """Items whose category, or one of whose categories, is among ``values``.

    Raises:
        UsageError: there is no value, or one is not a text.
    """

    field: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not self.values:
            raise UsageError(f"{self.field}: a filter needs a tuple of one value or more")
        if not all(isinstance(value, str) for value in self.values):
            raise UsageError(f"{self.field}: filter values must be texts, got {self.values!r}")


@dataclass(frozen=True)
class Between:
    """Items whose number is known and lies in ``low..high``, both included; None is no bound.

    Raises:
        UsageError: both bounds are missing, one is not finite, or low is above high.
    """

    field: str
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        bounds = [b for b in (self.low, self.high) if b is not None]
        if not bounds:
            raise UsageError(f"{self.field}: a range needs a lowest or a highest number")
        if not all(math.isfinite(b) for b in bounds):
            raise UsageError(f"{self.field}: the ends of a range must be finite numbers")
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise UsageError(
                f"{self.field}: the range {bounds[0]:g}..{bounds[1]:g} begins above its end",
                hint=f"did you mean {bounds[1]:g}..{bounds[0]:g}?",
            )


Condition = AnyOf | Between


def parse(schema: Schema, name: str, text: str) -> Condition:
    """Reads one condition as people write it.

    Args:
        schema: whose filterable fields may be named.
        name: a field's name or its name on the command line.
        text: a value or its label; of a number ``1994``, ``1980..1989``, ``1980..`` or ``..1989``.

    Returns:
        The condition. Several values of one field are OR-ed by putting them in one ``AnyOf``.

    Raises:
        UsageError: there is no such field or value, or the range is none; the hint names
            those that there are.
    """
    fields = filter_fields(schema)
    field = next((f for f in fields if name in (f.name, f.flag)), None)
    if field is None:
        flags = [f.flag for f in fields]
        raise UsageError(
            f"answers cannot be filtered by {name!r}", hint=_hint(name, flags, "filters are")
        )
    if field.kind == "number":
        return _range(field, text)
    return AnyOf(field.name, (_choice(field, text),))


def _range(field: Field, text: str) -> Between:
    low, dots, high = text.partition("..")
    ends = [_number(field, end, text) if end.strip() else None for end in (low, high)]
    if ends == [None, None]:
        raise _not_a_range(field, text)
    return Between(field.name, ends[0], ends[1] if dots else ends[0])


def _number(field: Field, end: str, text: str) -> float:
    if not _NUMBER.fullmatch(end.strip()) or not math.isfinite(float(end)):
        raise _not_a_range(field, text)
    return float(end)


def _not_a_range(field: Field, text: str) -> UsageError:
    return UsageError(
        f"{field.flag} must be a number or a range, got {text!r}",
        hint=f"write {field.flag} as 1994, 1980..1989, 1980.. or ..1989",
    )


def _choice(field: Field, text: str) -> str:
    if not field.choices:
        if not text.strip():
            raise UsageError(f"{field.flag} needs a value to filter by")
        return text
    if text in field.choices:
        return text
    wanted = text.strip().casefold()
    for value, label in field.choices.items():
        if wanted in (value.casefold(), label.casefold()):
            return value
    names = list(dict.fromkeys([*field.choices, *field.choices.values()]))
    raise UsageError(
        f"{field.flag} has no value {text!r}",
        hint=_hint(text, names, f"{field.flag} is one of"),
    )


def _hint(given: str, allowed: Sequence[str], words: str) -> str:
    folded = {name.casefold(): name for name in allowed}
    near = difflib.get_close_matches(given.strip().casefold(), list(folded), n=1)
    guess = f"did you mean {folded[near[0]]!r}? " if near else ""
    return f"{guess}{words}: {', '.join(allowed) or 'none'}"


def _field(schema: Schema, condition: Condition) -> Field:
    """The field that a condition is about, checked to be one the condition can be asked of."""
    field = next((f for f in filter_fields(schema) if f.name == condition.field), None)
    if field is None:
        known = [f.name for f in filter_fields(schema)]
        raise UsageError(
            f"answers cannot be filtered by {condition.field!r}",
            hint=_hint(condition.field, known, "filters are"),
        )
    if isinstance(condition, Between) != (field.kind == "number"):
        raise UsageError(f"{field.name} is a {field.kind}, {condition!r} does not apply to it")
    return field


class FilterColumns:
    """The filterable columns of a table, made ready once, field by field as they are asked for."""

    def __init__(self, schema: Schema, items: Table) -> None:
        self._schema, self._items = schema, items
        self._numbers: dict[str, np.ndarray] = {}
        self._rows: dict[str, dict[str, np.ndarray]] = {}

    def mask(self, conditions: Iterable[Condition]) -> np.ndarray:
        """Which items meet every condition.

        Returns:
            bool [n]; all True without conditions.

        Raises:
            UsageError: a condition does not fit the schema.
        """
        kept = np.ones(len(self._items), dtype=bool)
        for condition in conditions:
            field = _field(self._schema, condition)
            if isinstance(condition, Between):
                number = self._number(field)
                # Comparisons with NaN are False, so an unknown number is in no range.
                kept &= number >= (-math.inf if condition.low is None else condition.low)
                kept &= number <= (math.inf if condition.high is None else condition.high)
            else:
                held = np.zeros(len(self._items), dtype=bool)
                for value in condition.values:
                    held[self._rows_of(field).get(value, np.empty(0, dtype=np.int64))] = True
                kept &= held
        return kept

    def _number(self, field: Field) -> np.ndarray:
        if field.name not in self._numbers:
            column = self._items.columns[field.name]
            number = np.array([math.nan if v is None else v for v in column], dtype=np.float64)
            self._numbers[field.name] = np.where(np.isfinite(number), number, np.nan)
        return self._numbers[field.name]

    def _rows_of(self, field: Field) -> dict[str, np.ndarray]:
        if field.name not in self._rows:
            rows: dict[str, list[int]] = {}
            for row, value in enumerate(self._items.columns[field.name]):
                for one in (value or "",) if field.kind == "category" else value or ():
                    rows.setdefault(one, []).append(row)
            self._rows[field.name] = {v: np.array(r, dtype=np.int64) for v, r in rows.items()}
        return self._rows[field.name]


def mask(conditions: Iterable[Condition], items: Table, schema: Schema) -> np.ndarray:
    """Which items meet every condition: bool [n]; see ``FilterColumns.mask``."""
    return FilterColumns(schema, items).mask(conditions)


def expression(conditions: Iterable[Condition], exclude_rows: Iterable[int], layout: Layout) -> str:
    """The same conditions in Milvus' filter language.

    Args:
        conditions: all of which must hold.
        exclude_rows: rows that must not be found.
        layout: the collection's columns.

    Returns:
        An expression, empty where everything is allowed. No value stands in it that
        ``literal`` did not write, no name that ``layout`` did not make.

    Raises:
        UsageError: a condition does not fit the schema, or a value cannot be written.
    """
    terms = [_term(condition, layout) for condition in conditions]
    excluded = ", ".join(literal(int(row)) for row in exclude_rows)
    if excluded:
        terms.append(f"{ROW} not in [{excluded}]")
    return " and ".join(terms)


def _term(condition: Condition, layout: Layout) -> str:
    field = _field(layout.schema, condition)
    column = layout.column(field.name)
    if isinstance(condition, Between):
        known = layout.column(field.name, "known")
        assert column is not None  # a number has both, by layout_of
        assert known is not None
        ends = [f"{known.name} == true"]
        if condition.low is not None:
            ends.append(f"{column.name} >= {literal(float(condition.low))}")
        if condition.high is not None:
            ends.append(f"{column.name} <= {literal(float(condition.high))}")
        return f"({' and '.join(ends)})"
    if column is None:  # one BOOL column per category
        columns = layout.categories(field.name)
        held = dict.fromkeys(columns[value] for value in condition.values if value in columns)
        return f"({' or '.join(f'{name} == true' for name in held) or _NOTHING})"
    values = ", ".join(literal(value) for value in dict.fromkeys(condition.values))
    if column.kind == "array":
        return f"array_contains_any({column.name}, [{values}])"
    return f"{column.name} in [{values}]"


_NOTHING = f"{ROW} < 0"


def literal(value: str | float | int) -> str:
    """A value as Milvus' filter language writes it: the one place where values enter an expression.

    Raises:
        UsageError: a number is not finite, or a text has no UTF-8.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"a filter's value holds half a surrogate pair: {value!r}") from error
        return f'"{value.translate(_ESCAPES)}"'
    if not math.isfinite(value):
        raise UsageError(f"a filter's number must be finite, got {value!r}")
    return repr(value)
