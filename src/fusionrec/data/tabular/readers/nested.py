"""Objects in columns become columns of their own: ``user.id``; lists of objects, lists of each
of their values: ``items.id``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

DEPTH = 5  # objects within objects


def flatten_table(table: pa.Table | pa.RecordBatch) -> dict[str, Any]:
    """The columns by their dotted names; objects deeper than ``DEPTH`` stay as they are."""
    found: dict[str, Any] = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        whole = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        for inner, values in _flatten(name, whole, DEPTH):
            found.setdefault(inner, values)
    return found


def flat_types(schema: pa.Schema) -> dict[str, str]:
    """Dotted name -> pyarrow's name of its type."""
    flat = flatten_table(schema.empty_table())
    return {name: str(values.type) for name, values in flat.items()}


def _flatten(name: str, values: Any, depth: int) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    is_list = is_list or pa.types.is_fixed_size_list(kind)
    if depth and pa.types.is_struct(kind):
        for field, inner in zip(kind, values.flatten(), strict=True):
            yield from _flatten(f"{name}.{field.name}", inner, depth - 1)
    elif depth and is_list and pa.types.is_struct(kind.value_type):
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
        for field, inner in zip(kind.value_type, pc.list_flatten(values).flatten(), strict=True):
            lists = pa.ListArray.from_arrays(offsets, inner, mask=values.is_null())
            yield from _flatten(f"{name}.{field.name}", lists, depth - 1)
    else:
        yield name, values


def flatten_object(row: dict[str, Any]) -> dict[str, Any]:
    """The same of one JSON object."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        _flatten_value(found, name, value, DEPTH)
    return found


def _flatten_value(found: dict[str, Any], name: str, value: Any, depth: int) -> None:
    if depth and isinstance(value, dict):
        for key, inner in value.items():
            _flatten_value(found, f"{name}.{key}", inner, depth - 1)
    elif (
        depth
        and isinstance(value, list)
        and any(isinstance(one, dict) for one in value)
        and all(one is None or isinstance(one, dict) for one in value)
    ):
        for key in dict.fromkeys(key for one in value if one for key in one):
            inner = [one.get(key) if one else None for one in value]
            _flatten_value(found, f"{name}.{key}", inner, depth - 1)
    else:
        found.setdefault(name, value)
