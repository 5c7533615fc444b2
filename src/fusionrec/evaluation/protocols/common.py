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

MIN_GROUP_USERS = 50  # average size of a group of equal profiles, at least

TAKEN_BEFORE = "taken-before"  # the baseline for data with repeated interactions

Make = Callable[[], Any]


@dataclass(frozen=True)
class ProtocolOptions:
    """A protocol's options.

    Attributes:
        seeds: of splits, trainings and random rankings; a run or a set of folds for each.
        folds: which of the folds or windows, from 0; all by default.
        share: of the ratings or items in the test, in (0, 1).
        k: length of the lists, 1 or more.
        baselines: names of baselines to run; all that fit by default.
        validation: measure on the validation rows, to choose settings; the test is unused.

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
    """A split, the seed for all else that is random, and its fold or window number, from 0."""

    split: Split
    seed: int
    fold: int | None = None


class Protocol(ABC):
    """An evaluation protocol: splits, baselines and metrics.

    Attributes:
        name: on the command line.
        asks: the question in words.
        metrics: those compared with the best baseline, the most trustworthy first; with ``{k}``.
        baseline_names: of all baselines that it may have.
        takes: which of the options ``folds``, ``share``, ``k`` and ``validation`` it has.
        timed: whether clock times decide what is tested.
        clocked: whether a model that reads the clock gets the time of each user's request.
        rates: whether the model must predict ratings.
    """

    name: ClassVar[str]
    asks: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    baseline_names: ClassVar[tuple[str, ...]]
    takes: ClassVar[frozenset[str]] = frozenset()
    timed: ClassVar[bool] = False
    clocked: ClassVar[bool] = False
    rates: ClassVar[bool] = False

    def check_options(self, options: ProtocolOptions) -> None:
        """Refuses options that the protocol does not have.

        Raises:
            UsageError: such an option is set, or a baseline is unknown.
        """
        for name, value, default in (
            ("folds", options.folds, None),
            ("share", options.share, None),
            ("k", options.k, ProtocolOptions.k),
            ("validation", options.validation, False),
        ):
            if value != default and name not in self.takes:
                raise UsageError(f"protocol {self.name} has no {name} to choose")
        unknown = [b for b in options.baselines or () if b not in self.baseline_names]
        if unknown:
            raise UsageError(
                f"protocol {self.name} has no baseline {unknown[0]!r}; "
                f"it has {', '.join(self.baseline_names)}"
            )

    @abstractmethod
    def baselines(self, dataset: Dataset, seed: int) -> Mapping[str, Make]:
        """Those baselines that the data set can serve, by name."""

    def prepare(self, dataset: Dataset) -> Dataset:
        """The data set as the protocol may see it.

        Raises:
            UsageError: it cannot serve this protocol.
        """
        return dataset

    def notes(self, dataset: Dataset) -> list[str]:  # noqa: ARG002
        """Notes on the figures for this data set, in sentences."""
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
        lacks: what it lacks and why that matters, as a text that follows the name.

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


def has_attribute(dataset: Dataset, side: Side, *kinds: str) -> bool:
    """Whether a side of a data set has an attribute of one of some kinds."""
    return any(field.kind in kinds for field in dataset.schema.attributes(side))


def group_fields(dataset: Dataset) -> list[str]:
    """The user categories to group by, in the schema's order.

    As many as leave ``MIN_GROUP_USERS`` users in a group on average, and at least one, if any.
    """
    users, chosen, groups = len(np.unique(dataset.user)), list[str](), 1
    for field in dataset.schema.attributes("user"):
        if field.kind != "category":
            continue
        groups *= max(len(set(dataset.users.columns[field.name])), 1)
        if chosen and users / groups < MIN_GROUP_USERS:
            break
        chosen.append(field.name)
    return chosen


def ease_fits(dataset: Dataset) -> bool:
    """Whether EASE can invert a matrix of the catalog's size."""
    return len(dataset.items) <= EASE_LIMIT


def repeat_baseline(dataset: Dataset) -> dict[str, Make]:
    """The baseline for repeated interactions; none where there are none."""
    return {TAKEN_BEFORE: TakenBefore} if dataset.schema.repeats else {}


def runs_by_seed(options: ProtocolOptions, split: Callable[[int], Split]) -> list[SplitRun]:
    """A run for every seed."""
    return [SplitRun(split(seed), seed) for seed in options.seeds]


def choose_folds(
    splits: tuple[Split, ...], options: ProtocolOptions, word: str
) -> list[tuple[int, Split]]:
    """The chosen splits with their numbers; all by default.

    Raises:
        UsageError: a number is too high.
    """
    chosen = range(len(splits)) if options.folds is None else options.folds
    for number in chosen:
        if number >= len(splits):
            raise UsageError(f"{word} are 0 to {len(splits) - 1}, got {number}")
    return [(number, splits[number]) for number in chosen]
