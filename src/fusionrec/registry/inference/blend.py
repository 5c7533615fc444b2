"""User and item vectors of versions that are made of parts, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from fusionrec.errors import ArtifactError, UsageError
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.flat import centred, flatten
from fusionrec.features.history import History, HistoryFeatures
from fusionrec.registry.inference.towers import HistoryRunner, TowerRunner
from fusionrec.registry.tables import RETRAIN, unit
from fusionrec.registry.weights import Weights

Goal = Literal["later", "next", "taste"]
GOALS: tuple[Goal, ...] = get_args(Goal)
Kind = Literal["history", "network", "profile", "constant"]


@dataclass(frozen=True)
class Part:
    """One part of a version's vectors.

    Attributes:
        name: such as ``next``.
        kind: ``history`` sums a vector for each item of a history, ``network`` is the sequence
            model's tower, ``profile`` is linear in the profile, ``constant`` is 1 for everybody.
        width: its dimensions.
        decay: of ``history``: an item weighs this much less for each item that follows it.
        window: of ``history``: newest items that are read; 0 for all.
        disliked: of ``history``: weight of an item rated below the schema's ``like``.
        settings, reading: of ``network``: its widths, and what it reads of a history.
    """

    name: str
    kind: Kind
    width: int
    decay: float = 1.0
    window: int = 0
    disliked: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fine = self.kind in get_args(Kind) and self.width > 0 and 0 < self.decay <= 1
        if not (fine and self.window >= 0 and 0 <= self.disliked <= 1):
            raise ValueError(f"a part is out of range: {self}")

    def manifest(self) -> dict[str, Any]:
        """The keys of a manifest that the tower of a ``network`` is read by."""
        return {"model": "sequence", "recipe": {"model": self.settings}}

    def weights(self, history: History, like: float) -> np.ndarray:
        """Weights of a history's newest items, float32 [m], the oldest that is read first."""
        read = min(len(history), self.window) if self.window else len(history)
        weights = self.decay ** np.arange(read - 1, -1, -1)
        below = history.ratings[len(history) - read :] < like  # False where unknown
        return np.asarray(np.where(below, self.disliked * weights, weights), dtype=np.float32)


