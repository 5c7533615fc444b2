"""Casts whole columns of any type to text, numbers or times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

from fusionrec.errors import DataError

_EXACT = float(2**53)  # floats cannot tell larger whole numbers apart
# One or two digits behind a comma: three might be thousands.
COMMA = r"\s*[+-]?[0-9]+,[0-9]{1,2}\s*"
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# Seconds of the years 1 and 9999, the range of datetime.
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799


def as_text(values: Any, where: str) -> Any:
    """A column as strings; a column of lists as lists of strings.

    Whole numbers become digits, also in a float column (``1.0`` is ``1``); NaN becomes null; a UUID
    becomes its 32 digits in groups of 8-4-4-4-12. Strings stay as they are.

    Args:
        values: a pyarrow Array.
        where: file and column, for messages.

    Raises:
        DataError: its type has no text form, such as a struct.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if pa.types.is_string(kind):
        return values
    if isinstance(kind, pa.BaseExtensionType):
        if not is_uuid(kind):
            return as_text(values.storage, where)
        stored = values.storage.to_pylist()
        return pa.array([value and str(UUID(bytes=value)) for value in stored], pa.string())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
        inner = as_text(pc.list_flatten(values), where)
        return pa.ListArray.from_arrays(offsets, inner, mask=pc.is_null(values))
    if pa.types.is_floating(kind):
        return _floats_as_text(values)
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


def _floats_as_text(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = values.cast(pa.float64())
    exact = pc.less(pc.abs(values), _EXACT)
    whole = pc.and_(exact, pc.equal(values, pc.trunc(values)))
    digits = pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string())
    text = pc.if_else(pc.is_nan(values), None, values).cast(pa.string())
    return pc.if_else(pc.fill_null(whole, False), digits, text)


def numbers(values: Any, where: str) -> np.ndarray:
    """A column's numbers, float64 [n]; NaN where there is no finite number.

    Args:
        values: a pyarrow Array: numbers, or their text, with a decimal point or a decimal comma and
            one or two digits behind it (``1,234`` is no number).
        where: file and column, for messages.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        values = as_text(values, where)
        if pa.types.is_nested(values.type):
            return np.full(len(values), np.nan)
        try:
            values = values.cast(pa.float64())
        except pa.ArrowInvalid:
            commas = pc.match_substring_regex(values, f"^{COMMA}$")
            values = pc.if_else(commas, pc.replace_substring(values, ",", "."), values)
            good = pc.match_substring_regex(values, _NUMBER)
            trimmed = pc.utf8_trim_whitespace(pc.if_else(good, values, None))
            values = pc.replace_substring_regex(trimmed, r"^\+", "").cast(pa.float64())
    parsed = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    finite: np.ndarray = np.where(np.isfinite(parsed), parsed, np.nan)
    return finite


def commas(values: Any) -> np.ndarray:
    """Where ``numbers`` reads a comma as the decimal point, bool [n]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    where: np.ndarray = np.zeros(len(values), dtype=bool)
    if pa.types.is_string(values.type):
        matches = pc.fill_null(pc.match_substring_regex(values, f"^{COMMA}$"), False)
        where = matches.to_numpy(zero_copy_only=False)
    return where


def seconds(values: Any, unit: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """A column's times.

    Args:
        values: a pyarrow Array of timestamps, dates, numbers or their text. Without a zone a time
            is UTC.
        unit: of numbers ``s``, ``ms``, ``us`` or ``ns`` since 1970; ``text`` for dates in ISO 8601
            and such as ``2024-05-01 12:30:00``.
        where: file and column, for messages.

    Returns:
        int64 [n], whole seconds since 1970, and bool [n], whether there is a time of the years 1 to
        9999.
    """
    import pyarrow as pa

    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _stamps_as_seconds(values)
    if unit == "text":
        return _dates_as_seconds(as_text(values, where))
    time = np.floor(numbers(values, where) / PER_SECOND[unit])
    known = (time >= EARLIEST) & (time <= LATEST)
    return np.where(known, time, 0).astype(np.int64), known


def _stamps_as_seconds(values: Any) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa
    import pyarrow.compute as pc

    unit = values.type.unit if pa.types.is_timestamp(values.type) else "s"
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    whole = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    time = whole // PER_SECOND[unit]
    known &= (time >= EARLIEST) & (time <= LATEST)
    return np.where(known, time, 0), known


def _dates_as_seconds(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Dates of one form are cast at once, a mixture one by one."""
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _stamps_as_seconds(values.cast(kind))
        except pa.ArrowInvalid:
            continue
    times = [_date(text) for text in values.to_pylist()]
    known = np.array([time is not None for time in times], dtype=bool)
    return np.array([time or 0 for time in times], dtype=np.int64), known


def _date(text: str | None) -> int | None:
    try:
        stamp = datetime.fromisoformat((text or "").strip().removesuffix(" UTC"))
        return int((stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp() // 1)
    except (ValueError, OverflowError):
        return None
