"""Minibatches of histories: windows of about one length, so that little padding is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusionrec.registry.tables import Histories

STEP = 16  # lengths are rounded up to a multiple of this


@dataclass(frozen=True)
class SequenceBatch:
    """Windows of some users' histories, the oldest item first.

    Attributes:
        users: int64 [n], positions.
        items, ratings: int64 and float32 [n, length], padded behind.
        times: float64 [n, length], seconds since 1970; NaN where not known.
        count: int64 [n], how many items each row has.
        drawn: int64 [n, m], items drawn from all that the user rated: targets of the profile
            alone. The user's first item would say more of the day than of the user.
    """

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    times: np.ndarray
    count: np.ndarray
    drawn: np.ndarray


class Windows:
    """Cuts each epoch's histories into minibatches.

    A user with a history longer than a window gives one window an epoch: half of the time the
    newest one, else one that ends anywhere. How many minibatches there are, and how long each of
    them is, is the same in every epoch.

    Args:
        histories: of the training rows.
        length: items of a window, with the last, which is only a target.
        batch: items of a minibatch, at most, padding included; one window at least.
        draws: items drawn from each user's for the profile alone, 1 or more.
        seed: of the windows; an epoch's batches depend on nothing but it and the epoch.
        users: int [m], whose histories are cut, ascending; all by default.
    """

    def __init__(
        self,
        histories: Histories,
        *,
        length: int,
        batch: int,
        draws: int,
        seed: int,
        users: np.ndarray | None = None,
    ) -> None:
        self._histories, self._length = histories, length
        self._draws, self._seed = draws, seed
        counts = np.diff(histories.offsets)
        self._users = np.flatnonzero(counts)
        if users is not None:
            self._users = np.intersect1d(self._users, users)
        self._counts = np.minimum(counts, length)[self._users]
        # Rounded, so that windows of one group are shuffled in every epoch.
        self._rounded = -(-self._counts // STEP)
        self._cuts = _cuts(np.sort(self._rounded) * STEP, batch)

    def __len__(self) -> int:
        return len(self._cuts) - 1

    def epoch(self, number: int, start: int = 0) -> Iterator[SequenceBatch]:
        """The minibatches of an epoch in random order, from the ``start``-th on."""
        rng = np.random.default_rng([self._seed, 3, number])
        order = np.lexsort((rng.random(len(self._users)), self._rounded))
        offsets, times = self._histories.offsets, self._histories.time
        begin, end = offsets[self._users], offsets[self._users + 1]
        anywhere = rng.integers(np.minimum(begin + self._length, end), end, endpoint=True)
        ends = np.where(rng.random(len(end)) < 0.5, end, anywhere)
        positions = rng.integers(begin[:, None], end[:, None], size=(len(begin), self._draws))
        drawn = self._histories.item[positions].astype(np.int64)
        for batch in rng.permutation(len(self))[start:]:
            rows = order[self._cuts[batch] : self._cuts[batch + 1]]
            count = self._counts[rows]
            column = np.arange(count.max())
            # Padding repeats a window's last item; it is not read.
            at = (ends[rows] - count)[:, None] + np.minimum(column, count[:, None] - 1)
            yield SequenceBatch(
                self._users[rows],
                self._histories.item[at].astype(np.int64),
                self._histories.rating[at],
                np.full(at.shape, np.nan) if times is None else times[at].astype(np.float64),
                count,
                drawn[rows],
            )


def _cuts(lengths: np.ndarray, batch: int) -> np.ndarray:
    """Where to cut windows of ascending lengths so that no padded part has over ``batch`` items."""
    cuts = [0]
    for number, length in enumerate(lengths):
        if number > cuts[-1] and (number + 1 - cuts[-1]) * length > batch:
            cuts.append(number)
    return np.array([*cuts, len(lengths)])
