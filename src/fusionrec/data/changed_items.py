"""A table of which some rows hold other values, and that has some more, without a copy of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fusionrec.data.dataset import Table

Changes = Mapping[int, Mapping[str, Any]]  # position -> attribute -> value


class ChangedColumn(Sequence[Any]):
    """One attribute of n items.

    Args:
        own: its values in the table as it was.
        told: what some positions hold instead; every position behind the table is among them.
        name: of the attribute.
        n: how many there are.
    """

    def __init__(self, own: Sequence[Any], told: Changes, name: str, n: int) -> None:
        self._own, self._told, self._name, self._n = own, told, name, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: Any) -> Any:
        """One value; of a slice, a list of them."""
        place = range(self._n)[row]
        if isinstance(place, range):
            return [self[one] for one in place]
        content = self._told.get(place)
        return self._own[place] if content is None else content[self._name]

    def __iter__(self) -> Iterator[Any]:
        values = [*self._own, *([None] * (self._n - len(self._own)))]
        for row, content in self._told.items():
            values[row] = content[self._name]
        return iter(values)


def changed_table(own: Table, ids: Sequence[str], told: Changes) -> Table:
    """A table with other values in some rows, and behind them those that were added.

    Args:
        own: the table as it was, which stays so.
        ids: outside ids; those of the table come first.
        told: see ``ChangedColumn``; each with every attribute.
    """
    columns = {
        name: ChangedColumn(column, told, name, len(ids)) for name, column in own.columns.items()
    }
    return Table(ids, columns)
