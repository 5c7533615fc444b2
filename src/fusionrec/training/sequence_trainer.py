"""Trains the sequence model: predicts the next item among the whole catalog."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import nn

from fusionrec.data.arrays import without
from fusionrec.data.dataset import Dataset
from fusionrec.errors import TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.features.history import Clock, HistoryFeatures, rating_levels
from fusionrec.models.fusion import Tower
from fusionrec.models.presets import SequenceRecipe, SequenceTraining
from fusionrec.models.sequence import HistoryTower
from fusionrec.registry.tables import Histories
from fusionrec.training.draws import PoissonDraw
from fusionrec.training.fusion_network import in_chunks, withhold
from fusionrec.training.loop import Trainer
from fusionrec.training.optimizer import RowAdamW, check_lengths
from fusionrec.training.progress import MetricInfo
from fusionrec.training.softmax import softmax_loss
from fusionrec.training.windows import SequenceBatch, Windows

CLIP = 5.0  # largest norm of a step's gradient
CHUNK = 64  # users per forward pass outside training
SCORES = 2**26  # of a forward pass' users with all items, at most
ALL_UP_TO = 20_000  # against which a target is ranked; a draw stands for larger catalogs
NEGATIVES = 4096  # of that draw, on average
MOST_HELD = 2000  # users of a holdout: more would not choose another epoch


class SequenceTrainer(Trainer):
    """Trains both towers to rank each item of a history first, from the items before it."""

    metric = MetricInfo("loss", "NDCG@10", rising=True, unit="items")
    settings: SequenceTraining
    recipe: SequenceRecipe
    batches: Windows
    network: SequenceNetwork

    def build(self, rows: np.ndarray) -> None:
        dataset, s = self.dataset, self.settings
        if self.given_holdout is None:
            _, self.holdout = hold_out_latest(dataset, rows, s.validation, s.seed)
            if self.start is not None:  # what it has learned from tells nothing
                self.holdout = self.holdout[self.start.new[self.holdout]]
        else:
            self.holdout = self.given_holdout
        self.rows = without(rows, self.holdout)
        self.encoder = Encoder.fit(dataset, self.rows)
        self.histories = Histories.build(dataset, self.rows)
        reading = self._reading()
        self.network = SequenceNetwork(dataset, self.encoder, self.recipe, reading)
        length = reading.length + 1  # the last one is only a target
        self.batches = Windows(
            self.histories,
            length=length,
            batch=s.batch,
            draws=s.profile_items,
            seed=s.seed,
            users=self.learners(),
        )
        self._trained = np.flatnonzero(np.bincount(dataset.item[self.rows]))
        self._probability = self._draw_probabilities()
        self._draw = None if self._probability is None else PoissonDraw(self._probability)
        self.optimizer = RowAdamW(
            self.network,
            learning_rate=s.learning_rate,
            beta2=0.98,
            weight_decay=0.0,
            grad_clip=nn.ClipGradByGlobalNorm(CLIP),
        )

    def manifest_fields(self) -> dict[str, Any]:
        profile = [field.name for field in self.dataset.schema.attributes("user")]
        return {
            "score": {"kind": "ranking"},
            "history": self.network.user.reading.to_json(),
            "user_inputs": [*profile, "history"],
        }

    def _reading(self) -> HistoryFeatures:
        """What the tower reads of a history, from settings and training rows."""
        model, histories, clock = self.recipe.model, self.histories, None
        if (model.clock or model.gaps) and histories.time is None:
            raise TrainingError(
                f"{self.dataset.name} has no times for model.clock or model.gaps to read",
                "leave both settings out",
            )
        if model.clock and histories.time is not None:
            counts = np.diff(histories.offsets)
            owner = np.repeat(np.arange(len(counts)), counts)
            clock = Clock.fit(owner, histories.time)
        return HistoryFeatures(model.history, self.dataset.schema.rating_range, model.gaps, clock)

    def loss(
        self, batch: SequenceBatch, rng: np.random.Generator
    ) -> tuple[paddle.Tensor, float, int]:
        s = self.settings
        indices, target = _targets(batch)
        negatives, drawn = self._negatives(rng)
        known = self._trained
        if negatives is not None:  # a large catalog: only the items needed pass the tower
            known = np.unique(np.concatenate([batch.items.ravel(), batch.drawn.ravel(), negatives]))
            negatives = np.searchsorted(known, negatives)
        vectors = self.network.item_vectors(known, s.id_dropout, rng)
        read = np.searchsorted(known, batch.items[:, :-1])
        self.network.user.drop.seed(*rng.integers(2**32, size=2))
        tokens = self.network.tokens(vectors, batch, read, rng)
        tokens = paddle.gather(tokens.flatten(0, 1), paddle.to_tensor(indices))
        loss = softmax_loss(
            self.network.user.join(tokens),
            vectors,
            np.searchsorted(known, target),
            s.temperature,
            negatives,
            drawn,
        )
        return loss, float(loss), len(target)

    def validate(self) -> float | None:
        """See ``Trainer.validate``: NDCG@10 of the latest items in the holdout."""
        items = self.network.all_item_vectors()
        check_lengths(items, "item", self.state.epoch)
        if not len(self.holdout):
            return None
        data, rows = (
            self.dataset,
            self.holdout[np.argsort(self.dataset.user[self.holdout], kind="stable")],
        )
        users, targets = data.user[rows], data.item[rows]
        left_out = np.ones(len(items), dtype=bool)
        left_out[self._trained] = left_out[targets] = False
        now = np.full(len(rows), np.nan) if data.time is None else data.time[rows].astype(float)
        ranks, at_once = [], max(1, min(CHUNK, SCORES // len(items)))
        for begin in range(0, len(rows), at_once):
            part = slice(begin, begin + at_once)
            vectors = self.network.user_vectors(items, users[part], self.histories, now[part])
            check_lengths(vectors, "user", self.state.epoch)
            scores = vectors @ items.T
            scores[:, left_out] = -np.inf
            ranks.append(self._ranks(scores, users[part], targets[part]))
        rank = np.concatenate(ranks)
        return float(np.where(rank <= 10, 1 / np.log2(rank + 1), 0.0).mean())

    def _ranks(self, scores: np.ndarray, users: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Each user's rank of a target item among all others, int [n], 1 the first.

        ``scores``, float32 [n, items], are overwritten: what a user has taken is not ranked, unless
        people take items again.
        """
        own = scores[np.arange(len(users)), targets]
        if not self.dataset.schema.repeats:
            for row, user in enumerate(users):
                scores[row, self.histories.of(int(user)).items] = -np.inf
            scores[np.arange(len(users)), targets] = own  # it may also be in the history
        above = (scores > own[:, None]).sum(axis=1)
        # Of items with the same score the first in the catalog comes first.
        equal = scores == own[:, None]
        before = [row[:target].sum() for row, target in zip(equal, targets, strict=True)]
        return np.asarray(1 + above + before)

    def _draw_probabilities(self) -> np.ndarray | None:
        """Each trained item's probability as a negative, by popularity; None for all items."""
        wanted, items = self.settings.negatives, len(self._trained)
        if not wanted:
            wanted = NEGATIVES if items > ALL_UP_TO else items
        if wanted >= items:
            return None
        count = np.bincount(self.dataset.item[self.rows])[self._trained].astype(np.float64)
        # Items capped at 1 leave the others more than their share of popularity.
        scale = wanted / count.sum()
        for _ in range(50):
            scale *= wanted / np.minimum(scale * count, 1.0).sum()
        chances: np.ndarray = np.minimum(scale * count, 1.0).astype(np.float32)
        return chances

    def _negatives(
        self, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
        if self._draw is None or self._probability is None:
            return None, None
        drawn = self._draw(rng)
        return self._trained[drawn], self._probability[drawn]


class SequenceNetwork(nn.Layer):
    """Both towers, and the encoded profiles and items they read.

    Args:
        dataset: whose users and items are encoded once, here.
        encoder: fitted on the training rows.
        recipe: widths, and dropout shares of inputs.
        reading: the features of a history.
    """

    def __init__(
        self, dataset: Dataset, encoder: Encoder, recipe: SequenceRecipe, reading: HistoryFeatures
    ) -> None:
        super().__init__()
        self.settings = recipe.training
        self.item = Tower(encoder, "item", recipe.model.tower)
        self.user = HistoryTower(encoder, recipe.model, reading)
        self._item_id = encoder.schema.id("item")
        self._profile = encoder.schema.attributes("user")
        self._items = encoder.encode_table("item", dataset.items)
        self._profiles = encoder.encode_table("user", dataset.users)
        self._profiles.pop(encoder.schema.id("user").name)

    def item_vectors(
        self, items: np.ndarray, id_dropout: float, rng: np.random.Generator
    ) -> paddle.Tensor:
        """Vectors, float32 [n, dim], of items at some positions, some ids hidden."""
        inputs = {name: paddle.to_tensor(x[items]) for name, x in self._items.items()}
        withhold(inputs, self._item_id, id_dropout, rng)
        vectors: paddle.Tensor = self.item(list(inputs.values()))
        return vectors

    def tokens(
        self,
        vectors: paddle.Tensor,
        batch: SequenceBatch,
        read: np.ndarray,
        rng: np.random.Generator,
    ) -> paddle.Tensor:
        """Tokens of a minibatch, float32 [n, length, dim], some profile values, ratings and
        histories' times hidden.

        Args:
            vectors: float32 [m, dim], of items.
            batch: the minibatch.
            read: int64 [n, length − 1], rows in ``vectors`` of its items, without the last.
            rng: draws what is hidden.
        """
        profiles = {name: paddle.to_tensor(x[batch.users]) for name, x in self._profiles.items()}
        for field in self._profile:
            withhold(profiles, field, self.settings.attribute_dropout, rng)
        items = paddle.gather(vectors, paddle.to_tensor(read.reshape(-1)))
        reading = self.user.reading
        levels = rating_levels(batch.ratings[:, :-1], reading.scale)
        levels *= rng.random(levels.shape) >= self.settings.rating_dropout
        read_times = []
        if reading.times:
            hidden = rng.random(len(batch.times)) < self.settings.time_dropout
            times = np.where(hidden[:, None], np.nan, batch.times)
            read_times = reading.read_times(times[:, :-1], times)  # a token predicts the next item
        return self.user.read(
            list(profiles.values()),
            items.reshape([*read.shape, vectors.shape[1]]),
            paddle.to_tensor(levels),
            [paddle.to_tensor(x) for x in read_times],
        )

    def all_item_vectors(self) -> np.ndarray:
        """Vectors of every item, float32 [items, dim], with the current weights."""
        return in_chunks(self, self.item, list(self._items.values()))

    def user_vectors(
        self,
        items: np.ndarray,
        users: np.ndarray,
        histories: Histories,
        now: np.ndarray | None = None,
    ) -> np.ndarray:
        """Vectors of some users, float32 [n, dim], with the current weights.

        Args:
            items: float32 [items, dim], every item's vector.
            users: int64 [n], positions in ``histories``.
            now: float64 [n], time of each request; None where unknown.
        """
        profiles = [paddle.to_tensor(x[users]) for x in self._profiles.values()]
        packed = self.user.reading.pack([histories.of(int(u)) for u in users], items, now)
        self.eval()
        with paddle.no_grad():
            vectors: np.ndarray = self.user([*profiles, *map(paddle.to_tensor, packed)]).numpy()
        self.train()
        return vectors


def _targets(batch: SequenceBatch) -> tuple[np.ndarray, np.ndarray]:
    """The predicting tokens of a minibatch, as flat indices, and their target items, int64 [m]."""
    rows, length = batch.items.shape
    later = np.arange(length) < batch.count[:, None]
    later[:, 0] = False  # the first token reads the profile alone
    first = np.repeat(np.arange(rows) * length, batch.drawn.shape[1])
    indices = np.concatenate([first, np.flatnonzero(later)])
    return indices, np.concatenate([batch.drawn.ravel(), batch.items[later]])


def hold_out_latest(
    dataset: Dataset, rows: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Holds out the latest row of some users who have three rows or more, ``MOST_HELD`` at most.

    Returns:
        The training rows and the holdout, one row for each of these users, both ascending.
    """
    ordered = Histories.order(dataset, rows)
    user = dataset.user[ordered]
    latest = np.flatnonzero(np.r_[user[1:] != user[:-1], True])
    enough = latest[np.bincount(user)[user[latest]] >= 3]
    drawn = np.random.default_rng([seed, 2]).random(len(enough)) < share
    holdout = ordered[enough[drawn]]
    if len(holdout) > MOST_HELD:
        holdout = np.random.default_rng([seed, 6]).permutation(holdout)[:MOST_HELD]
    holdout = np.sort(holdout)
    return without(rows, holdout), holdout
