"""Typed columns as text: what a value of any type is called as an id or a category."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from fusionrec.errors import DataError

_EXACT = float(2**53)  # whole numbers from here on are not told apart as floats


def as_text(values: Any, where: str) -> Any:
    """A column as strings; of a column of lists, lists of strings.

    Whole numbers become digits, also those of a float column (``1.0`` is ``1``), and a NaN becomes
    null. A UUID becomes its 32 digits with dashes, in groups of 8-4-4-4-12. Strings stay as they
    are.

    Args:
        values: a pyarrow Array.
        where: file and column, for messages.

    Raises:
        DataError: its type has no text, such as a table within the table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_string(kind):
        return values
    if isinstance(kind, pa.BaseExtensionType):
        return _of_uuids(values) if is_uuid(kind) else as_text(values.storage, where)
    if pa.types.is_dictionary(kind):
        return as_text(values.cast(kind.value_type), where)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
        inner = as_text(pc.list_flatten(values), where)
        return pa.ListArray.from_arrays(offsets, inner, mask=pc.is_null(values))
    if pa.types.is_floating(kind):
        return _of_floats(values)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise DataError(
            f"{where}: expected text, numbers, dates or lists of them, got {kind}",
            "leave the column out, or write it as text",
        )
    try:
        return values.cast(pa.string())
    except pa.ArrowException as error:
        raise DataError(f"{where}: {kind} cannot be read as text: {error}") from error


def is_uuid(kind: Any) -> bool:
    """Whether values of a pyarrow type are UUIDs."""
    return getattr(kind, "extension_name", "") == "arrow.uuid"


def _of_uuids(values: Any) -> Any:
    import pyarrow as pa

    held = values.storage.to_pylist()
    return pa.array([one and str(UUID(bytes=one)) for one in held], pa.string())


def _of_floats(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = values.cast(pa.float64())
    exact = pc.less(pc.abs(values), _EXACT)
    whole = pc.and_(exact, pc.equal(values, pc.trunc(values)))
    digits = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string())
    text = pc.if_else(pc.is_nan(values), None, values).cast(pa.string())
    return pc.if_else(pc.fill_null(whole, False), digits, text)
