"""Outside ids and their positions, numbered in the order of their first appearance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.values import is_id
from fusionrec.errors import DataError

NEW, EMPTY, UNFIT = -1, -2, -3  # codes of texts without a position
# From here on a float, by its bits, cannot tell neighbouring whole numbers apart.
_RUN_TOGETHER = {16: 2**11, 32: 2**24, 64: 2**53}
_ROUNDED = re.compile(r"\s*-?[1-9][.,]?(\d*)E\+(\d\d)\s*")


class Ids:
    """The ids of one side."""

    def __init__(self) -> None:
        self._positions: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def all(self) -> list[str]:
        """The ids by position."""
        return list(self._positions)

    def look_up(self, texts: Sequence[str | None]) -> np.ndarray:
        """Positions of texts, int32 [n]; ``NEW`` for unknown ids, ``EMPTY`` where there is no text,
        and ``UNFIT`` where the text is not an id; see ``values.is_id``.
        """
        found = map(self._positions.get, texts, repeat(NEW))
        positions = np.fromiter(found, np.int32, len(texts))
        for index in np.flatnonzero(positions == NEW).tolist():
            text = texts[index]
            if text is None or not text.strip():
                positions[index] = EMPTY
            elif not is_id(text):
                positions[index] = UNFIT
        return positions

    def assign(
        self, texts: Sequence[str | None], positions: np.ndarray, codes: np.ndarray
    ) -> np.ndarray:
        """Positions of rows, int32 [m]; new ids get the next ones.

        Args:
            texts: n distinct ids, in the order in which rows first name them.
            positions: int32 [n] from ``look_up``; positions of new ids are filled in.
            codes: int [m], each row's index into ``texts``; only known and new ids.
        """
        new = np.zeros(len(texts), dtype=bool)
        new[codes] = True
        for index in np.flatnonzero(new & (positions == NEW)).tolist():
            positions[index] = self._positions.setdefault(texts[index], len(self))
        assigned: np.ndarray = positions[codes]
        return assigned

    def near_duplicates(self) -> tuple[int, list[str]]:
        """How many ids differ from an earlier one only in letter case, outer spaces or ``.0``, and
        up to three such pairs.
        """
        first: dict[str, str] = {}
        pairs = [
            (earlier, id_)
            for id_ in self._positions
            if (earlier := first.setdefault(id_.strip().casefold().removesuffix(".0"), id_))
            is not id_
        ]
        return len(pairs), [f"{one[:60]!r} and {other[:60]!r}" for one, other in pairs[:3]]


def factorize(values: Any, where: str) -> tuple[list[str | None], np.ndarray]:
    """The distinct texts of a column in the order of their appearance, followed by None, and int32
    [n], each row's index into them.

    Args:
        values: a pyarrow Array of n values.
        where: file and column, for messages.

    Raises:
        DataError: as ``as_text``, or the rows hold lists, or floats so large that different ids
            may have become one.
    """
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        raise DataError(f"{where}: expected one value in each row, got {values.type}")
    if pa.types.is_floating(values.type):
        check_exact(values, where)
    if pa.types.is_dictionary(values.type):  # whose values may stand in any order
        values = values.cast(values.type.value_type)
    kind, extended = values.type, isinstance(values, pa.ExtensionArray)  # such as UUIDs
    encoded = (values.storage if extended else values).dictionary_encode()
    distinct = encoded.dictionary
    if extended:
        distinct = pa.ExtensionArray.from_storage(kind, distinct)
    texts = as_text(distinct, where).to_pylist()
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return [*texts, None], codes.astype(np.int32, copy=False)


def check_exact(values: Any, where: str) -> None:
    """Raises a DataError for floats, in a pyarrow Array, that are too large to be exact."""
    import pyarrow as pa
    import pyarrow.compute as pc

    limit = _RUN_TOGETHER[values.type.bit_width]
    numbers = values.cast(pa.float64())
    large = pc.and_(pc.greater_equal(pc.abs(numbers), float(limit)), pc.is_finite(numbers))
    if pc.any(large).as_py():
        example = numbers.filter(large)[0].as_py()
        raise DataError(
            f"{where}: expected ids, got floats of {limit:,} and more, such as {example:.0f}, of "
            "which neighbours have run together",
            "export the column as text or as whole numbers (in pandas: dtype string or Int64, set "
            "where it is read first)",
        )


def looks_rounded(texts: Iterable[str]) -> bool:
    """Whether any text is written as a spreadsheet shows a long number, such as ``1.23457E+12``, so
    that its other digits are lost.
    """
    found = filter(None, map(_ROUNDED.fullmatch, texts))
    return any(len(one[1]) < int(one[2]) for one in found)
