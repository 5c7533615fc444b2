"""Protocol ``new-item``: item cold start, from content alone."""

from __future__ import annotations

import numpy as np

from fusionrec.baselines import item_sets
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import item_split
from fusionrec.evaluation.protocols.common import ProtocolOptions, SplitRun
from fusionrec.evaluation.protocols.ranking import RankingProtocol, Task, liked_rows


class NewItem(RankingProtocol):
    """A share of the items is left out of training, and then only these are ranked.

    Tested are users who liked one of them; of an item only its content is known. Equal scores are
    put in an order drawn from the seed: items with low row numbers may be old and well known.
    """

    name = "new-item"
    asks = "which of the items that nobody has rated does a user like?"
    metrics = ("ndcg@{k}", "hr@{k}")
    baseline_names = ("chance", "newest", "category-knn")
    takes = frozenset({"share", "k"})

    def notes(self, dataset: Dataset) -> list[str]:
        order = "equal scores are put in an order drawn from each run's seed"
        if dataset.schema.events:
            return [order]
        return [order, f"liked: a rating of {dataset.schema.like:g} or more"]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        share = 0.1 if options.share is None else options.share
        return [SplitRun(item_split(dataset, share, seed), seed) for seed in options.seeds]

    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        hidden = np.zeros(len(dataset.items), dtype=bool)
        hidden[dataset.item[run.split.test]] = True
        task = Task(
            relevant=item_sets(dataset, liked_rows(dataset, run.split.test)),
            candidates=hidden,
            rows=run.split.train,
            history_rows=run.split.train,
            tie_order=np.random.default_rng(run.seed).permutation(len(dataset.items)),
            cuts=(options.k,),
            lists=False,
        )
        return [task]
