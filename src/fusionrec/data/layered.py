"""Collections that change by small steps, where every state stays as it is and shares most.

A state is some layers, the newest last, each more than ``GROWTH`` times as long as the next. A step
adds a layer and joins it with those before that are not: so a change costs what changed, times the
logarithm of how much has changed so far, and a look-up asks a handful of layers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, Protocol, TypeVar

import numpy as np

GROWTH = 8
SMALL = 2**20  # numbers of an array that is copied for a change, in less than a millisecond

K = TypeVar("K")
V = TypeVar("V")
L = TypeVar("L", bound="_Sized")


class _Sized(Protocol):
    def __len__(self) -> int: ...


def _pushed(layers: tuple[L, ...], newest: L, joined: Callable[[L, L], L]) -> tuple[L, ...]:
    """The layers with one more."""
    while layers and len(layers[-1]) <= GROWTH * len(newest):
        newest = joined(layers[-1], newest)
        layers = layers[:-1]
    return (*layers, newest)


class LayeredMapping(Mapping[K, V]):
    """A mapping in the order in which its keys were last set.

    Args:
        base: what it begins with; neither copied nor changed.
    """

    def __init__(self, base: Mapping[K, V]) -> None:
        self._layers: tuple[Mapping[K, V], ...] = (base,)
        self._count = len(base)

    @classmethod
    def over(cls, mapping: Mapping[K, V]) -> LayeredMapping[K, V]:
        """A mapping as one of this kind."""
        return mapping if isinstance(mapping, LayeredMapping) else LayeredMapping(mapping)

    def updated(self, changes: Mapping[K, V]) -> LayeredMapping[K, V]:
        """The mapping after some changes, which are in the order of setting."""
        if not changes:
            return self
        made = LayeredMapping[K, V]({})
        made._count = self._count + sum(key not in self for key in changes)
        made._layers = _pushed(self._layers, changes, _joined_mappings)
        return made

    def __getitem__(self, key: K) -> V:
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key, or the default."""
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key]
        return default

    def __contains__(self, key: object) -> bool:
        return any(key in layer for layer in reversed(self._layers))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[K]:
        for n, layer in enumerate(self._layers):
            newer = self._layers[n + 1 :]
            yield from (key for key in layer if not any(key in one for one in newer))

    def newest(self) -> Iterator[tuple[K, V]]:
        """What was set, the last first; a key that was set again may come a second time, with the
        value that it had before.
        """
        for layer in reversed(self._layers):
            yield from reversed(layer.items())  # type: ignore[call-overload]


def _joined_mappings(older: Mapping[K, V], newer: Mapping[K, V]) -> Mapping[K, V]:
    return {key: value for key, value in older.items() if key not in newer} | dict(newer)


class LayeredSequence(Sequence[V]):
    """A sequence to which others are appended.

    Args:
        layers: its parts; neither copied nor changed.
    """

    def __init__(self, *layers: Sequence[V]) -> None:
        self._layers = layers
        self._ends = list(accumulate(map(len, layers)))

    @classmethod
    def over(cls, sequence: Sequence[V]) -> LayeredSequence[V]:
        """A sequence as one of this kind."""
        return sequence if isinstance(sequence, LayeredSequence) else LayeredSequence(sequence)

    def extended(self, more: Sequence[V]) -> LayeredSequence[V]:
        """The sequence with more, one or several, at its end."""
        return LayeredSequence(*_pushed(self._layers, more, lambda one, other: [*one, *other]))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, key: Any) -> Any:
        """One value; of a slice, a list of them."""
        position = range(len(self))[key]
        if isinstance(position, range):
            return [self[at] for at in position]
        n = bisect_right(self._ends, position)
        return self._layers[n][position - (self._ends[n - 1] if n else 0)]

    def __iter__(self) -> Iterator[V]:
        return chain.from_iterable(self._layers)


class Rows(Protocol):
    """Rows of numbers, [n, d], that are read by their position: an array, or ``LayeredRows``."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def size(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...


class _Patch:
    """Values of some rows: int64 [m] rising, and [m, d]."""

    def __init__(self, rows: np.ndarray, values: np.ndarray) -> None:
        self.rows, self.values = rows, values

    def __len__(self) -> int:
        return len(self.rows)


def _joined_patches(older: _Patch, newer: _Patch) -> _Patch:
    kept = ~np.isin(older.rows, newer.rows, assume_unique=True)
    rows = np.concatenate([older.rows[kept], newer.rows])
    values = np.concatenate([older.values[kept], newer.values])
    order = np.argsort(rows)
    return _Patch(rows[order], values[order])


class LayeredRows:
    """An array, [n, d], with changed and added rows laid over it. Reading some rows copies these;
    ``numpy.asarray`` copies all.

    Attributes:
        base: the array below, of fewer rows or as many.
        shape: of the whole.
    """

    def __init__(self, base: np.ndarray, patches: tuple[_Patch, ...], n: int) -> None:
        self.base, self._patches = base, patches
        self.shape: tuple[int, ...] = (n, *base.shape[1:])

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """As of an array, copied."""
        if isinstance(key, tuple):
            return self[key[0]][(..., *key[1:])]
        asked = np.asarray(key) if not isinstance(key, slice) else np.arange(len(self))[key]
        if asked.dtype == bool:
            asked = np.flatnonzero(asked)
        rows = asked.reshape(-1).astype(np.int64)
        if len(rows) and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"a row must be in 0..{len(self) - 1}")
        rows = np.where(rows < 0, rows + len(self), rows)
        values = self.base[np.minimum(rows, len(self.base) - 1)]
        for patch in self._patches:
            at = np.minimum(np.searchsorted(patch.rows, rows), len(patch) - 1)
            found = np.flatnonzero(patch.rows[at] == rows)
            values[found] = patch.values[at[found]]
        return values.reshape(*asked.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("changed rows are one array only in a copy")
        whole = np.empty(self.shape, self.base.dtype if dtype is None else dtype)
        whole[: len(self.base)] = self.base
        for patch in self._patches:
            whole[patch.rows] = patch.values
        return whole


def changed_rows(
    before: np.ndarray | LayeredRows, rows: Iterable[int], values: np.ndarray, n: int
) -> np.ndarray | LayeredRows:
    """An array, [m, d], after changes of its rows, int [c] distinct, and with all rows from m to n
    added. It is one array again where it is small, or where an eighth of it has changed.

    Args:
        before: the array; stays as it is.
        rows: which change, or are new.
        values: [c, d], what they are now.
        n: how many rows there are then.
    """
    numbers = np.fromiter(rows, dtype=np.int64)
    order = np.argsort(numbers)
    patch = _Patch(numbers[order], values[order])
    base, patches = before, tuple[_Patch, ...]()
    if isinstance(before, LayeredRows):
        base, patches = before.base, before._patches
    assert isinstance(base, np.ndarray)
    made = LayeredRows(base, _pushed(patches, patch, _joined_patches), n)
    changed = sum(map(len, made._patches))
    return np.asarray(made) if made.size <= SMALL or GROWTH * changed > n else made
