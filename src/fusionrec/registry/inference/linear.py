"""The linear model's towers in NumPy: sums of saved vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.errors import ArtifactError
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.flat import centred, flatten
from fusionrec.features.history import History
from fusionrec.registry.tables import RETRAIN
from fusionrec.registry.weights import Weights

NAME = "linear"


@dataclass(frozen=True)
class LinearParts:
    """How a linear version joins its two parts; the manifest's ``linear``.

    Attributes:
        width: dimensions of the part that reads histories, the first ones; the others read profiles
            and popularity.
        decay: an item of a history weighs this much less for each item that follows it.
        window: newest items that are read; 0 for all.
        share: weight of the second part beside a history, in standard deviations of scores.
    """

    width: int
    decay: float
    window: int
    share: float

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> LinearParts:
        """The parts of a version.

        Raises:
            ArtifactError: the manifest does not say them, or one is out of range.
        """
        try:
            values = manifest["linear"]
            parts = cls(
                int(values["width"]),
                float(values["decay"]),
                int(values["window"]),
                float(values["share"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ArtifactError(
                f"the manifest lacks the linear model: {error!r}", RETRAIN
            ) from error
        if not (
            parts.width > 0 and 0 < parts.decay <= 1 and parts.window >= 0 <= parts.share < inf
        ):
            raise ArtifactError(f"the manifest's linear model is out of range: {parts}", RETRAIN)
        return parts

    def weights(self, count: int) -> np.ndarray:
        """Weights of a history's items, float32 [m], the oldest that is read first."""
        read = min(count, self.window) if self.window else count
        return np.asarray(self.decay ** np.arange(read - 1, -1, -1), dtype=np.float32)


class LinearRunner:
    """The user tower: sums the vectors of a history's items and of a profile's values.

    The scores of both parts have different spreads, which grow with the history. Each part is
    divided by the standard deviation of its scores over the catalog, ``sqrt(u' C u)`` with ``C``
    the covariance of the items' vectors, before they are joined.

    Args:
        folder, encoder, manifest: of the artifact.
        items: float32 [items, dim], every item's vector.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the items.
    """

    def __init__(
        self, folder: Path, encoder: Encoder, manifest: Mapping[str, Any], items: np.ndarray
    ) -> None:
        self.parts, self._encoder = LinearParts.of(manifest), encoder
        width, rest = self.parts.width, items.shape[1] - self.parts.width
        weights = Weights(folder, "user")
        columns = flatten(encoder, "user", encoder.encode("user", [None], {})).shape[1]
        self._history = weights.take("history", len(items), width)
        self._added = weights.take("added", width, width)
        self._mean = weights.take("mean", columns)
        self._profile = weights.take("profile", columns, rest)
        self._base = weights.take("base", rest)
        weights.end()
        self._covariance = covariance(items[:, :width]), covariance(items[:, width:])

    def vectors_after(
        self,
        features: Features,
        histories: Sequence[History],
        now: np.ndarray | None = None,  # noqa: ARG002
        items: np.ndarray | None = None,
    ) -> np.ndarray:
        """Vectors of n users, float32 [n, dim], each of length 1.

        Args:
            features: as ``Encoder.encode`` makes them; the id is not read.
            histories: what each of them took.
            now: not read.
            items: float32 [m, dim], the vectors of the histories' items where some were added.
        """
        flat = flatten(self._encoder, "user", features)
        base = self._base + centred(flat, self._mean) @ self._profile
        read = np.zeros((len(histories), self.parts.width), dtype=np.float32)
        for row, history in enumerate(histories):
            read[row] = self.history(history, items)
        spread = deviations(read, self._covariance[0])
        known = spread > 0
        read[known] /= spread[known, None]
        others = deviations(base, self._covariance[1])[:, None]
        base = np.divide(base, others, out=base, where=others > 0)
        base[known] *= np.float32(self.parts.share)
        joined = np.concatenate([read, base], axis=1)
        length = np.linalg.norm(joined, axis=1, keepdims=True)
        return np.asarray(joined / np.maximum(length, 1e-12), dtype=np.float32)

    def contributions(self, history: History, items: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What each item of a history adds to the scores of some items: exact for the first part,
        of which they are the summands, but for the scale.

        Args:
            history: m items.
            items: float32 [items, dim], all items' vectors.
            rows: int [n], the items that are scored.

        Returns:
            float32 [n, m]; 0 for what is not read.
        """
        weights, width = self.parts.weights(len(history)), self.parts.width
        added = np.zeros((len(rows), len(history)), dtype=np.float32)
        if len(weights):
            newest = slice(len(history) - len(weights), None)
            read = self._read(history.items[newest], items)
            added[:, newest] = items[rows, :width] @ read.T * weights
        return added

    def history(self, history: History, items: np.ndarray | None = None) -> np.ndarray:
        """The sum of a history's vectors, float32 [width]."""
        weights = self.parts.weights(len(history))
        return np.asarray(weights @ self._read(history.items[len(history) - len(weights) :], items))

    def _read(self, rows: np.ndarray, items: np.ndarray | None) -> np.ndarray:
        """What some items, int [m], say of others: float32 [m, width]."""
        own = rows < len(self._history)
        if items is None or own.all():
            return np.asarray(self._history[rows])
        read = np.empty((len(rows), self.parts.width), dtype=np.float32)
        read[own] = self._history[rows[own]]
        # What an added item says is estimated from its own vector.
        read[~own] = items[rows[~own], : self.parts.width] @ self._added
        return read


class LinearItemRunner:
    """The item tower: known items have their vector, others one by their content.

    Args:
        folder, encoder: of the artifact.
        items: float32 [items, dim], every item's vector.
        positions: int [v], the positions of the items that the encoder's vocabulary lists.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the items.
    """

    def __init__(
        self, folder: Path, encoder: Encoder, items: np.ndarray, positions: np.ndarray
    ) -> None:
        self._encoder, self._items, self._positions = encoder, items, positions
        weights = Weights(folder, "item")
        columns = flatten(encoder, "item", encoder.encode("item", [None], {})).shape[1]
        self._mean = weights.take("mean", columns)
        self._content = weights.take("content", columns, items.shape[1])
        self._base = weights.take("base", items.shape[1])
        weights.end()

    def vectors(self, features: Features) -> np.ndarray:
        """Vectors of n items, float32 [n, dim], none longer than 1.

        Args:
            features: as ``Encoder.encode`` makes them.
        """
        vectors = self.by_content(features)
        row = features[self._encoder.schema.id("item").name]
        vectors[row > 0] = self._items[self._positions[row[row > 0] - 1]]
        return vectors

    def by_content(self, features: Features) -> np.ndarray:
        """As ``vectors``, of new items."""
        flat = flatten(self._encoder, "item", features)
        vectors = self._base + centred(flat, self._mean) @ self._content
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(length, 1.0), dtype=np.float32)


def covariance(vectors: np.ndarray) -> np.ndarray:
    """The covariance of n vectors' dimensions: float64 [d, d]."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    return np.asarray((vectors.T @ vectors) / max(len(vectors), 1) - np.outer(mean, mean))


def deviations(users: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """The standard deviation of each user's scores over the items, float32 [n]."""
    variance = np.vecdot(users @ covariances, users)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=np.float32)
