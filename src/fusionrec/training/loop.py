"""The training loop of every model: steps, early stopping, checkpoints."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import TrainingError
from fusionrec.features.encoder import Encoder
from fusionrec.models.presets import Recipe, SequenceRecipe, SequenceTraining, TrainingSettings
from fusionrec.training.batches import Blocks
from fusionrec.training.checkpoint import Checkpoint, run_settings
from fusionrec.training.distributed import ProcessGroup
from fusionrec.training.optimizer import LOWER, RowAdamW, weights
from fusionrec.training.process import defer_interrupts, prepare_process
from fusionrec.training.progress import (
    Epoch,
    MetricInfo,
    OnProgress,
    TrainingState,
    learning_rate,
    stable_rate,
)
from fusionrec.training.windows import Windows

TRIAL = 8  # minibatches that are timed, beside the first
COOLING = 0.35  # share of the epochs in which a stable learning rate falls at last
OTHER = 1.25  # time of an epoch with optimizer and validation, over that of its minibatches


class Trainer(ABC):
    """Trains both towers on some rows of a data set; each model has a subclass.

    Args:
        dataset: the data set.
        rows: int [n], the rows that training may see, with the holdout.
        recipe: all settings.
        folder: where checkpoints go; None keeps none.
        holdout: int [m], those of the rows that are for validation; by default the settings draw
            them.

    Raises:
        TrainingError: there is nothing to rank, or the data lacks what the model reads.

    Attributes:
        rows, holdout: int, the rows trained on and those for validation.
        encoder: fitted on ``rows``.
        batches: the minibatches of each epoch.
        network: everything that is learned; ``user`` and ``item`` are the towers.
        group: the processes that train together.
        best_weights: of the best epoch so far.
    """

    metric: MetricInfo
    settings: TrainingSettings | SequenceTraining
    rows: np.ndarray
    holdout: np.ndarray
    encoder: Encoder
    batches: Blocks | Windows
    network: paddle.nn.Layer
    optimizer: RowAdamW

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        recipe: Recipe | SequenceRecipe,
        folder: Path | None = None,
        holdout: np.ndarray | None = None,
    ) -> None:
        self.dataset, self.recipe, self.folder = dataset, recipe, folder
        self.given_holdout = holdout
        self.settings = recipe.training
        if not recipe.rates and np.ptp(dataset.item[rows]) == 0:
            raise TrainingError(
                f"{dataset.name} has a single item that anybody took: there is nothing to rank",
                "data with two items or more is needed",
            )
        now, former = dataset.fingerprints(rows)
        settings, schema = run_settings(recipe), dataset.schema.to_json()
        self.run = {"recipe": settings, "schema": schema, "rows": now}
        self._former_run = {"recipe": settings, "rows": former}  # as 0.1.0 wrote it
        prepare_process(self.settings.threads)
        self.group = ProcessGroup.join()
        paddle.seed(self.settings.seed)
        with paddle.utils.unique_name.guard():  # same parameter names in every process
            self.build(rows)
        steps, planned = self.group.steps(len(self.batches)), self.settings.epochs
        self.state = TrainingState(metric=self.metric, steps=steps, planned=planned)
        self.best_weights: dict[str, np.ndarray] = {}

    @abstractmethod
    def build(self, rows: np.ndarray) -> None:
        """Sets ``rows``, ``holdout``, ``encoder``, ``batches``, ``network`` and ``optimizer``."""

    @abstractmethod
    def loss(self, batch: Any, rng: np.random.Generator) -> tuple[paddle.Tensor | None, float, int]:
        """A minibatch's loss, its mean error, and the number of rows in that mean.

        The loss is None where there is nothing to learn. ``rng`` draws all that Paddle does not.
        """

    @abstractmethod
    def validate(self) -> float | None:
        """The figure on the holdout; None where it is empty.

        Raises:
            TrainingError: the network has diverged.
        """

    def figure(self, error: float) -> float:
        """An epoch's mean error in the unit of ``metric.train``."""
        return error

    @abstractmethod
    def manifest_fields(self) -> dict[str, Any]:
        """The manifest's fields of this model, beside those of every model."""

    @property
    def towers(self) -> dict[Side, paddle.nn.Layer]:
        """Both towers, by side."""
        return {"user": self.network.user, "item": self.network.item}

    def fit(
        self, on_progress: OnProgress, *, resume: bool = False, epochs: int | None = None
    ) -> TrainingState:
        """Trains to the end; the network then has the best epoch's weights.

        Args:
            on_progress: called after every step and every epoch.
            resume: go on from the checkpoint, if there is one.
            epochs: stop after so many of those that are planned.

        Raises:
            TrainingError: the loss is not finite, or the checkpoint is of another run.
            KeyboardInterrupt: as it came, after a checkpoint was kept.
        """
        if resume and self.folder:
            checkpoint = Checkpoint.load(self.folder, self.run, self._former_run)
            if checkpoint is not None:
                self._restore(checkpoint)
        # The optimizer names its state at the first step: same names in every process.
        with defer_interrupts() as pause, paddle.utils.unique_name.guard():
            try:
                while self.state.epoch <= min(self.state.planned, epochs or self.state.planned):
                    if self._rises_no_more():
                        if len(self.state.epochs) >= self.state.cooling:
                            break
                        self._begin_cooling()
                    self._epoch(on_progress, pause)
            except KeyboardInterrupt:
                self._save_checkpoint()
                raise
        self.network.set_state_dict(self.best_weights)
        self.network.eval()
        return self.state

    def plan(self, seconds: float) -> int:
        """Plans as many epochs as fit into so many seconds, by the time of a few minibatches.

        Nothing is learned from these. Returns the number, which may be 0.
        """
        times = []
        for number, batch in enumerate(self.batches.epoch(1)):
            began = time.monotonic()
            loss, _, _ = self.loss(batch, np.random.default_rng(number))
            if loss is not None:
                loss.backward()
            self.optimizer.clear_grad()
            times.append(time.monotonic() - began)
            if number == TRIAL:
                break
        epoch = float(np.median(times)) * self.state.steps * OTHER
        return min(self.settings.epochs, int(seconds / epoch))

    def _epoch(self, on_progress: OnProgress, pause: Callable[[], None]) -> None:
        state = self.state
        saved = started = time.monotonic()
        batches = self.batches.epoch(state.epoch, state.step * self.group.size)
        for batch in self.group.share(batches, state.steps - state.step):
            self.step(batch)
            elapsed = time.monotonic() - started
            state.seconds += elapsed
            state.seconds_here += elapsed
            on_progress(state)
            pause()
            if time.monotonic() - saved > self.settings.checkpoint_seconds:
                self._save_checkpoint()
                saved = time.monotonic()
            started = time.monotonic()
        self._end_epoch()
        self._save_checkpoint()
        on_progress(state)
        pause()

    def step(self, batch: Any) -> None:
        """Trains on one minibatch, the next one of ``state``.

        Raises:
            TrainingError: its error is not finite.
        """
        state = self.state
        step = (state.epoch - 1) * state.steps + state.step
        # Seeded at each step, so that a resumed training draws the same numbers.
        drawn = step * self.group.size + self.group.rank
        paddle.seed((self.settings.seed * 1_000_003 + drawn) % 2**31)
        self.optimizer.set_lr(self._rate(step / state.steps))
        rng = np.random.default_rng([self.settings.seed, 1, drawn])
        loss, error, count = self.loss(batch, rng)
        if loss is not None:
            loss.backward()
        if loss is not None or self.group.size > 1:
            self.group.average(self.network)
            self.optimizer.step()
            self.optimizer.clear_grad()
        if not math.isfinite(error):
            raise TrainingError(
                f"the error is {error} in epoch {state.epoch}, minibatch {state.step}", LOWER
            )
        state.step += 1
        state.error += error * count
        state.count += count
        state.count_here += count

    def _rate(self, epochs: float) -> float:
        """The learning rate after so many epochs."""
        highest, state = self.settings.learning_rate, self.state
        if state.cooling:
            return stable_rate(highest, epochs, state.cooling, state.planned)
        return learning_rate(highest, epochs / state.planned)

    def _rises_no_more(self) -> bool:
        """Whether the holdout's figure has not risen for ``patience`` epochs, of cooling if it has
        begun.
        """
        state, best = self.state, self.state.best
        if best is None or best.validation is None:
            return False
        done = len(state.epochs)
        since = max(best.number, state.cooling) if done >= state.cooling else best.number
        return done - since >= self.settings.patience

    def _begin_cooling(self) -> None:
        state = self.state
        state.cooling = len(state.epochs)
        more = math.ceil(state.cooling * COOLING / (1 - COOLING))
        state.planned = min(state.planned, state.cooling + more)

    def cool(self, planned: int) -> None:
        """Keeps the learning rate at its highest for most of so many epochs, or until the holdout's
        figure rises no more, and lets it fall then.
        """
        self.state.planned = planned
        self.state.cooling = max(1, planned - math.ceil(COOLING * planned))

    def _end_epoch(self) -> None:
        state = self.state
        error, count = self.group.total(state.error, state.count)
        train = self.figure(error / max(count, 1))
        self.optimizer.settle()
        epoch = Epoch(state.epoch, train, self.validate(), state.seconds, count / state.seconds)
        state.epochs.append(epoch)
        if state.best is epoch:
            self.best_weights = weights(self.network)
        state.epoch, state.step = state.epoch + 1, 0
        state.error, state.count, state.seconds = 0.0, 0, 0.0

    def _save_checkpoint(self) -> None:
        if not self.folder or not self.group.leads:
            return
        arrays = {f"now/{n}": v for n, v in weights(self.network).items()}
        arrays |= {f"best/{n}": v for n, v in self.best_weights.items()}
        for name, value in self.optimizer.state_dict().items():
            if isinstance(value, paddle.Tensor):
                arrays[f"optimizer/{name}"] = value.numpy()
        progress = {n: v for n, v in asdict(self.state).items() if n != "metric"}
        Checkpoint(self.run, progress, arrays).save(self.folder)

    def _restore(self, checkpoint: Checkpoint) -> None:
        groups: dict[str, dict[str, Any]] = {"now": {}, "best": {}, "optimizer": {}}
        for name, value in checkpoint.arrays.items():
            group, _, rest = name.partition("/")
            groups[group][rest] = value
        self.network.set_state_dict(groups["now"])
        self.best_weights = groups["best"]
        self.optimizer.set_state_dict(
            {name: paddle.to_tensor(value) for name, value in groups["optimizer"].items()}
        )
        epochs = [Epoch(**e) for e in checkpoint.progress.pop("epochs")]
        # Checkpoints of 0.2.0 and before do not tell how many epochs were planned.
        progress = {"planned": self.settings.epochs, **checkpoint.progress}
        self.state = TrainingState(self.metric, **progress, epochs=epochs)
        self.state.count_here, self.state.seconds_here = 0, 0.0
