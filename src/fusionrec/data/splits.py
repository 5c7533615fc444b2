"""Splits of interactions into training, validation and test, which reject overlap.

Seeded splits are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError

DisjointBy = Literal["row", "user", "item", "time"]


@dataclass(frozen=True)
class Split:
    """The training, validation and test rows of a data set.

    Attributes:
        name: how it was made, for people.
        train, test, validation: int64 rows of the interactions, sorted; validation may be empty.
        disjoint_by: what the test shares with no other part: ``row`` only no rows, ``user`` no user
            either, ``item`` no item, ``time`` every test row is later.

    Raises:
        UsageError: training or test is empty, or a row stands in two parts.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    validation: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    disjoint_by: DisjointBy = "row"

    def __post_init__(self) -> None:
        if len(self.train) == 0 or len(self.test) == 0:
            raise UsageError(f"split {self.name}: a part is empty")
        rows = np.sort(np.concatenate([self.train, self.validation, self.test]))
        if shared := int((rows[1:] == rows[:-1]).sum()):
            raise UsageError(f"split {self.name}: {shared} rows are in more than one part")

    @property
    def before_test(self) -> np.ndarray:
        """Training and validation rows, sorted: all that may be known at test time."""
        return np.sort(np.concatenate([self.train, self.validation]))

    def check(self, dataset: Dataset) -> Split:
        """The split itself, if its parts are disjoint in a data set as ``disjoint_by`` says.

        Raises:
            UsageError: a row is not in the data set, a user and item are on both sides of the test
                without repeats in the schema, or a test row shares what ``disjoint_by`` forbids.
        """
        past = self.before_test
        if min(past[0], self.test.min()) < 0 or max(past[-1], self.test.max()) >= len(dataset):
            raise UsageError(f"split {self.name}: a row is not among the {len(dataset)}")
        known = known_pairs(dataset, self.test, dataset.user[past], dataset.item[past])
        if known and not dataset.schema.repeats:
            raise UsageError(
                f"split {self.name}: {known} test rows are of a user and an item that another part "
                "has another row of"
            )
        if self.disjoint_by in ("user", "item"):
            column = dataset.user if self.disjoint_by == "user" else dataset.item
            shared = np.intersect1d(column[past], column[self.test])
            if len(shared):
                raise UsageError(
                    f"split {self.name}: {len(shared)} {self.disjoint_by}s are in both parts"
                )
        if self.disjoint_by == "time":
            times = _times(dataset)
            if early := int((times[self.test] <= times[past].max()).sum()):
                raise UsageError(f"split {self.name}: {early} test rows are not after training")
        return self


def random_split(dataset: Dataset, share: float = 0.1, seed: int = 0) -> Split:
    """Holds out a random share, in (0, 1), of the interactions.

    Raises:
        UsageError: the share is not in (0, 1), or leaves a part empty.
    """
    _check_share(share)
    order = np.random.default_rng(seed).permutation(len(dataset))
    count = round(len(dataset) * share)
    name = f"random {share:g}, seed {seed}"
    return Split(name, np.sort(order[count:]), np.sort(order[:count])).check(dataset)


def leave_last_out(dataset: Dataset) -> Split:
    """Each user's latest rating is the test, the one before it validation, all else training.

    Ratings of the same time keep the file's order. Users with fewer than 3 ratings are in training
    alone.

    Raises:
        UsageError: there are no times, or no user has 3 ratings or more.
    """
    order = np.lexsort((np.arange(len(dataset)), _times(dataset), dataset.user))
    return _leave_ends(dataset, order, "leave last one out")


def leave_any_out(dataset: Dataset, seed: int = 0) -> Split:
    """For data without times: as ``leave_last_out``, with ratings that are drawn by the seed.

    Raises:
        UsageError: no user has 3 ratings or more.
    """
    drawn = np.random.default_rng(seed).permutation(len(dataset))
    order = np.lexsort((drawn, dataset.user))
    return _leave_ends(dataset, order, f"no times: one at random, seed {seed}")


