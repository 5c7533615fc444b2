"""What all protocols share: options, runs, and the baselines that a data set can serve."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fusionrec import baselines
from fusionrec.data.arguments import whole_number
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import Split
from fusionrec.errors import UsageError
from fusionrec.evaluation import PROTOCOLS
from fusionrec.evaluation.metrics_table import RunMetrics
from fusionrec.models.linear_settings import GOALS
from fusionrec.registry import Artifact

MIN_GROUP_USERS = 50  # average size of a group of equal profiles, at least

DEFAULT = "default"  # in place of a goal: asked without one
TAKEN_BEFORE = "taken-before"  # the baseline for data with repeated interactions

Make = Callable[[], Any]


@dataclass(frozen=True)
class ProtocolOptions:
    """A protocol's options.

    Raises:
        UsageError: a value is out of its range.
    """

    # of splits, trainings and random rankings; a run or a set of folds for each
    seeds: tuple[int, ...] = (0,)
    folds: tuple[int, ...] | None = None  # which of the folds or windows, from 0; all by default
    share: float | None = None  # of the ratings, liked items or items in the test, in (0, 1)
    k: int = 10  # length of the lists, 1 or more
    baselines: tuple[str, ...] | None = None  # names of baselines to run; all that fit by default
    # measure on the validation rows, to choose settings; the test is unused
    validation: bool = False
    # what the lists of a version with parts are for, instead of what the protocol asks; ``default``
    # asks without naming a goal
    goal: str | None = None

    def __post_init__(self) -> None:
        whole_number("k", self.k, 1)
        if self.goal not in (None, DEFAULT, *GOALS):
            raise UsageError(
                f"the goals are {', '.join(GOALS)}, or {DEFAULT}, got {self.goal!r}",
                code="unknown_goal",
            )
        if self.share is not None and not 0 < self.share < 1:
            raise UsageError(f"the share hidden must lie between 0 and 1, got {self.share}")
        if not self.seeds or min(whole_number("a seed", seed) for seed in self.seeds) < 0:
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
        goals: what lists of a version with parts are for, unless the options name another: of its
            first task, and of others.
    """

    name: ClassVar[str]
    asks: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    baseline_names: ClassVar[tuple[str, ...]]
    takes: ClassVar[frozenset[str]] = frozenset()
    timed: ClassVar[bool] = False
    clocked: ClassVar[bool] = False
    rates: ClassVar[bool] = False
    goals: ClassVar[tuple[str, ...]] = ("taste",)

    def check_options(self, options: ProtocolOptions) -> None:
        """Refuses options that the protocol does not have.

        Raises:
            UsageError: such an option is set, or a baseline is unknown.
        """
        for name in ("folds", "share", "k", "validation"):
            changed = getattr(options, name) != getattr(ProtocolOptions, name)
            if changed and name not in self.takes:
                raise UsageError(f"protocol {self.name} has no {name} to choose")
        unknown = [b for b in options.baselines or () if b not in self.baseline_names]
        if unknown:
            raise UsageError(
                f"protocol {self.name} has no baseline {unknown[0]!r}; "
                f"it has {', '.join(self.baseline_names)}"
            )

    def baselines(self, dataset: Dataset, seed: int) -> dict[str, Make]:
        """The protocol's baselines that the data set can serve, by name."""
        of_users, of_items = (
            {field.kind for field in dataset.schema.attributes(side)} for side in ("user", "item")
        )
        categories, groups = {"category", "categories"}, group_fields(dataset)
        known: dict[str, tuple[Make, bool]] = {  # and whether the data set serves it
            "bias": (baselines.Bias, True),
            "popular": (baselines.Popular, True),
            "recently-popular": (baselines.RecentlyPopular, dataset.time is not None),
            "popular-last-7-days": (lambda: baselines.RecentlyPopular(7), dataset.time is not None),
            "popular-by-group": (lambda: baselines.PopularByGroup(groups), bool(groups)),
            "profile-ridge": (baselines.ProfileRidge, bool(categories & of_users)),
            TAKEN_BEFORE: (baselines.TakenBefore, dataset.schema.repeats),
            "item-knn": (baselines.ItemKNN, True),
            "ease": (baselines.EASE, True),
            "chance": (lambda: baselines.RandomOrder(seed), True),
            "newest": (baselines.Newest, "number" in of_items),
            "category-knn": (baselines.CategoryKNN, bool(categories & of_items)),
        }
        return {name: known[name][0] for name in self.baseline_names if known[name][1]}

    def prepare(self, dataset: Dataset) -> Dataset:
        """The data set as the protocol may see it.

        Raises:
            UsageError: it cannot serve this protocol; the hint names those that it can serve.
        """
        schema, lacks = dataset.schema, dict[str, str]()
        if schema.events:
            lacks["rating"] = (
                "holds events, and protocol rating asks how well ratings are predicted"
            )
        if not schema.attributes("user"):
            lacks["new-user"] = "has no profiles, and protocol new-user knows nothing else of users"
        if len(schema.inputs("item")) == 1:  # the id
            lacks["new-item"] = (
                "says nothing of its items, and protocol new-item knows nothing else of one"
            )
        if dataset.time is None:
            lacks["global-time"] = "has no times, and protocol global-time asks what comes next"
        if self.name in lacks:
            served = " or ".join(name for name in PROTOCOLS if name not in lacks)
            raise UsageError(
                f"{dataset.name} {lacks[self.name]}", f"it can be asked by protocol {served}"
            )
        return dataset

    @abstractmethod
    def notes(self, dataset: Dataset) -> list[str]:
        """Notes on the figures for this data set, in sentences."""

    @abstractmethod
    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        """The splits.

        Raises:
            UsageError: as of the splits in ``data.splits``.
        """

    @abstractmethod
    def measure(
        self, dataset: Dataset, run: SplitRun, options: ProtocolOptions, model: Artifact | Make
    ) -> RunMetrics:
        """Measures a trained model, or a baseline that it makes and fits on the training rows."""


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
