"""The model under test: trained on a split's training rows, or a version that was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.leakage import check_disjoint, check_fingerprint
from fusionrec.data.splits import Split
from fusionrec.errors import UsageError
from fusionrec.features.history import History
from fusionrec.metrics import ItemSets
from fusionrec.models.presets import AnyRecipe, AutoRecipe, LinearRecipe
from fusionrec.registry import Artifact
from fusionrec.registry.tables import Histories
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from fusionrec.training.progress import OnProgress

    Show = Callable[[], AbstractContextManager[OnProgress]]


def unheard(*_: object) -> None:
    """Takes what is told in a process that nobody listens to."""


def unseen() -> AbstractContextManager[OnProgress]:
    """Shows no progress."""
    return nullcontext(unheard)


@dataclass(frozen=True)
class TrainOnSplit:
    """Trains on the split's training rows alone. It publishes into a temporary workspace, so the
    tested model is the one that would answer.
    """

    recipe: AnyRecipe  # all settings
    seeded: bool = True  # whether the run's seed replaces that of the recipe
    show: Show = unseen  # opens a progress display for one training
    log: Callable[[str], None] = unheard  # called with what a training tells

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def rates(self) -> bool:
        """Whether it predicts ratings; else it only ranks."""
        return self.recipe.rates

    def check_goal(self, goal: str) -> None:
        """Refuses a goal for a model without parts."""
        if not isinstance(self.recipe, LinearRecipe | AutoRecipe):
            raise UsageError(
                f"model {self.name} has no goals to choose from; got {goal!r}",
                "leave the goal out, or measure auto or linear",
                code="unknown_goal",
            )

    def check(self, dataset: Dataset, split: Split) -> None:
        """Refuses a split that does not suit."""
        check_disjoint(dataset, split, split.train)

    def get(self, dataset: Dataset, split: Split, seed: int, home: Path) -> Artifact:
        """Trains the model of a run with this seed; ``home`` is a folder for its files."""
        from fusionrec.training.train import train  # paddle takes a second to import

        recipe = self.recipe
        if self.seeded:
            recipe = recipe.change({"training.seed": str(seed)})
        with self.show() as on_progress:
            artifact = train(
                dataset, recipe, Workspace(home), on_progress, rows=split.train, log=self.log
            )
        check_fingerprint(dataset, split, artifact.manifest["rows"])
        return artifact


@dataclass(frozen=True)
class TrainedVersion:
    """A version that was trained before.

    Raises:
        UsageError: it was not trained: its vectors came in a file.
    """

    artifact: Artifact

    def __post_init__(self) -> None:
        self.artifact.require_towers("there is no training to measure", "needs_trained_version")

    @property
    def name(self) -> str:
        return f"{self.artifact.manifest['model']} {self.artifact.version}"

    @property
    def rates(self) -> bool:
        return self.artifact.predicts_ratings or self.artifact.rates_every_pair

    def check_goal(self, goal: str) -> None:
        """Refuses a goal that the version does not have."""
        self.artifact.require_goal(goal)

    def check(self, dataset: Dataset, split: Split) -> None:
        """Refuses a version of another data set, or one that may have seen the split's test.

        Raises:
            UsageError: names the overlap.
        """
        artifact, histories = self.artifact, self.artifact.histories
        data = artifact.manifest["data"]
        if data != dataset.name:
            raise UsageError(
                f"{artifact.version} was trained on {data}, this is {dataset.name}",
                "give the data set that it was trained on",
            )
        start = artifact.manifest.get("start", {"forgotten": 0})
        if start["forgotten"]:
            raise UsageError(
                f"{artifact.version} began with {start['version']}, which has learned from "
                f"{start['forgotten']:,} interactions that {artifact.version} itself has not: the "
                "test may be among them",
                "measure a version that was trained afresh",
            )
        same = list(artifact.users.ids) == list(dataset.users.ids)
        same = same and list(artifact.items.ids) == list(dataset.items.ids)
        user = np.repeat(np.arange(len(artifact.users)), np.diff(histories.offsets))
        history = (user, histories.item) if same else None
        check_fingerprint(dataset, split, artifact.manifest.get("rows", ""), history)

    def get(self, dataset: Dataset, split: Split, seed: int, home: Path) -> Artifact:  # noqa: ARG002
        self.check(dataset, split)
        return self.artifact


ModelSource = TrainOnSplit | TrainedVersion  # the model to evaluate


def quiet(source: ModelSource | None) -> ModelSource | None:
    """The same model, which says nothing while it is trained."""
    if isinstance(source, TrainOnSplit):
        return replace(source, show=unseen, log=unheard)
    return source


class ModelRanker:
    """A published model's rankings: scores are the cosines that its index ranks by.

    Args:
        artifact: the model; its items are the data set's.
        dataset: whose users are ranked for.
        profile_only: hide the users' ids, as for unknown users.
        history_rows: int [n], the rows of the histories that the model reads; none by default.
        now: float64 [users], time of each user's request, in seconds since 1970, for a model that
            reads the clock; unknown by default.
        goal: what the lists are for, of a version with parts; its own by default.
    """

    def __init__(
        self,
        artifact: Artifact,
        dataset: Dataset,
        profile_only: bool = False,
        history_rows: np.ndarray | None = None,
        now: np.ndarray | None = None,
        goal: str | None = None,
    ) -> None:
        # A version that has no such goal is measured by its own.
        self._goal = goal if goal in artifact.goals else None
        self.artifact, self.dataset, self.profile_only = artifact, dataset, profile_only
        self._now = now
        self._histories = None
        if artifact.history_features and history_rows is not None:
            self._histories = Histories.build(dataset, history_rows)
        self._items = artifact.item_vectors.astype(np.float64)

    def vectors(self, users: np.ndarray) -> np.ndarray:
        """The vectors of some users, int [b] positions: float32 [b, dim]."""
        histories, now = self._asked(users)
        table = self.dataset.users.take(users)
        ids: list[str | None] = [None] * len(table) if self.profile_only else list(table.ids)
        found = self.artifact.vectors_of(ids, table.columns, histories, now, goal=self._goal)
        visits = np.flatnonzero(self._visits(users))
        if len(visits):
            some = table.take(visits)
            read = [histories[row] for row in visits] if histories else None
            when = None if now is None else now[visits]
            found[visits] = self.artifact.vectors_of(
                [ids[row] for row in visits], some.columns, read, when, goal="next"
            )
        return found

    def repeats(
        self, users: np.ndarray, vectors: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """``Artifact.repeats`` of users, int [b], whose vectors, float32 [b, dim], are given; none
        of a version that has no such part.
        """
        if not self.artifact.repeats_part:
            return
        visits = self._visits(users)
        for row, history in enumerate(self._asked(users)[0] or ()):
            goal = "next" if visits[row] else self._goal
            yield self.artifact.repeats(vectors[row], history, goal)

    def _visits(self, users: np.ndarray) -> np.ndarray:
        """Which of some users, int [b], are answered for ``next``: see ``Blend.visits``."""
        blend, histories, now = self.artifact.blend, self._histories, self._now
        newest = None if histories is None else histories.newest
        if self._goal is not None or blend is None or newest is None or now is None:
            return np.zeros(len(users), dtype=bool)
        return blend.visits(newest[users], now[users])

    def _asked(self, users: np.ndarray) -> tuple[list[History] | None, np.ndarray | None]:
        """Histories and times of the requests of some users, int [b]."""
        histories = None
        if self._histories is not None:
            histories = [self._histories.of(int(user)) for user in users]
        return histories, None if self._now is None else self._now[users]

    def scores(self, users: np.ndarray, history: ItemSets | None = None) -> np.ndarray:  # noqa: ARG002
        """float32 [b, items], rounded from doubles so that equal vectors tie."""
        vectors = self.vectors(users)
        exact: Any = vectors.astype(np.float64) @ self._items.T
        for row, (items, gains) in enumerate(self.repeats(users, vectors)):
            exact[row, items] += gains
        return np.asarray(exact, dtype=np.float32)


class ModelRater:
    """A published model's ratings: from its head, if it has one, else from scores.

    Args:
        artifact: the model; its items are the data set's.
        dataset: whose users' ratings are predicted.
    """

    def __init__(self, artifact: Artifact, dataset: Dataset) -> None:
        self._artifact, self._users = artifact, None
        if artifact.predicts_ratings:
            self._users = ModelRanker(artifact, dataset).vectors(np.arange(len(dataset.users)))

    def predict(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Ratings, float [n], of users and items, int [n] positions each."""
        cosine = np.zeros(len(user))
        if self._users is not None:
            items = self._artifact.item_vectors
            cosine = np.einsum("nd,nd->n", self._users[user], items[item])
        return self._artifact.ratings(user, item, cosine)