def _leave_ends(dataset: Dataset, order: np.ndarray, name: str) -> Split:
    """Tests on each user's last row in ``order``, int64 [n], all rows sorted by user, and validates
    on the one before it.
    """
    user = dataset.user[order]
    counts = np.bincount(user, minlength=len(dataset.users))
    from_end = np.cumsum(counts)[user] - np.arange(len(user))  # 1 is a user's last
    enough = counts[user] >= 3
    if not enough.any():
        raise UsageError(f"split {name}: no user of {dataset.name} has 3 ratings or more")
    test, validation = enough & (from_end == 1), enough & (from_end == 2)
    parts = (order[~test & ~validation], order[test], order[validation])
    train, tested, validated = (np.sort(part) for part in parts)
    return Split(name, train, tested, validated).check(dataset)


def liked_split(
    dataset: Dataset, share: float = 0.2, seed: int = 0, validation: bool = False
) -> Split:
    """Holds out a random share, in (0, 1), of each user's liked items; all else is training.

    An item is liked if one of the user's ratings of it is the schema's ``like`` or more; of events
    all are. All rows of a hidden user and item are hidden, repeats too. Of n liked items
    ``share * n`` are hidden, rounded, one at least and n - 1 at most; a user with fewer than 2 is
    in training alone.

    With ``validation`` as many more are held out for choosing settings, as far as one liked item
    stays in training. The test is the same with and without. The draw depends on the seed and on
    who likes what, not on the order of the rows.

    Raises:
        UsageError: the share is not in (0, 1), no user has 2 liked items, or none is left for
            validation.
    """
    _check_share(share)
    kept_out = f"liked {share:g}" + (" and as many for validation" if validation else "")
    name = f"{kept_out}, seed {seed}"
    pair = dataset.user.astype(np.int64) * len(dataset.items) + dataset.item
    liked = np.unique(pair[dataset.rating >= dataset.schema.like])
    user = liked // len(dataset.items)  # ascending
    counts = np.bincount(user, minlength=len(dataset.users))
    most = np.maximum(counts - 1, 0)
    hidden = np.minimum(np.maximum(np.rint(counts * share).astype(np.int64), 1), most)
    validated = np.minimum(hidden, most - hidden) if validation else np.zeros_like(hidden)
    if not hidden.any():
        raise UsageError(f"split {name}: no user of {dataset.name} has 2 liked items or more")
    if validation and not validated.any():
        raise UsageError(
            f"split {name}: no user of {dataset.name} has a liked item for validation, beside "
            "those of the test and one of training"
        )
    drawn = np.random.default_rng(seed).permutation(len(liked))
    order = np.lexsort((drawn, user))
    rank = np.arange(len(liked)) - (np.cumsum(counts) - counts)[user]  # from 0, in each user's draw
    part_of = np.zeros(len(liked), dtype=np.int8)  # 0 training, 1 validation, 2 test
    part_of[order[rank < (hidden + validated)[user]]] = 1
    part_of[order[rank < hidden[user]]] = 2
    # Looks up all rows, not the liked ones alone: a pair may also have a row with a low rating.
    index = np.minimum(np.searchsorted(liked, pair), len(liked) - 1)
    part_of_row = np.where(liked[index] == pair, part_of[index], 0)
    train, validation_rows, test = (np.flatnonzero(part_of_row == part) for part in range(3))
    return Split(name, train, test, validation_rows).check(dataset)


def user_folds(dataset: Dataset, folds: int = 5, seed: int = 0) -> tuple[Split, ...]:
    """Divides the users with ratings into folds; each fold is the test once, with all its rows.

    Fold sizes differ by one user at most.

    Raises:
        UsageError: fewer than 2 folds, or more than users.
    """
    users = np.unique(dataset.user)
    if not 2 <= folds <= len(users):
        raise UsageError(f"folds must be from 2 up to {len(users)}, the users, got {folds}")
    shuffled = np.random.default_rng(seed).permutation(users)
    return tuple(
        _hide(dataset, "user", hidden, f"users, fold {fold} of {folds}, seed {seed}")
        for fold, hidden in enumerate(np.array_split(shuffled, folds), start=1)
    )


