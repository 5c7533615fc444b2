"""Fits the rating head, after the towers and on the same rows."""

from __future__ import annotations

import math
import time

import numpy as np
import paddle

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log, TrainingError
from fusionrec.features.score_scale import SCALE, ScoreMap
from fusionrec.models.presets import RatingSettings, Recipe
from fusionrec.models.rating_head import BagTower, RatingNetwork
from fusionrec.registry.rating_head import RatingHead
from fusionrec.training.batches import Batch, Blocks
from fusionrec.training.optimizer import adamw
from fusionrec.training.process import prepare_process
from fusionrec.training.progress import learning_rate

FEWEST_GROUPS = 4  # of users and of items, so that a block hides at most a quarter of a bag
CHUNK = 1024  # users or items per forward pass outside training


class Bags:
    """The ratings of each user, or of each item.

    Args:
        own, other: int [n], positions of each rating's user and item, or item and user.
        value: float32 [n], the ratings, in ``RatingNetwork``'s unit.
        size: how many users and items there are: of ``own``, of ``other``.
    """

    def __init__(
        self, own: np.ndarray, other: np.ndarray, value: np.ndarray, size: tuple[int, int]
    ) -> None:
        order = np.argsort(own, kind="stable")
        self._other, self._value = other[order], value[order]
        self._ends = np.r_[0, np.cumsum(np.bincount(own, minlength=size[0]))]
        self._width = size[1]

    def of(self, ids: np.ndarray, hidden: np.ndarray | None = None) -> tuple[paddle.Tensor, ...]:
        """The inputs of ``BagTower.forward`` for n users or items.

        Args:
            ids: int [n], positions.
            hidden: int [m], positions on the other side that are removed from every bag.
        """
        counts = self._ends[ids + 1] - self._ends[ids]
        row = np.repeat(np.arange(len(ids)), counts)
        first = np.cumsum(counts) - counts
        at = np.arange(len(row)) - np.repeat(first - self._ends[ids], counts)
        values = np.zeros((len(ids), self._width), dtype=np.float32)
        presence = np.zeros_like(values)
        values[row, self._other[at]] = self._value[at]
        presence[row, self._other[at]] = 1.0
        if hidden is not None:
            values[:, hidden] = 0.0
            presence[:, hidden] = 0.0
        return tuple(paddle.to_tensor(x) for x in (ids, values, presence))


class RatingHeadTrainer:
    """Trains one network of the rating head.

    A prediction never reads its target: a minibatch is all ratings of some users on some items
    (``Blocks``), and its items are removed from its users' bags, its users from its items' bags.
    So, unlike an autoencoder, the network cannot learn to repeat a rating in its input. ``rows``,
    int [n], are those that training may see.
    """

    def __init__(
        self, dataset: Dataset, rows: np.ndarray, settings: RatingSettings, seed: int
    ) -> None:
        self.settings, self.seed = settings, seed
        low, high = dataset.schema.rating_range
        self.unit, self.middle = (high - low) / 4.0, (high + low) / 2.0
        user, item = dataset.user[rows].astype(np.int64), dataset.item[rows].astype(np.int64)
        value = ((dataset.rating[rows] - self.middle) / self.unit).astype(np.float32)
        sizes = len(dataset.users), len(dataset.items)
        self.users = Bags(user, item, value, sizes)
        self.items = Bags(item, user, value, sizes[::-1])
        self.rated = [np.bincount(user, minlength=sizes[0]) > 0]
        self.rated += [np.bincount(item, minlength=sizes[1]) > 0]
        # A minibatch hides about 1 / FEWEST_GROUPS of every bag, at most.
        shape = np.count_nonzero(self.rated[0]) / np.count_nonzero(self.rated[1])
        most = max(1, int(len(user) / (FEWEST_GROUPS**2 * max(shape, 1.0 / shape))))
        self.blocks = Blocks(user, item, value, batch=min(settings.batch, most), seed=seed)
        paddle.seed(seed)
        self.network = RatingNetwork(*sizes, settings.width, settings.dropout)
        self.optimizer = adamw(
            self.network, settings, lambda name: name.endswith(("values", "presence"))
        )

    def fit(self, log: Log) -> None:
        """Trains to the end; calls ``log`` after every epoch.

        Raises:
            TrainingError: the error is not finite.
        """
        step, steps = 0, len(self.blocks) * self.settings.epochs
        for epoch in range(1, self.settings.epochs + 1):
            began, squared, count = time.monotonic(), 0.0, 0
            for batch in self.blocks.epoch(epoch):
                self.optimizer.set_lr(learning_rate(self.settings.learning_rate, step / steps))
                paddle.seed((self.seed * 1_000_003 + step) % 2**31)
                step += 1
                if len(batch.rating):
                    squared += self.step(batch) * len(batch.rating)
                    count += len(batch.rating)
            error = math.sqrt(squared / count) * self.unit
            if not math.isfinite(error):
                raise TrainingError(
                    f"the rating head's error is {error} in epoch {epoch}",
                    "a lower rating.learning_rate usually helps",
                )
            log(
                f"epoch {epoch:>2}/{self.settings.epochs}   error in stars: train {error:.4f}   "
                f"{time.monotonic() - began:.1f} s"
            )

    def step(self, batch: Batch) -> float:
        """Trains on one minibatch; its mean squared error, in the network's unit."""
        predicted = self.predict(batch)
        loss = paddle.mean((predicted - paddle.to_tensor(batch.rating)) ** 2)
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        return float(loss)

    def predict(self, batch: Batch) -> paddle.Tensor:
        """Predictions of a minibatch's ratings, float32 [n], which the network does not read."""
        users = self.users.of(batch.users, hidden=batch.items)
        items = self.items.of(batch.items, hidden=batch.users)
        indices = paddle.to_tensor(batch.user * len(batch.items) + batch.item)
        return paddle.gather(self.network(users, items).flatten(), indices)

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of every user and item, float32 [., width + 2], whose product is a rating.

        They read all ratings. A user or an item without ratings is all zeros.
        """
        self.network.eval()
        with paddle.no_grad():
            user, of_user = _read(self.network.user, self.users, len(self.rated[0]))
            item, of_item = _read(self.network.item, self.items, len(self.rated[1]))
        self.network.train()
        of_user += self.network.mean.numpy()
        of_user, ones = of_user * self.unit + self.middle, np.ones_like
        user, of_item = user * self.unit, of_item * self.unit
        users = np.hstack([user, of_user, ones(of_user)]) * self.rated[0][:, None]
        items = np.hstack([item, ones(of_item), of_item]) * self.rated[1][:, None]
        return users.astype(np.float32), items.astype(np.float32)


def _read(tower: BagTower, bags: Bags, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and biases of a whole side."""
    spans = [np.arange(b, min(count, b + CHUNK)) for b in range(0, count, CHUNK)]
    vectors, biases = zip(*(tower(*bags.of(span)) for span in spans), strict=True)
    return np.concatenate([x.numpy() for x in vectors]), np.concatenate([x.numpy() for x in biases])


