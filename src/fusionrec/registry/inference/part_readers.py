"""What each part of a version reads of a person: the vectors before they are weighed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusionrec.data.layered import Rows
from fusionrec.data.schema import Schema
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.flat import centred, flatten
from fusionrec.features.history import History, HistoryFeatures
from fusionrec.registry.blend import Part
from fusionrec.registry.inference.towers import HistoryRunner
from fusionrec.registry.tables import unit
from fusionrec.registry.weights import Weights


class HistoryPart:
    """A vector for each item of a history, summed.

    Args:
        weights: of the part: ``history``, float32 [items, width], and ``added``, [width, width].
        part, span: of the blend.
        items: how many the version has.
        schema: of the version.

    Raises:
        ArtifactError: the arrays do not match.
    """

    def __init__(
        self, weights: Weights, part: Part, span: slice, items: int, schema: Schema
    ) -> None:
        self.part, self._span, self._schema = part, span, schema
        self.vectors = weights.take("history", items, part.width)
        self.added = weights.take("added", part.width, part.width)
        weights.end()

    def summands(self, history: History, items: Rows | None = None) -> np.ndarray:
        """The weighted vectors of a history's items that are read, float32 [m, width]."""
        weights = self.part.weights(history, self._schema)
        rows = history.items[len(history) - len(weights) :]
        return np.asarray(weights[:, None] * self.of(rows, items))

    def of(self, rows: np.ndarray, items: Rows | None = None) -> np.ndarray:
        """What some items, int [m], say of others: float32 [m, width]."""
        own = rows < len(self.vectors)
        if items is None or own.all():
            return np.asarray(self.vectors[rows])
        read = np.empty((len(rows), self.part.width), dtype=np.float32)
        read[own] = self.vectors[rows[own]]
        # What an added item says is estimated from its own vector.
        read[~own] = items[rows[~own], self._span] @ self.added
        return read

    def read(
        self,
        features: Features,  # noqa: ARG002
        histories: Sequence[History],
        now: np.ndarray | None,  # noqa: ARG002
        items: Rows | None,
    ) -> np.ndarray:
        """See ``BlendRunner.vectors_after``: float32 [n, width]."""
        read = np.zeros((len(histories), self.part.width), dtype=np.float32)
        for row, history in enumerate(histories):
            read[row] = self.summands(history, items).sum(axis=0)
        return read


class ProfilePart:
    """A linear map of the profile, and what everybody has.

    Args:
        weights: of the part: ``mean`` [columns], ``profile`` [columns, width], ``base`` [width].
        encoder: of the version.
        width: of the part.

    Raises:
        ArtifactError: the arrays do not match.
    """

    def __init__(self, weights: Weights, encoder: Encoder, width: int) -> None:
        self._encoder = encoder
        columns = flatten(encoder, "user", encoder.encode("user", [None], {})).shape[1]
        self._mean = weights.take("mean", columns)
        self._profile = weights.take("profile", columns, width)
        self._base = weights.take("base", width)
        weights.end()

    def read(
        self,
        features: Features,
        histories: Sequence[History],  # noqa: ARG002
        now: np.ndarray | None,  # noqa: ARG002
        items: Rows | None,  # noqa: ARG002
    ) -> np.ndarray:
        """See ``BlendRunner.vectors_after``: float32 [n, width]."""
        flat = flatten(self._encoder, "user", features)
        return np.asarray(self._base + centred(flat, self._mean) @ self._profile)


class NetworkPart:
    """The sequence model's user tower; people without a history have no vector.

    Args:
        folder, encoder: of the artifact.
        part, reading: its settings, and what it reads of a history.
        items: float32 [items, dim], all vectors of the version.
        span: the part's dimensions.

    Raises:
        ArtifactError: the weights do not match the tower.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        part: Part,
        reading: HistoryFeatures,
        items: np.ndarray,
        span: slice,
    ) -> None:
        own = unit(items[:, span])
        about, prefix = part.manifest(), f"{part.name}."
        self._runner = HistoryRunner(folder, encoder, about, own, reading, prefix)
        self._span = span
        self._items, self._own = items, own

    def read(
        self,
        features: Features,
        histories: Sequence[History],
        now: np.ndarray | None,
        items: Rows | None,
    ) -> np.ndarray:
        """See ``BlendRunner.vectors_after``: float32 [n, width]."""
        vectors = np.zeros((len(histories), self._own.shape[1]), dtype=np.float32)
        known = np.flatnonzero([len(history) > 0 for history in histories])
        if len(known):
            own = None if items is None or items is self._items else unit(items[:, self._span])
            vectors[known] = self._runner.vectors_after(
                {name: values[known] for name, values in features.items()},
                [histories[int(row)] for row in known],
                None if now is None else now[known],
                own,
            )
        return vectors
