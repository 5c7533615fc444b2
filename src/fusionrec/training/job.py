"""What a training of parts has at hand: data, holdouts, and parts fitted on some of the rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import Log
from fusionrec.features.encoder import Encoder
from fusionrec.models.linear_settings import AutoRecipe, LinearRecipe
from fusionrec.registry.tables import Histories
from fusionrec.regression.sequences import HistoryChoice
from fusionrec.training.holdouts import (
    Holdout,
    drawn_users,
    hiding_only,
    later_holdouts,
    next_holdouts,
    taste_holdouts,
)
from fusionrec.training.linear import ROWS, SEARCHED, most_taken, sampled
from fusionrec.training.parts import (
    LIKED,
    PROFILE,
    FittedPart,
    history_part,
    profile_part,
    repeats_part,
    trend_part,
)
from fusionrec.training.warm_start import WarmStart
from fusionrec.training.weighing import FEWEST_USERS


@dataclass(frozen=True)
class Job:
    """What is trained, and how.

    Attributes:
        started: when the training began, of the monotonic clock.
        dataset, rows: the data set, and int [n], its rows that training may see.
        histories, order: of these rows; and the rows in that order.
        columns: int [items], each item's column in the regressions, or -1.
        recipe: of the parts without a network.
        log: called with what is chosen.
    """

    started: float
    dataset: Dataset
    rows: np.ndarray
    histories: Histories
    order: np.ndarray
    columns: np.ndarray
    recipe: LinearRecipe
    log: Log

    @classmethod
    def of(
        cls, dataset: Dataset, rows: np.ndarray, recipe: LinearRecipe | AutoRecipe, log: Log
    ) -> Self:
        """The job of training on some rows."""
        started = time.monotonic()
        if isinstance(recipe, AutoRecipe):
            recipe = LinearRecipe(recipe.model, recipe.linear)
        histories, order = Histories.build(dataset, rows), Histories.order(dataset, rows)
        columns = np.zeros(len(dataset.items), dtype=np.int64)
        columns = most_taken(histories, columns, recipe.model.items)
        return cls(started, dataset, rows, histories, order, columns, recipe, log)

    @property
    def items(self) -> int:
        return len(self.dataset.items)

    @property
    def rates(self) -> bool:
        """Whether a rating head is fitted."""
        return self.recipe.model.stars and not self.dataset.schema.events

    def holdouts(self, goal: str) -> list[Holdout]:
        """What is held out for a goal; empty where the data cannot serve it."""
        s, schema = self.recipe.training, self.dataset.schema
        if not s.validation:
            return []
        if goal == "later":
            if not self.histories.ordered:
                return []
            return later_holdouts(self.histories, schema, self.items, s.validation, s.seed)
        users = drawn_users(self.histories, s.validation, s.seed)
        make = next_holdouts if goal == "next" else taste_holdouts
        return make(self.histories, schema, users, self.items, s.seed)

    def new_holdouts(self, start: WarmStart) -> list[Holdout]:
        """A holdout of the goal ``next`` that hides only what a network has not learned from that
        begins with a version; empty where too few users can be asked.
        """
        s, new = self.recipe.training, start.new[self.order]
        touched = np.unique(self.dataset.user[self.order[new]])
        users = drawn_users(self.histories, s.validation, s.seed, touched)
        found = next_holdouts(self.histories, self.dataset.schema, users, self.items, s.seed)[:1]
        found = [hiding_only(one, self.histories, new) for one in found]
        return [one for one in found if len(one.users) >= FEWEST_USERS]

    def searched(self, holdout: Holdout) -> np.ndarray:
        """What is read, bool [n], of the visible interactions to weigh parts by: all, but in a
        large catalog those of the most-taken items, and of much data a sample.
        """
        s = self.recipe.training
        kept = most_taken(self.histories, self.columns, SEARCHED)[self.histories.item] >= 0
        drawn = sampled(self.histories, holdout.users, ROWS, s.seed)
        return np.asarray(holdout.visible & kept & drawn)

    def profiles(self) -> list[tuple[str, np.ndarray]]:
        """The parts that read profiles, and which interactions count for them, bool [n] each: all;
        and, where some are disliked, those that are liked.
        """
        liked = self.histories.rating >= self.dataset.schema.like
        found = [(PROFILE, np.ones(len(liked), dtype=bool))]
        if liked.any() and not liked.all():
            found.append((LIKED, liked))
        return found

    def parts(
        self, visible: np.ndarray, choices: Mapping[str, HistoryChoice], encoder: Encoder
    ) -> list[FittedPart]:
        """All parts without a network, fitted on the visible interactions, bool [n]."""
        model, s, histories = self.recipe.model, self.recipe.training, self.histories
        schema = self.dataset.schema
        made = [
            history_part(name, histories, self.columns, visible, schema, choice, s.seed)
            for name, choice in choices.items()
        ]
        made += [
            profile_part(name, self.dataset, histories, encoder, visible & read, model.profile_dims)
            for name, read in self.profiles()
        ]
        if histories.ordered:
            made += [trend_part(histories, visible, days, self.items) for days in s.days]
        if schema.repeats:
            made.append(repeats_part(histories, visible, self.items))
        return made