def fit_rating_head(
    dataset: Dataset,
    rows: np.ndarray,
    recipe: Recipe,
    towers: tuple[np.ndarray, np.ndarray],
    log: Log = lambda _: None,
) -> RatingHead:
    """Fits the head: the average of networks that differ only in their seed, and of the towers.

    Args:
        dataset: the data set; its times and the order of its rows are not read.
        rows: int [n], the rows that training may see.
        recipe: all settings.
        towers: the trained towers' vectors of all users and of all items, float32 [., dim].
        log: called with the progress.

    Raises:
        TrainingError: the error is not finite.
    """
    settings, rows = recipe.rating, np.sort(rows)
    prepare_process(recipe.training.threads)
    networks = []
    for number in range(settings.networks):
        log(
            f"rating head: network {number + 1} of {settings.networks} "
            f"(rating.epochs={settings.epochs})"
        )
        task = RatingHeadTrainer(dataset, rows, settings, recipe.training.seed * 1009 + number)
        task.fit(log)
        networks.append(task.vectors())
    scores = ScoreMap(*dataset.schema.rating_range)
    return blend_with_towers(average(networks), towers, settings.towers, scores)


def average(networks: list[tuple[np.ndarray, np.ndarray]]) -> RatingHead:
    """A head whose ratings are the means of several networks', as vectors side by side."""
    count = len(networks)
    biases = [sum(side[:, -2:] for side in sides) / count for sides in zip(*networks, strict=True)]
    users = np.hstack([*(users[:, :-2] / count for users, _ in networks), biases[0]])
    return RatingHead(users, np.hstack([*(items[:, :-2] for _, items in networks), biases[1]]))


def blend_with_towers(
    head: RatingHead, towers: tuple[np.ndarray, np.ndarray], weight: float, scores: ScoreMap
) -> RatingHead:
    """A head whose ratings are weighted means with those that the towers' cosine predicts.

    Args:
        head: of the networks.
        towers: vectors of all users and of all items, float32 [., dim].
        weight: of the cosine's ratings, 0 to 1.
        scores: what a cosine means.
    """
    users, items = (1.0 - weight) * head.users, head.items.copy()
    users[:, -2] += weight * scores.rating(0.0)
    users[:, -1], items[:, -1] = 1.0, (1.0 - weight) * items[:, -1]
    of_users = np.hstack([weight * SCALE * scores.unit * towers[0], users])
    of_items = np.hstack([towers[1], items])
    return RatingHead(of_users * head.users[:, -1:], of_items * head.items[:, -2:-1])
