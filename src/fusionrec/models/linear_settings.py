"""Settings of the models whose vectors are made of parts: ``linear`` and ``auto``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from fusionrec.config import Settings, check
from fusionrec.data.schema import Schema
from fusionrec.models.fusion_settings import FusionSettings, check_all, check_device
from fusionrec.models.sequence_settings import SequenceRecipe, SequenceSettings, SequenceTraining

GOALS = ("later", "next", "taste")


@dataclass(frozen=True)
class LinearSettings(Settings):
    """What the parts without a network learn.

    Attributes:
        goal: what an answer's list is for, unless the request names another goal: ``later`` all
            that people take after today, ``next`` their next item, ``taste`` what else they like;
            ``auto`` is ``later`` where the data has times that differ, else ``taste``.
        goals: those that a request may name, which all are weighed; what the data cannot serve is
            left out.
        dims: widths of each part that reads histories, tried in this order: the first that keeps
            98.5% of the whole matrix' NDCG@10 on the holdout is taken, else the last for which
            there is room.
        profile_dims: width of the part that reads profiles and popularity, at most.
        items: the most-taken items, so many, are learned exactly from histories; all others that
            anybody took are folded in.
        stars: whether ratings are predicted, where there are any.
    """

    goal: str = "auto"
    goals: tuple[str, ...] = GOALS
    dims: tuple[int, ...] = (64, 128, 192, 256, 352, 448)
    profile_dims: int = 24
    items: int = 12_000
    stars: bool = True

    def __post_init__(self) -> None:
        check_all(self, "model", {"1 or more": "profile_dims items"})
        known = ", ".join(GOALS)
        check(
            self.goal in ("auto", *self.goals),
            f"model.goal must be auto or one of {', '.join(self.goals)}, got {self.goal!r}",
        )
        check(
            bool(self.goals) and set(self.goals) <= set(GOALS),
            f"model.goals must be some of {known}, got {list(self.goals)}",
        )
        rising = list(self.dims) == sorted(set(self.dims))
        check(
            bool(self.dims) and rising and self.dims[0] >= 1 and self.dims[-1] <= 4096,
            f"model.dims must be rising widths of 1 to 4096, got {list(self.dims)}",
        )


@dataclass(frozen=True)
class LinearTraining(Settings):
    """How these parts are trained. A holdout chooses one of each list; then all rows are used.

    Attributes:
        halvings: of ``next``: an item counts half for each so many items that follow it.
        ridges: L2 penalties, in interactions.
        weakest: weights of ratings below the schema's ``like``, beside 1; weights of events rise
            from it to 1 with what the events weigh themselves.
        days: half-lives of what was taken lately.
        window: the newest items of a history that ``next`` reads, at most; of those that count less
            than a sixty-fourth none.
        validation: users who are asked for what is held out, at most; 0 takes the first of each
            list, the last of ``dims``, and equal weights of histories and profile.
        content_ridge: L2 penalty of the regression of vectors on contents.
        seed: of the holdout.
    """

    halvings: tuple[float, ...] = (2.0, 5.0, 14.0)
    ridges: tuple[float, ...] = (100.0, 300.0, 1000.0)
    weakest: tuple[float, ...] = (0.5, 0.0)
    days: tuple[float, ...] = (3.0, 14.0, 60.0)
    window: int = 30
    validation: int = 2_000
    content_ridge: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        rules = {"1 or more": "window", "0 or more": "validation seed", "above 0": "content_ridge"}
        check_all(self, "training", rules)
        for name in ("halvings", "ridges", "days"):
            values = getattr(self, name)
            above = bool(values) and all(0 < value < math.inf for value in values)
            check(above, f"training.{name} must be above 0, got {values}")
        check(
            all(0 <= weight <= 1 for weight in self.weakest),
            f"training.weakest must be 0 to 1, got {self.weakest}",
        )


@dataclass(frozen=True)
class LinearRecipe(Settings):
    """The parts without a network, and their training."""

    model: LinearSettings = field(default_factory=LinearSettings)
    training: LinearTraining = field(default_factory=LinearTraining)

    name, rates = "linear", True  # no settings: the model's name, and that it predicts ratings

    def for_schema(self, schema: Schema, rows: int) -> LinearRecipe:  # noqa: ARG002
        """The recipe as it is trained on data of a schema: the same for ratings and events."""
        return self


@dataclass(frozen=True)
class AutoTraining(Settings):
    """How long the network trains.

    Attributes:
        minutes: of the whole training, about; 0 for no limit. What does not fit is left out.
        passes: of the network, so many are planned; 0 for as many as time allows. With the number
            that a version's manifest tells as ``passes``, and its seed, the lists of a training
            repeat bit for bit; its stars too, unless their time ran out.
        seed: of everything random.
        device: of the network; see ``SequenceTraining``.
    """

    minutes: float = 30.0
    passes: int = 0
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check_all(self, "training", {"0 or more": "passes seed"})
        check_device(self.device)
        check(
            0 <= self.minutes < math.inf, f"training.minutes must be 0 or more, got {self.minutes}"
        )


LARGE = 300_000  # rows, from which the wide network is trained
SMALL = SequenceRecipe(
    SequenceSettings(FusionSettings(id_width=64, dim=64, dropout=0.0)),
    SequenceTraining(epochs=30, batch=1024, learning_rate=2e-3, patience=3),
)
LARGE_NETWORK = SequenceRecipe(
    SequenceSettings(), SequenceTraining(epochs=28, batch=1024, patience=3)
)


@dataclass(frozen=True)
class AutoRecipe(Settings):
    """Parts with and without a network, as far as each is of use on the data.

    Attributes:
        model, linear: of the parts without a network, and how they are trained.
        small, sequence: of the network, on less than 300,000 rows and on more.
        training: how long all of it takes.
    """

    model: LinearSettings = field(default_factory=LinearSettings)
    linear: LinearTraining = field(default_factory=LinearTraining)
    small: SequenceRecipe = field(default_factory=lambda: SMALL)
    sequence: SequenceRecipe = field(default_factory=lambda: LARGE_NETWORK)
    training: AutoTraining = field(default_factory=AutoTraining)

    name, rates = "auto", True  # no settings

    def for_schema(self, schema: Schema, rows: int) -> AutoRecipe:  # noqa: ARG002
        """The recipe as it is trained on data of a schema: the same for ratings and events."""
        return self

    def suited(self, rows: int) -> AutoRecipe:
        """The recipe for so many rows: the small network where they are few."""
        return replace(self, sequence=self.small) if rows < LARGE else self

    @classmethod
    def from_dict(cls, values: Any, where: str = "") -> AutoRecipe:
        """As of ``Settings``; seed and device hold for all parts."""
        made = super().from_dict(values, where)
        seed = made.training.seed
        shared: dict[str, Any] = {"seed": seed, "device": made.training.device}
        small, large = (
            replace(network, training=replace(network.training, **shared))
            for network in (made.small, made.sequence)
        )
        linear = replace(made.linear, seed=seed)
        return replace(made, linear=linear, small=small, sequence=large)


LINEAR = {
    "quick": LinearRecipe(
        training=LinearTraining(halvings=(2.0, 14.0), ridges=(100.0, 300.0), validation=1_000)
    ),
    "full": LinearRecipe(),
}
AUTO = {
    "quick": AutoRecipe(
        LINEAR["quick"].model, LINEAR["quick"].training, training=AutoTraining(minutes=1.0)
    ),
    "default": AutoRecipe(),
    "full": AutoRecipe(training=AutoTraining(minutes=0.0)),
}
