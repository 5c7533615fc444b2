"""The training loop: steps, schedule, validation, early stopping, checkpoints."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from fusionrec.config import Recipe, TrainingSettings
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import TrainingError
from fusionrec.features import Encoder
from fusionrec.metrics import rmse
from fusionrec.models.fusion import Tower
from fusionrec.scores import SCALE, ScoreMap
from fusionrec.training.batches import Batch, Blocks
from fusionrec.training.checkpoint import Checkpoint
from fusionrec.training.network import Network


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: RMSEs in ratings (stars), and seconds without validation."""

    number: int
    train_rmse: float
    validation_rmse: float | None
    seconds: float
    ratings_per_second: float


@dataclass
class Progress:
    """How far a training is: what a progress bar shows and what a checkpoint keeps.

    Attributes:
        epoch: the epoch under way, from 1.
        step, steps: minibatches done in it and in all of it.
        squared, rated: sum of squared score errors and ratings so far in it.
        seconds: spent in it.
        rated_here, seconds_here: ratings and seconds since this process began, for the rate.
        epochs: those that ended.
    """

    epoch: int = 1
    step: int = 0
    steps: int = 0
    squared: float = 0.0
    rated: int = 0
    seconds: float = 0.0
    rated_here: int = 0
    seconds_here: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Ratings per second."""
        return self.rated_here / self.seconds_here if self.seconds_here else 0.0

    @property
    def best(self) -> Epoch | None:
        """The epoch with the least validation error; the last one where nothing was held out."""
        judged = [e for e in self.epochs if e.validation_rmse is not None]
        if not judged:
            return self.epochs[-1] if self.epochs else None
        return min(judged, key=lambda e: e.validation_rmse or math.inf)


@dataclass(frozen=True)
class Trained:
    """Both towers with the best epoch's weights, and how they came to be."""

    encoder: Encoder
    towers: dict[Side, Tower]
    progress: Progress


Report = Callable[[Progress], None]


_LOWER = "a lower training.learning_rate usually helps"


