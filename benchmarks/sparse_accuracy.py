"""Whether sparse gradients of id tables learn as well as dense ones.

    python benchmarks/sparse_accuracy.py --data ml-1m --seeds 0 1 2
    python benchmarks/sparse_accuracy.py --data ml-100k --model sequence --seeds 0 1 2

Trains the preset quick, with dense gradients and with sparse ones of every id table, which smaller
data would not take by itself, on the same holdout. Prints for each seed the figure of the best
epoch: RMSE of ``fusion``, NDCG@10 of ``sequence``.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from fusionrec.models import fusion
from fusionrec.models.presets import FUSION, SEQUENCE
from fusionrec.training.fusion_trainer import FusionTrainer
from fusionrec.training.loop import Trainer
from fusionrec.training.sequence_trainer import SequenceTrainer
from shared import load_data, settings

TABLES = {"dense": sys.maxsize, "sparse": 100}  # rows from which a table's gradients are sparse


def main() -> None:
    """Prints a line of JSON for each training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--model", choices=("fusion", "sequence"), default="fusion")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    dataset = load_data(given.data)
    for seed in given.seeds:
        for gradients, fusion.LARGE in TABLES.items():
            changes = {**settings(given.set), "training.seed": str(seed)}
            rows = np.arange(len(dataset))
            trainer: Trainer
            if given.model == "fusion":
                trainer = FusionTrainer(dataset, rows, FUSION["quick"].change(changes))
            else:
                trainer = SequenceTrainer(dataset, rows, SEQUENCE["quick"].change(changes))
            found = {"seed": seed, "gradients": gradients, "figure": figure(trainer)}
            print(json.dumps({"model": given.model, **found}), flush=True)


def figure(trainer: Trainer) -> float:
    """The best epoch's figure on the holdout."""
    best = trainer.fit(lambda _: None).best
    assert best is not None
    assert best.validation is not None
    return round(best.validation, 5)


if __name__ == "__main__":
    main()
