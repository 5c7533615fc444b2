"""What a score means: the cosine of two vectors, and the affine map from it to ratings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)
SCALE = 5.0  # score = 5·cos, as the article has it


@dataclass(frozen=True)
class ScoreMap:
    """The article's map between a score in [-5, 5] and a rating of any scale.

    A rating's target is ``-3 + 8·(rating − low)/(high − low)``: for stars of 1 to 5 that is
    ``2·stars − 5``, so that ``stars = (score + 5)/2``.

    Attributes:
        low, high: the schema's rating range.
    """

    low: float
    high: float

    def target(self, rating: Number) -> Number:
        """The score that a rating asks for, in [-3, 5]."""
        return (rating - self.low) * (8.0 / (self.high - self.low)) - 3.0

    def rating(self, score: Number) -> Number:
        """The rating that a score predicts, clipped to the rating range."""
        predicted = (score + 3.0) * self.unit + self.low
        clipped = np.clip(predicted, self.low, self.high)
        return clipped if isinstance(score, np.ndarray) else float(clipped)

    @property
    def unit(self) -> float:
        """Rating per unit of score: an error of scores times this is an error in ratings."""
        return (self.high - self.low) / 8.0

    def to_json(self) -> dict[str, Any]:
        """The map as the manifest keeps it."""
        return {"scale": SCALE, "rating_per_score": self.unit, "rating_at_zero": self.rating(0.0)}