class Trainer:
    """Trains both towers on some rows of a data set.

    Args:
        dataset: the data set.
        rows: int [n], the rows that training may see; a share of them is held out for validation.
        recipe: all settings.
        folder: where checkpoints go; None keeps none.
    """

    def __init__(
        self, dataset: Dataset, rows: np.ndarray, recipe: Recipe, folder: Path | None = None
    ) -> None:
        self.settings: TrainingSettings = recipe.training
        self.dataset, self.folder = dataset, folder
        self.run = {"recipe": recipe.to_dict(), "rows": dataset.fingerprint(rows)}
        self.rows, self.held_out = hold_out(rows, self.settings.validation, self.settings.seed)
        self.encoder = Encoder.fit(dataset, self.rows)
        set_threads(self.settings.threads)
        paddle.seed(self.settings.seed)
        with paddle.utils.unique_name.guard():  # the same parameter names in every process
            self.network = Network(dataset, self.encoder, recipe)
        self.blocks = Blocks(
            dataset.user[self.rows],
            dataset.item[self.rows],
            dataset.rating[self.rows],
            batch=self.settings.batch,
            seed=self.settings.seed,
        )
        self.optimizer = self._optimizer()
        self.progress = Progress(steps=len(self.blocks))
        self.best_weights: dict[str, np.ndarray] = {}

    def _optimizer(self) -> paddle.optimizer.AdamW:
        parameters = dict(self.network.named_parameters())
        decayed = {p.name for name, p in parameters.items() if "embedding" in name}
        return paddle.optimizer.AdamW(
            learning_rate=self.settings.learning_rate,
            parameters=list(parameters.values()),
            weight_decay=self.settings.weight_decay,
            apply_decay_param_fun=decayed.__contains__,
        )

    def fit(self, report: Report, *, resume: bool = False) -> Trained:
        """Trains to the end.

        Args:
            report: called after every step and every epoch.
            resume: go on from the checkpoint, if there is one.

        Raises:
            TrainingError: the loss is not finite, or the checkpoint is of another run.
            KeyboardInterrupt: as it came, after a checkpoint was kept.
        """
        if resume and self.folder:
            self._restore(Checkpoint.load(self.folder, self.run))
        # The optimizer names its state when it first steps: the same names in every trainer.
        with interrupts_held() as pause, paddle.utils.unique_name.guard():
            try:
                while self.progress.epoch <= self.settings.epochs and not self._out_of_patience():
                    self._epoch(report, pause)
            except KeyboardInterrupt:
                self._keep()
                raise
        self.network.set_weights(self.best_weights)
        self.network.eval()
        return Trained(self.encoder, self.network.towers, self.progress)

    def _out_of_patience(self) -> bool:
        best = self.progress.best
        if best is None or best.validation_rmse is None:
            return False
        return len(self.progress.epochs) - best.number >= self.settings.patience

    def _epoch(self, report: Report, pause: Callable[[], None]) -> None:
        p, kept = self.progress, time.monotonic()
        began = time.monotonic()
        for batch in self.blocks.epoch(p.epoch, start=p.step):
            if len(batch.rating):
                p.squared += self.step(batch) * len(batch.rating)
            p.step += 1
            p.rated += len(batch.rating)
            p.rated_here += len(batch.rating)
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

    def step(self, batch: Batch) -> float:
        """Trains on one minibatch, at the place that ``progress`` is at.

        Returns:
            Its mean squared score error.

        Raises:
            TrainingError: that is not finite.
        """
        s, p = self.settings, self.progress
        step = (p.epoch - 1) * p.steps + p.step
        # Seeded step by step, so that a resumed training draws what an unbroken one would.
        paddle.seed((s.seed * 1_000_003 + step) % 2**31)
        rng = np.random.default_rng([s.seed, 1, step])
        self.optimizer.set_lr(learning_rate(s, step / (p.steps * s.epochs)))
        loss, error = self.network.loss(batch, rng)
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        value = float(error)
        if not math.isfinite(value):
            raise TrainingError(
                f"the error is {value} in epoch {p.epoch}, minibatch {p.step}", _LOWER
            )
        return value

    def _end_epoch(self) -> None:
        p = self.progress
        users, items = self.network.vectors("user"), self.network.vectors("item")
        for vectors in (users, items):
            # Written so that a NaN, which no comparison finds, is astray too.
            if not (np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < 1e-3).all():
                raise TrainingError(
                    f"the vectors are not of length 1 after epoch {p.epoch}", _LOWER
                )
        validation = None
        if len(self.held_out):
            predicted = predict(self.dataset, self.held_out, users, items)
            validation = rmse(predicted, self.dataset.rating[self.held_out])
        train = math.sqrt(p.squared / p.rated) * self.network.map.unit
        p.epochs.append(Epoch(p.epoch, train, validation, p.seconds, p.rated / p.seconds))
        if p.best is p.epochs[-1]:
            self.best_weights = self.network.weights()
        p.epoch, p.step, p.squared, p.rated, p.seconds = p.epoch + 1, 0, 0.0, 0, 0.0

    def _keep(self) -> None:
        if not self.folder:
            return
        state = self.optimizer.state_dict()
        optimizer = {n: v.numpy() for n, v in state.items() if isinstance(v, paddle.Tensor)}
        arrays = {f"now/{n}": v for n, v in self.network.weights().items()}
        arrays |= {f"best/{n}": v for n, v in self.best_weights.items()}
        arrays |= {f"optimizer/{n}": v for n, v in optimizer.items()}
        Checkpoint(self.run, asdict(self.progress), arrays).save(self.folder)

    def _restore(self, found: Checkpoint | None) -> None:
        if found is None:
            return
        groups: dict[str, dict[str, Any]] = {"now": {}, "best": {}, "optimizer": {}}
        for name, value in found.arrays.items():
            group, _, rest = name.partition("/")
            groups[group][rest] = value
        self.network.set_weights(groups["now"])
        self.best_weights = groups["best"]
        self.optimizer.set_state_dict(
            {name: paddle.to_tensor(value) for name, value in groups["optimizer"].items()}
        )
        epochs = [Epoch(**e) for e in found.progress.pop("epochs")]
        self.progress = Progress(**found.progress, epochs=epochs)
        self.progress.rated_here, self.progress.seconds_here = 0, 0.0


@contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Holds Ctrl-C and SIGTERM back, so that no step is left half done.

    The function given lets them through, as KeyboardInterrupt. Only Python's and the system's own
    handling is put off, and only in the main thread, which alone hears signals.
    """
    asked = threading.Event()

    def pause() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    paddle.disable_signal_handler()  # it prints a trace of C++ to stdout
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        before = {s: h for s, h in usual.items() if signal.getsignal(s) is h}
    for number in before:
        signal.signal(number, lambda *_: asked.set())
    try:
        yield pause
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def learning_rate(settings: TrainingSettings, done: float) -> float:
    """The learning rate when a share ``done`` (0 to 1) of all steps is behind.

    A linear rise over the first tenth, then half a cosine down to a hundredth (Loshchilov and
    Hutter, SGDR, 2017, without restarts).
    """
    warm = 0.1
    if done < warm:
        return settings.learning_rate * max(done / warm, 0.01)
    fall = 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
    return settings.learning_rate * (0.01 + 0.99 * fall)


def hold_out(rows: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts rows into those trained on and a random share held out for validation, both sorted."""
    count = min(round(len(rows) * share), len(rows) - 1)
    shuffled = np.random.default_rng([seed, 2]).permutation(rows)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def predict(dataset: Dataset, rows: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Ratings, float [n], that two sets of vectors, [., dim], predict for some interactions."""
    cosine: np.ndarray = np.einsum("nd,nd->n", users[dataset.user[rows]], items[dataset.item[rows]])
    return ScoreMap(*dataset.schema.rating_range).rating(SCALE * cosine)


def set_threads(threads: int) -> None:
    """Sets Paddle's math threads; 0 for one per core, two at most."""
    paddle.base.core.set_num_threads(threads or min(2, os.cpu_count() or 1))
