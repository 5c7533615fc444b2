"""Limits of open connections, of one address and of all together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Protocol


class Connection(Protocol, Hashable):  # type: ignore[misc]
    """An open connection, as far as its limits go."""

    @property
    def is_idle(self) -> bool:
        """Whether no whole request is being answered on it."""

    def drop(self) -> None:
        """Closes it at once."""


class ConnectionTable:
    """The open connections of a process. Beyond a limit the idle connection that sent nothing for
    the longest time is dropped: one of the same address, or of the address that has most of them
    and one that is idle.
    So nobody keeps others out by connections without requests. For one thread.

    Args:
        most: open at once.
        most_of_one: open at once from one address.
        is_proxy: whether an address is a reverse proxy's, which is not limited by itself.
    """

    def __init__(self, most: int, most_of_one: int, is_proxy: Callable[[str], bool]) -> None:
        self._most, self._most_of_one, self._is_proxy = most, most_of_one, is_proxy
        # By address; in each the one that was used last comes last.
        self._open: defaultdict[str, dict[Connection, None]] = defaultdict(dict)
        self._count = 0

    def add(self, address: str, one: Connection) -> None:
        """Takes in a new connection, for which another one may be dropped."""
        self._open[address][one] = None
        self._count += 1
        if self._is_crowded(address):
            self._drop_idle(address, one)
        elif self._count > self._most:
            for greedy in sorted(self._open, key=lambda name: -len(self._open[name])):
                if self._drop_idle(greedy, one):
                    break

    def used(self, address: str, one: Connection) -> None:
        """Notes that a request has come."""
        if one in self._open[address]:
            self._open[address][one] = self._open[address].pop(one)

    def remove(self, address: str, one: Connection) -> None:
        """Forgets a connection that was closed."""
        mine = self._open[address]
        if one in mine:
            del mine[one]
            self._count -= 1
        if not mine:
            del self._open[address]

    def is_full(self, address: str) -> bool:
        """Whether requests of an address are to be refused: nothing idle could be dropped."""
        return self._count > self._most or self._is_crowded(address)

    def _is_crowded(self, address: str) -> bool:
        return len(self._open[address]) > self._most_of_one and not self._is_proxy(address)

    def _drop_idle(self, address: str, new: Connection) -> bool:
        """Drops the connection of an address that was idle longest; gives whether there was one."""
        for one in self._open[address]:
            if one is not new and one.is_idle:
                self.remove(address, one)
                one.drop()
                return True
        return False
