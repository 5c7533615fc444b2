"""Which items hold which values: made once from an item table, and updated for changed items."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, KeysView, Mapping, Sequence
from functools import cached_property

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field, Schema
from fusionrec.index.filters import AllOf, Between, Condition, NoneOf, Only, Without, field_of
from fusionrec.index.layout import filter_fields

Rows = Mapping[str, np.ndarray]  # value -> rows that hold it, int64 [m], rising


class FilterColumns:
    """The columns of a table that conditions ask for, made ready field by field when they are first
    needed. Several threads may use one.

    Args:
        schema: of the items.
        items: the n items.
        positions: outside id -> position; read from the items where it is not given.
    """

    def __init__(
        self, schema: Schema, items: Table, positions: Mapping[str, int] | None = None
    ) -> None:
        self._schema, self._items = schema, items
        self._numbers: dict[str, np.ndarray] = {}
        self._rows: dict[str, dict[str, np.ndarray]] = {}
        if positions is not None:
            self._positions = positions

    def after(
        self, items: Table, positions: Mapping[str, int], changed: Sequence[int]
    ) -> FilterColumns:
        """The columns of the same items after some changes; of what is ready only the changed rows
        are read anew.

        Args:
            items: the items now; those that were added stand behind.
            positions: outside id -> position, of all of them.
            changed: rows whose content may be another, and all that were added, rising.
        """
        made = FilterColumns(self._schema, items, positions)
        fields = {field.name: field for field in self._schema.attributes("item")}
        for name, numbers in self._numbers.copy().items():
            grown = np.append(numbers, np.full(len(items) - len(numbers), math.nan))
            column = items.columns[name]
            grown[list(changed)] = _finite(column[row] for row in changed)
            made._numbers[name] = grown
        for name, rows in self._rows.copy().items():
            made._rows[name] = self._moved(fields[name], rows, items, changed)
        return made

    def _moved(
        self, field: Field, rows: Rows, items: Table, changed: Sequence[int]
    ) -> dict[str, np.ndarray]:
        """The rows of each value, with the changed items where they belong now."""
        left, come = defaultdict(list), defaultdict(list)
        for row in changed:
            now = _held(field, items.columns[field.name][row])
            before: KeysView[str] = {}.keys()
            if row < len(self._items):
                before = _held(field, self._items.columns[field.name][row])
            for value in before - now:
                left[value].append(row)
            for value in sorted(now - before):
                come[value].append(row)
        moved = dict(rows)
        for value, gone in left.items():
            moved[value] = np.delete(moved[value], np.searchsorted(moved[value], gone))
        for value, new in come.items():
            old = moved.get(value, np.empty(0, dtype=np.int64))
            moved[value] = np.insert(old, np.searchsorted(old, new), new)
        for value in left:
            if not len(moved[value]):
                del moved[value]
        return moved

    def prepare(self) -> None:
        """Makes the columns of all fields that conditions may name, for which the first of them
        would wait.
        """
        for field in filter_fields(self._schema):
            if field.kind == "number":
                self.numbers(field)
            else:
                self.rows(field)

    def mask(self, conditions: Iterable[Condition]) -> np.ndarray:
        """Which items meet every condition.

        Returns:
            bool [n]; all True without conditions.

        Raises:
            UsageError: a condition does not fit the schema.
        """
        kept = np.ones(len(self._items), dtype=bool)
        for condition in conditions:
            kept &= self._meeting(condition)
        return kept

    def _meeting(self, condition: Condition) -> np.ndarray:
        if isinstance(condition, Only | Without):
            places = (self._positions.get(id_) for id_ in condition.ids)
            listed = self._in([place for place in places if place is not None])
            return listed if isinstance(condition, Only) else ~listed
        field = field_of(self._schema, condition)
        if isinstance(condition, Between):
            number = self.numbers(field)
            # Comparisons with NaN are False, so an unknown number is in no range.
            above = number >= (-math.inf if condition.low is None else condition.low)
            below = number <= (math.inf if condition.high is None else condition.high)
            return np.asarray(above & below)
        rows = self.rows(field)
        held = [self._in(rows.get(value, ())) for value in condition.values]
        if isinstance(condition, AllOf):
            return np.asarray(np.all(held, axis=0))
        some: np.ndarray = np.any(held, axis=0)
        return ~some if isinstance(condition, NoneOf) else some

    def values(self, name: str) -> Collection[str]:
        """The values that items hold in a category field, each once."""
        field = next(f for f in filter_fields(self._schema) if f.name == name)
        return self.rows(field).keys()

    def _in(self, rows: np.ndarray | Sequence[int]) -> np.ndarray:
        """True in these rows: bool [n]."""
        held = np.zeros(len(self._items), dtype=bool)
        held[np.asarray(rows, dtype=np.int64)] = True
        return held

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return self._items.positions()

    def numbers(self, field: Field) -> np.ndarray:
        """An item field of kind ``number``: float64 [n], NaN where it is not known."""
        if field.name not in self._numbers:
            self._numbers[field.name] = _finite(self._items.columns[field.name])
        return self._numbers[field.name]

    def rows(self, field: Field) -> Rows:
        """The values that items hold in a field of kind ``category`` or ``categories``, each with
        its rows, int64 [m] rising; under an empty text those without a category.
        """
        if field.name not in self._rows:
            rows: dict[str, list[int]] = defaultdict(list)
            for row, value in enumerate(self._items.columns[field.name]):
                for one in _held(field, value):
                    rows[one].append(row)
            self._rows[field.name] = {v: np.array(r, dtype=np.int64) for v, r in rows.items()}
        return self._rows[field.name]


def mask(conditions: Iterable[Condition], items: Table, schema: Schema) -> np.ndarray:
    """Which items meet every condition: bool [n]; see ``FilterColumns.mask``."""
    return FilterColumns(schema, items).mask(conditions)


def _held(field: Field, value: str | Sequence[str] | None) -> KeysView[str]:
    """What one item holds in a category field, in its order."""
    several = [value or ""] if field.kind == "category" else value or ()
    return dict.fromkeys(map(str, several)).keys()


def _finite(column: Iterable[float | None]) -> np.ndarray:
    numbers = np.array([math.nan if value is None else value for value in column], dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
