"""Protocol ``random-holdout``: a random share of what each user likes is the target."""

from __future__ import annotations

import numpy as np

from fusionrec.baselines import item_sets
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import liked_split
from fusionrec.evaluation.protocols.common import ProtocolOptions, SplitRun
from fusionrec.evaluation.protocols.ranking import RankingProtocol, Task, rated_items


class RandomHoldout(RankingProtocol):
    """A random share of each user's liked items is the test, anew for every seed; the rest is
    training, low ratings too.

    All rated items are ranked; what the user has in training is left out, also where interactions
    repeat, since an item is hidden with all its repeats. With ``ProtocolOptions.validation`` a
    second share, as large, is held out of training and is the target, and the test is unused: for
    choosing settings. Without it these rows are training.
    """

    name = "random-holdout"
    asks = "what else does a user like, of all items?"
    metrics = ("ndcg@{k}", "hr@{k}", "recall@{k}", "mrr")
    baseline_names = ("popular", "popular-by-group", "item-knn", "ease")
    takes = frozenset({"share", "k", "validation"})

    def notes(self, dataset: Dataset) -> list[str]:
        schema = dataset.schema
        liked = item_sets(dataset, np.flatnonzero(dataset.rating >= schema.like))
        few = int((liked.counts[np.unique(dataset.user)] < 2).sum())
        who = "1 user" if few == 1 else f"{few:,} users"
        return [
            f"all {int(rated_items(dataset).sum()):,} rated items are ranked",
            *([] if schema.events else [f"liked: a rating of {schema.like:g} or more"]),
            *([f"trained on and not tested: {who} with fewer than 2 liked items"] if few else []),
        ]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        share = 0.2 if options.share is None else options.share
        return [
            SplitRun(liked_split(dataset, share, seed, options.validation), seed)
            for seed in options.seeds
        ]

    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        split = run.split
        task = Task(
            relevant=item_sets(dataset, split.validation if options.validation else split.test),
            candidates=rated_items(dataset),
            rows=split.train,
            history_rows=split.train,
            exclude=item_sets(dataset, split.train),
            cuts=(options.k,),
            recall=True,
        )
        return [task]
