"""Rating error on a random part: mean, biases, and the head that attaches to any version.

    python benchmarks/stars.py --data ml-100k --data ~/books --seeds 0 1 2

Times and the order of ratings play no part. Prints a JSON object per data set and seed, with RMSE
of the held-out 10% and seconds, and one with the means of the seeds. ``--unseen`` hides a tenth of
the items, or of the users, instead.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from fusionrec import metrics
from fusionrec.baselines import Bias
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import Split, item_split, random_split, user_folds
from fusionrec.evaluation.protocols import named
from fusionrec.training.stars import fit_stars
from shared import load_data


def main() -> None:
    """Reads the arguments, and runs every data set and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", help="a name or a path; ml-100k and ml-1m")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, help="the head's budget; none by default")
    parser.add_argument("--unseen", choices=["user", "item"], help="whom the hidden ratings are of")
    arguments = parser.parse_args()
    for name in arguments.data or ["ml-100k", "ml-1m"]:
        dataset = named("rating").prepare(load_data(name))
        runs = []
        for seed in arguments.seeds:
            split = split_of(dataset, arguments.unseen, seed)
            runs.append(run(dataset, split, seed, arguments.seconds))
            print(json.dumps(runs[-1]), flush=True)
        means = {
            key: round(float(np.mean([run[key] for run in runs])), 4)
            for key in ("mean", "biases", "stars", "seconds")
        }
        print(json.dumps({"data": dataset.name, "mean of seeds": arguments.seeds, **means}))


def split_of(dataset: Dataset, unseen: str | None, seed: int) -> Split:
    """A tenth of the ratings, or all ratings of a tenth of the items or users."""
    if unseen == "item":
        return item_split(dataset, 0.1, seed)
    return user_folds(dataset, 10, seed)[0] if unseen else random_split(dataset, 0.1, seed)


def run(dataset: Dataset, split: Split, seed: int, seconds: float | None) -> dict[str, Any]:
    """Fits on one split's training rows and measures on its held-out part."""
    rows, user, item = split.before_test, dataset.user[split.test], dataset.item[split.test]
    actual = dataset.rating[split.test].astype(np.float64)
    biases = Bias().fit(dataset, rows)
    said: list[str] = []
    started = time.monotonic()
    head = fit_stars(dataset, rows, seconds=seconds, seed=seed, log=said.append)
    took = time.monotonic() - started
    nothing = np.full(len(user), np.nan)
    found = {
        "mean": np.full(len(user), biases.mean),
        "biases": biases.predict(user, item),
        "stars": head.rating(user, item, nothing, *dataset.schema.rating_range),
    }
    figures = {name: round(metrics.rmse(each, actual), 4) for name, each in found.items()}
    about = {"data": dataset.name, "split": split.name, "seed": seed}
    width = head.users.shape[1]
    return about | figures | {"seconds": round(took, 1), "width": width, "chosen": said[-1]}


if __name__ == "__main__":
    main()
