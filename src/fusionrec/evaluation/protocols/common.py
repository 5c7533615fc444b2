"""What all protocols share: options, runs, and the baselines that a data set can serve."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.data.splits import Split
from fusionrec.errors import UsageError
from fusionrec.evaluation.baselines.linear import EASE_LIMIT
from fusionrec.evaluation.baselines.repeat import TakenBefore
from fusionrec.evaluation.metrics_table import RunMetrics
from fusionrec.registry import Artifact

GROUP = 50  # users that a group of equal profiles has on average, at least

TAKEN_BEFORE = "taken-before"  # the baseline of data in which people take items again

Make = Callable[[], Any]


@dataclass(frozen=True)
class ProtocolOptions:
    """What a protocol may be told.

    Attributes:
        seeds: of splits, trainings and random rankings; a run or a set of folds for each.
        folds: which of the folds or windows, from 0; all by default.
        share: of the ratings or items that is hidden, in (0, 1).
        k: length of the lists, 1 or more.
        baselines: which stand beside the model, by name; all that fit by default.
        validation: ask for what is held out for choosing settings; the test is not looked at.

    Raises:
        UsageError: a value is out of its range.
    """

    seeds: tuple[int, ...] = (0,)
    folds: tuple[int, ...] | None = None
    share: float | None = None
    k: int = 10
    baselines: tuple[str, ...] | None = None
    validation: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k must be 1 or more, got {self.k}")
        if self.share is not None and not 0 < self.share < 1:
            raise UsageError(f"the share hidden must lie between 0 and 1, got {self.share}")
        if not self.seeds or min(self.seeds) < 0:
            raise UsageError(f"seeds must be 0 or more, one at least, got {list(self.seeds)}")
        if self.folds is not None and (not self.folds or min(self.folds) < 0):
            raise UsageError(f"folds count from 0, one at least, got {list(self.folds)}")


@dataclass(frozen=True)
class SplitRun:
    """One split, the seed of what is random beside it, and which fold or window it is, from 0."""

    split: Split
    seed: int
    fold: int | None = None


class Protocol(ABC):
    """How a question is asked.

    Attributes:
        name: on the command line.
        asks: the question in words.
        metrics: what is compared with the best baseline where it is measured, the figure to trust
            first; with ``{k}``.
        takes: which of ``folds``, ``share``, ``k`` and ``validation`` mean something here.
        timed: whether clock times decide what is tested.
        clocked: whether a model that reads the clock is told when each user is asked about.
        rates: whether the model must predict ratings.
    """

    name: ClassVar[str]
    asks: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    takes: ClassVar[frozenset[str]] = frozenset()
    timed: ClassVar[bool] = False
    clocked: ClassVar[bool] = False
    rates: ClassVar[bool] = False

    def check_options(self, options: ProtocolOptions) -> None:
        """Refuses options that mean nothing here.

        Raises:
            UsageError: one is given, or a baseline is not one of this protocol's.
        """
        for name, value, default in (
            ("folds", options.folds, None),
            ("share", options.share, None),
            ("k", options.k, ProtocolOptions.k),
            ("validation", options.validation, False),
        ):
            if value != default and name not in self.takes:
                raise UsageError(f"protocol {self.name} has no {name} to choose")
        unknown = [b for b in options.baselines or () if b not in self.known()]
        if unknown:
            raise UsageError(
                f"protocol {self.name} has no baseline {unknown[0]!r}; "
                f"it has {', '.join(self.known())}"
            )

    @abstractmethod
    def known(self) -> tuple[str, ...]:
        """The names of all baselines that this protocol may have."""

    @abstractmethod
    def baselines(self, dataset: Dataset, seed: int) -> Mapping[str, Make]:
        """Those of them that the data set can serve, by name."""

    def prepare(self, dataset: Dataset) -> Dataset:
        """The data set as the protocol may see it.

        Raises:
            UsageError: it cannot serve this protocol.
        """
        return dataset

    def notes(self, dataset: Dataset) -> list[str]:  # noqa: ARG002
        """What must be known of the figures on this data set, in sentences."""
        return []

    @abstractmethod
    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        """The splits.

        Raises:
            UsageError: as of the splits in ``data.splits``.
        """

    @abstractmethod
    def measure_baseline(
        self, dataset: Dataset, run: SplitRun, options: ProtocolOptions, make: Make
    ) -> RunMetrics:
        """Fits a baseline on the run's training rows and measures it."""

    @abstractmethod
    def measure_model(
        self, dataset: Dataset, run: SplitRun, options: ProtocolOptions, artifact: Artifact
    ) -> RunMetrics:
        """Measures a model that was trained on the run's training rows."""


def refuse(dataset: Dataset, lacks: str) -> NoReturn:
    """Refuses a data set that cannot serve a protocol.

    Args:
        dataset: the data set.
        lacks: what it lacks, and why that matters, to follow its name.

    Raises:
        UsageError: always; the hint names the protocols that the data set can serve.
    """
    schema = dataset.schema
    served = {
        "rating": not schema.events,
        "next-item": True,  # without times at random
        "new-user": bool(schema.attributes("user")),
        "new-item": bool(schema.attributes("item")),
        "global-time": dataset.time is not None,
    }
    names = [name for name, can in served.items() if can]
    raise UsageError(f"{dataset.name} {lacks}", f"it can be asked by protocol {' or '.join(names)}")


def has(dataset: Dataset, side: Side, *kinds: str) -> bool:
    """Whether a side of a data set has an attribute of one of some kinds."""
    return any(field.kind in kinds for field in dataset.schema.attributes(side))


def group_fields(dataset: Dataset) -> list[str]:
    """The user categories to group by: in the schema's order, as long as groups stay large.

    So many that a group has ``GROUP`` users on average, whatever the data set; one at least,
    where there is one.
    """
    users, chosen, groups = len(np.unique(dataset.user)), list[str](), 1
    for field in dataset.schema.attributes("user"):
        if field.kind != "category":
            continue
        groups *= max(len(set(dataset.users.columns[field.name])), 1)
        if chosen and users / groups < GROUP:
            break
        chosen.append(field.name)
    return chosen


def small_enough(dataset: Dataset) -> bool:
    """Whether EASE can invert a matrix of the catalog's size."""
    return len(dataset.items) <= EASE_LIMIT


def again(dataset: Dataset) -> dict[str, Make]:
    """The baseline of who took what before, where people take items again; else none."""
    return {TAKEN_BEFORE: TakenBefore} if dataset.schema.repeats else {}


def each_seed(options: ProtocolOptions, split: Callable[[int], Split]) -> list[SplitRun]:
    """A run for every seed."""
    return [SplitRun(split(seed), seed) for seed in options.seeds]


def pick_folds(
    splits: tuple[Split, ...], options: ProtocolOptions, word: str
) -> list[tuple[int, Split]]:
    """The splits that were chosen, all by default, and their numbers.

    Raises:
        UsageError: there are not so many.
    """
    chosen = range(len(splits)) if options.folds is None else options.folds
    for number in chosen:
        if number >= len(splits):
            raise UsageError(f"{word} are 0 to {len(splits) - 1}, got {number}")
    return [(number, splits[number]) for number in chosen]
