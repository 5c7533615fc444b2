"""What the protocols that rank share: tasks, and how a ranking is measured."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.baselines import Ranker, TakenBefore, category_vectors, takers
from fusionrec.evaluation.candidates import ModelRanker
from fusionrec.evaluation.metrics_table import RunMetrics
from fusionrec.evaluation.protocols.common import Make, Protocol, ProtocolOptions, SplitRun
from fusionrec.metrics import (
    ItemSets,
    Ranked,
    Ranking,
    coverage,
    diversity,
    exposure,
    gini,
    mean,
    novelty,
    shown_percentile,
)
from fusionrec.registry import Artifact

SCORES = 4_000_000  # scores held at a time
NDCG_CUT = 100  # beyond, a place says next to nothing; HR is what a candidate list is judged by


@dataclass(frozen=True)
class Task:
    """One ranking of a run.

    Attributes:
        relevant: what each user should be shown; those who have something are asked.
        candidates: bool [items], what may be shown.
        rows: int [n], the training rows that a baseline is fitted on.
        known: int [n], the rows that a model which reads histories is told of.
        now: float64 [users], when each user is asked about, in seconds since 1970; None where the
            protocol names no time.
        history: what each user is known to have rated; None for what was fitted on.
        exclude: what each user must not be shown.
        tie_order: int [items], who comes first of equal scores; by row where None.
        cuts: the k of HR and NDCG; the first is the lists' length.
        profile_only: whether the users' ids are withheld.
        lists: whether the lists themselves are measured, such as their coverage.
        suffix: of the metrics' names.
    """

    relevant: ItemSets
    candidates: np.ndarray
    rows: np.ndarray
    known: np.ndarray | None = None
    now: np.ndarray | None = None
    history: ItemSets | None = None
    exclude: ItemSets | None = None
    tie_order: np.ndarray | None = None
    cuts: tuple[int, ...] = (10,)
    profile_only: bool = False
    lists: bool = True
    suffix: str = ""

    @property
    def users(self) -> np.ndarray:
        """Who is asked, int64 [u], rising."""
        return np.flatnonzero(self.relevant.counts)

    def ranker(self, artifact: Artifact, dataset: Dataset) -> ModelRanker:
        """A model that is told what the task tells."""
        return ModelRanker(artifact, dataset, self.profile_only, self.known, self.now)


class RankingProtocol(Protocol):
    """A protocol whose runs are made of rankings."""

    @abstractmethod
    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        """The rankings of a run; the first one is also asked through the index."""

    def measure_baseline(
        self, dataset: Dataset, run: SplitRun, options: ProtocolOptions, make: Make
    ) -> RunMetrics:
        """See ``Protocol.measure_baseline``."""
        values = []
        for task in self.tasks(dataset, run, options):
            ranker = make()
            # That one learns nothing of others: it is what is known of its user, as a history is.
            told = isinstance(ranker, TakenBefore) and task.known is not None
            rows = task.known if told else task.rows
            values.append(measure(dataset, run, task, ranker.fit(dataset, rows)))
        return joined(values)

    def measure_model(
        self, dataset: Dataset, run: SplitRun, options: ProtocolOptions, artifact: Artifact
    ) -> RunMetrics:
        """See ``Protocol.measure_model``."""
        tasks = self.tasks(dataset, run, options)
        rankers = [task.ranker(artifact, dataset) for task in tasks]
        return joined([measure(dataset, run, *both) for both in zip(tasks, rankers, strict=True)])


def measure(dataset: Dataset, run: SplitRun, task: Task, ranker: Ranker) -> RunMetrics:
    """Ranks all candidates for all who are asked, and reads every metric."""
    ranking = Ranking(
        task.relevant,
        len(dataset.items),
        task.cuts[0],
        task.exclude,
        task.candidates,
        task.tie_order,
    )
    for users in blocks(task.users, len(dataset.items)):
        ranking.add(users, ranker.scores(users, task.history))
    ranked = ranking.result()
    values = {}
    for k in task.cuts:
        values[f"hr@{k}"] = ranked.hit_rate(k)
        if k <= NDCG_CUT:
            values[f"ndcg@{k}"] = ranked.ndcg(k)
    values["mrr"] = ranked.reciprocal_rank()
    values = {f"{name}{task.suffix}": value for name, value in values.items()}
    lists: dict[str, float] = {}
    if task.lists:
        lists = of_lists(dataset, run, task, ranked)
    return RunMetrics(ranked.users, np.ones(len(ranked)), values, lists)


def of_lists(dataset: Dataset, run: SplitRun, task: Task, ranked: Ranked) -> dict[str, float]:
    """Coverage, Gini, popularity percentile, novelty and diversity of the lists."""
    k, best, count = task.cuts[0], ranked.best, takers(dataset, run.split.train)
    shown = exposure(best, len(count))[task.candidates]
    people = len(np.unique(dataset.user[run.split.train]))
    found = {
        f"coverage@{k}": coverage(shown),
        f"gini@{k}": gini(shown),
        f"percentile@{k}": mean(shown_percentile(best, count)),
        f"novelty@{k}": mean(novelty(best, count, people)),
    }
    try:
        vectors = category_vectors(dataset, "item", run.split.train)
    except UsageError:
        return found  # items without categories have no diversity of them
    return found | {f"diversity@{k}": mean(diversity(best, vectors))}


def joined(parts: list[RunMetrics]) -> RunMetrics:
    """Several tasks' values side by side, NaN for users whom a task does not ask."""
    users = np.unique(np.concatenate([part.users for part in parts]))
    values: dict[str, np.ndarray] = {}
    lists: dict[str, float] = {}
    for part in parts:
        place = np.searchsorted(users, part.users)
        for name, value in part.values.items():
            values[name] = np.full(len(users), np.nan)
            values[name][place] = value
        lists |= part.lists
    return RunMetrics(users, np.ones(len(users)), values, lists)


def blocks(users: np.ndarray, items: int) -> Iterator[np.ndarray]:
    """Users cut so that a block's scores are ``SCORES`` at most."""
    size = max(1, SCORES // items)
    for start in range(0, len(users), size):
        yield users[start : start + size]


def rated(dataset: Dataset) -> np.ndarray:
    """Whether anyone rated an item at all, bool [items]: what the protocols rank."""
    found: np.ndarray = np.bincount(dataset.item, minlength=len(dataset.items)) > 0
    return found


def liked(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
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
