"""Minibatches that are blocks of the users-by-items matrix: each tower sees a row once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """The training rows of some users with some items.

    Attributes:
        users, items: int [u] and [i], distinct positions. ``items`` holds every trained item of
            the block, rated in it or not: the unrated ones are the ranking term's negatives.
        user, item: int [n], indices in ``users`` and ``items`` of each rating.
        rating: float32 [n].
        weight: float32 [n], of each rating in the ranking term; 0 leaves it out.
    """

    users: np.ndarray
    items: np.ndarray
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    weight: np.ndarray


class Blocks:
    """Cuts each epoch's training rows into minibatches.

    Users and items are dealt at random into groups, anew in every epoch; a minibatch is all the
    ratings of one group of users on one group of items. Each rating is in exactly one minibatch of
    an epoch, and each user meets each item with equal chance. A minibatch of n ratings holds far
    fewer than n distinct users and items, so both towers run on hundreds of rows where pairs would
    take thousands (Gemulla et al., Large-Scale Matrix Factorization with Distributed SGD, 2011).

    Args:
        user, item: int [n] positions of the training rows.
        rating: float32 [n].
        weight: float32 [n], as of ``Batch``; all 1 by default.
        batch: ratings in a minibatch, on average.
        seed: of the grouping; an epoch's batches depend on nothing but it and the epoch.
    """

    def __init__(
        self,
        user: np.ndarray,
        item: np.ndarray,
        rating: np.ndarray,
        weight: np.ndarray | None = None,
        *,
        batch: int,
        seed: int,
    ) -> None:
        self._user, self._item, self._rating = user, item, rating
        self._weight = np.ones(len(user), np.float32) if weight is None else weight
        self._users = int(user.max()) + 1
        self._trained = np.flatnonzero(np.bincount(item))  # np.unique sorts all rows
        self._items = int(item.max()) + 1
        self._seed = seed
        blocks: int = max(1, round(len(user) / batch))
        distinct = np.count_nonzero(np.bincount(user)) / len(self._trained)
        # Square blocks have the fewest rows for both towers.
        square = round((blocks * distinct) ** 0.5)
        self.user_groups = max(1, min(blocks, square))
        self.item_groups = max(1, round(blocks / self.user_groups))

    def __len__(self) -> int:
        return self.user_groups * self.item_groups

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The minibatches of an epoch in random order, from the ``start``-th on.

        A block without ratings comes as an empty batch, so that steps can be counted.
        """
        rng = np.random.default_rng([self._seed, number])
        user_group = rng.permutation(self._users) % self.user_groups
        item_group = rng.permutation(self._items) % self.item_groups
        block = user_group[self._user] * self.item_groups + item_group[self._item]
        order = np.argsort(block, kind="stable")
        ends = np.cumsum(np.bincount(block, minlength=len(self)))
        members = [
            self._trained[item_group[self._trained] == group] for group in range(self.item_groups)
        ]
        for chosen in rng.permutation(len(self))[start:]:
            rows = order[ends[chosen - 1] if chosen else 0 : ends[chosen]]
            items = members[chosen % self.item_groups]
            users, user = np.unique(self._user[rows], return_inverse=True)
            item = np.searchsorted(items, self._item[rows])
            yield Batch(users, items, user, item, self._rating[rows], self._weight[rows])
