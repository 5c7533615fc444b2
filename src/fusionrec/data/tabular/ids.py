"""Outside ids and their positions, numbered in the order in which ids are first seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.values import is_id
from fusionrec.errors import DataError

NEW, EMPTY, UNFIT = -1, -2, -3  # codes of texts without a position


class Ids:
    """The ids of one side.

    Args:
        ids: distinct ids that are known from the beginning.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._positions = {id_: position for position, id_ in enumerate(ids)}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def all(self) -> list[str]:
        """The ids by position."""
        return list(self._positions)

    def look_up(self, texts: Sequence[str | None]) -> np.ndarray:
        """Positions of texts, int32 [n]; ``NEW`` for unknown ids, ``EMPTY`` where there is no text,
        and ``UNFIT`` for what is no id; see ``values.is_id``.
        """
        known: dict[Any, int] = self._positions
        positions = np.fromiter(map(known.get, texts, repeat(NEW)), np.int32, len(texts))
        for index in np.flatnonzero(positions == NEW).tolist():
            positions[index] = _code(texts[index])
        return positions

    def assign(
        self, texts: Sequence[str | None], positions: np.ndarray, codes: np.ndarray
    ) -> np.ndarray:
        """Positions of rows, int32 [m]; new ids get the next ones.

        Args:
            texts: n distinct ids, in the order in which rows first name them.
            positions: int32 [n], what ``look_up`` gave; positions of new ids are filled in.
            codes: int [m], each row's index into ``texts``; only known and new ids.
        """
        new = np.zeros(len(texts), dtype=bool)
        new[codes] = True
        known: dict[Any, int] = self._positions
        for index in np.flatnonzero(new & (positions == NEW)).tolist():
            positions[index] = known.setdefault(texts[index], len(known))
        assigned: np.ndarray = positions[codes]
        return assigned

    def near_duplicates(self, shown: int = 3) -> tuple[int, list[str]]:
        """How many ids differ from an earlier one only in letter case or outer spaces, and some
        such pairs.
        """
        first: dict[str, str] = {}
        count = 0
        pairs: list[str] = []
        for id_ in self._positions:
            earlier = first.setdefault(id_.strip().casefold(), id_)
            if earlier is not id_:
                count += 1
                if len(pairs) < shown:
                    pairs.append(f"{earlier[:60]!r} and {id_[:60]!r}")
        return count, pairs


def factorize(values: Any, where: str) -> tuple[list[str | None], np.ndarray]:
    """The distinct texts of a column in the order of their appearance, followed by None, and int32
    [n], each row's index into them.

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


def _code(text: str | None) -> int:
    if text is None or not text.strip():
        return EMPTY
    return NEW if is_id(text) else UNFIT
