"""Rating error and the lists people see, on a random 10%: the fusion model beside baselines.

    python benchmarks/rating.py --data ml-1m --preset full --seeds 0 1 2

Times and the order of ratings play no part here. Prints one JSON object per seed and one with the
means.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from fusionrec import metrics
from fusionrec.baselines import Bias, item_sets, popularity
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import Split, random_split
from fusionrec.features.vocabulary import UNKNOWN
from fusionrec.models.export import tower_vectors
from fusionrec.models.presets import FUSION, Recipe
from fusionrec.training.fusion_trainer import FusionTrainer, predict
from shared import load_data, peak_mib, settings


def main() -> None:
    """Reads the arguments and runs every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--preset", default="full", choices=list(FUSION))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="settings, as name=value")
    arguments = parser.parse_args()
    dataset = load_data(arguments.data)
    runs = []
    for seed in arguments.seeds:
        changes = {"training.seed": str(seed)} | settings(arguments.set)
        recipe = FUSION[arguments.preset].change(changes)
        runs.append(run(dataset, recipe, seed))
        print(json.dumps(runs[-1]), flush=True)
    means = {
        name: round(float(np.mean([r[name] for r in runs])), 4)
        for name, value in runs[0].items()
        if isinstance(value, float)
    }
    print(json.dumps({"preset": arguments.preset, "mean of seeds": arguments.seeds, **means}))


def run(dataset: Dataset, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Trains on one split and measures on its held-out part, never seen before."""
    split = random_split(dataset, 0.1, seed)
    started = time.monotonic()
    trainer = FusionTrainer(dataset, split.train, recipe)
    state = trainer.fit(lambda _: None)
    seconds = time.monotonic() - started
    users, items = trainer.network.vectors("user"), trainer.network.vectors("item")
    actual = dataset.rating[split.test]
    predicted = predict(dataset, split.test, users, items)
    bias = Bias().fit(dataset, split.train)
    by_bias = bias.predict(dataset.user[split.test], dataset.item[split.test])
    return {
        "seed": seed,
        "rmse": metrics.rmse(predicted, actual),
        "mae": metrics.mae(predicted, actual),
        "bias rmse": metrics.rmse(by_bias, actual),
        "bias mae": metrics.mae(by_bias, actual),
        **lists(dataset, split, trainer, users, items),
        "epochs": len(state.epochs),
        "seconds": round(seconds, 1),
        "ratings/s": state.rate,
        "peak MiB": peak_mib(),
    }


def lists(
    dataset: Dataset, split: Split, trainer: FusionTrainer, users: np.ndarray, items: np.ndarray
) -> dict[str, float]:
    """What is shown: to known users, to profiles alone, and by popularity."""
    count = popularity(dataset, split.train)
    users_of = np.arange(len(dataset.users))
    seen = item_sets(dataset, split.train)
    relevant = item_sets(dataset, split.test[dataset.rating[split.test] >= dataset.schema.like])

    def measured(name: str, scores: np.ndarray) -> dict[str, float]:
        ranking = metrics.Ranking(relevant, len(dataset.items), 10, seen)
        ranking.add(users_of, scores)
        ranked = ranking.result()
        five = ranked.best[:, :5]
        return {
            f"{name} ndcg@10": metrics.mean(ranked.ndcg(10)),
            f"{name} hr@10": metrics.mean(ranked.hit_rate(10)),
            f"{name} popularity percentile@5": metrics.mean(metrics.shown_percentile(five, count)),
            f"{name} distinct items@5": float(len(np.unique(five))),
        }

    profiles = profile_vectors(dataset, trainer)
    everyone = np.broadcast_to(count, (len(users_of), len(count)))
    return (
        measured("user", users @ items.T)
        | measured("profile", profiles @ items.T)
        | measured("popular", everyone)
        | {"profile overlap@5": overlap(profiles @ items.T)}
    )


def profile_vectors(dataset: Dataset, trainer: FusionTrainer) -> np.ndarray:
    """Every user's vector when only the profile is known, float32 [users, dim]."""
    known = trainer.encoder.encode("user", [None] * len(dataset.users), dataset.users.columns)
    assert not known[dataset.schema.id("user").name].any(), f"ids must be row {UNKNOWN}"
    return tower_vectors(trainer.network.user, list(known.values()))


def overlap(scores: np.ndarray, k: int = 5) -> float:
    """Mean share of common items among the first k items of two different profiles."""
    rng = np.random.default_rng(0)
    distinct = np.unique(scores.round(5), axis=0)
    lists = metrics.top(distinct, k)
    pairs = rng.integers(0, len(lists), size=(5000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return float(np.mean([len(np.intersect1d(lists[a], lists[b])) / k for a, b in pairs]))


if __name__ == "__main__":
    main()
