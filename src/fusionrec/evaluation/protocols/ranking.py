"""What the ranking protocols share: tasks, and how a ranking is measured."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusionrec.baselines import Ranker, TakenBefore, category_vectors, item_sets, user_counts
from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.metrics_table import RunMetrics
from fusionrec.evaluation.model_source import ModelRanker
from fusionrec.evaluation.protocols.common import DEFAULT, Make, Protocol, ProtocolOptions, SplitRun
from fusionrec.metrics import CatalogStats, ItemSets, Ranking, list_figures
from fusionrec.registry import Artifact

MAX_SCORES = 4_000_000  # in memory at a time
NDCG_CUT = 100  # longer lists are candidate lists, which HR judges


@dataclass(frozen=True)
class Task:
    """One ranking of a run."""

    relevant: ItemSets  # each user's relevant items; users who have some are tested
    candidates: np.ndarray  # bool [items], items that are ranked
    rows: np.ndarray  # int [n], the training rows that a baseline is fitted on
    # int [n], the rows of the users' histories; None where nothing is known of users but profiles
    history_rows: np.ndarray | None = None
    # float64 [users], time of each user's request, in seconds since 1970; None where the protocol
    # has no times
    now: np.ndarray | None = None
    exclude: ItemSets | None = None  # each user's excluded items
    # int [items], the order of items with equal scores; by row where None
    tie_order: np.ndarray | None = None
    cuts: tuple[int, ...] = (10,)  # the k of HR and NDCG; the first is the lists' length
    profile_only: bool = False  # whether users' ids are hidden
    recall: bool = False  # whether recall is measured: where a user has several relevant items
    lists: bool = True  # whether list metrics are measured, such as coverage
    suffix: str = ""  # of the metrics' names
    goal: str | None = None  # of a version with parts; the protocol's first by default

    @property
    def users(self) -> np.ndarray:
        """The users tested, int64 [u], ascending."""
        return np.flatnonzero(self.relevant.counts)

    def ranker(
        self, artifact: Artifact, dataset: Dataset, asked: str | None, usual: str
    ) -> ModelRanker:
        """A model with this task's histories and times, and lists for the goal that is asked for,
        else for the task's own, else for the usual one of its protocol.
        """
        goal = None if asked == DEFAULT else asked or self.goal or usual
        return ModelRanker(artifact, dataset, self.profile_only, self.history_rows, self.now, goal)

    def fitted(self, make: Make, dataset: Dataset) -> Ranker:
        """A baseline, fitted on this task's rows."""
        ranker: Ranker = make()
        rows = self.rows
        # TakenBefore learns nothing of other users: its rows are histories, as a model reads them.
        if isinstance(ranker, TakenBefore) and self.history_rows is not None:
            rows = self.history_rows
        return ranker.fit(dataset, rows)


class RankingProtocol(Protocol):
    """A protocol whose runs are made of rankings."""

    @abstractmethod
    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        """The rankings of a run; the first one is also asked through the index."""

    def measure(
        self, dataset: Dataset, run: SplitRun, options: ProtocolOptions, model: Artifact | Make
    ) -> RunMetrics:
        parts = []
        for task in self.tasks(dataset, run, options):
            if isinstance(model, Artifact):
                ranker: Ranker | ModelRanker = task.ranker(
                    model, dataset, options.goal, self.goals[0]
                )
            else:
                ranker = task.fitted(model, dataset)
            parts.append(measure(dataset, run, task, ranker))
        return join_metrics(parts)


def measure(
    dataset: Dataset, run: SplitRun, task: Task, ranker: Ranker | ModelRanker
) -> RunMetrics:
    """Ranks all candidates for all tested users, and computes every metric."""
    k, items = task.cuts[0], len(dataset.items)
    ranking = Ranking(task.relevant, items, k, task.exclude, task.candidates, task.tie_order)
    history = None if task.history_rows is None else item_sets(dataset, task.history_rows)
    for users in blocks(task.users, items):
        ranking.add(users, ranker.scores(users, history))
    ranked = ranking.result()
    values = {}
    for cut in task.cuts:
        values[f"hr@{cut}"] = ranked.hit_rate(cut)
        if cut <= NDCG_CUT:
            values[f"ndcg@{cut}"] = ranked.ndcg(cut)
        if task.recall:
            values[f"recall@{cut}"] = ranked.recall(cut)
    values["mrr"] = ranked.reciprocal_rank()
    values = {f"{name}{task.suffix}": value for name, value in values.items()}
    lists: dict[str, float] = {}
    if task.lists:
        trained = run.split.train
        try:
            vectors = category_vectors(dataset, "item", trained)
        except UsageError:
            vectors = None  # without categories there is no diversity
        known_users = len(np.unique(dataset.user[trained]))
        counts = user_counts(dataset, trained)
        lists = list_figures(
            ranked.best, CatalogStats(counts, known_users, vectors, task.candidates), k
        )
    return RunMetrics(ranked.users, np.ones(len(ranked)), values, lists)


def join_metrics(parts: list[RunMetrics]) -> RunMetrics:
    """Several tasks' values side by side, NaN for users whom a task does not test."""
    users = np.unique(np.concatenate([part.users for part in parts]))
    values: dict[str, np.ndarray] = {}
    lists: dict[str, float] = {}
    for part in parts:
        row = np.searchsorted(users, part.users)
        for name, value in part.values.items():
            values[name] = np.full(len(users), np.nan)
            values[name][row] = value
        lists |= part.lists
    return RunMetrics(users, np.ones(len(users)), values, lists)


def blocks(users: np.ndarray, items: int) -> Iterator[np.ndarray]:
    """Blocks of users, each with at most ``MAX_SCORES`` scores."""
    size = max(1, MAX_SCORES // items)
    for start in range(0, len(users), size):
        yield users[start : start + size]


def rated_items(dataset: Dataset) -> np.ndarray:
    """Whether each item has a rating, bool [items]: these are ranked."""
    rated: np.ndarray = np.bincount(dataset.item, minlength=len(dataset.items)) > 0
    return rated


def liked_rows(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Those of some rows, int [n], whose rating counts as liking.

    Raises:
        UsageError: there is none.
    """
    kept: np.ndarray = rows[dataset.rating[rows] >= dataset.schema.like]
    if len(kept) == 0:
        raise UsageError(
            f"no rating to be tested on is {dataset.schema.like:g} or more, so nothing is liked"
        )
    return kept


def first_times(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Each user's first time in some rows, float64 [users]; infinite for users without one.

    A model that reads the clock gets this time and no later one.
    """
    times = np.full(len(dataset.users), np.inf)
    if dataset.time is not None:
        np.minimum.at(times, dataset.user[rows], dataset.time[rows].astype(np.float64))
    return times
