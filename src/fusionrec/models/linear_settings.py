"""Settings of the linear model, and the named ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fusionrec.config import Settings, check
from fusionrec.data.schema import Schema
from fusionrec.models.fusion_settings import check_all


@dataclass(frozen=True)
class LinearSettings(Settings):
    """What a linear model learns.

    Attributes:
        goal: ``next`` learns which item follows a history, the newest items of which count most;
            ``taste`` which items a user has beside the others, in any order; ``auto`` is ``next``
            where the data has times that differ, else ``taste``.
        dims: widths of the part that reads histories, tried in this order: the first that keeps 99%
            of the whole matrix' NDCG@10 on the holdout is taken, else the last.
        profile_dims: width of the part that reads profiles and popularity, at most.
        items: the most-taken items, so many, are learned from histories; the others' vectors come
            from their content.
    """

    goal: str = "auto"
    dims: tuple[int, ...] = (64, 128, 256, 448)
    profile_dims: int = 32
    items: int = 12_000

    def __post_init__(self) -> None:
        check_all(self, "model", {"1 or more": "profile_dims items"})
        check(
            self.goal in ("auto", "next", "taste"),
            f"model.goal must be auto, next or taste, got {self.goal!r}",
        )
        rising = list(self.dims) == sorted(set(self.dims))
        check(
            bool(self.dims) and rising and self.dims[0] >= 1 and self.dims[-1] <= 4096,
            f"model.dims must be rising widths of 1 to 4096, got {list(self.dims)}",
        )


@dataclass(frozen=True)
class LinearTraining(Settings):
    """How a linear model is trained. A holdout chooses one of each list; then all rows are used.

    Attributes:
        halvings: of ``next``: an item counts half for each so many items that follow it.
        ridges: L2 penalties, in interactions.
        shares: weights of profile and popularity beside a history, in standard deviations of their
            scores over the catalog.
        window: the newest items of a history that ``next`` reads, at most; of those that count less
            than a sixty-fourth none.
        validation: users whose last item is held out, at most; 0 takes the first of each list.
        content_ridge: L2 penalty of the regression of vectors on contents.
        seed: of the holdout.
    """

    halvings: tuple[float, ...] = (2.0, 5.0, 14.0)
    ridges: tuple[float, ...] = (100.0, 300.0, 1000.0)
    shares: tuple[float, ...] = (0.0, 0.05, 0.15, 0.5, 2.0, 10.0)
    window: int = 30
    validation: int = 2_000
    content_ridge: float = 10.0
    seed: int = 0

    epochs = 1  # of progress; it is no setting

    def __post_init__(self) -> None:
        rules = {"1 or more": "window", "0 or more": "validation seed", "above 0": "content_ridge"}
        check_all(self, "training", rules)
        for name in ("halvings", "ridges"):
            values = getattr(self, name)
            above = bool(values) and all(0 < value < math.inf for value in values)
            check(above, f"training.{name} must be above 0, got {values}")
        check(
            bool(self.shares) and all(0 <= share < math.inf for share in self.shares),
            f"training.shares must be 0 or more, got {self.shares}",
        )


@dataclass(frozen=True)
class LinearRecipe(Settings):
    """A linear model and its training."""

    model: LinearSettings = field(default_factory=LinearSettings)
    training: LinearTraining = field(default_factory=LinearTraining)

    name = "linear"  # of the model; no setting
    rates = False  # it ranks, and predicts no ratings

    def for_schema(self, schema: Schema, rows: int) -> LinearRecipe:  # noqa: ARG002
        """The recipe as it is trained on data of a schema: the same for ratings and events."""
        return self


LINEAR = {
    "quick": LinearRecipe(
        LinearSettings(dims=(64, 128, 256)), LinearTraining(halvings=(2.0, 14.0))
    ),
    "full": LinearRecipe(),
}
