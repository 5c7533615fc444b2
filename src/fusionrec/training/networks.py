"""The network of a training of parts: judged without the holdout, published with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusionrec.models.linear_settings import AutoRecipe
from fusionrec.training.holdouts import Holdout
from fusionrec.training.job import Job

if TYPE_CHECKING:
    from fusionrec.training.network_part import Network, Schedule
    from fusionrec.training.progress import OnProgress
    from fusionrec.training.warm_start import WarmStart

LINEAR_SHARE = 0.6  # of the time that choosing the parts without a network took, for the rest
FEW_HELD = 0.002  # share of the rows, below which a network need not be trained again with them
STARS = 0.2  # share of the time that is left for the rating head, where one is fitted


class Networks:
    """The network without the holdout, by which it is judged, and the one that is published.

    Args:
        job: what is trained.
        recipe: all settings.
        holdouts: one of the goal ``next``.
        folder: for checkpoints; None keeps none.
        on_progress, resume: of the training.
        start: what it begins with; None begins at random.

    Attributes:
        holdouts: by which it can be judged: those given, or what the version it begins with has not
            learned from; empty where that is too little.
    """

    def __init__(
        self,
        job: Job,
        recipe: AutoRecipe,
        holdouts: list[Holdout],
        folder: Path | None,
        on_progress: OnProgress,
        resume: bool,
        start: WarmStart | None = None,
    ) -> None:
        self._job, self._recipe, self._folder = job, recipe, folder
        self._on_progress, self._resume = on_progress, resume
        self._start = start
        self.holdouts = holdouts if start is None else job.new_holdouts(start)
        held = job.order[:0]
        if self.holdouts:
            held = job.order[~self.holdouts[0].visible]
        minutes, seconds = recipe.training.minutes, None
        # Without a limit always, so that a repeated training does not depend on the time it took.
        self.again = len(held) > (FEW_HELD * len(job.rows) if minutes else 0)
        if minutes:
            elapsed = time.monotonic() - job.started
            share = 1 - STARS * job.rates
            seconds = max(60 * minutes * share - (1 + LINEAR_SHARE) * elapsed, 0.0)
            seconds /= 1 + self.again
        self.judged = self._fit(held, folder, seconds)

    def _fit(
        self,
        held: np.ndarray,
        folder: Path | None,
        seconds: float | None = None,
        schedule: Schedule | None = None,
    ) -> Network | None:
        try:
            from fusionrec.training.network_part import fit_network  # imports Paddle
        except ImportError as error:
            self._job.log(f"sequence: left out, since PaddlePaddle is not installed ({error})")
            return None

        return fit_network(
            self._job.dataset,
            self._job.rows,
            np.sort(held),
            self._recipe.sequence,
            passes=self._recipe.training.passes,
            seconds=seconds,
            schedule=schedule,
            start=self._start,
            folder=folder,
            on_progress=self._on_progress,
            resume=self._resume,
            log=self._job.log,
        )

    def final(self) -> Network:
        """The network from all rows, with as many passes again; the first one where so few rows
        were held out that it is not worth the time.
        """
        assert self.judged is not None
        if not self.again:
            return self.judged
        schedule = self.judged.schedule
        self._job.log(f"sequence: {schedule.passes} passes over all rows, held-out ones too")
        folder = None if self._folder is None else self._folder / "again"
        found = self._fit(np.zeros(0, dtype=np.int64), folder, schedule=schedule)
        assert found is not None
        return found
