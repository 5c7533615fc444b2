"""Scores of users and items from a version's vectors, in blocks, for a bounded number of users."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.evaluation.candidates import ModelRanker
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.features.score_scale import SCALE
from fusionrec.metrics import ItemSets
from fusionrec.registry import Artifact

MOST_USERS = 20_000  # more are sampled: the figures would hardly move, the waiting would grow
_BLOCK = 256  # users scored at once


class Scorer:
    """A version's scores.

    Args:
        artifact: the version.
        held: what training held out. Then nobody's vector comes from a history with these rows in
            it, so that scores of them are of what the model has not read. By default vectors are
            those that the version answers with, which read all that it was given.

    Attributes:
        people: int64 [n], positions of the users that the report looks at, rising: all, or a
            seeded sample.
        seen: what every user has rated, as far as the version knows.
    """

    def __init__(self, artifact: Artifact, held: Holdout | None = None) -> None:
        self.artifact, self._held = artifact, held
        users = len(artifact.users)
        self.people = np.arange(users)
        if users > MOST_USERS:
            drawn = np.random.default_rng(0).choice(users, MOST_USERS, replace=False)
            self.people = np.sort(drawn)
        counts = np.diff(artifact.histories.offsets)
        owner = np.repeat(np.arange(users), counts)
        self.seen = ItemSets.of(owner, artifact.histories.item, users)

    @cached_property
    def vectors(self) -> np.ndarray:
        """float32 [n, dim]: the vectors of ``people``."""
        vectors: np.ndarray = self.artifact.user_vectors[self.people]
        if self._held is None or not self.artifact.history_features:
            return vectors
        data = self._held.dataset
        # All others' histories are whole, and so their vectors are.
        asked = np.intersect1d(data.user[self._held.rows], self.people)
        if len(asked):
            ranker = ModelRanker(self.artifact, data, known=self._held.trained)
            vectors[self._row(asked)] = ranker.vectors(asked)
        return vectors

    def blocks(self, users: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Some of ``people`` block by block, int64 [b], with float32 [b, items] scores."""
        for begin in range(0, len(users), _BLOCK):
            block = users[begin : begin + _BLOCK]
            yield block, SCALE * self.vectors[self._row(block)] @ self.artifact.item_vectors.T

    def pairs(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores, float32 [n], of some of ``people`` with items, int [n] each."""
        vectors, items = self.vectors[self._row(user)], self.artifact.item_vectors[item]
        return np.asarray(SCALE * np.einsum("nd,nd->n", vectors, items))

    def _row(self, users: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.people, users)


def telling_field(artifact: Artifact) -> Field | None:
    """The items' field that people sort them by: the first category that filters, else the first
    category; None where items have none.
    """
    fields = [f for f in artifact.schema.attributes("item") if f.kind in ("category", "categories")]
    return next((f for f in fields if f.filterable), fields[0] if fields else None)


def values_of(field: Field, value: object) -> tuple[str, ...]:
    """The categories, none or more, that a table holds for someone in a field."""
    if field.kind == "categories" and isinstance(value, list | tuple):
        return tuple(str(one) for one in value)
    return (str(value),) if value not in (None, "") else ()


def label(field: Field, value: str) -> str:
    """A category as people read it."""
    return field.choices.get(value) or value
