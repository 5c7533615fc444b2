"""Protocol ``next-item``: each user's last interaction is the target."""

from __future__ import annotations

import numpy as np

from fusionrec.baselines import item_sets
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import leave_any_out, leave_last_out
from fusionrec.evaluation.protocols.common import TAKEN_BEFORE, ProtocolOptions, SplitRun
from fusionrec.evaluation.protocols.ranking import RankingProtocol, Task, first_times, rated_items

RANDOM = (
    "no times: what is asked for is one item of each user at random, not the next one; such "
    "figures are mostly higher, and cannot be compared with those of the next one"
)


class NextItem(RankingProtocol):
    """Each user's latest rating is the test, the one before it validation, the rest training.
    Where the data set has no times, both are drawn at random, anew for every seed.

    All rated items are ranked; what the user rated before is left out, unless interactions repeat.
    Nothing is chosen by the test: training stops by a holdout of its training rows, and the test
    is scored once, with the validation item in the history. With ``ProtocolOptions.validation``
    the validation item is the target and the test is unused: for choosing settings.
    """

    name = "next-item"
    asks = "which item does a user rate next, of all?"
    metrics = ("ndcg@{k}", "hr@{k}", "mrr")
    baseline_names = (
        "popular",
        "popular-last-7-days",
        "popular-by-group",
        TAKEN_BEFORE,
        "item-knn",
        "ease",
    )
    takes = frozenset({"k", "validation"})
    clocked = True
    goals = ("next",)

    def notes(self, dataset: Dataset) -> list[str]:
        counts = np.bincount(dataset.user, minlength=len(dataset.users))
        few = int(((counts > 0) & (counts < 3)).sum())
        done = "interactions" if dataset.schema.events else "ratings"
        who = "1 user" if few == 1 else f"{few:,} users"
        return [
            *([RANDOM] if dataset.time is None else []),
            f"all {int(rated_items(dataset).sum()):,} rated items are ranked",
            *([f"trained on and not tested: {who} with fewer than 3 {done}"] if few else []),
        ]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        """One per seed, all of the same split where there are times."""
        if dataset.time is None:
            return [SplitRun(leave_any_out(dataset, seed), seed) for seed in options.seeds]
        split = leave_last_out(dataset)
        return [SplitRun(split, seed) for seed in options.seeds]

    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        split = run.split
        wanted, known = split.test, split.before_test
        if options.validation:
            wanted, known = split.validation, split.train
        task = Task(
            relevant=item_sets(dataset, wanted),
            candidates=rated_items(dataset),
            rows=split.train,
            history_rows=known,
            now=None if dataset.time is None else first_times(dataset, wanted),
            exclude=None if dataset.schema.repeats else item_sets(dataset, known),
            cuts=tuple(dict.fromkeys((options.k, 50, 200))),
        )
        return [task]
