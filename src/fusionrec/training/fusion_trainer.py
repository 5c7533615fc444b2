"""Trains the fusion model on blocks of users and items; validates by the error in stars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle

from fusionrec.data.arrays import without
from fusionrec.data.dataset import Dataset
from fusionrec.errors import TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.features.score_scale import SCALE, ScoreMap
from fusionrec.metrics import rmse
from fusionrec.models.presets import Recipe, TrainingSettings
from fusionrec.training.batches import Batch, Blocks
from fusionrec.training.fusion_network import CHUNK, FusionNetwork
from fusionrec.training.loop import Trainer
from fusionrec.training.optimizer import adamw, check_lengths
from fusionrec.training.progress import MetricInfo

MOST_HELD = 100_000  # rows of a holdout: more would not choose another epoch


class FusionTrainer(Trainer):
    """Trains both towers on the recipe's loss terms: ratings, ranking, exposure."""

    settings: TrainingSettings
    recipe: Recipe
    batches: Blocks
    network: FusionNetwork

    def build(self, rows: np.ndarray) -> None:
        name = "error in stars" if self.recipe.rates else "loss"
        unit = "events" if self.dataset.schema.events else "ratings"
        self.metric = MetricInfo(name, name, rising=False, unit=unit)
        s = self.settings
        if self.start is None:
            self.rows, self.holdout = hold_out(rows, s.validation, s.seed)
        else:  # what the version has learned from tells nothing of how well it predicts
            _, self.holdout = hold_out(rows[self.start.new[rows]], s.validation, s.seed)
            self.rows = without(rows, self.holdout)
        self.encoder = Encoder.fit(self.dataset, self.rows)
        self.network = FusionNetwork(self.dataset, self.encoder, self.recipe)
        self.batches = self._blocks()
        self.optimizer = adamw(self.network, self.settings, lambda name: "embedding" in name)

    def _blocks(self) -> Blocks:
        s, data = self.settings, self.dataset
        rows, learners = self.rows, self.learners()
        if learners is not None:
            rows = rows[np.isin(data.user[rows], learners)]
        user, item, rating = data.user[rows], data.item[rows], data.rating[rows]
        weight = rating  # that of an event
        if not data.schema.events:
            weight = (rating >= data.schema.like).astype(np.float32)
        if not (weight.any() or s.squared or s.exposure):
            raise TrainingError(
                f"no rating in {data.name} counts as liking ({data.schema.like:g} or more), and "
                "these settings learn from no other",
                "lower like in the schema",
            )
        return Blocks(user, item, rating, weight, batch=s.batch, seed=s.seed)

    def loss(
        self, batch: Batch, rng: np.random.Generator
    ) -> tuple[paddle.Tensor | None, float, int]:
        """See ``Trainer.loss``; the error is the mean squared error of the scores if they rate."""
        if not len(batch.rating):
            return None, 0.0, 0
        loss, error = self.network.loss(batch, rng)
        return loss, float(error if self.recipe.rates else loss), len(batch.rating)

    def figure(self, error: float) -> float:
        """See ``Trainer.figure``: its root, in stars, if scores rate."""
        return math.sqrt(error) * self.network.map.unit if self.recipe.rates else error

    def validate(self) -> float | None:
        """See ``Trainer.validate``: RMSE in stars on the holdout."""
        data, rows = self.dataset, self.holdout
        asked = rows if len(rows) else self.rows[:CHUNK]
        user, users = np.unique(data.user[asked], return_inverse=True)
        item, items = np.unique(data.item[asked], return_inverse=True)
        of_users = self.network.vectors("user", user)
        of_items = self.network.vectors("item", item)
        check_lengths(of_users, "user", self.state.epoch)
        check_lengths(of_items, "item", self.state.epoch)
        if not len(rows):
            return None
        cosines = _cosines(of_users, of_items, users, items)
        return rmse(self.network.map.rating(SCALE * cosines), data.rating[rows])

    def manifest_fields(self) -> dict[str, Any]:
        return {} if self.recipe.rates else {"score": {"kind": "ranking"}}


def hold_out(rows: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into training rows and a random holdout for validation, both sorted; the holdout
    has ``MOST_HELD`` rows at most.
    """
    count = min(round(len(rows) * share), len(rows) - 1, MOST_HELD)
    shuffled = np.random.default_rng([seed, 2]).permutation(rows)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def predict(dataset: Dataset, rows: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Ratings, float [n], that two sets of vectors, [., dim], predict for some interactions."""
    cosines = _cosines(users, items, dataset.user[rows], dataset.item[rows])
    return ScoreMap(*dataset.schema.rating_range).rating(SCALE * cosines)


def _cosines(
    users: np.ndarray, items: np.ndarray, user: np.ndarray, item: np.ndarray
) -> np.ndarray:
    """Products, float [n], of pairs of rows of two sets of vectors, [., dim]."""
    found = np.empty(len(user), dtype=users.dtype)
    for begin in range(0, len(user), CHUNK):  # the vectors of all pairs would be two large arrays
        part = slice(begin, begin + CHUNK)
        np.einsum("nd,nd->n", users[user[part]], items[item[part]], out=found[part])
    return found
