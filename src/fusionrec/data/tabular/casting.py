"""Casts whole columns of any type to text, numbers or times."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from fusionrec.data.tabular.date_texts import read_times
from fusionrec.data.tabular.number_formats import plain_numbers, read_numbers
from fusionrec.errors import DataError

_EXACT = float(2**53)  # floats cannot tell larger whole numbers apart
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
DAY = 86_400
EPOCH_DAY = 25_569  # 1970-01-01 as a spreadsheet counts days
JSON_DATE = r"^/Date\((-?[0-9]+)([+-][0-9]{4})?\)/$"  # milliseconds, as .NET writes them
# Seconds of the years 1 and 9999, the range of datetime.
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799


def as_text(values: Any, where: str) -> Any:
    """A column as strings; a column of lists as lists of strings.

    Whole numbers become digits, also floats and decimals (``1.0`` is ``1``); NaN becomes null; a
    UUID becomes its 32 digits in groups of 8-4-4-4-12. Strings stay as they are.

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
        texts = values.cast(pa.string())
        return (
            pc.replace_substring_regex(texts, r"\.0+$", "") if pa.types.is_decimal(kind) else texts
        )
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


def numbers(values: Any, where: str, decimal: str = ".") -> np.ndarray:
    """A column's numbers, float64 [n]; NaN where there is none. See ``cast_numbers``."""
    return cast_numbers(values, where, decimal)[0]


def cast_numbers(
    values: Any, where: str, decimal: str = "."
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A column's numbers.

    Args:
        values: a pyarrow Array: numbers, booleans, or text in any of the forms of
            ``number_formats``.
        where: file and column, for messages.
        decimal: what stands before the fraction in a text, ``.`` or ``,``; one or two digits behind
            the other sign are a fraction, too, and three are thousands.

    Returns:
        float64 [n], NaN where there is no finite number; and of each form in
        ``number_formats.UNUSUAL`` that occurs, bool [n], where.
    """
    import pyarrow as pa

    kind, forms = values.type, dict[str, np.ndarray]()
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        values = as_text(values, where)
        if pa.types.is_nested(values.type):
            return np.full(len(values), np.nan), forms
        plain = _plain_cast(values, decimal)
        if plain is None:
            encoded = values.dictionary_encode()
            # The last of the distinct values stands for null.
            distinct = pa.concat_arrays([encoded.dictionary, pa.nulls(1, pa.string())])
            codes = encoded.indices.fill_null(len(distinct) - 1).to_numpy(zero_copy_only=False)
            read, forms = read_numbers(distinct, decimal)
            return read[codes], {name: rows[codes] for name, rows in forms.items()}
        values = plain
    parsed = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    finite: np.ndarray = np.where(np.isfinite(parsed), parsed, np.nan)
    return finite, forms


def _plain_cast(texts: Any, decimal: str = ".") -> Any:
    """Texts as numbers if all are as a program writes them, else None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # 1.234 is a thousand and more where a comma stands before fractions.
    if decimal == "," and pc.any(pc.match_substring(texts, ".")).as_py():
        return None
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def seconds(values: Any, unit: str, where: str, form: str = "") -> tuple[np.ndarray, np.ndarray]:
    """A column's times.

    Args:
        values: a pyarrow Array of timestamps, dates, numbers or their text. Without a zone a time
            is UTC.
        unit: of numbers ``s``, ``ms``, ``us`` or ``ns`` since 1970, or ``days`` as a spreadsheet
            counts them; ``text`` for dates.
        where: file and column, for messages.
        form: of dates, as in ``date_texts.read_times``; empty: ISO 8601.

    Returns:
        int64 [n], whole seconds since 1970, and bool [n], whether there is a time of the years 1 to
        9999.

    Raises:
        DataError: the column holds times of day or durations, or the form is none.
    """
    import pyarrow as pa

    kind = values.type
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        says = "durations" if pa.types.is_duration(kind) else "times of day"
        raise DataError(
            f"{where}: expected dates, or numbers since 1970, got {says} ({kind})",
            "name a column with the date in it, or leave time out",
        )
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _stamps_as_seconds(values)
    if form or unit == "text":
        return _dates_as_seconds(as_text(values, where), form, where)
    number = _count_of(values, where)
    if unit == "days":  # of which 15 digits are kept: 8:30 is 0.354166666666667
        time = np.rint((number - EPOCH_DAY) * DAY)
    else:
        time = np.floor(number / PER_SECOND[unit])
    known = (time >= EARLIEST) & (time <= LATEST)
    return np.where(known, time, 0).astype(np.int64), known


def _count_of(values: Any, where: str) -> np.ndarray:
    """Numbers that count seconds or days, float64 [n]; NaN where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(values.type) or _plain_cast(values) is not None:
        return numbers(values, where)
    bare = pc.replace_substring_regex(values, JSON_DATE, r"\1")
    read: np.ndarray = plain_numbers(pc.replace_substring(bare, ",", "."))
    return read


def _stamps_as_seconds(values: Any) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa
    import pyarrow.compute as pc

    unit = values.type.unit if pa.types.is_timestamp(values.type) else "s"
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"), safe=False)
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    whole = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    time = whole // PER_SECOND[unit]
    known &= (time >= EARLIEST) & (time <= LATEST)
    return np.where(known, time, 0), known


def _dates_as_seconds(values: Any, form: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """ISO dates that are all alike are cast at once, all others as distinct texts."""
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    for kind in () if form else (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _stamps_as_seconds(values.cast(kind))
        except pa.ArrowInvalid:
            continue
    encoded = values.dictionary_encode()
    times = read_times(encoded.dictionary, form, where)
    stamps = pa.DictionaryArray.from_arrays(encoded.indices, pa.array(times))
    return _stamps_as_seconds(stamps.dictionary_decode())