def item_split(dataset: Dataset, share: float = 0.1, seed: int = 0) -> Split:
    """Hides a share, in (0, 1), of the rated items from training; all their ratings are the test.

    Raises:
        UsageError: the share is not in (0, 1), or leaves a part empty.
    """
    _check_share(share)
    items = np.unique(dataset.item)
    count = round(len(items) * share)
    hidden = np.random.default_rng(seed).permutation(items)[:count]
    return _hide(dataset, "item", hidden, f"items {share:g}, seed {seed}")


def time_splits(
    dataset: Dataset, quantiles: Sequence[float] = (0.8, 0.9, 1.0)
) -> tuple[Split, ...]:
    """Trains before an instant and tests on the next ratings of the users known by then.

    One split per window between two neighbouring quantiles: everything before the window is
    training. Users without an earlier rating are left out of the test.

    ``quantiles`` are of the times of all ratings: two or more, rising, in (0, 1]; 1 is the end.

    Raises:
        UsageError: there are no times, the quantiles are invalid, or no user rated both before a
            window and in it.
    """
    q = np.asarray(quantiles, dtype=np.float64)
    if len(q) < 2 or not (q[0] > 0 and q[-1] <= 1 and (np.diff(q) > 0).all()):
        raise UsageError(f"quantiles must rise within (0, 1], two or more, got {list(quantiles)}")
    times = _times(dataset)
    # Observed times: interpolated ones may round differently on other machines.
    ordered = np.sort(times)
    cuts = [int(ordered[min(int(share * len(ordered)), len(ordered) - 1)]) for share in q]
    if q[-1] == 1:
        cuts[-1] += 1
    splits = []
    for (start, end), (low, high) in zip(pairwise(cuts), pairwise(q), strict=True):
        name, past = f"time {low:g} to {high:g}", times < start
        known = np.zeros(len(dataset.users), dtype=bool)
        known[dataset.user[past]] = True
        rows = np.flatnonzero(~past & (times < end) & known[dataset.user])
        if len(rows) == 0:
            raise UsageError(f"split {name}: no user rated both before this window and in it")
        split = Split(name, np.flatnonzero(past), rows, disjoint_by="time")
        splits.append(split.check(dataset))
    return tuple(splits)


def known_pairs(dataset: Dataset, test: np.ndarray, user: np.ndarray, item: np.ndarray) -> int:
    """How many test rows, int [m], have a user and item among some pairs, int [n] each."""
    width = len(dataset.items)
    pairs, counts = np.unique(
        dataset.user[test].astype(np.int64) * width + dataset.item[test], return_counts=True
    )
    if len(pairs) == 0:
        return 0
    # Sorts the few test pairs and looks the many up; np.isin would sort the many.
    known = user.astype(np.int64) * width + item
    index = np.minimum(np.searchsorted(pairs, known), len(pairs) - 1)
    present = np.zeros(len(pairs), dtype=bool)
    present[index[pairs[index] == known]] = True
    return int(counts[present].sum())


def _hide(dataset: Dataset, side: Literal["user", "item"], hidden: np.ndarray, name: str) -> Split:
    """Tests on all rows of the hidden users or items."""
    tested = np.isin(dataset.user if side == "user" else dataset.item, hidden)
    split = Split(name, np.flatnonzero(~tested), np.flatnonzero(tested), disjoint_by=side)
    return split.check(dataset)


def _times(dataset: Dataset) -> np.ndarray:
    if dataset.time is None:
        raise UsageError(
            f"{dataset.name} has no times, so no rating is known to be a user's last or next"
        )
    return dataset.time


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise UsageError(f"a split's share must lie between 0 and 1, got {share}")
