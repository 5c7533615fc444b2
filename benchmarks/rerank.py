"""What diversity and calibration cost in hits, and what they gain, on protocol next-item.

    fusionrec --home HOME train --data ml-1m --preset quick --protocol next-item
    python benchmarks/rerank.py --home HOME --data ml-1m

Asks every user of the test what is next, as `fusionrec recommend` does, of an exact index; the item
before the test's is left out with all others that the user has rated. Prints one JSON object per
setting: HR@10 and NDCG@10 of the item rated next, the mean of 1 − cosine over the pairs of a list
by the model's vectors and by the items' categories, the divergence of a list's mix of categories
from that of what the user likes, the share of the catalog that anybody is shown, and the median
of ms per answer. Then of which kind the reasons of plain answers are, and how long ten reasons take
for users with 150 to 250 ratings, the median in ms.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from fusionrec.data.catalog import load as load_data
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import Split, leave_last_out
from fusionrec.evaluation.model_source import TrainedVersion
from fusionrec.index import ExactIndex
from fusionrec.metrics import coverage, diversity, exposure, mean
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.categories import Categories, liked
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.recommend.rerank import divergence
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

K = 10
STEPS = (0.1, 0.3, 0.5)
SETTINGS = [
    Query(k=K),
    *(Query(k=K, diversity=step) for step in STEPS),
    *(Query(k=K, calibration=step) for step in STEPS),
    Query(k=K, diversity=0.3, calibration=0.3),
]


def main() -> None:
    """Reads the arguments and prints a line per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--version", default=None)
    parser.add_argument("--data", default="ml-1m")
    arguments = parser.parse_args()
    home = Workspace.find(arguments.home)
    dataset, artifact = load_data(arguments.data, home.data), load(home, arguments.version)
    split = leave_last_out(dataset)
    TrainedVersion(artifact).check(dataset, split)
    measure = Measure(artifact, dataset, split)
    for setting in SETTINGS:
        asked = {"diversity": setting.diversity, "calibration": setting.calibration}
        print(json.dumps(asked | measure.of(setting)), flush=True)
    print(json.dumps(measure.reasons()))


class Measure:
    """Asks a version for every user of a split's test.

    Args:
        artifact: trained on the split's training rows.
        dataset: whose users are asked about.
        split: each user's last item is the test.
    """

    def __init__(self, artifact: Artifact, dataset: Dataset, split: Split) -> None:
        rated = np.bincount(dataset.item, minlength=len(dataset.items)) > 0
        self.dataset, self.split, self.catalog = dataset, split, Catalog.of(artifact)
        table, vectors = artifact.items, artifact.item_vectors
        index = ExactIndex(artifact.schema, table, vectors, available=rated)
        self.recommender = Recommender(self.catalog, index)
        self.categories, self.shown = Categories(self.catalog), rated
        before = split.validation
        items = [table.ids[item] for item in dataset.item[before]]
        self.before = dict(zip(dataset.user[before].tolist(), items, strict=True))

    def of(self, setting: Query) -> dict[str, float]:
        """The figures of one setting."""
        best, seconds = self.lists(setting)
        found = best == self.dataset.item[self.split.test][:, None]
        gain = 1 / np.log2(np.arange(2, K + 2))
        vectors, kinds = self.catalog.matrix, self.categories.members
        shown = exposure(best, len(self.shown))[self.shown]
        figures = {
            f"hr@{K}": found.any(axis=1).mean(),
            f"ndcg@{K}": (found * gain).sum(axis=1).mean(),
            "1 - cosine": mean(diversity(best, vectors)),
            "1 - cosine of categories": mean(diversity(best, kinds.astype(np.float64))),
            "divergence": mean(np.array(list(self.divergences(best)))),
            f"coverage@{K}": coverage(shown),
            "ms": 1e3 * np.median(seconds),
        }
        return {name: round(float(value), 4) for name, value in figures.items()}

    def lists(self, setting: Query) -> tuple[np.ndarray, np.ndarray]:
        """Each test user's list, int64 [users, K], −1 where it ends, and how long it took."""
        rows, ids = self.catalog.positions, self.dataset.users.ids
        best = np.full((len(self.split.test), K), -1, dtype=np.int64)
        seconds = np.zeros(len(best))
        for place, user in enumerate(self.dataset.user[self.split.test].tolist()):
            query = replace(setting, user=ids[user], hidden=[self.before[user]])
            began = time.perf_counter()
            items = self.recommender.recommend(query).items
            seconds[place] = time.perf_counter() - began
            best[place, : len(items)] = [rows[item.id] for item in items]
        return best, seconds

    def reasons(self) -> dict[str, float]:
        """The share of items that have a reason of each kind, and ms for ten reasons."""
        kinds: Counter[str] = Counter()
        seconds = []
        rows, ids = self.catalog.positions, self.dataset.users.ids
        for user in self.dataset.user[self.split.test].tolist():
            query = Query(ids[user], k=K)
            person = self.recommender.people.find(query)
            items = self.recommender.recommend_to(person, query).items
            found = np.array([rows[item.id] for item in items])
            began = time.perf_counter()
            reasons = self.recommender.explainer.of(found, person, query)
            if 150 <= len(person.history) <= 250:
                seconds.append(time.perf_counter() - began)
            kinds.update(reason.kind if reason else "none" for reason in reasons)
        shares = {kind: round(count / kinds.total(), 4) for kind, count in kinds.most_common()}
        return shares | {"ms": round(1e3 * float(np.median(seconds)), 3)}

    def divergences(self, best: np.ndarray) -> Iterator[float]:
        """How far each list's mix of categories is from what its user likes."""
        artifact = self.catalog.artifact
        for row, user in zip(best, self.dataset.user[self.split.test].tolist(), strict=True):
            history = artifact.histories.of(user)
            target = self.categories.mix(history.items[liked(history, artifact.schema.like)])
            if target is not None:
                mixed = self.categories.parts(row[row >= 0]).sum(axis=0)
                yield float(divergence(target, mixed[None])[0])


if __name__ == "__main__":
    main()
