"""Minibatches that are blocks of the users-by-items matrix: each tower sees a row once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MOST_USERS = 512  # in a group, on average: what a step costs grows with users times items
MOST_ITEMS = 1024  # in a group; of more as many are drawn in each minibatch, beside the rated ones


@dataclass(frozen=True)
class Batch:
    """The training rows of some users with some items.

    Attributes:
        users, items: int [u] and [i], distinct positions. ``items`` holds every trained item of
            the block, rated in it or not: the unrated ones are the ranking term's negatives. Of a
            large block these are a draw.
        user, item: int [n], indices in ``users`` and ``items`` of each rating.
        rating: float32 [n].
        weight: float32 [n], of each rating in the ranking term; 0 leaves it out.
        stands_for: float32 [i], items of the block for which each of them counts; None: 1 each.
    """

    users: np.ndarray
    items: np.ndarray
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    weight: np.ndarray
    stands_for: np.ndarray | None = None


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
        # Square blocks have the fewest rows for both towers, while their users rate many of their
        # items; in sparse data a block would have about as many users and items as ratings.
        square = round((blocks * distinct) ** 0.5)
        least = round(distinct * len(self._trained) / MOST_USERS)
        self.user_groups = max(1, min(blocks, max(square, least)))
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
            items, stands_for = members[chosen % self.item_groups], None
            if len(items) > MOST_ITEMS:
                drawn = np.random.default_rng([self._seed, 4, number, chosen])
                items, stands_for = _draw(items, self._item[rows], drawn)
            users, user = np.unique(self._user[rows], return_inverse=True)
            item = np.searchsorted(items, self._item[rows])
            rating, weight = self._rating[rows], self._weight[rows]
            yield Batch(users, items, user, item, rating, weight, stands_for)


def _draw(
    members: np.ndarray, rated: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The rated items of a block, and some of its others.

    Args:
        members: int [m], all of them, ascending.
        rated: int [n], not distinct.
        rng: draws the others.

    Returns:
        Items, int [i] ascending, and for how many of the block each of them counts, float32 [i]:
        1 where it is rated, else one over the probability that it is drawn.
    """
    own = np.unique(rated)
    found = np.union1d(own, members[rng.integers(len(members), size=MOST_ITEMS)])
    probability = -np.expm1(MOST_ITEMS * np.log1p(-1 / len(members)))
    stands_for = np.full(len(found), 1 / probability, dtype=np.float32)
    stands_for[np.searchsorted(found, own)] = 1.0
    return found, stands_for
