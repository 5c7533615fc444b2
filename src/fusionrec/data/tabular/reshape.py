"""Makes rows of lists in cells and of wide tables, on pyarrow Tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.cells import split
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN, VALUE = "column", "value"  # of an unpivoted table
_LIST = re.compile(r"(?:large_|fixed_size_)?list<\w+: (.*?)(?: not null)?>(?:\[\d+\])?")
_NUMBERS = ("int", "uint", "float", "double", "halffloat", "null")


def fill(table: pa.Table, columns: Sequence[str], above: pa.Table | None) -> pa.Table:
    """The rows with what is written in the first row of a group alone.

    Args:
        table: n rows.
        columns: where all of these are empty, a row takes them from the row above.
        above: the last row before the table, already filled; None at the beginning.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.combine_chunks()
    begins = np.zeros(len(table), dtype=bool)
    for name in columns:
        begins |= pc.is_valid(table[name]).to_numpy()
    rows = np.maximum.accumulate(np.where(begins, np.arange(1, len(table) + 1), 0))
    for name in columns:
        first = above[name] if above is not None else pa.nulls(1, table.schema.field(name).type)
        first = first.combine_chunks() if isinstance(first, pa.ChunkedArray) else first
        values = pa.concat_arrays([first, table[name].combine_chunks()])
        place = table.column_names.index(name)
        table = table.set_column(place, name, values.take(pa.array(rows)))
    return table


def explode(table: pa.Table, columns: Sequence[str], separator: str) -> tuple[pa.Table, np.ndarray]:
    """A row for each value of cells that hold several; see ``cells.split``. Other columns repeat.

    Args:
        table: n rows.
        columns: those that are split; in each row all must hold equally many values.
        separator: between the values of a text.

    Returns:
        The rows, without those whose values are all empty, and bool [n], the rows that were left
        out because they do not hold equally many.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.combine_chunks()
    values, lengths = zip(*(split(_whole(table, name), separator) for name in columns), strict=True)
    uneven: np.ndarray = (np.stack(lengths) != lengths[0]).any(0)
    rows = np.repeat(np.arange(len(table)), np.where(uneven, 0, lengths[0]))
    exploded = {
        name: flat if not uneven.any() else flat.filter(pa.array(np.repeat(~uneven, lengths_of)))
        for name, flat, lengths_of in zip(columns, values, lengths, strict=True)
    }
    known = np.zeros(len(rows), dtype=bool)
    for flat in exploded.values():
        known |= pc.is_valid(flat).to_numpy(zero_copy_only=False)
    if not known.all():
        rows = rows[known]
        exploded = {name: flat.filter(pa.array(known)) for name, flat in exploded.items()}
    rest = table.select([name for name in table.column_names if name not in exploded]).take(rows)
    made = pa.table({n: exploded[n] if n in exploded else rest[n] for n in table.column_names})
    return made, uneven


def unpivot(table: pa.Table, keep: Collection[str]) -> pa.Table:
    """A row for each value of a wide table, row by row: the columns to keep, ``column``, the name
    of the column that it stood in, and ``value``. Empty values, NaN and columns of lists are left
    out.

    Raises:
        DataError: a column to keep is called ``column`` or ``value``.
    """
    import pyarrow as pa

    kept = [name for name in table.column_names if name in keep]
    if clash := {COLUMN, VALUE}.intersection(kept):
        raise DataError(
            f"unpivot keeps a column {clash.pop()!r}, which is what a new one is called",
            "call it otherwise in the file",
        )
    names = [
        field.name
        for field in table.schema
        if field.name not in kept and not pa.types.is_nested(field.type)
    ]
    arrays = _of_one_type([_whole(table, name) for name in names])
    stacked = pa.concat_arrays(arrays) if arrays else pa.nulls(0, pa.string())
    known = _filled(stacked).reshape(len(names), len(table) if names else 0)
    row, column = np.nonzero(known.T)
    made = {name: table[name].take(pa.array(row)) for name in kept}
    made[COLUMN] = pa.array(names, pa.string()).take(pa.array(column))
    made[VALUE] = stacked.take(pa.array(column * len(table) + row))
    return pa.table(made)


def _whole(table: pa.Table, name: str) -> Any:
    """A column in one piece; categories as what they stand for."""
    import pyarrow as pa

    column = table[name].combine_chunks()
    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def inner_type(kind: str) -> str:
    """The type of a cell's values, from pyarrow's name of the column's type."""
    found = _LIST.fullmatch(kind)
    return found[1] if found else kind


def _of_one_type(arrays: Sequence[Any]) -> list[Any]:
    """Arrays as they are if they have one type, as floats if all are numbers, else as text."""
    import pyarrow as pa

    kinds = {array.type for array in arrays}
    if len(kinds) <= 1:
        return list(arrays)
    if all(str(kind).startswith(_NUMBERS) for kind in kinds):
        return [array.cast(pa.float64(), safe=False) for array in arrays]
    return [as_text(array, VALUE).cast(pa.string()) for array in arrays]


def _filled(values: Any) -> np.ndarray:
    """Where there is a value, bool [n]: neither null, nor NaN, nor blank."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.is_valid(values)
    if pa.types.is_floating(values.type):
        known = pc.and_not(known, pc.fill_null(pc.is_nan(values), True))
    elif pa.types.is_string(values.type):
        known = pc.and_(known, pc.not_equal(pc.fill_null(pc.utf8_trim_whitespace(values), ""), ""))
    where: np.ndarray = known.to_numpy(zero_copy_only=False)
    return where
