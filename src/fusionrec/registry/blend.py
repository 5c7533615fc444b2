"""How the vectors of a version are made of parts: the manifest's ``blend``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Final, Literal, Self, get_args

import numpy as np

from fusionrec.data.schema import Schema
from fusionrec.errors import ArtifactError
from fusionrec.features.history import History
from fusionrec.models.linear_settings import GOALS
from fusionrec.registry.tables import RETRAIN

Kind = Literal["history", "network", "profile", "constant", "repeats"]

VISIT = 1_800.0  # seconds without an interaction after which a visit has ended, as web logs count

REPEATS: Final = "repeats"  # the part that says what someone took before, as a name too


@dataclass(frozen=True)
class Part:
    """One part of a version's vectors.

    Attributes:
        name: such as ``next``.
        kind: ``history`` sums a vector for each item of a history, ``network`` is the sequence
            model's tower, ``profile`` is linear in the profile, ``constant`` is 1 for everybody;
            ``repeats`` has no vectors, it adds to the scores of the history's own items.
        width: its dimensions; 0 of ``repeats``.
        decay: of ``history``: an item weighs this much less for each item that follows it.
        window: of ``history``: newest items that are read; 0 for all.
        weakest: of ``history``: weight of an interaction of strength 0; see ``strengths``.
        settings, reading: of ``network``: its widths, and what it reads of a history.
    """

    name: str
    kind: Kind
    width: int
    decay: float = 1.0
    window: int = 0
    weakest: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fine = self.kind in get_args(Kind) and 0 < self.decay <= 1
        fine &= self.width == 0 if self.kind == REPEATS else self.width > 0
        if not (fine and self.window >= 0 and 0 <= self.weakest <= 1):
            raise ValueError(f"a part is out of range: {self}")

    def manifest(self) -> dict[str, Any]:
        """The keys of a manifest that the tower of a ``network`` is read by."""
        return {"model": "sequence", "recipe": {"model": self.settings}}

    def weights(self, history: History, schema: Schema) -> np.ndarray:
        """Weights of a history's newest items, float32 [m], the oldest that is read first. Where
        all are read, in no order, an item counts once: when it was taken last.
        """
        read = min(len(history), self.window) if self.window else len(history)
        strength = strengths(history.ratings[len(history) - read :], schema)
        weights = strength_weights(strength, self.weakest)
        weights = weights * self.decay ** np.arange(read - 1, -1, -1)
        if not self.window and schema.repeats:
            _, from_end = np.unique(history.items[::-1], return_index=True)
            weights[np.delete(np.arange(read), read - 1 - from_end)] = 0.0
        return np.asarray(weights, dtype=np.float32)


def strengths(ratings: np.ndarray, schema: Schema) -> np.ndarray:
    """How much interactions say that somebody wants the items: float32 [n], 0 to 1.

    Args:
        ratings: float [n]; unknown ones, NaN, have the strength 1.
        schema: of ratings the strength is 1 from ``like`` on and 0 below it, of events it is their
            weight.
    """
    known = ratings if schema.events else ratings >= schema.like
    return np.where(np.isnan(ratings), 1.0, known).astype(np.float32)


def strength_weights(strength: np.ndarray, weakest: float) -> np.ndarray:
    """What interactions weigh in a history, but for their age: from ``weakest`` to 1.

    Args:
        strength: float32 [n], see ``strengths``.
        weakest: the weight of strength 0; with 1 all weigh the same.
    """
    least = np.float32(weakest)
    return np.asarray(least + (1 - least) * strength)


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

    def visits(self, newest: np.ndarray, now: np.ndarray | float) -> np.ndarray:
        """Who is in the middle of a visit, bool [n]: took something in the last ``VISIT`` seconds.
        They are answered for ``next`` where no goal is named and the version's own is ``later``.

        Args:
            newest: float64 [n], when each of them took something last; NaN where unknown.
            now: float64 [n] or one for all, when they ask, in seconds since 1970.
        """
        if self.goal != "later" or "next" not in self.weights:
            return np.zeros(len(newest), dtype=bool)
        return np.asarray(np.abs(now - newest) < VISIT)

    def reads_histories(self, goal: str | None) -> bool:
        """Whether lists for a goal, or the version's own, depend on what someone took."""
        weights = self.weights_for(goal)
        return any(weights[p.name] > 0 for p in self.parts if p.kind not in ("profile", "constant"))

    def weights_for(self, goal: str | None) -> dict[str, float]:
        """Every part's weight for one of the goals, or for the version's own."""
        given = self.weights[goal or self.goal]
        return {part.name: given.get(part.name, 0.0) for part in self.parts}