@dataclass(frozen=True)
class Blend:
    """How a version joins its parts; the manifest's ``blend``.

    Attributes:
        parts: in the order of their dimensions.
        weights: goal -> part -> weight of its scores in standard deviations; 0 if left out.
        goal: of answers that name none.
        newcomers: goal -> the part that alone ranks for people without a history.
    """

    parts: tuple[Part, ...]
    weights: Mapping[str, Mapping[str, float]]
    goal: str
    newcomers: Mapping[str, str]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """The blend of a version.

        Raises:
            ArtifactError: the manifest does not say it, or a value is out of range.
        """
        try:
            values = manifest["blend"]
            parts = tuple(Part(**part) for part in values["parts"])
            weights = {
                str(goal): {str(name): float(weight) for name, weight in given.items()}
                for goal, given in values["weights"].items()
            }
            made = cls(parts, weights, str(values["goal"]), dict(values["newcomers"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(
                f"the manifest does not say how its parts are joined: {error!r}", RETRAIN
            ) from error
        names = {part.name for part in parts}
        fine = bool(parts) and made.goal in weights and set(weights) <= set(GOALS)
        fine &= set(weights) == set(made.newcomers) and set(made.newcomers.values()) <= names
        for given in weights.values():
            fine &= set(given) <= names and all(w >= 0 and isfinite(w) for w in given.values())
        if not fine:
            raise ArtifactError(f"the manifest's blend is out of range: {values}", RETRAIN)
        return made

    def to_json(self) -> dict[str, Any]:
        """The manifest's ``blend``; ``of`` reads it back equal."""
        return asdict(self)

    def spans(self) -> dict[str, slice]:
        """Each part's dimensions."""
        ends = np.cumsum([part.width for part in self.parts]).tolist()
        return {
            part.name: slice(end - part.width, end)
            for part, end in zip(self.parts, ends, strict=True)
        }

    def weights_for(self, goal: str | None) -> dict[str, float]:
        """Every part's weight for a goal, or for the version's own.

        Raises:
            UsageError: the version has no such goal.
        """
        if goal is not None and goal not in self.weights:
            raise UsageError(
                f"the goals of this version are {', '.join(self.weights)}, got {goal!r}",
                code="unknown_goal",
            )
        given = self.weights[goal or self.goal]
        return {part.name: given.get(part.name, 0.0) for part in self.parts}


Read = Callable[[Features, Sequence[History], np.ndarray | None, np.ndarray | None], np.ndarray]


class BlendRunner:
    """The user tower of a version of parts.

    Scores of the parts have different spreads, which also grow with the history. So each part is
    divided by the standard deviation of its scores over the catalog, ``sqrt(u' C u)`` with ``C``
    the covariance of the items' vectors, and then weighted as the goal asks.

    Args:
        folder, encoder, manifest: of the artifact.
        items: float32 [items, dim], every item's vector.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the items.
    """

    def __init__(
        self, folder: Path, encoder: Encoder, manifest: Mapping[str, Any], items: np.ndarray
    ) -> None:
        self.blend, self._encoder = Blend.of(manifest), encoder
        self.spans = self.blend.spans()
        if items.shape[1] != sum(part.width for part in self.blend.parts):
            raise ArtifactError(f"{folder}: its parts are not as wide as its vectors", RETRAIN)
        self.histories: dict[str, HistoryPart] = {}
        self._reads = [self._reader(folder, part, items) for part in self.blend.parts]
        self._covariances = [covariance(items[:, span]) for span in self.spans.values()]

    def _reader(self, folder: Path, part: Part, items: np.ndarray) -> Read:
        weights, span = Weights(folder, "user", f"{part.name}."), self.spans[part.name]
        if part.kind == "constant":
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
        made = HistoryPart(weights, part, span, len(items), self._encoder.schema.like)
        self.histories[part.name] = made
        return made.read

    def vectors_after(
        self,
        features: Features,
        histories: Sequence[History],
        now: np.ndarray | None = None,
        items: np.ndarray | None = None,
        goal: str | None = None,
    ) -> np.ndarray:
        """Vectors of n users, float32 [n, dim], each of length 1.

        Args:
            features: as ``Encoder.encode`` makes them; the id is not read.
            histories: what each of them took.
            now: float64 [n], time of each request; None where unknown.
            items: float32 [m, dim], the vectors of the histories' items where some were added.
            goal: what the lists are for; the version's own by default.

        Raises:
            UsageError: the version has no such goal.
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

    def contributions(
        self, history: History, items: np.ndarray, rows: np.ndarray, goal: str | None = None
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


class HistoryPart:
    """A vector for each item of a history, summed.

    Args:
        weights: of the part: ``history``, float32 [items, width], and ``added``, [width, width].
        part, span: of the blend.
        items: how many the version has.
        like: the schema's; a lower rating is a dislike.

    Raises:
        ArtifactError: the arrays do not match.
    """

    def __init__(self, weights: Weights, part: Part, span: slice, items: int, like: float) -> None:
        self.part, self._span, self._like = part, span, like
        self.vectors = weights.take("history", items, part.width)
        self.added = weights.take("added", part.width, part.width)
        weights.end()

    def summands(self, history: History, items: np.ndarray | None = None) -> np.ndarray:
        """The weighted vectors of a history's items that are read, float32 [m, width]."""
        weights = self.part.weights(history, self._like)
        rows = history.items[len(history) - len(weights) :]
        return np.asarray(weights[:, None] * self.of(rows, items))

    def of(self, rows: np.ndarray, items: np.ndarray | None = None) -> np.ndarray:
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
        items: np.ndarray | None,
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
        items: np.ndarray | None,  # noqa: ARG002
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
        items: np.ndarray | None,
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


class BlendItemRunner:
    """The item tower: known items have their vector, others one by their content.

    Args:
        folder, encoder, manifest: of the artifact.
        items: float32 [items, dim], every item's vector.
        positions: int [v], the positions of the items that the encoder's vocabulary lists.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the items.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        manifest: Mapping[str, Any],
        items: np.ndarray,
        positions: np.ndarray,
    ) -> None:
        self._encoder, self._items, self._positions = encoder, items, positions
        blend = Blend.of(manifest)
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
