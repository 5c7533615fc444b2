"""An inverted index of items by value: built from the item table, updated for changed items."""

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

Rows = Mapping[str, np.ndarray]  # value -> rows with it, int64 [m], rising
Pending = tuple[Sequence[int], "Pending"] | None  # changed rows, and those changed before


class FilterColumns:
    """The columns of a table for conditions, each built on first use. Thread-safe.

    Args:
        schema: of the items.
        items: the n items.
        positions: outside id -> position; by default from the items.
    """

    def __init__(
        self, schema: Schema, items: Table, positions: Mapping[str, int] | None = None
    ) -> None:
        self._schema, self._items = schema, items
        self._numbers: dict[str, np.ndarray] = {}
        self._rows: dict[str, dict[str, np.ndarray]] = {}
        # Field that is not built yet -> earlier columns from which it is, and the rows since.
        self._earlier: dict[str, tuple[FilterColumns, Pending]] = {}
        if positions is not None:
            self._positions = positions

    def updated(
        self, items: Table, positions: Mapping[str, int], changed: Sequence[int]
    ) -> FilterColumns:
        """The columns after changes of items. They are built on first use from the last that were
        built, of which only the changed rows are read again.

        Args:
            items: the current items; new ones are at the end.
            positions: outside id -> position, of all of them.
            changed: rows whose content may have changed, and all new ones, rising.
        """
        result = FilterColumns(self._schema, items, positions)
        for field in self._schema.attributes("item"):
            source, pending = self._earlier.get(field.name, (self, None))
            result._earlier[field.name] = source, (changed, pending)
        return result

    def _updated_rows(
        self, field: Field, rows: Rows, items: Table, changed: Sequence[int]
    ) -> dict[str, np.ndarray]:
        """The rows of each value after changes of these items, which gave ``items``."""
        lost, gained = defaultdict(list), defaultdict(list)
        for row in changed:
            now = _values_of(field, items.columns[field.name][row])
            before: KeysView[str] = {}.keys()
            if row < len(self._items):
                before = _values_of(field, self._items.columns[field.name][row])
            for value in before - now:
                lost[value].append(row)
            for value in sorted(now - before):
                gained[value].append(row)
        updated = dict(rows)
        for value, old_rows in lost.items():
            updated[value] = np.delete(updated[value], np.searchsorted(updated[value], old_rows))
        for value, new_rows in gained.items():
            old = updated.get(value, np.empty(0, dtype=np.int64))
            updated[value] = np.insert(old, np.searchsorted(old, new_rows), new_rows)
        for value in lost:
            if not len(updated[value]):
                del updated[value]
        return updated

    def prepare(self) -> None:
        """Builds the columns of all filterable fields, so that no request waits for them."""
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
            kept &= self._matches(condition)
        return kept

    def _matches(self, condition: Condition) -> np.ndarray:
        if isinstance(condition, Only | Without):
            positions = (self._positions.get(id_) for id_ in condition.ids)
            listed = self._mask_of([row for row in positions if row is not None])
            return listed if isinstance(condition, Only) else ~listed
        field = field_of(self._schema, condition)
        if isinstance(condition, Between):
            number = self.numbers(field)
            # Comparisons with NaN are False: an unknown number is in no range.
            above = number >= (-math.inf if condition.low is None else condition.low)
            below = number <= (math.inf if condition.high is None else condition.high)
            return np.asarray(above & below)
        rows = self.rows(field)
        masks = [self._mask_of(rows.get(value, ())) for value in condition.values]
        if isinstance(condition, AllOf):
            return np.asarray(np.all(masks, axis=0))
        matches: np.ndarray = np.any(masks, axis=0)
        return ~matches if isinstance(condition, NoneOf) else matches

    def values(self, name: str) -> Collection[str]:
        """The distinct values of a category field."""
        field = next(f for f in filter_fields(self._schema) if f.name == name)
        return self.rows(field).keys()

    def _mask_of(self, rows: np.ndarray | Sequence[int]) -> np.ndarray:
        """True in these rows: bool [n]."""
        result = np.zeros(len(self._items), dtype=bool)
        result[np.asarray(rows, dtype=np.int64)] = True
        return result

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return self._items.positions()

    def numbers(self, field: Field) -> np.ndarray:
        """An item field of kind ``number``: float64 [n], NaN where unknown."""
        earlier = self._earlier.get(field.name)  # read first: another thread may build it now
        if field.name not in self._numbers:
            column = self._items.columns[field.name]
            if earlier is None:
                numbers = _finite_or_nan(column)
            else:
                source, changed = earlier[0], _listed(earlier[1])
                room = np.full(len(self._items) - len(source._items), math.nan)
                numbers = np.concatenate([source.numbers(field), room])
                numbers[changed] = _finite_or_nan(column[row] for row in changed)
            self._numbers[field.name] = numbers
            self._earlier.pop(field.name, None)
        return self._numbers[field.name]

    def rows(self, field: Field) -> Rows:
        """The values of a field of kind ``category`` or ``categories``, each with its rows, int64
        [m] rising; an empty text stands for items without a category.
        """
        earlier = self._earlier.get(field.name)
        if field.name not in self._rows:
            if earlier is None:
                rows = _rows_of(field, self._items.columns[field.name])
            else:
                source, changed = earlier[0], _listed(earlier[1])
                rows = source._updated_rows(field, source.rows(field), self._items, changed)
            self._rows[field.name] = rows
            self._earlier.pop(field.name, None)
        return self._rows[field.name]


def _listed(pending: Pending) -> list[int]:
    """The rows, each once, rising."""
    rows = set[int]()
    while pending is not None:
        some, pending = pending
        rows.update(some)
    return sorted(rows)


def _rows_of(field: Field, column: Iterable[str | Sequence[str] | None]) -> dict[str, np.ndarray]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, value in enumerate(column):
        for category in _values_of(field, value):
            rows[category].append(row)
    return {value: np.array(some, dtype=np.int64) for value, some in rows.items()}


def _values_of(field: Field, value: str | Sequence[str] | None) -> KeysView[str]:
    """The categories of one item, in its order."""
    several = [value or ""] if field.kind == "category" else value or ()
    return dict.fromkeys(map(str, several)).keys()


def _finite_or_nan(column: Iterable[float | None]) -> np.ndarray:
    numbers = np.array([math.nan if value is None else value for value in column], dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
