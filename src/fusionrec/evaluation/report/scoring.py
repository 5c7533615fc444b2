"""Scores of users and items from a version's vectors, in blocks, for a bounded number of users."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.evaluation.model_source import ModelRanker
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.features.score_scale import SCALE
from fusionrec.metrics import ItemSets
from fusionrec.registry import Artifact
from fusionrec.registry.tables import Histories

MOST_USERS = 20_000  # of more, a sample: figures would hardly change, the time would grow
_BLOCK = 256  # users scored at once


class Scorer:
    """A version's scores.

    Args:
        artifact: the version.
        holdout: the version's holdout. Vectors are then made from histories without these rows, so
            that the model has not read what it scores. By default vectors are those that the
            version answers with, made from all rows.

    Attributes:
        users: int64 [n], positions of the users in the report, ascending: all, or a seeded sample.
        seen: each user's rated items in the version's histories.
    """

    def __init__(self, artifact: Artifact, holdout: Holdout | None = None) -> None:
        self.artifact, self._holdout = artifact, holdout
        users = len(artifact.users)
        self.users = np.arange(users)
        if users > MOST_USERS:
            drawn = np.random.default_rng(0).choice(users, MOST_USERS, replace=False)
            self.users = np.sort(drawn)
        counts = np.diff(artifact.histories.offsets)
        owner = np.repeat(np.arange(users), counts)
        self.seen = ItemSets.of(owner, artifact.histories.item, users)

    @cached_property
    def vectors(self) -> np.ndarray:
        """float32 [n, dim]: the vectors of ``users``."""
        vectors: np.ndarray = self.artifact.user_vectors[self.users]
        if self._holdout is None or not self.artifact.history_features:
            return vectors
        data = self._holdout.dataset
        # Only users with holdout rows have a shortened history.
        changed = np.intersect1d(data.user[self._holdout.rows], self.users)
        if len(changed):
            ranker = ModelRanker(self.artifact, data, history_rows=self._holdout.trained)
            vectors[self._row(changed)] = ranker.vectors(changed)
        return vectors

    def blocks(self, users: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Some of ``users`` block by block, int64 [b], with float32 [b, items] scores."""
        for begin in range(0, len(users), _BLOCK):
            block = users[begin : begin + _BLOCK]
            scores = self.vectors[self._row(block)] @ self.artifact.item_vectors.T
            for row, user in enumerate(block):
                items, gains = self._repeats(int(user))
                scores[row, items] += gains
            yield block, SCALE * scores

    def pairs(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores, float32 [n], of some of ``users`` with items, int [n] each."""
        vectors, items = self.vectors[self._row(user)], self.artifact.item_vectors[item]
        scores = np.einsum("nd,nd->n", vectors, items)
        if self.artifact.schema.repeats:
            order = np.argsort(user, kind="stable")
            for rows in np.split(order, np.flatnonzero(np.diff(user[order])) + 1):
                taken, gains = self._repeats(int(user[rows[0]]))
                place = np.minimum(np.searchsorted(taken, item[rows]), max(len(taken) - 1, 0))
                if len(taken):
                    scores[rows] += np.where(taken[place] == item[rows], gains[place], 0.0)
        return np.asarray(SCALE * scores)

    def _repeats(self, user: int) -> tuple[np.ndarray, np.ndarray]:
        """``Artifact.repeats`` of one of ``users``."""
        vector = self.vectors[self._row(np.array([user]))[0]]
        return self.artifact.repeats(vector, self._histories.of(user))

    @cached_property
    def _histories(self) -> Histories:
        """What the vectors were made of."""
        if self._holdout is None:
            return self.artifact.histories
        return Histories.build(self._holdout.dataset, self._holdout.trained)

    def _row(self, users: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.users, users)


def category_field(artifact: Artifact) -> Field | None:
    """The items' category for display: the first filterable one, else the first; None if none."""
    fields = [f for f in artifact.schema.attributes("item") if f.kind in ("category", "categories")]
    return next((f for f in fields if f.filterable), fields[0] if fields else None)


def categories_of(field: Field, value: object) -> tuple[str, ...]:
    """The categories in a table's cell, none or more."""
    if field.kind == "categories" and isinstance(value, list | tuple):
        return tuple(str(category) for category in value)
    return (str(value),) if value not in (None, "") else ()


def label(field: Field, value: str) -> str:
    """A category's display name."""
    return field.choices.get(value) or value


def title_of(artifact: Artifact, item: int) -> str:
    """An item's title, or its id where it has none."""
    name = artifact.schema.title
    title = str(artifact.items.columns[name][item]) if name else ""
    return title or artifact.items.ids[item]
