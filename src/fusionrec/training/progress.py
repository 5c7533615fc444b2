"""The state of a training, its epochs, and the learning rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from fusionrec.errors import Log

COOLING = 0.35  # share of the epochs in which a stable learning rate falls at last


@dataclass(frozen=True)
class MetricInfo:
    """The names of an epoch's figures.

    Attributes:
        train, validation: names of the figures on the training rows and on the holdout.
        rising: whether a higher ``validation`` is better.
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
        train, validation: figures, as ``MetricInfo`` names them; None without a holdout.
        seconds: of training, without validation.
        rate: trained units per second.
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
        step, steps: this process's minibatches done in the epoch, and all of them.
        error, count, seconds: sum of errors in the epoch so far, their number, and the time taken.
        count_here, seconds_here: the same since this process started, for the rate.
        epochs: those that ended.
        planned: how many there will be, at most.
        cooling: after how many the learning rate falls, where it is ``stable`` before.
        threads: that compute, so that a resumed training has the same sums; 0 if none were chosen.
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
    planned: int = 0
    cooling: int = 0
    threads: int = 0

    @property
    def rate(self) -> float:
        """Trained units per second."""
        return self.count_here / self.seconds_here if self.seconds_here else 0.0

    @property
    def best(self) -> Epoch | None:
        """The epoch with the best validation figure; the last without a holdout."""
        judged = [e for e in self.epochs if e.validation is not None]
        if not judged:
            return self.epochs[-1] if self.epochs else None
        sign = -1.0 if self.metric.rising else 1.0
        return min(judged, key=lambda e: sign * (e.validation or 0.0))

    def learning_rate(self, highest: float, epochs: float) -> float:
        """The learning rate after so many epochs."""
        if self.cooling:
            return stable_rate(highest, epochs, self.cooling, self.planned)
        return learning_rate(highest, epochs / self.planned)

    def rises_no_more(self, patience: int) -> bool:
        """Whether the holdout's figure has not risen for so many epochs, of cooling if it has
        begun.
        """
        best, done = self.best, len(self.epochs)
        if best is None or best.validation is None:
            return False
        since = max(best.number, self.cooling) if done >= self.cooling else best.number
        return done - since >= patience

    def begin_cooling(self) -> None:
        """Lets a stable learning rate fall from now on."""
        self.cooling = len(self.epochs)
        more = math.ceil(self.cooling * COOLING / (1 - COOLING))
        self.planned = min(self.planned, self.cooling + more)

    def cool(self, planned: int) -> None:
        """Keeps the learning rate at its highest for most of so many epochs, or until the holdout's
        figure rises no more, and lets it fall then.
        """
        self.planned = planned
        self.cooling = max(1, planned - math.ceil(COOLING * planned))


OnProgress = Callable[[TrainingState], None]


def learning_rate(highest: float, done: float) -> float:
    """The learning rate after a share ``done`` (0 to 1) of all steps.

    A linear rise over the first tenth, then half a cosine down to a hundredth (Loshchilov and
    Hutter, SGDR, 2017, without restarts).
    """
    warm = 0.1
    if done < warm:
        return highest * max(done / warm, 0.01)
    fall = 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
    return highest * (0.01 + 0.99 * fall)


def stable_rate(highest: float, epoch: float, cooling: int, planned: int) -> float:
    """The learning rate after so many epochs, which stays at its highest until cooling.

    A linear rise over the first tenth of ``cooling``, or one epoch if that is less; from then on
    the highest; from ``cooling`` on half a cosine down to a hundredth at ``planned`` (Hu et al.,
    MiniCPM, 2024). So a training may end at any time, and has fallen by then.
    """
    warm = min(1.0, 0.1 * cooling)
    if epoch < warm:
        return highest * max(epoch / warm, 0.01)
    if epoch < cooling:
        return highest
    fall = 0.5 * (1 + math.cos(math.pi * (epoch - cooling) / max(planned - cooling, 1)))
    return highest * (0.01 + 0.99 * fall)


def log_epochs(log: Log) -> OnProgress:
    """Logs a line for each epoch when it has ended."""
    logged = 0

    def on_progress(state: TrainingState) -> None:
        nonlocal logged
        for epoch in state.epochs[logged:]:
            text = f"epoch {epoch.number}: train {epoch.train:.4f}"
            if epoch.validation is not None:
                text += f", validation {epoch.validation:.4f}"
            log(text)
        logged = len(state.epochs)

    return on_progress
