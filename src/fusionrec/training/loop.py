"""The training loop of every model: steps, schedule, early stopping, checkpoints."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import paddle

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import TrainingError
from fusionrec.features import Encoder
from fusionrec.recipes import AnyRecipe
from fusionrec.training.checkpoint import Checkpoint

LOWER = "a lower training.learning_rate usually helps"


class Schedule(Protocol):
    """The settings that every training has."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def patience(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def checkpoint_seconds(self) -> float: ...


@dataclass(frozen=True)
class Measure:
    """What an epoch is told by.

    Attributes:
        train: the figure of the training rows, in words.
        validation: the figure of what is held out, in words.
        rising: whether more is better for the latter.
        unit: what is trained on, in the plural.
    """

    train: str
    validation: str
    rising: bool
    unit: str


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        train, validation: figures of the task's ``Measure``; None where nothing is held out.
        seconds: without validation.
        rate: trained on each second.
    """

    number: int
    train: float
    validation: float | None
    seconds: float
    rate: float


@dataclass
class Progress:
    """How far a training is: what a progress bar shows and what a checkpoint keeps.

    Attributes:
        measure: what the epochs are told by.
        epoch: the epoch under way, from 1.
        step, steps: minibatches done in it and in all of it.
        error, count: sum of errors, and what they are the errors of, so far in it.
        seconds: spent in it.
        count_here, seconds_here: the same since this process began, for the rate.
        epochs: those that ended.
    """

    measure: Measure
    epoch: int = 1
    step: int = 0
    steps: int = 0
    error: float = 0.0
    count: int = 0
    seconds: float = 0.0
    count_here: int = 0
    seconds_here: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """What is trained on each second."""
        return self.count_here / self.seconds_here if self.seconds_here else 0.0

    @property
    def best(self) -> Epoch | None:
        """The epoch with the best validation figure; the last where nothing was held out."""
        judged = [e for e in self.epochs if e.validation is not None]
        if not judged:
            return self.epochs[-1] if self.epochs else None
        sign = -1.0 if self.measure.rising else 1.0
        return min(judged, key=lambda e: sign * (e.validation or 0.0))


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Trained:
    """Both towers with the best epoch's weights, and how they came to be."""

    encoder: Encoder
    towers: dict[Side, paddle.nn.Layer]
    progress: Progress


class Trainer(ABC):
    """Trains both towers on some rows of a data set; a model's own trainer says how.

    Args:
        dataset: the data set.
        rows: int [n], the rows that training may see, some of which may be held out.
        recipe: all settings.
        folder: where checkpoints go; None keeps none.

    Attributes:
        model: the model's name.
        measure: what its epochs are told by.
        settings: of the training.
        rows, held_out: int, the rows trained on and those held out for validation.
        encoder: fitted on the former.
        network: everything that is learned.
        optimizer: of it.
        progress: how far it is.
        best_weights: of the best epoch so far.
    """

    model: ClassVar[str]
    measure: Measure
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
        self.run = {"recipe": recipe.to_dict(), "rows": dataset.fingerprint(rows)}
        prepare_process(self.settings.threads)
        paddle.seed(self.settings.seed)
        with paddle.utils.unique_name.guard():  # the same parameter names in every process
            self.build(rows)
        self.progress = Progress(measure=self.measure, steps=self.steps())
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

    def fit(self, report: Report, *, resume: bool = False) -> Trained:
        """Trains to the end; the network then has the best epoch's weights.

        Args:
            report: called after every step and every epoch.
            resume: go on from the checkpoint, if there is one.

        Raises:
            TrainingError: the loss is not finite, or the checkpoint is of another run.
            KeyboardInterrupt: as it came, after a checkpoint was kept.
        """
        if resume and self.folder:
            self._restore(Checkpoint.load(self.folder, self.run))
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

    def _epoch(self, report: Report, pause: Callable[[], None]) -> None:
        p, kept = self.progress, time.monotonic()
        began = time.monotonic()
        for batch in self.batches(p.epoch, p.step):
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
        paddle.seed((self.settings.seed * 1_000_003 + step) % 2**31)
        self.optimizer.set_lr(learning_rate(self.settings, step / (p.steps * self.settings.epochs)))
        rng = np.random.default_rng([self.settings.seed, 1, step])
        loss, error, count = self.loss(batch, rng)
        if loss is not None:
            loss.backward()
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
        train = self.figure(p.error / max(p.count, 1))
        epoch = Epoch(p.epoch, train, self.judge(), p.seconds, p.count / p.seconds)
        p.epochs.append(epoch)
        if p.best is epoch:
            self.best_weights = weights(self.network)
        p.epoch, p.step, p.error, p.count, p.seconds = p.epoch + 1, 0, 0.0, 0, 0.0

    def _keep(self) -> None:
        if not self.folder:
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
        self.progress = Progress(self.measure, **found.progress, epochs=epochs)
        self.progress.count_here, self.progress.seconds_here = 0, 0.0


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


def learning_rate(settings: Schedule, done: float) -> float:
    """The learning rate when a share ``done`` (0 to 1) of all steps is behind.

    A linear rise over the first tenth, then half a cosine down to a hundredth (Loshchilov and
    Hutter, SGDR, 2017, without restarts).
    """
    warm = 0.1
    if done < warm:
        return settings.learning_rate * max(done / warm, 0.01)
    fall = 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
    return settings.learning_rate * (0.01 + 0.99 * fall)


def weights(network: paddle.nn.Layer) -> dict[str, np.ndarray]:
    """A copy of everything learned, by name."""
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def set_weights(network: paddle.nn.Layer, held: dict[str, np.ndarray]) -> None:
    """Puts back what ``weights`` returned."""
    network.set_state_dict(dict(held))


def prepare_process(threads: int) -> None:
    """Sets up this process for training.

    Args:
        threads: Paddle's math threads; 0 for one per core, two at most.
    """
    paddle.base.core.set_num_threads(threads or min(2, os.cpu_count() or 1))
    # Strided views leave products and softmaxes to Paddle's slowest kernels.
    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    # Large arrays come and go at every step. Left to itself, glibc gives each one back to the
    # system at once and pays for its pages anew; kept, ReLU of 16 MB takes a seventh of the time.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 2**28)
