"""The training loop of every model: steps, early stopping, checkpoints."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.models.presets import AnyRecipe
from fusionrec.training.checkpoint import Checkpoint
from fusionrec.training.distributed import ProcessGroup
from fusionrec.training.process import interrupts_held, prepare_process
from fusionrec.training.progress import (
    Epoch,
    MetricInfo,
    OnProgress,
    Schedule,
    TrainingState,
    learning_rate,
)

LOWER = "a lower training.learning_rate usually helps"


@dataclass(frozen=True)
class Trained:
    """Both towers with the best epoch's weights, and how they came to be."""

    encoder: Encoder
    towers: dict[Side, paddle.nn.Layer]
    progress: TrainingState


class Trainer(ABC):
    """Trains both towers on some rows of a data set; a model's own trainer says how.

    Args:
        dataset: the data set.
        rows: int [n], the rows that training may see, some of which may be held out.
        recipe: all settings.
        folder: where checkpoints go; None keeps none.

    Raises:
        TrainingError: there is nothing to rank, or what the model reads is not in the data.

    Attributes:
        measure: what its epochs are told by.
        settings: of the training.
        rows, held_out: int, the rows trained on and those held out for validation.
        encoder: fitted on the former.
        network: everything that is learned.
        optimizer: of it.
        team: the processes that train together.
        progress: how far it is; its minibatches are this process's.
        best_weights: of the best epoch so far.
    """

    measure: MetricInfo
    settings: Schedule
    rows: np.ndarray
    held_out: np.ndarray
    encoder: Encoder
    network: paddle.nn.Layer
    optimizer: paddle.optimizer.Optimizer

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        recipe: AnyRecipe,
        folder: Path | None = None,
    ) -> None:
        self.dataset, self.recipe, self.folder = dataset, recipe, folder
        self.settings = recipe.training
        if not recipe.rates and len(np.unique(dataset.item[rows])) < 2:
            raise TrainingError(
                f"{dataset.name} has a single item that anybody took: there is nothing to rank",
                "data with two items or more is needed",
            )
        now, former = dataset.fingerprints(rows)
        settings, schema = recipe.to_dict(), dataset.schema.to_json()
        self.run = {"recipe": settings, "schema": schema, "rows": now}
        self._former_run = {"recipe": settings, "rows": former}  # as 0.1.0 wrote it
        prepare_process(self.settings.threads)
        self.team = ProcessGroup.join()
        paddle.seed(self.settings.seed)
        with paddle.utils.unique_name.guard():  # the same parameter names in every process
            self.build(rows)
        self.progress = TrainingState(measure=self.measure, steps=self.team.steps(self.steps()))
        self.best_weights: dict[str, np.ndarray] = {}

    @abstractmethod
    def build(self, rows: np.ndarray) -> None:
        """Sets ``rows``, ``held_out``, ``encoder``, ``network`` and ``optimizer``."""

    @abstractmethod
    def steps(self) -> int:
        """Minibatches in an epoch."""

    @abstractmethod
    def batches(self, epoch: int, start: int) -> Iterator[Any]:
        """The minibatches of an epoch, from the ``start``-th on."""

    @abstractmethod
    def loss(self, batch: Any, rng: np.random.Generator) -> tuple[paddle.Tensor | None, float, int]:
        """What a minibatch asks to be made small, its mean error, and of how many it is the mean.

        ``None`` where there is nothing to learn. ``rng`` draws all that is random beside Paddle.
        """

    @abstractmethod
    def judge(self) -> float | None:
        """The figure of what is held out; None where nothing is.

        Raises:
            TrainingError: the network has gone astray.
        """

    @abstractmethod
    def figure(self, error: float) -> float:
        """An epoch's mean error as people read it."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What the manifest tells of this model beside what it tells of every model."""

    @property
    @abstractmethod
    def towers(self) -> dict[Side, paddle.nn.Layer]:
        """Both towers, by side."""

    def fit(self, report: OnProgress, *, resume: bool = False) -> Trained:
        """Trains to the end; the network then has the best epoch's weights.

        Args:
            report: called after every step and every epoch.
            resume: go on from the checkpoint, if there is one.

        Raises:
            TrainingError: the loss is not finite, or the checkpoint is of another run.
            KeyboardInterrupt: as it came, after a checkpoint was kept.
        """
        if resume and self.folder:
            self._restore(Checkpoint.load(self.folder, self.run, self._former_run))
        # The optimizer names its state when it first steps: the same names in every process.
        with interrupts_held() as pause, paddle.utils.unique_name.guard():
            try:
                while not self._over():
                    self._epoch(report, pause)
            except KeyboardInterrupt:
                self._keep()
                raise
        set_weights(self.network, self.best_weights)
        self.network.eval()
        return Trained(self.encoder, self.towers, self.progress)

    def _over(self) -> bool:
        best, settings = self.progress.best, self.settings
        if self.progress.epoch > settings.epochs:
            return True
        if best is None or best.validation is None:
            return False
        return len(self.progress.epochs) - best.number >= settings.patience

    def _epoch(self, report: OnProgress, pause: Callable[[], None]) -> None:
        p, kept = self.progress, time.monotonic()
        began = time.monotonic()
        batches = self.batches(p.epoch, p.step * self.team.size)
        for batch in self.team.share(batches, p.steps - p.step):
            self.step(batch)
            took = time.monotonic() - began
            p.seconds += took
            p.seconds_here += took
            report(p)
            pause()
            if time.monotonic() - kept > self.settings.checkpoint_seconds:
                self._keep()
                kept = time.monotonic()
            began = time.monotonic()
        self._end_epoch()
        self._keep()
        report(p)
        pause()

    def step(self, batch: Any) -> None:
        """Trains on one minibatch, at the place that ``progress`` is at.

        Raises:
            TrainingError: its error is not finite.
        """
        p = self.progress
        step = (p.epoch - 1) * p.steps + p.step
        # Seeded step by step, so that a resumed training draws what an unbroken one would.
        drawn = step * self.team.size + self.team.rank
        paddle.seed((self.settings.seed * 1_000_003 + drawn) % 2**31)
        self.optimizer.set_lr(learning_rate(self.settings, step / (p.steps * self.settings.epochs)))
        rng = np.random.default_rng([self.settings.seed, 1, drawn])
        loss, error, count = self.loss(batch, rng)
        if loss is not None:
            loss.backward()
        if loss is not None or self.team.size > 1:
            self.team.average(self.network)
            self.optimizer.step()
            self.optimizer.clear_grad()
        if not math.isfinite(error):
            raise TrainingError(
                f"the error is {error} in epoch {p.epoch}, minibatch {p.step}", LOWER
            )
        p.step += 1
        p.error += error * count
        p.count += count
        p.count_here += count

    def _end_epoch(self) -> None:
        p = self.progress
        error, count = self.team.total(p.error, p.count)
        train = self.figure(error / max(count, 1))
        epoch = Epoch(p.epoch, train, self.judge(), p.seconds, count / p.seconds)
        p.epochs.append(epoch)
        if p.best is epoch:
            self.best_weights = weights(self.network)
        p.epoch, p.step, p.error, p.count, p.seconds = p.epoch + 1, 0, 0.0, 0, 0.0

    def _keep(self) -> None:
        if not self.folder or not self.team.leads:
            return
        state = self.optimizer.state_dict()
        optimizer = {n: v.numpy() for n, v in state.items() if isinstance(v, paddle.Tensor)}
        arrays = {f"now/{n}": v for n, v in weights(self.network).items()}
        arrays |= {f"best/{n}": v for n, v in self.best_weights.items()}
        arrays |= {f"optimizer/{n}": v for n, v in optimizer.items()}
        progress = {n: v for n, v in asdict(self.progress).items() if n != "measure"}
        Checkpoint(self.run, progress, arrays).save(self.folder)

    def _restore(self, found: Checkpoint | None) -> None:
        if found is None:
            return
        groups: dict[str, dict[str, Any]] = {"now": {}, "best": {}, "optimizer": {}}
        for name, value in found.arrays.items():
            group, _, rest = name.partition("/")
            groups[group][rest] = value
        set_weights(self.network, groups["now"])
        self.best_weights = groups["best"]
        self.optimizer.set_state_dict(
            {name: paddle.to_tensor(value) for name, value in groups["optimizer"].items()}
        )
        epochs = [Epoch(**e) for e in found.progress.pop("epochs")]
        self.progress = TrainingState(self.measure, **found.progress, epochs=epochs)
        self.progress.count_here, self.progress.seconds_here = 0, 0.0


def weights(network: paddle.nn.Layer) -> dict[str, np.ndarray]:
    """A copy of everything learned, by name."""
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def set_weights(network: paddle.nn.Layer, held: dict[str, np.ndarray]) -> None:
    """Puts back what ``weights`` returned."""
    network.set_state_dict(dict(held))
