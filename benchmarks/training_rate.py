"""Training rate, and time to an error, of block minibatches against every pair through both towers.

    python benchmarks/training_rate.py --data ml-1m --threads 2

The plain loop is the same model under the same loss with uniform minibatches of 1,024 ratings,
each of which passes both towers, at its own best constant learning rate. Both run in this process,
one after the other, at the same number of threads. Validation is left out of all times.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared import load_data, settings

if TYPE_CHECKING:  # Paddle reads the number of threads when it is imported
    from fusionrec.data.dataset import Dataset
    from fusionrec.data.splits import Split
    from fusionrec.models.presets import Recipe
    from fusionrec.training.fusion_trainer import FusionTrainer

    Steps = Callable[[FusionTrainer], Iterator[int]]

CHECK_SECONDS = 1.0  # between looks at the held-out error, which no time includes
PLAIN_EPOCHS = 4


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--target", type=float, default=0.860, help="validation RMSE in stars")
    parser.add_argument("--plain-learning-rates", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--set", nargs="*", default=[], help="settings of the block loop")
    arguments = parser.parse_args()
    measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    """Prints one JSON line for each loop, and one with the ratios."""
    from fusionrec.data.splits import random_split
    from fusionrec.models.presets import FUSION

    dataset = load_data(arguments.data)
    fixed = {"training.threads": str(arguments.threads), "training.validation": "0"}
    recipe = FUSION["quick"].change(fixed | settings(arguments.set))
    split = random_split(dataset, 0.1, 0)
    blocks = run(dataset, split, recipe, block_steps, arguments.target)
    print(json.dumps({"loop": "blocks", **vars(blocks)}), flush=True)
    plain = []
    for rate in arguments.plain_learning_rates:
        slow = {"training.learning_rate": str(rate), "training.batch": "1024"}
        alone = {"training.weight_decay": "0", "training.ranking": "0", "training.exposure": "0"}
        plain_recipe = recipe.change({**slow, **alone})
        plain.append(run(dataset, split, plain_recipe, plain_steps, arguments.target))
        print(json.dumps({"loop": "plain", "learning rate": rate, **vars(plain[-1])}), flush=True)
    best = min(plain, key=lambda result: result.seconds_to_target)
    ratios = {
        "rate": blocks.ratings_per_second / best.ratings_per_second,
        "time to target": best.seconds_to_target / blocks.seconds_to_target,
    }
    print(json.dumps({"threads": arguments.threads, "ratios": ratios}))


@dataclass
class Result:
    """How fast a loop was, and when it came to the target (infinity: it did not)."""

    ratings_per_second: float
    seconds_to_target: float
    passes: float
    rmse: float


def run(dataset: Dataset, split: Split, recipe: Recipe, steps: Steps, target: float) -> Result:
    """Trains until the held-out error is at the target, or the epochs are over."""
    from fusionrec import metrics
    from fusionrec.training.fusion_trainer import FusionTrainer, predict

    trainer = FusionTrainer(dataset, split.train, recipe)
    seconds, rated, checked, error = 0.0, 0, 0.0, math.inf
    reached = math.inf
    began = time.monotonic()
    for count in steps(trainer):
        seconds += time.monotonic() - began
        rated += count
        if seconds - checked > CHECK_SECONDS:
            checked = seconds
            vectors = trainer.network.vectors("user"), trainer.network.vectors("item")
            error = metrics.rmse(predict(dataset, split.test, *vectors), dataset.rating[split.test])
            if error <= target:
                reached = seconds
                break
        began = time.monotonic()
    return Result(rated / seconds, reached, rated / len(split.train), error)


def block_steps(trainer: FusionTrainer) -> Iterator[int]:
    """The project's own steps; yields the ratings of each."""
    for epoch in range(1, trainer.settings.epochs + 1):
        trainer.state.epoch, trainer.state.step = epoch, 0
        for batch in trainer.batches.epoch(epoch):
            trainer.step(batch)
            yield len(batch.rating)


def plain_steps(trainer: FusionTrainer) -> Iterator[int]:
    """Uniform minibatches, each pair through both towers: squared error alone, Adam."""
    import paddle

    from fusionrec.features.score_scale import SCALE
    from fusionrec.training.losses import squared_error

    settings, dataset, rows = trainer.settings, trainer.dataset, trainer.rows
    network = trainer.network
    trainer.optimizer.set_lr(settings.learning_rate)
    rng = np.random.default_rng(settings.seed)
    for _ in range(PLAIN_EPOCHS):
        shuffled = rng.permutation(rows)
        for begin in range(0, len(shuffled), settings.batch):
            chosen = shuffled[begin : begin + settings.batch]
            users = network.user.join(network.read("user", dataset.user[chosen], rng))
            items = network.item.join(network.read("item", dataset.item[chosen], rng))
            cosine = (users * items).sum(axis=-1)
            target = paddle.to_tensor(network.map.target(dataset.rating[chosen]))
            squared_error(cosine, target, SCALE).backward()
            trainer.optimizer.step()
            trainer.optimizer.clear_grad()
            yield len(chosen)


if __name__ == "__main__":
    main()
