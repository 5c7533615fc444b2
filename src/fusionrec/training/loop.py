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
from fusionrec.training.process import defer_interrupts, prepare_process, use_threads
from fusionrec.training.progress import Epoch, MetricInfo, OnProgress, TrainingState
from fusionrec.training.trial import choose_threads
from fusionrec.training.warm_start import RATE, WarmStart
from fusionrec.training.windows import Windows

TRIAL = 8  # minibatches that are timed, beside the first
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
        start: the version whose weights it begins with; None begins at random.

    Raises:
        TrainingError: there is nothing to rank, the data lacks what the model reads, or the version
            has another network.

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
        start: WarmStart | None = None,
    ) -> None:
        self.dataset, self.recipe, self.folder = dataset, recipe, folder
        self.given_holdout, self.start = holdout, start
        self.settings = recipe.training
        if not recipe.rates and np.count_nonzero(np.bincount(dataset.item[rows])) < 2:
            raise TrainingError(
                f"{dataset.name} has a single item that anybody took: there is nothing to rank",
                "data with two items or more is needed",
            )
        now, former = dataset.fingerprints(rows)
        settings, schema = run_settings(recipe), dataset.schema.to_json()
        self.run = {"recipe": settings, "schema": schema, "rows": now}
        if start is not None:
            start.check_model(recipe.model.to_dict())
            self.run["start"] = start.artifact.checksum
        self._former_run = {"recipe": settings, "rows": former}  # as 0.1.0 wrote it
        prepare_process(self.settings.threads, self.settings.device)
        self.group = ProcessGroup.join()
        paddle.seed(self.settings.seed)
        with paddle.utils.unique_name.guard():  # same parameter names in every process
            self.build(rows)
        steps, planned = self.group.steps(len(self.batches)), self.settings.epochs
        if start is not None:
            planned = start.passes(planned)
            self.network.set_state_dict(start.weights(self.encoder, self.network))
        self.state = TrainingState(metric=self.metric, steps=steps, planned=planned)
        self.best_weights: dict[str, np.ndarray] = {}

    @abstractmethod
    def build(self, rows: np.ndarray) -> None:
        """Sets ``rows``, ``holdout``, ``encoder``, ``batches``, ``network`` and ``optimizer``."""

    def learners(self) -> np.ndarray | None:
        """The users whose ``rows`` are trained on, int [m]; None for all, as of any training that
        begins at random.
        """
        if self.start is None:
            return None
        s = self.settings
        return self.start.learners(self.dataset, self.rows, s.epochs, s.seed)

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
        self.use_cores()
        # The optimizer names its state at the first step: same names in every process.
        with defer_interrupts() as pause, paddle.utils.unique_name.guard():
            try:
                while self.state.epoch <= min(self.state.planned, epochs or self.state.planned):
                    if self.state.rises_no_more(self.settings.patience):
                        if len(self.state.epochs) >= self.state.cooling:
                            break
                        self.state.begin_cooling()
                    self._epoch(on_progress, pause)
            except KeyboardInterrupt:
                self._save_checkpoint()
                raise
        self.network.set_state_dict(self.best_weights)
        self.network.eval()
        return self.state

    def use_cores(self) -> None:
        """Computes with as many threads as the settings tell or as before; else as many as pay."""
        self.state.threads = self.settings.threads or self.state.threads
        if self.state.threads:
            use_threads(self.state.threads)
        else:
            steps, alone = self.state.steps * self.state.planned, self.group.size == 1
            self.state.threads = choose_threads(self.minibatch_seconds, steps, alone=alone)

    def minibatch_seconds(self, count: int) -> list[float]:
        """The times of the first minibatches, ``count`` at most, of which nothing is learned."""
        times: list[float] = []
        for number, batch in enumerate(self.batches.epoch(1)):
            if number == count:
                break
            began = time.monotonic()
            loss, _, _ = self.loss(batch, np.random.default_rng(number))
            if loss is not None:
                loss.backward()
            self.optimizer.clear_grad()
            times.append(time.monotonic() - began)
        return times

    def plan(self, seconds: float) -> int:
        """Plans as many epochs as fit into so many seconds, by the time of a few minibatches.

        Nothing is learned from these. Returns the number, which may be 0.
        """
        self.use_cores()
        times = self.minibatch_seconds(TRIAL + 1)
        epoch = float(np.median(times)) * self.state.steps * OTHER
        return min(self.state.planned, int(seconds / epoch))

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
        share = 1.0 if self.start is None else RATE
        return self.state.learning_rate(share * self.settings.learning_rate, epochs)

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
