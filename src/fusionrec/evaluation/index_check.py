"""Compares lists from the Milvus index with exact ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.model_source import ModelRanker
from fusionrec.evaluation.protocols import Task
from fusionrec.evaluation.protocols.ranking import blocks
from fusionrec.index import MilvusIndex, collection_name
from fusionrec.metrics import Ranking, mean
from fusionrec.workspace import Workspace


@dataclass(frozen=True)
class IndexCheck:
    """How the index's lists differ from the exact ones."""

    users: int
    k: int  # length of their lists
    differ: int  # how many lists differ at any position
    exact: dict[str, float]  # metric -> figure over these users, of each
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


def check_index(
    dataset: Dataset, task: Task, ranker: ModelRanker, home: Path, max_users: int | None, seed: int
) -> IndexCheck:
    """Indexes the model's items in an embedded Milvus and compares its lists for a task.

    Equal scores are in the order of rows in both, whatever the task's tie order: the index knows
    no other.

    Args:
        dataset: the data set.
        task: users, relevant items and candidates.
        ranker: the model.
        home: a folder for the store.
        max_users: users at most, drawn at random; all where None.
        seed: of the draw.

    Raises:
        StoreError: Milvus failed.
    """
    users, items = task.users, len(dataset.items)
    if max_users is not None and max_users < len(users):
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
    k = min(task.cuts[0], items)
    exact, index = (
        Ranking(task.relevant, items, k, task.exclude, task.candidates) for _ in range(2)
    )
    for block in blocks(users, items):
        exact.add(block, ranker.scores(block))
    index.add_lists(users, _lists(task, ranker, users, k, home))
    both = exact.result(), index.result()
    differ = int((both[0].best != both[1].best).any(axis=1).sum())
    figures = [{f"ndcg@{k}": mean(r.ndcg(k)), f"hr@{k}": mean(r.hit_rate(k))} for r in both]
    return IndexCheck(len(users), k, differ, *figures)


def _lists(task: Task, ranker: ModelRanker, users: np.ndarray, k: int, home: Path) -> np.ndarray:
    """Each user's list from Milvus, int64 [users, k], −1 where a list ends."""
    artifact = ranker.artifact
    no_candidates = np.flatnonzero(~task.candidates)
    lists = np.full((len(users), k), -1, dtype=np.int64)
    with MilvusIndex.build(
        Workspace(home).milvus,
        artifact.schema,
        artifact.items,
        artifact.item_vectors,
        collection_name(artifact.version, artifact.checksum),
        artifact.checksum,
    ) as index:
        vectors = ranker.vectors(users)
        repeats = list(ranker.repeats(users, vectors))
        for row, vector in enumerate(vectors):
            excluded = no_candidates
            if task.exclude is not None:
                excluded = np.concatenate(
                    [no_candidates, task.exclude.take(users[row : row + 1]).items]
                )
            hits = index.search(vector, k, (), excluded)
            if repeats:
                rows, gains = repeats[row]
                free = ~np.isin(rows, excluded)
                hits = hits.raised(rows[free], gains[free], artifact.item_vectors, vector, k)
            lists[row, : len(hits)] = hits.rows
    return lists
