"""Sets of items per user, such as relevant or seen ones, as compressed rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionrec.errors import UsageError


@dataclass(frozen=True)
class ItemSets:
    """A set of items per user, in compressed rows.

    Attributes:
        offsets: int64 [users + 1]; user u's items are ``items[offsets[u]:offsets[u + 1]]``.
        items: int32 [n], item positions, ascending and distinct within a user.
    """

    offsets: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, user: np.ndarray, item: np.ndarray, users: int) -> ItemSets:
        """The sets of pairs of positions, int [n] each, in any order; duplicate pairs count once.

        ``users`` counts those without pairs too.

        Raises:
            UsageError: the lengths differ, or a position is negative or not below ``users``.
        """
        if len(user) != len(item):
            raise UsageError(f"expected a user per item, got {len(user)} and {len(item)}")
        if len(user) and (min(user.min(), item.min()) < 0 or user.max() >= users):
            raise UsageError(f"a pair's positions must be 0 or more, and a user below {users}")
        order = np.lexsort((item, user))
        user, item = user[order], item[order]
        first = np.ones(len(user), dtype=bool)
        first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
        counts = np.bincount(user[first], minlength=users)
        return cls(np.r_[0, np.cumsum(counts)].astype(np.int64), item[first].astype(np.int32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> np.ndarray:
        """How many items each user has, int64 [users]."""
        return np.diff(self.offsets)

    def take(self, users: np.ndarray) -> ItemSets:
        """The sets of some users, int [b] positions, in that order."""
        counts = self.counts[users]
        offsets = np.r_[0, np.cumsum(counts)].astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[users] - offsets[:-1], counts)
        return ItemSets(offsets, self.items[index])

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Every user, int64 [n], with each of its items, int32 [n]."""
        return np.repeat(np.arange(len(self)), self.counts), self.items
