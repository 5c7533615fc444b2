"""The rating head: predicts a rating as an inner product, and is stored as two arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.errors import ArtifactError
from fusionrec.registry.tables import read_array

_SIDES = ("users", "items")


@dataclass(frozen=True)
class RatingHead:
    """Arrays for every user and item; the inner product of two rows is a rating.

    Attributes:
        users: float32 [users, width]. The last column is 1 for users with ratings in the training
            data; the rows of all others are 0.
        items: float32 [items, width]; likewise, with the last column but one.
    """

    users: np.ndarray
    items: np.ndarray

    def rating(
        self, user: np.ndarray, item: np.ndarray, otherwise: np.ndarray, low: float, high: float
    ) -> np.ndarray:
        """Predicted ratings, float64 [n], clipped to ``low`` to ``high``.

        Args:
            user, item: int [n], positions; items that were added later have positions at the end.
            otherwise: float [n], used if the user or the item has no rating in the training data.
            low, high: the schema's rating range.
        """
        trained = item < len(self.items)
        item = np.where(trained, item, 0)
        known = trained & (self.users[user, -1] > 0) & (self.items[item, -2] > 0)
        predicted = np.einsum("nd,nd->n", self.users[user], self.items[item], dtype=np.float64)
        ratings: np.ndarray = np.where(known, np.clip(predicted, low, high), otherwise)
        return ratings

    def save(self, folder: Path) -> None:
        """Writes both arrays in NumPy's format; ``read_rating_head`` reads them back equal."""
        for side in _SIDES:
            np.save(folder / f"star_{side}.npy", getattr(self, side), allow_pickle=False)


def read_rating_head(folder: Path, manifest: Mapping[str, Any]) -> RatingHead:
    """Reads a version's rating head.

    Raises:
        ArtifactError: the arrays cannot be read, or do not match the version's users and items.
    """
    head = RatingHead(*(read_array(folder / f"star_{side}.npy") for side in _SIDES))
    expected = [(manifest[side], manifest["stars"]["width"]) for side in _SIDES]
    shapes = [getattr(head, side).shape for side in _SIDES]
    if shapes != expected:
        raise ArtifactError(f"{folder}: the rating head's arrays are {shapes}, not {expected}")
    return head
