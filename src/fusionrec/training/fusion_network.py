"""The network in training: both towers, the exposure head, and the loss of a minibatch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import nn

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Field, Side
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.score_scale import SCALE, ScoreMap
from fusionrec.models.fusion import ExposureHead, Tower
from fusionrec.models.presets import Recipe
from fusionrec.training.batches import Batch
from fusionrec.training.losses import exposure_loss, ranking_loss, squared_error

CHUNK = 4096  # users or items per forward pass outside training
EXPOSURE_DIM = 64


class FusionNetwork(nn.Layer):
    """The two towers, the exposure head, and the encoded users and items they read.

    Args:
        dataset: whose users and items are encoded once, here.
        encoder: fitted on the training rows.
        recipe: widths, and the weights of the loss's terms.
    """

    def __init__(self, dataset: Dataset, encoder: Encoder, recipe: Recipe) -> None:
        super().__init__()
        self.schema, self.settings = dataset.schema, recipe.training
        self.map = ScoreMap(*dataset.schema.rating_range)
        self.user = Tower(encoder, "user", recipe.model)
        self.item = Tower(encoder, "item", recipe.model)
        self.exposure = ExposureHead(self.user.width, self.item.width, EXPOSURE_DIM)
        self._encoded: dict[Side, Features] = {
            "user": encoder.encode_table("user", dataset.users),
            "item": encoder.encode_table("item", dataset.items),
        }

    def loss(self, batch: Batch, rng: np.random.Generator) -> tuple[paddle.Tensor, paddle.Tensor]:
        """A minibatch's loss, and its mean squared score error alone.

        Args:
            batch: with at least one rating.
            rng: draws whose ids and attributes are hidden.
        """
        s = self.settings
        user_branches = self.read("user", batch.users, rng)
        item_branches = self.read("item", batch.items, rng)
        users, items = self.user.join(user_branches), self.item.join(item_branches)
        cosines = paddle.matmul(users, items, transpose_y=True)
        user = paddle.to_tensor(batch.user)
        indices = paddle.to_tensor(batch.user * len(batch.items) + batch.item)
        rated = paddle.gather(cosines.flatten(), indices)
        error = squared_error(rated, paddle.to_tensor(self.map.target(batch.rating)), SCALE)
        loss, log_count = s.squared * error, None
        if batch.stands_for is not None:
            log_count = paddle.to_tensor(np.log(batch.stands_for))
        liked = np.flatnonzero(batch.weight)
        if s.ranking and len(liked):
            chosen, weight = paddle.to_tensor(liked), paddle.to_tensor(batch.weight[liked])
            of_user = paddle.gather(user, chosen)
            at = paddle.gather(rated, chosen)
            ranked = ranking_loss(cosines, of_user, at, weight, s.temperature, log_count)
            loss = loss + s.ranking * ranked
        if s.exposure:
            logits = self.exposure(user_branches, item_branches)
            loss = loss + s.exposure * exposure_loss(logits, user, indices, log_count)
        return loss, error

    def read(self, side: Side, positions: np.ndarray, rng: np.random.Generator) -> paddle.Tensor:
        """The outputs of a tower's branches, float32 [n, width], with some inputs hidden.

        Args:
            side: users or items.
            positions: int [n], in the data set's table.
            rng: draws whose ids and attributes are hidden.
        """
        inputs = {name: paddle.to_tensor(x[positions]) for name, x in self._encoded[side].items()}
        ids = {"user": self.settings.user_id_dropout, "item": self.settings.item_id_dropout}
        shares = {"id": ids[side], "category": self.settings.attribute_dropout}
        for field in self.schema.inputs(side):
            share = shares["category"] if field.buckets else shares.get(field.kind, 0.0)
            withhold(inputs, field, share, rng)
        tower = self.user if side == "user" else self.item
        return tower.read(list(inputs.values()))

    def vectors(self, side: Side, positions: np.ndarray | None = None) -> np.ndarray:
        """Vectors of users or items, float32 [n, dim], with the current weights.

        Args:
            side: users or items.
            positions: int [n], in the data set's table; all by default.
        """
        encoded = list(self._encoded[side].values())
        tower = self.user if side == "user" else self.item
        return in_chunks(self, tower, encoded, positions)


def in_chunks(
    network: nn.Layer,
    tower: nn.Layer,
    encoded: Sequence[np.ndarray],
    positions: np.ndarray | None = None,
) -> np.ndarray:
    """Vectors by a tower that reads only fields, float32 [n, dim], without dropout.

    Args:
        network: whose tower it is; it is in training before and after.
        tower: of users or items.
        encoded: arrays of all of them, [m, ...] each.
        positions: int [n], which ones; all by default.
    """
    count = len(encoded[0]) if positions is None else len(positions)
    vectors: np.ndarray | None = None
    network.eval()
    with paddle.no_grad():
        for begin in range(0, count, CHUNK):
            part = slice(begin, begin + CHUNK)
            at = part if positions is None else positions[part]
            found = tower([paddle.to_tensor(x[at]) for x in encoded]).numpy()
            if vectors is None:
                vectors = np.empty((count, found.shape[1]), dtype=np.float32)
            vectors[part] = found
    network.train()
    assert vectors is not None, "nobody is asked for"
    return vectors


def withhold(
    inputs: dict[str, paddle.Tensor], field: Field, share: float, rng: np.random.Generator
) -> None:
    """Replaces a share of a field's values by unknown (row 0, or all zeros)."""
    values = inputs[field.name]
    shown = rng.random(values.shape[0]) >= share
    if shown.all():
        return
    shape = [-1] + [1] * (values.ndim - 1)
    mask = paddle.to_tensor(shown.reshape(shape)).astype(values.dtype)
    kept = values * mask
    if field.buckets:  # one is always set, the first where the number is unknown
        kept = paddle.concat([kept[:, :1] + (1 - mask), kept[:, 1:]], axis=1)
    inputs[field.name] = kept
