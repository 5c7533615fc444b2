"""How far a training is, what its epochs came to, and how fast it learns when."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


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
        train, validation: figures of the task's ``MetricInfo``; None where nothing is held out.
        seconds: without validation.
        rate: trained on each second.
    """

    number: int
    train: float
    validation: float | None
    seconds: float
    rate: float


@dataclass
class TrainingState:
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

    measure: MetricInfo
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


OnProgress = Callable[[TrainingState], None]


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
