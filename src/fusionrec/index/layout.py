"""The Milvus columns of items, derived from the schema and the item table."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import DataError

ROW, ID, VECTOR = "row", "id", "vector"

# One BOOL per category filters many times faster than an array; a collection holds 64 columns.
MAX_CATEGORY_COLUMNS = 32
MAX_COLUMNS = 60
MAX_VARCHAR = 65_535  # bytes, the server's limit
BATCH = 1_000  # rows of one insert
MAX_LABEL_BYTES = 1_024  # stored of columns that are only for people
MAX_CAPACITY = 4_096

# Words of the filter language, in any letter case; not allowed as column names.
_RESERVED = frozenset(
    [
        *("and", "or", "not", "in", "like", "is", "null", "exists", "true", "false"),
        *("iso", "interval", "meta", "_seq", "_partition"),
    ]
)


@dataclass(frozen=True)
class Column:
    """A scalar column; row, id and vector are not among them.

    Attributes:
        name: its name in Milvus, unique.
        kind: its type; ``array`` is of strings.
        field: the item field of its values.
        part: of the field: its value, whether it is known, one category, or labels for people.
        category: with ``part="category"``.
        max_bytes: of a string, in UTF-8.
        capacity: of an array.
    """

    name: str
    kind: Literal["bool", "double", "varchar", "array"]
    field: str
    part: Literal["value", "known", "category", "labels"] = "value"
    category: str = ""
    max_bytes: int = 0
    capacity: int = 0


@dataclass(frozen=True)
class Layout:
    """The columns of one collection.

    Attributes:
        schema: of the items.
        id_bytes: the longest id that fits, in UTF-8 bytes.
        columns: every scalar column.
    """

    schema: Schema
    id_bytes: int
    columns: tuple[Column, ...]

    def column(self, field: str, part: str = "value") -> Column | None:
        """The column of a field's part, or None."""
        return next((c for c in self.columns if c.field == field and c.part == part), None)

    def categories(self, field: str) -> dict[str, str]:
        """Category -> its BOOL column; empty where the field has no such columns."""
        columns = [c for c in self.columns if c.field == field and c.part == "category"]
        return {c.category: c.name for c in columns}

    def fingerprint(self) -> str:
        """16 hex digits that change when the columns or their meaning do."""
        return hashlib.sha256(repr((self.id_bytes, self.columns)).encode()).hexdigest()[:16]


def filter_fields(schema: Schema) -> tuple[Field, ...]:
    """The item fields that conditions may name; ids and texts are not compared by value."""
    return tuple(f for f in schema.filters() if f.kind in ("category", "categories", "number"))


def layout_of(schema: Schema, items: Table) -> Layout:
    """The layout of these items, which depends only on schema and items.

    Raises:
        DataError: an id or a category cannot be stored whole.
    """
    id_bytes = _varchar_size(items.ids, "an item's id")
    columns: list[Column] = []
    fields = filter_fields(schema)
    if schema.title and schema.title not in {f.name for f in fields}:
        name = _unused_name(schema.title, columns)
        columns.append(Column(name, "varchar", schema.title, max_bytes=MAX_LABEL_BYTES))
    for number, field in enumerate(fields):
        # Later fields need up to two columns each, whatever this one takes.
        left = MAX_COLUMNS - 3 - len(columns) - 2 * (len(fields) - number - 1)
        columns += _columns_of(field, items.columns[field.name], columns, left)
    return Layout(schema, id_bytes, tuple(columns))


def _columns_of(
    field: Field, values: Sequence[Any], taken: Sequence[Column], left: int
) -> list[Column]:
    name = _unused_name(field.name, taken)
    if field.kind == "number":
        value = Column(name, "double", field.name)
        free = _unused_name(f"{name}_known", [*taken, value])
        return [value, Column(free, "bool", field.name, "known")]
    if field.kind == "category":
        size = _varchar_size([v or "" for v in values], f"a value of {field.name}")
        return [Column(name, "varchar", field.name, max_bytes=size)]
    used = {category for several in values for category in several or ()}
    known = [*field.choices, *sorted(used - set(field.choices))]
    size = _varchar_size(known, f"a value of {field.name}")
    if len(known) > min(MAX_CATEGORY_COLUMNS, left - 1):
        capacity = max((len(several) for several in values), default=1)
        if capacity > MAX_CAPACITY:
            raise DataError(f"an item has {capacity} {field.name}, Milvus holds {MAX_CAPACITY}")
        capacity = _power_of_two(capacity, 4)
        return [Column(name, "array", field.name, max_bytes=size, capacity=capacity)]
    columns = [Column(name, "varchar", field.name, "labels", max_bytes=MAX_LABEL_BYTES)]
    for number, category in enumerate(known):
        free = _unused_name(f"{name}_{number}", [*taken, *columns])
        columns.append(Column(free, "bool", field.name, "category", category))
    return columns


def records(
    layout: Layout, items: Table, vectors: np.ndarray, rows: np.ndarray
) -> list[dict[str, Any]]:
    """Items of some rows as Milvus records; vectors are float32 [n, d]."""
    labels = {f.name: f.choices for f in filter_fields(layout.schema)}
    return [
        {ROW: row, ID: items.ids[row], VECTOR: vectors[row]}
        | {c.name: _value(c, items.columns[c.field][row], labels) for c in layout.columns}
        for row in rows.tolist()
    ]


def _value(column: Column, value: Any, labels: Mapping[str, Mapping[str, str]]) -> Any:
    if column.part == "category":
        return column.category in (value or ())
    if column.part == "labels":
        names = labels[column.field]
        value = "|".join(names.get(v) or v for v in value or ())
    if column.kind == "array":
        return list(value or ())
    if column.kind == "varchar":
        # A lone surrogate has no UTF-8, and pymilvus would reject the whole batch.
        encoded = (value or "").encode("utf-8", "replace")
        return encoded[: column.max_bytes].decode("utf-8", "ignore")
    known = value is not None and math.isfinite(value)
    if column.part == "known":
        return known
    return float(value) if known else 0.0


def _varchar_size(texts: Sequence[str], what: str) -> int:
    try:
        longest = max((len(text.encode()) for text in texts), default=0)
    except UnicodeEncodeError as error:
        raise DataError(f"{what} holds half a surrogate pair: {error.object!r}") from error
    if longest > MAX_VARCHAR:
        raise DataError(f"{what} takes {longest} bytes, Milvus stores {MAX_VARCHAR}")
    return min(_power_of_two(longest, 64), MAX_VARCHAR)


def _power_of_two(size: int, least: int) -> int:
    return max(least, 1 << max(size - 1, 0).bit_length())


def _unused_name(name: str, taken: Sequence[Column]) -> str:
    used = {ROW, ID, VECTOR, *(c.name for c in taken)}
    name = name[:200]  # Milvus allows 255; leaves room for suffixes
    while name.casefold() in _RESERVED or name in used:
        name += "_"
    return name
