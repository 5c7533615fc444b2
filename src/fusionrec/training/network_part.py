"""Trains the sequence model as a part of a version; imports Paddle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log
from fusionrec.features.encoder import Encoder
from fusionrec.models.export import tower_weights
from fusionrec.models.presets import SequenceRecipe
from fusionrec.registry.blend import Part
from fusionrec.training.parts import FittedPart
from fusionrec.training.progress import Epoch, OnProgress
from fusionrec.training.sequence_trainer import CHUNK, SequenceTrainer
from fusionrec.training.warm_start import WarmStart

NAME = "sequence"
FEWEST = 3  # passes; a network that has time for fewer is not begun
LEAST_STEPS = 1500  # minibatches in all passes of small data
SMALLEST = 128  # items of a minibatch, at least


@dataclass(frozen=True)
class Schedule:
    """How a training went.

    Attributes:
        passes: after which the weights were kept.
        cooling: after which the learning rate fell.
        planned: at which it would have ended.
        threads: that computed.
    """

    passes: int
    cooling: int
    planned: int
    threads: int


@dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
        part: as any other part.
        encoder: that of its training rows.
        schedule: of the weights that were kept.
        asked: passes that were planned at first; the same number repeats the training.
        epochs: the figures of all passes.
    """

    part: FittedPart
    encoder: Encoder
    schedule: Schedule
    asked: int
    epochs: Sequence[Epoch]


def fit_network(
    dataset: Dataset,
    rows: np.ndarray,
    holdout: np.ndarray,
    recipe: SequenceRecipe,
    *,
    passes: int = 0,
    seconds: float | None = None,
    schedule: Schedule | None = None,
    start: WarmStart | None = None,
    folder: Path | None = None,
    on_progress: OnProgress = lambda _: None,
    resume: bool = False,
    log: Log = lambda _: None,
) -> Network | None:
    """Trains the network; None where there is no time for ``FEWEST`` passes.

    Args:
        dataset: the data set.
        rows: int [n], all rows of the training.
        holdout: int [m], those of them that choose the best pass; empty takes the last one.
        recipe: its settings; minibatches become smaller and passes more where there are few rows.
        passes: plan so many, whatever time they take; 0 for as many as the settings or ``seconds``
            allow. The holdout may stop them earlier.
        seconds: that it may take, about; None for no limit.
        schedule: repeat this one, whatever time it takes.
        start: what it begins with, with fewer passes and at a lower rate; None begins at random.
        folder: for checkpoints.
        on_progress: called after each step.
        resume: go on from a checkpoint.
        log: called with what is under way.

    Raises:
        TrainingError: the training diverged.
    """
    recipe = suited(recipe, len(rows), timed=dataset.time is not None)
    trainer = SequenceTrainer(dataset, rows, recipe, folder, holdout, start)
    least = FEWEST if start is None else 1
    if schedule is None:
        if not passes:
            passes = trainer.state.planned if seconds is None else trainer.plan(seconds)
            if passes < least and seconds is not None:
                log(
                    f"sequence: left out, since {least} passes do not fit into {seconds:.0f} s "
                    "(train --minutes gives more)"
                )
                return None
        if start is None:
            trainer.state.cool(passes)
        else:
            trainer.state.planned = passes
        state = trainer.fit(on_progress, resume=resume)
    else:
        trainer.state.threads = schedule.threads
        trainer.state.cooling, trainer.state.planned = schedule.cooling, schedule.planned
        state = trainer.fit(on_progress, resume=resume, epochs=schedule.passes)
    assert state.best is not None
    kept = Schedule(state.best.number, state.cooling, state.planned, state.threads)
    return Network(_part(trainer), trainer.encoder, kept, passes, state.epochs)


def suited(recipe: SequenceRecipe, rows: int, *, timed: bool) -> SequenceRecipe:
    """The recipe for so many rows: smaller minibatches and more passes where they are few."""
    s = recipe.training
    batch = int(np.clip(rows // 25, SMALLEST, s.batch))
    epochs = int(np.clip(math.ceil(LEAST_STEPS * batch / max(rows, 1)), s.epochs, 4 * s.epochs))
    model = replace(recipe.model, gaps=timed)
    return replace(recipe, model=model, training=replace(s, batch=batch, epochs=epochs))


def _part(trainer: SequenceTrainer) -> FittedPart:
    network = trainer.network
    items, histories = network.all_item_vectors(), trainer.histories

    def vectors(users: np.ndarray) -> np.ndarray:
        blocks = [users[begin : begin + CHUNK] for begin in range(0, len(users), CHUNK)]
        return np.concatenate([network.user_vectors(items, block, histories) for block in blocks])

    model = trainer.recipe.model
    reading = network.user.reading.to_json()
    part = Part(NAME, "network", items.shape[1], settings=model.to_dict(), reading=reading)
    towers = trainer.towers
    return FittedPart(
        part, items, tower_weights(towers["user"]), vectors, tower_weights(towers["item"])
    )
