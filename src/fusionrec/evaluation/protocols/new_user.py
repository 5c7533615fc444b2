"""Protocol ``new-user``: what is shown to someone of whom only the profile is known?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import user_folds
from fusionrec.evaluation.baselines import Popular, PopularByGroup, ProfileRidge, item_sets
from fusionrec.evaluation.protocols.common import (
    Make,
    ProtocolOptions,
    SplitRun,
    group_fields,
    has,
    pick_folds,
    refuse,
)
from fusionrec.evaluation.protocols.ranking import RankingProtocol, Task, liked, rated

FOLDS = 5


class NewUser(RankingProtocol):
    """Folds over users: every rating of a test user is hidden, and the id is withheld.

    All rated items are ranked, once for any rating and, unless all do, once for those that count as
    liking; for the latter, baselines are fitted on ratings that count as liking alone.
    """

    name: ClassVar[str] = "new-user"
    asks: ClassVar[str] = "what does someone rate of whom only the profile is known?"
    metrics: ClassVar[tuple[str, ...]] = (
        "ndcg@{k}",
        "hr@{k}",
        "ndcg@{k} liked",
        "hr@{k} liked",
    )
    takes: ClassVar[frozenset[str]] = frozenset({"folds", "k"})

    def known(self) -> tuple[str, ...]:
        """See ``Protocol.known``."""
        return ("popular", "popular-by-group", "profile-ridge")

    def baselines(self, dataset: Dataset, seed: int) -> Mapping[str, Make]:  # noqa: ARG002
        """See ``Protocol.baselines``."""
        found: dict[str, Make] = {"popular": Popular}
        fields = group_fields(dataset)
        if fields:
            found["popular-by-group"] = lambda: PopularByGroup(fields)
        if has(dataset, "user", "category", "categories"):
            found["profile-ridge"] = ProfileRidge
        return found

    def prepare(self, dataset: Dataset) -> Dataset:
        """See ``Protocol.prepare``; it must have profiles."""
        if not dataset.schema.attributes("user"):
            refuse(dataset, "has no profiles, and protocol new-user knows nothing else of users")
        return dataset

    def notes(self, dataset: Dataset) -> list[str]:
        """See ``Protocol.notes``."""
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
        """See ``Protocol.runs``; one per fold and seed."""
        return [
            SplitRun(split, seed, fold)
            for seed in options.seeds
            for fold, split in pick_folds(user_folds(dataset, FOLDS, seed), options, "folds")
        ]

    def tasks(self, dataset: Dataset, run: SplitRun, options: ProtocolOptions) -> list[Task]:
        """See ``RankingProtocol.tasks``."""
        found = []
        for suffix in ("",) if dataset.schema.events else ("", " liked"):
            test, train = run.split.test, run.split.train
            if suffix:
                test, train = liked(dataset, test), liked(dataset, train)
            task = Task(
                relevant=item_sets(dataset, test),
                candidates=rated(dataset),
                rows=train,
                cuts=(options.k,),
                profile_only=True,
                lists=not suffix,
                suffix=suffix,
            )
            found.append(task)
        return found
