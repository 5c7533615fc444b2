"""Outside ids and their positions: given out in the order in which ids are first seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.values import is_id
from fusionrec.errors import DataError

NEW, EMPTY, UNFIT = -1, -2, -3  # what a text is that has no position


class Ids:
    """The ids of one side.

    Args:
        ids: distinct ids that are known from the beginning.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._positions = {one: position for position, one in enumerate(ids)}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def all(self) -> list[str]:
        """The ids by position."""
        return list(self._positions)

    def look_up(self, texts: Sequence[str | None]) -> np.ndarray:
        """Positions of texts, int32 [n]; of those without ``NEW``, ``EMPTY`` where there is no
        text, and ``UNFIT`` for what is no id; see ``values.is_id``.
        """
        known: dict[Any, int] = self._positions
        found = np.fromiter(map(known.get, texts, repeat(NEW)), np.int32, len(texts))
        for place in np.flatnonzero(found == NEW).tolist():
            found[place] = _judged(texts[place])
        return found

    def place(
        self, texts: Sequence[str | None], found: np.ndarray, codes: np.ndarray
    ) -> np.ndarray:
        """Positions of rows, int32 [m]; ids that are new get the next ones.

        Args:
            texts: n distinct ids, in the order in which rows first name them.
            found: int32 [n], what ``look_up`` found of them.
            codes: int [m], each row's place in ``texts``, whose id is known or new.
        """
        new = np.zeros(len(texts), dtype=bool)
        new[codes] = True
        known: dict[Any, int] = self._positions
        for place in np.flatnonzero(new & (found == NEW)).tolist():
            found[place] = known.setdefault(texts[place], len(known))
        placed: np.ndarray = found[codes]
        return placed

    def nearly_equal(self, shown: int = 3) -> tuple[int, list[str]]:
        """How many ids differ from an earlier one in letter case or surrounding spaces alone, and
        some such pairs.
        """
        first: dict[str, str] = {}
        count = 0
        pairs: list[str] = []
        for one in self._positions:
            earlier = first.setdefault(one.strip().casefold(), one)
            if earlier is not one:
                count += 1
                if len(pairs) < shown:
                    pairs.append(f"{earlier[:60]!r} and {one[:60]!r}")
        return count, pairs


def coded(values: Any, where: str) -> tuple[list[str | None], np.ndarray]:
    """The distinct texts of a column in the order of their appearance, and int32 [n] which of them
    each row has; a row without any has the last one, None.

    Args:
        values: a pyarrow Array of n values.
        where: file and column, for messages.

    Raises:
        DataError: as ``as_text``, or the rows hold lists.
    """
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        raise DataError(f"{where}: expected one value in each row, got {values.type}")
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


def _judged(text: str | None) -> int:
    if text is None or not text.strip():
        return EMPTY
    return NEW if is_id(text) else UNFIT
