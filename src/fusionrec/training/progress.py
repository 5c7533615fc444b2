"""The state of a training, its epochs, and the learning rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fusionrec.errors import Log


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
class MetricInfo:
    """The names of an epoch's figures.

    Attributes:
        train: name of the figure on training rows.
        validation: name of the figure on the holdout.
        rising: whether higher is better for the latter.
        unit: what is trained on, in the plural.
    """

    train: str
    validation: str
    rising: bool
    unit: str


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch.

    Attributes:
        number: from 1.
        train, validation: figures, as named by ``MetricInfo``; None without a holdout.
        seconds: of training, without validation.
        rate: how much it trained on per second.
    """

    number: int
    train: float
    validation: float | None
    seconds: float
    rate: float


@dataclass
class TrainingState:
    """The state of a training, for progress bars and checkpoints.

    Attributes:
        metric: names of the epochs' figures.
        epoch: the current epoch, from 1.
        step, steps: minibatches done in the epoch, and in all of it.
        error, count: sum of errors in the epoch so far, and their number.
        seconds: spent in the epoch.
        count_here, seconds_here: the same since this process started, for the rate.
        epochs: those that ended.
    """

    metric: MetricInfo
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
        """How much is trained on per second."""
        return self.count_here / self.seconds_here if self.seconds_here else 0.0

    @property
    def best(self) -> Epoch | None:
        """The epoch with the best validation figure; the last without a holdout."""
        judged = [e for e in self.epochs if e.validation is not None]
        if not judged:
            return self.epochs[-1] if self.epochs else None
        sign = -1.0 if self.metric.rising else 1.0
        return min(judged, key=lambda e: sign * (e.validation or 0.0))


OnProgress = Callable[[TrainingState], None]


def learning_rate(settings: Schedule, done: float) -> float:
    """The learning rate after a share ``done`` (0 to 1) of all steps.

    A linear rise over the first tenth, then half a cosine down to a hundredth (Loshchilov and
    Hutter, SGDR, 2017, without restarts).
    """
    warm = 0.1
    if done < warm:
        return settings.learning_rate * max(done / warm, 0.01)
    fall = 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
    return settings.learning_rate * (0.01 + 0.99 * fall)


class EpochLog:
    """Logs each epoch when it has ended.

    Args:
        log: takes a line for each.
    """

    def __init__(self, log: Log) -> None:
        self._log, self._logged = log, 0

    def __call__(self, state: TrainingState) -> None:
        """Takes the state of the training; see ``OnProgress``."""
        for epoch in state.epochs[self._logged :]:
            text = f"epoch {epoch.number}: train {epoch.train:.4f}"
            if epoch.validation is not None:
                text += f", validation {epoch.validation:.4f}"
            self._log(text)
        self._logged = len(state.epochs)
