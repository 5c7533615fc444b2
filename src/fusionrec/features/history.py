"""Histories of interactions, and their encoding for a user tower: ratings and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from fusionrec.data.layered import Rows

UNKNOWN = 0  # the level of an unknown rating or time
RATINGS = 10  # levels of a rating scale
GAPS = 32  # levels of the time between two moments; each but the first twice as long
DATES = 64  # levels of the training data's time span

Column = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class History:
    """A user's interactions, in the order of time.

    Attributes:
        items: int [m], positions in the item table.
        ratings: float [m]; NaN where not known.
        times: float64 [m], seconds since 1970; NaN where not known.
    """

    items: np.ndarray
    ratings: np.ndarray
    times: np.ndarray

    @classmethod
    def of(
        cls, items: Column = (), ratings: Column | None = None, times: Column | None = None
    ) -> Self:
        """A history; missing ratings and times are unknown."""
        unknown = np.full(len(items), np.nan)
        return cls(
            np.asarray(items, dtype=np.int64),
            np.asarray(unknown if ratings is None else ratings, dtype=np.float32),
            np.asarray(unknown if times is None else times, dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.items)

    def take(self, which: np.ndarray | slice) -> History:
        """The interactions at some positions, or where a mask is True."""
        return History(self.items[which], self.ratings[which], self.times[which])

    def followed_by(self, later: History, *, repeats: bool = False) -> History:
        """The history with a later one behind it, whose items are removed before it unless
        interactions repeat.
        """
        if not len(later):
            return self
        kept = self if repeats else self.take(~np.isin(self.items, later.items))
        both = ((kept.items, later.items), (kept.ratings, later.ratings), (kept.times, later.times))
        return History(*(np.concatenate(columns) for columns in both))


@dataclass(frozen=True)
class Clock:
    """The time span of training, in seconds since 1970; times outside it are clipped.

    ``longest`` is the highest gap level between two interactions of a user that follow each other.
    """

    first: float
    last: float
    longest: int

    @classmethod
    def fit(cls, user: np.ndarray, time: np.ndarray) -> Self:
        """The clock of interactions, int [n] and int64 [n], that stand by user and time."""
        gaps = gap_levels(np.diff(time.astype(np.float64))[user[1:] == user[:-1]])
        return cls(float(time.min()), float(time.max()), int(gaps.max(initial=1)))

    def dates(self, times: np.ndarray) -> np.ndarray:
        """Levels of the training time span, int64 from 1 to ``DATES``, or ``UNKNOWN``."""
        span = max(self.last - self.first, 1.0)
        share = (np.clip(np.nan_to_num(times), self.first, self.last) - self.first) / span
        part = 1 + np.minimum(share * DATES, DATES - 1).astype(np.int64)
        dates: np.ndarray = np.where(np.isnan(times), UNKNOWN, part)
        return dates

    def since(self, seconds: np.ndarray) -> np.ndarray:
        """Levels, int64, of the seconds since the interaction before."""
        levels: np.ndarray = np.minimum(gap_levels(seconds), self.longest)
        return levels


@dataclass(frozen=True)
class HistoryFeatures:
    """Which features of a history a user tower reads, beside items and ratings.

    Attributes:
        length: how many items are read, the newest ones.
        scale: the lowest and the highest rating.
        gaps: whether the time between any two items is read.
        clock: how the time of the request is read; None where it is not.
    """

    length: int
    scale: tuple[float, float]
    gaps: bool = False
    clock: Clock | None = None

    @property
    def times(self) -> bool:
        """Whether any time is read."""
        return self.gaps or self.clock is not None

    def to_json(self) -> dict[str, Any]:
        """The manifest's ``history``; ``from_json`` reads it back equal."""
        clock = {"clock": asdict(self.clock)} if self.clock else {}
        return {"length": self.length, "gaps": self.gaps} | clock

    @classmethod
    def from_json(cls, value: Mapping[str, Any], scale: tuple[float, float]) -> Self:
        """Reads what ``to_json`` made, also by versions without times."""
        clock = Clock(**value["clock"]) if value.get("clock") else None
        return cls(int(value["length"]), scale, bool(value.get("gaps", False)), clock)

    def pack(
        self, histories: Sequence[History], vectors: Rows, now: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Histories of n users as the tower's inputs: the newest items, the oldest of these first.

        Args:
            histories: of n users.
            vectors: float32 [items, dim].
            now: float64 [n], time of each request in seconds since 1970; NaN or None if unknown.

        Returns:
            Item vectors, float32 [n, m, dim], rating levels, int64 [n, m], the number of items,
            int64 [n, 1], and the arrays of ``read_times``; m is 1 at least.
        """
        newest = [history.take(slice(-self.length, None)) for history in histories]
        count = np.array([len(history) for history in newest], dtype=np.int64)
        longest = max(int(count.max(initial=0)), 1)
        filled = np.arange(longest) < count[:, None]
        read = np.zeros((len(newest), longest, vectors.shape[1]), dtype=np.float32)
        levels = np.zeros((len(newest), longest), dtype=np.int64)
        times = np.full((len(newest), longest), np.nan)
        if filled.any():
            read[filled] = vectors[np.concatenate([history.items for history in newest])]
            ratings = np.concatenate([history.ratings for history in newest])
            levels[filled] = rating_levels(ratings, self.scale)
            times[filled] = np.concatenate([history.times for history in newest])
        packed: list[np.ndarray] = [read, levels, count[:, None]]
        if not self.times:
            return packed
        targets = np.concatenate([times, np.full((len(newest), 1), np.nan)], axis=1)
        targets[np.arange(len(newest)), count] = np.nan if now is None else now
        return packed + self.read_times(times, targets)

    def read_times(self, times: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """The arrays of times for the tower, from the times of items, float64 [n, m] with NaN where
        unknown, and of each token's target, float64 [n, m + 1]; the first, which has no item, is
        not read.

        Returns:
            With ``gaps``, gap levels between any two tokens' items, int64 [n, m + 1, m + 1]. With a
            clock, levels of the time from each token's item to its target, and the target's date,
            both int64 [n, m + 1].
        """
        own = np.concatenate([np.full((len(times), 1), np.nan), times], axis=1)
        arrays: list[np.ndarray] = []
        if self.gaps:
            arrays.append(gap_levels(np.abs(own[:, :, None] - own[:, None, :])))
        if self.clock is not None:
            targets = np.where(np.isnan(own), np.nan, targets)
            arrays += [self.clock.since(targets - own), self.clock.dates(targets)]
        return arrays


def gap_levels(seconds: np.ndarray) -> np.ndarray:
    """Levels of times between two moments, int64: 1 for none at all, 2 for a second, 3 for 2 and 3…

    NaN becomes ``UNKNOWN``; below 0 counts as 0.
    """
    whole = np.floor(np.clip(np.nan_to_num(seconds), 0.0, None))
    level = 1 + np.minimum(np.frexp(whole)[1].astype(np.int64), GAPS - 2)
    return np.where(np.isnan(seconds), UNKNOWN, level)


def rating_levels(ratings: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """Levels of ratings, int64 of the same shape: 1 to ``RATINGS``, or ``UNKNOWN`` for NaN; those
    outside the scale are clipped.
    """
    low, high = scale
    share = np.clip((np.nan_to_num(ratings, nan=low) - low) / (high - low), 0.0, 1.0)
    known = 1 + np.round(share * (RATINGS - 1)).astype(np.int64)
    return np.where(np.isnan(ratings), UNKNOWN, known)
