"""Protocol ``new-user``: recommendations for users with a profile and no history."""

from __future__ import annotations

from fusionrec.baselines import item_sets
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import user_folds
from fusionrec.evaluation.protocols.common import (
    ProtocolOptions,
    SplitRun,
    choose_folds,
    group_fields,
)
from fusionrec.evaluation.protocols.ranking import RankingProtocol, Task, liked_rows, rated_items

FOLDS = 5


class NewUser(RankingProtocol):
    """Folds over users: all ratings and the id of a test user are hidden.

    All rated items are ranked: once with any rating relevant and, unless the data are events, once
    with those that count as liking. For the latter, baselines are fitted on such ratings alone.
    """

    name = "new-user"
    asks = "what does someone rate of whom only the profile is known?"
    metrics = ("ndcg@{k}", "hr@{k}", "ndcg@{k} liked", "hr@{k} liked")
    baseline_names = ("popular", "popular-by-group", "profile-ridge")
    takes = frozenset({"folds", "k"})
    goals = ("next", "taste")  # what they rate at all; what they like

    def notes(self, dataset: Dataset) -> list[str]:
        fields = ", ".join(group_fields(dataset))
        groups = [f"popular-by-group goes by {fields}"] if fields else []
        if dataset.schema.events:
            return groups
        return [
            f"liked: a rating of {dataset.schema.like:g} or more; baselines for it are fitted on "
            "such ratings alone",
            *groups,
        ]

    def runs(self, dataset: Dataset, options: ProtocolOptions) -> list[SplitRun]:
        return [
            SplitRun(split, seed, fold)
            for seed in options.seeds
            for fold, split in choose_folds(user_folds(dataset, FOLDS, seed), options, "folds")
        ]

    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        tasks = []
        for suffix in ("",) if dataset.schema.events else ("", " liked"):
            test, train = run.split.test, run.split.train
            if suffix:
                test, train = liked_rows(dataset, test), liked_rows(dataset, train)
            task = Task(
                relevant=item_sets(dataset, test),
                candidates=rated_items(dataset),
                rows=train,
                cuts=(options.k,),
                profile_only=True,
                lists=not suffix,
                suffix=suffix,
                goal=self.goals[bool(suffix)],
            )
            tasks.append(task)
        return tasks
