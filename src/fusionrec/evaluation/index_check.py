"""The index's answer beside the exact one: the same users asked through Milvus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.candidates import ModelRanker
from fusionrec.evaluation.protocols import Task
from fusionrec.evaluation.protocols.ranking import blocks
from fusionrec.index import MilvusIndex, collection_name
from fusionrec.metrics import Ranked, Ranking, mean
from fusionrec.workspace import Workspace


@dataclass(frozen=True)
class IndexCheck:
    """How the index's lists differ from the exact ones.

    Attributes:
        users: how many were asked.
        k: length of their lists.
        differ: how many lists are not the same, place by place.
        exact, index: metric -> figure over these users, of either.
    """

    users: int
    k: int
    differ: int
    exact: dict[str, float]
    index: dict[str, float]

    def line(self) -> str:
        """The difference in one line."""
        figures = ", ".join(
            f"{name} {self.index[name]:.4f} against {value:.4f} ({self.index[name] - value:+.4f})"
            for name, value in self.exact.items()
        )
        return (
            f"through Milvus: {self.differ} of {self.users} lists of {self.k} differ from the "
            f"exact ones; {figures}"
        )


def search(
    dataset: Dataset, task: Task, ranker: ModelRanker, home: Path, most: int | None, seed: int
) -> IndexCheck:
    """Puts the model's items into an embedded Milvus and asks it for the lists of a task.

    Equal scores come by row in both answers, whatever the task's order is: the index knows no
    other.

    Args:
        dataset: the data set.
        task: who is asked and what may be shown.
        ranker: the model.
        home: a folder for the store.
        most: users asked at most, drawn at random; all where None.
        seed: of the draw.

    Raises:
        StoreError: Milvus failed.
    """
    users = task.users
    if most is not None and most < len(users):
        users = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
    k = min(task.cuts[0], len(dataset.items))

    def ranking() -> Ranking:
        return Ranking(task.relevant, len(dataset.items), k, task.exclude, task.candidates)

    exact, index = ranking(), ranking()
    for block in blocks(users, len(dataset.items)):
        exact.add(block, ranker.scores(block))
    index.add_lists(users, _lists(task, ranker, users, k, home))
    one, other = exact.result(), index.result()
    differ = int((one.best != other.best).any(axis=1).sum())
    return IndexCheck(len(users), k, differ, _figures(one, k), _figures(other, k))


def _figures(ranked: Ranked, k: int) -> dict[str, float]:
    return {f"ndcg@{k}": mean(ranked.ndcg(k)), f"hr@{k}": mean(ranked.hit_rate(k))}


def _lists(task: Task, ranker: ModelRanker, users: np.ndarray, k: int, home: Path) -> np.ndarray:
    """What Milvus finds for each user, int64 [users, k], −1 where a list ends."""
    artifact = ranker.artifact
    never = np.flatnonzero(~task.candidates)
    lists = np.full((len(users), k), -1, dtype=np.int64)
    with MilvusIndex.build(
        Workspace(home).milvus,
        artifact.schema,
        artifact.items,
        artifact.item_vectors,
        collection_name(artifact.version, artifact.checksum),
        artifact.checksum,
    ) as index:
        for row, vector in enumerate(ranker.vectors(users)):
            barred = never
            if task.exclude is not None:
                barred = np.concatenate([never, task.exclude.take(users[row : row + 1]).items])
            hits = index.search(vector, k, (), barred)
            lists[row, : len(hits)] = hits.rows
    return lists
