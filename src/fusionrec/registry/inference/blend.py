"""User and item vectors of versions that are made of parts, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from fusionrec.data.layered import Rows
from fusionrec.errors import ArtifactError
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.flat import centred, flatten
from fusionrec.features.history import History, HistoryFeatures
from fusionrec.registry.blend import REPEATS, Blend, Part
from fusionrec.registry.inference.part_readers import HistoryPart, NetworkPart, ProfilePart
from fusionrec.registry.inference.towers import TowerRunner
from fusionrec.registry.tables import RETRAIN
from fusionrec.registry.weights import Weights

ALONE = 0.1  # weight of the newcomers' part beside repeats, where no other part has one
Read = Callable[[Features, Sequence[History], np.ndarray | None, Rows | None], np.ndarray]


class BlendRunner:
    """The user tower of a version of parts.

    Scores of the parts have different spreads, which also grow with the history. So each part is
    divided by the standard deviation of its scores over the catalog, ``sqrt(u' C u)`` with ``C``
    the covariance of the items' vectors, and then weighted as the goal asks.

    Args:
        folder, encoder, blend: of the artifact.
        items: float32 [items, dim], every item's vector.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the items.
    """

    def __init__(self, folder: Path, encoder: Encoder, blend: Blend, items: np.ndarray) -> None:
        self.blend, self._encoder, self._items = blend, encoder, len(items)
        self.spans = self.blend.spans()
        if items.shape[1] != sum(part.width for part in self.blend.parts):
            raise ArtifactError(f"{folder}: its parts are not as wide as its vectors", RETRAIN)
        self.histories: dict[str, HistoryPart] = {}
        self._reads = [self._reader(folder, part, items) for part in self.blend.parts]
        self._covariances = [covariance(items[:, span]) for span in self.spans.values()]

    def _reader(self, folder: Path, part: Part, items: np.ndarray) -> Read:
        weights, span = Weights(folder, "user", f"{part.name}."), self.spans[part.name]
        if part.kind in ("constant", REPEATS):
            weights.end()
            return lambda features, *_: np.ones((_count(features), part.width), dtype=np.float32)
        if part.kind == "profile":
            return ProfilePart(weights, self._encoder, part.width).read
        if part.kind == "network":
            try:
                scale = self._encoder.schema.rating_range
                reading = HistoryFeatures.from_json(part.reading, scale)
            except (KeyError, TypeError, ValueError) as error:
                raise ArtifactError(f"{folder}: part {part.name}: {error}", RETRAIN) from error
            return NetworkPart(folder, self._encoder, part, reading, items, span).read
        made = HistoryPart(weights, part, span, len(items), self._encoder.schema)
        self.histories[part.name] = made
        return made.read

    def parts_after(
        self, features: Features, histories: Sequence[History]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Each part's name and its vectors before they are weighed, float32 [n, width]; see
        ``vectors_after``.
        """
        for part, read in zip(self.blend.parts, self._reads, strict=True):
            yield part.name, read(features, histories, None, None)

    def vectors_after(
        self,
        features: Features,
        histories: Sequence[History],
        now: np.ndarray | None = None,
        items: Rows | None = None,
        goal: str | None = None,
    ) -> np.ndarray:
        """Vectors of n users, float32 [n, dim], each of length 1.

        Args:
            features: as ``Encoder.encode`` makes them; the id is not read.
            histories: what each of them took.
            now: float64 [n], time of each request; None where unknown.
            items: float32 [m, dim], the vectors of the histories' items where some were added.
            goal: what the lists are for, one of the blend's; the version's own by default.
        """
        weights = self.blend.weights_for(goal)
        joined = np.zeros((len(histories), sum(p.width for p in self.blend.parts)), np.float32)
        alone = self.blend.newcomers[goal or self.blend.goal]
        for part, read, covariances in zip(
            self.blend.parts, self._reads, self._covariances, strict=True
        ):
            if weights[part.name] or part.name == alone:
                vectors = read(features, histories, now, items)
                spread = deviations(vectors, covariances)[:, None]
                joined[:, self.spans[part.name]] = np.divide(
                    vectors, spread, out=np.zeros_like(vectors), where=spread > 0
                )
        weighed = joined.copy()
        for name, span in self.spans.items():
            weighed[:, span] *= np.float32(weights[name])
        weighed[[len(history) == 0 for history in histories]] = 0.0
        nothing = ~weighed.any(axis=1)
        weighed[nothing, self.spans[alone]] = joined[nothing, self.spans[alone]]
        length = np.linalg.norm(weighed, axis=1, keepdims=True)
        return np.asarray(weighed / np.maximum(length, 1e-12), dtype=np.float32)

    def repeats(
        self, vector: np.ndarray, history: History, goal: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is added to the scores of items that someone took before.

        It is ``log(1 + n)`` of how often, in standard deviations over the catalog, times the
        part's weight, on the scale of the person's vector.

        Args:
            vector: float32 [dim], of the person, as ``vectors_after`` makes it.
            history, goal: that it was made of.

        Returns:
            Positions of items, int64 [m], and what their scores gain, float32 [m], above 0; empty
            of a version where nobody takes things again.
        """
        weights = self.blend.weights_for(goal)
        weight = weights.pop(REPEATS, 0.0)
        if not weight or not len(history):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        rows, counts = np.unique(history.items, return_counts=True)
        value = np.log1p(counts)
        mean, square = value.sum() / self._items, np.square(value).sum() / self._items
        value /= max(np.sqrt(max(square - mean**2, 0.0)), 1e-6)
        return rows, np.asarray(value * weight * self._scale(vector, weights), dtype=np.float32)

    def _scale(self, vector: np.ndarray, weights: Mapping[str, float]) -> float:
        """What a standard deviation of a part of weight 1 is in the scores of a vector, [dim]."""
        for (name, span), covariances in zip(self.spans.items(), self._covariances, strict=True):
            spread = float(deviations(vector[None, span], covariances)[0])
            if spread > 0:  # nothing but the newcomers' part, where no other has a weight
                return spread / (weights[name] or ALONE)
        return 1.0

    def contributions(
        self, history: History, items: Rows, rows: np.ndarray, goal: str | None = None
    ) -> np.ndarray:
        """What each item of a history adds to the scores of some items through the parts that sum
        over histories: exact for these parts, but for one scale.

        Args:
            history: m items.
            items: float32 [items, dim], all items' vectors.
            rows: int [n], the items that are scored.
            goal: as of the vector.

        Returns:
            float32 [n, m]; 0 for what is not read.
        """
        weights = self.blend.weights_for(goal)
        added = np.zeros((len(rows), len(history)), dtype=np.float32)
        for number, part in enumerate(self.blend.parts):
            if part.name not in self.histories or not weights[part.name]:
                continue
            vectors = self.histories[part.name].summands(history, items)
            spread = deviations(vectors.sum(axis=0)[None], self._covariances[number])[0]
            if spread > 0 and len(vectors):
                scores = items[rows, self.spans[part.name]] @ vectors.T
                added[:, len(history) - len(vectors) :] += weights[part.name] / spread * scores
        return added


class BlendItemRunner:
    """The item tower: known items have their vector, others one by their content.

    Args:
        folder, encoder, blend: of the artifact.
        items: float32 [items, dim], every item's vector.
        positions: int [v], the positions of the items that the encoder's vocabulary lists.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the items.
    """

    def __init__(
        self, folder: Path, encoder: Encoder, blend: Blend, items: np.ndarray, positions: np.ndarray
    ) -> None:
        self._encoder, self._items, self._positions = encoder, items, positions
        self._towers: list[tuple[slice, TowerRunner, float]] = []
        for part in blend.parts:
            if part.kind == "network":
                span = blend.spans()[part.name]
                tower = TowerRunner(folder, "item", encoder, part.manifest(), f"{part.name}.")
                length = float(np.linalg.norm(items[0, span]))  # the same for all items
                self._towers.append((span, tower, length))
        weights = Weights(folder, "item", "linear.")
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
        for span, tower, length in self._towers:
            vectors[:, span] = tower.vectors(features) * np.float32(length)
        longest = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(longest, 1.0), dtype=np.float32)


def covariance(vectors: np.ndarray) -> np.ndarray:
    """The covariance of n vectors' dimensions: float64 [d, d]."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    return np.asarray((vectors.T @ vectors) / max(len(vectors), 1) - np.outer(mean, mean))


def deviations(users: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """The standard deviation of each user's scores over the items, float32 [n]."""
    variance = np.vecdot(users @ covariances, users)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=np.float32)


def _count(features: Features) -> int:
    return len(next(iter(features.values())))
