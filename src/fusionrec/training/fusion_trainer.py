"""Trains the fusion model on blocks of users and items; validates by the error in stars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle

from fusionrec.data.dataset import Dataset
from fusionrec.errors import TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.features.score_scale import SCALE, ScoreMap
from fusionrec.metrics import rmse
from fusionrec.models.presets import Recipe, TrainingSettings
from fusionrec.training.batches import Batch, Blocks
from fusionrec.training.fusion_network import FusionNetwork
from fusionrec.training.loop import Trainer
from fusionrec.training.optimizer import adamw, check_lengths
from fusionrec.training.progress import MetricInfo


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
        self.rows, self.holdout = hold_out(rows, self.settings.validation, self.settings.seed)
        self.encoder = Encoder.fit(self.dataset, self.rows)
        self.network = FusionNetwork(self.dataset, self.encoder, self.recipe)
        self.batches = self._blocks()
        self.optimizer = adamw(self.network, self.settings, lambda name: "embedding" in name)

    def _blocks(self) -> Blocks:
        s, data = self.settings, self.dataset
        user, item, rating = data.user[self.rows], data.item[self.rows], data.rating[self.rows]
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
        users, items = self.network.vectors("user"), self.network.vectors("item")
        check_lengths(users, "user", self.state.epoch)
        check_lengths(items, "item", self.state.epoch)
        if not len(self.holdout):
            return None
        predicted = predict(self.dataset, self.holdout, users, items)
        return rmse(predicted, self.dataset.rating[self.holdout])

    def manifest_fields(self) -> dict[str, Any]:
        return {} if self.recipe.rates else {"score": {"kind": "ranking"}}


def hold_out(rows: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into training rows and a random holdout for validation, both sorted."""
    count = min(round(len(rows) * share), len(rows) - 1)
    shuffled = np.random.default_rng([seed, 2]).permutation(rows)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def predict(dataset: Dataset, rows: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Ratings, float [n], that two sets of vectors, [., dim], predict for some interactions."""
    cosine: np.ndarray = np.einsum("nd,nd->n", users[dataset.user[rows]], items[dataset.item[rows]])
    return ScoreMap(*dataset.schema.rating_range).rating(SCALE * cosine)
