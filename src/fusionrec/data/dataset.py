"""Dataset: interactions, users and items, validated when created."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fusionrec.data.arrays import ROWS_AT_ONCE, ranges_of
from fusionrec.data.schema import Schema, Side
from fusionrec.errors import DataError

# Position -> attribute -> value; None for what the table below holds.
Changes = Mapping[int, Mapping[str, Any] | None]

CLOCK_ERROR = 300  # seconds that a time may lie ahead of this machine's clock


@dataclass(frozen=True)
class Table:
    """The users or the items: outside ids and one column per attribute.

    Attributes:
        ids: outside ids, distinct strings; an index into this sequence is a *position*.
        columns: attribute name -> one value per id. ``category`` and ``text``: str;
            ``categories``: tuple of str; ``number``: float, NaN where not known.
    """

    ids: Sequence[str]
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def positions(self) -> dict[str, int]:
        """Outside id -> position."""
        return {outside: position for position, outside in enumerate(self.ids)}

    def row(self, position: int) -> dict[str, Any]:
        """The attributes of one id, by name."""
        return {name: column[position] for name, column in self.columns.items()}

    def part(self, begin: int, end: int) -> Table:
        """The table of the positions from ``begin`` up to ``end``, or to the last."""
        columns = {name: column[begin:end] for name, column in self.columns.items()}
        return Table(self.ids[begin:end], columns)

    def take(self, positions: np.ndarray) -> Table:
        """The table of these positions, in their order."""
        picked = [int(p) for p in positions]
        columns = {name: [column[p] for p in picked] for name, column in self.columns.items()}
        return Table([self.ids[p] for p in picked], columns)


class ChangedColumn(Sequence[Any]):
    """The attribute ``name`` of a table with changes laid over it; nothing is copied.

    ``changes`` are of some positions and of every position from ``len(base)`` up to ``n``.
    """

    def __init__(self, base: Sequence[Any], changes: Changes, name: str, n: int) -> None:
        self._base, self._changes, self._name, self._n = base, changes, name, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: Any) -> Any:
        """One value; of a slice, a list of them."""
        position = range(self._n)[row]
        if isinstance(position, range):
            return [self[p] for p in position]
        content = self._changes.get(position)
        return self._base[position] if content is None else content[self._name]

    def __iter__(self) -> Iterator[Any]:
        values = [*self._base, *([None] * (self._n - len(self._base)))]
        for position, content in self._changes.items():
            if content is not None:
                values[position] = content[self._name]
        return iter(values)


def changed_table(base: Table, ids: Sequence[str], changes: Changes) -> Table:
    """A table with changed rows, followed by new ones; the base is neither copied nor changed.

    ``ids`` begin with those of ``base``; each change names every attribute.
    """
    n = len(ids)
    columns = {name: ChangedColumn(c, changes, name, n) for name, c in base.columns.items()}
    return Table(ids, columns)


@dataclass(frozen=True)
class Dataset:
    """Interactions between users and items.

    Attributes:
        schema: the fields of ``users`` and ``items``.
        name: for people, such as ``ml-1m``; begins with ``synthetic`` if the rows are made up.
        user, item: int32 [n], each interaction's position in ``users`` and in ``items``.
        rating: float32 [n], within the schema's rating range.
        time: int64 [n], seconds since 1970, or None without times.
        repairs: what was repaired while reading, each with its count.
        feedback: number of the last ledger event in it; 0 if there is none.
        source: where it was read from, a known name or a whole path; empty if it was made here.

    Raises:
        DataError: lengths differ, a position or rating is out of range, ids repeat, a column is
            missing.
    """

    schema: Schema
    name: str
    users: Table
    items: Table
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray | None = None
    repairs: tuple[str, ...] = field(default=())
    feedback: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        columns = (self.user, self.item, self.rating, self.time)
        lengths = {len(column) for column in columns if column is not None}
        if len(lengths) != 1:
            raise DataError(
                f"{self.name}: interaction columns have different lengths {sorted(lengths)}"
            )
        if len(self) == 0:
            raise DataError(f"{self.name}: no interactions, so there is nothing to learn from")
        sides: tuple[tuple[Side, Table, np.ndarray], ...] = (
            ("user", self.users, self.user),
            ("item", self.items, self.item),
        )
        for side, table, position in sides:
            wanted, got = {f.name for f in self.schema.attributes(side)}, set(table.columns)
            if wanted != got:
                raise DataError(
                    f"{self.name}: {side} columns must be {sorted(wanted)}, got {sorted(got)}"
                )
            if len(set(table.ids)) != len(table):
                raise DataError(f"{self.name}: {side} ids must be distinct")
            if any(len(column) != len(table) for column in table.columns.values()):
                raise DataError(f"{self.name}: {side} columns must have one value per id")
            if position.min() < 0 or position.max() >= len(table):
                raise DataError(
                    f"{self.name}: an interaction names a {side} outside the table of {len(table)}"
                )
        low, high = self.schema.rating_range
        # "not (...)", so that a NaN counts as outside.
        if not (self.rating.min() >= low and self.rating.max() <= high):
            raise DataError(f"{self.name}: ratings must lie in {low:g}..{high:g}")

    def __len__(self) -> int:
        return len(self.user)

    @property
    def synthetic(self) -> bool:
        """Whether the rows are made up, so that metrics on them say nothing about people."""
        return self.name.startswith("synthetic")

    def fingerprint(self, rows: np.ndarray | None = None) -> str:
        """SHA-256 of both tables and some interactions, int [m] in any order (all by default), with
        their times: the identity of a training set.
        """
        return self.fingerprints(rows)[0]

    def fingerprints(self, rows: np.ndarray | None = None) -> tuple[str, str]:
        """The fingerprint, and that of fusionrec 0.1.0, which old versions and checkpoints carry;
        that one ignores times and where a column ends.
        """
        count = len(self) if rows is None else len(rows)
        ordered = rows is None or count < 2 or bool((rows[1:] > rows[:-1]).all())
        if rows is not None and not ordered:
            rows = np.sort(rows)

        def add(column: np.ndarray, kind: str) -> None:
            for begin in range(0, count, ROWS_AT_ONCE):
                part = slice(begin, begin + ROWS_AT_ONCE)
                some = column[part] if rows is None else column[rows[part]]
                digest.update(np.ascontiguousarray(some, dtype=kind).data)

        digest, sizes = hashlib.sha256(f"{self.schema.name}:{count}:".encode()), []
        for table in (self.users, self.items):
            for values in (table.ids, *(table.columns[name] for name in sorted(table.columns))):
                written = "\x1f".join(map(str, values)).encode()
                digest.update(written)
                sizes.append(len(written))
        for column, kind in ((self.user, "<i4"), (self.item, "<i4"), (self.rating, "<f4")):
            add(column, kind)
        former = digest.hexdigest()
        digest.update(f"{sizes}:{'no times' if self.time is None else 'times'}:".encode())
        if self.time is not None:
            add(self.time, "<i8")
        return digest.hexdigest(), former


def keep_last_of_pairs(
    user: np.ndarray, item: np.ndarray, time: np.ndarray | None
) -> tuple[np.ndarray, int]:
    """Keeps one interaction per user and item, int [n] each: the latest by ``time``, int64 [n], of
    equal times or without times the last in the file.

    Returns:
        int64 [m] the rows kept, in the file's order, and how many were left out.
    """
    keep = np.ones(len(user), dtype=bool)
    if len(user) == 0:
        return np.arange(0), 0
    counts = np.bincount(user)
    for low, high in ranges_of(counts, max(ROWS_AT_ONCE, len(user) // 32)):
        at = np.flatnonzero((user >= low) & (user < high))
        keep[at[_earlier(user[at], item[at], None if time is None else time[at])]] = False
    kept = np.flatnonzero(keep)
    return kept, len(user) - len(kept)


def _earlier(user: np.ndarray, item: np.ndarray, time: np.ndarray | None) -> np.ndarray:
    """Rows, int [m], of pairs that have a later row."""
    pair = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    # A stable sort is fast on rows grouped by user; only repeated pairs are sorted by time.
    order = np.argsort(pair, kind="stable")
    again = np.flatnonzero(pair[order[1:]] == pair[order[:-1]])
    repeated = order[np.union1d(again, again + 1)]
    if time is not None:
        repeated = repeated[np.lexsort((time[repeated], pair[repeated]))]
    earlier: np.ndarray = repeated[:-1][pair[repeated[1:]] == pair[repeated[:-1]]]
    return earlier
