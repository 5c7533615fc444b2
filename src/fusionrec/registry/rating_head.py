"""The rating head: predicts a rating as an inner product, and is stored as two arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.arrays import save_array
from fusionrec.errors import ArtifactError
from fusionrec.registry.tables import read_array

NOBODY = -1  # position of a user of whom nothing is known
_SIDES = ("users", "items")


@dataclass(frozen=True)
class RatingHead:
    """Arrays for every user and item; the inner product of two rows is a rating.

    Attributes:
        users: float32 [users, width]. The last column is 1 for users with ratings in the training
            data; the rows of all others are 0.
        items: float32 [items, width]; likewise, with the last column but one.
        complete: whether every pair has a rating: those of unrated users and items are their prior
            means, and one more row at the end of both arrays stands for anybody, or anything, else.
            Only versions of fusion from 0.2.0 and before have a head that is not.
        about: what else the manifest says of it, such as figures of its validation.
    """

    users: np.ndarray
    items: np.ndarray
    complete: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    def rating(
        self, user: np.ndarray, item: np.ndarray, otherwise: np.ndarray, low: float, high: float
    ) -> np.ndarray:
        """Predicted ratings, float64 [n], clipped to ``low`` to ``high``.

        Args:
            user, item: int [n], positions; items that were added later have positions at the end,
                and of a complete head a user may be ``NOBODY``.
            otherwise: float [n], used if the user or the item has no rating in the training data,
                unless the head is complete.
            low, high: the schema's rating range.
        """
        if self.complete:
            others = len(self.users) - 1, len(self.items) - 1
            user = np.where((user >= 0) & (user < others[0]), user, others[0])
            item = np.where(item < others[1], item, others[1])
            return np.asarray(np.clip(self._products(user, item), low, high))
        trained = item < len(self.items)
        item = np.where(trained, item, 0)
        known = trained & (self.users[user, -1] > 0) & (self.items[item, -2] > 0)
        predicted = np.clip(self._products(user, item), low, high)
        ratings: np.ndarray = np.where(known, predicted, otherwise)
        return ratings

    def _products(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        products: np.ndarray = np.einsum(
            "nd,nd->n", self.users[user], self.items[item], dtype=np.float64
        )
        return products

    @property
    def manifest(self) -> dict[str, Any]:
        """What a version's manifest holds under ``stars``."""
        complete = {"complete": True} if self.complete else {}
        return {"width": self.users.shape[1], **complete, **self.about}

    def save(self, folder: Path) -> None:
        """Writes both arrays in NumPy's format; ``read_rating_head`` reads them back equal."""
        for side in _SIDES:
            save_array(folder / f"star_{side}.npy", getattr(self, side))


def read_rating_head(folder: Path, manifest: Mapping[str, Any]) -> RatingHead:
    """Reads a version's rating head.

    Raises:
        ArtifactError: the arrays cannot be read, or do not match the version's users and items.
    """
    about = dict(manifest["stars"])
    width, complete = about.pop("width"), bool(about.pop("complete", False))
    arrays = [read_array(folder / f"star_{side}.npy") for side in _SIDES]
    expected = [(manifest[side] + complete, width) for side in _SIDES]
    shapes = [array.shape for array in arrays]
    if shapes != expected:
        raise ArtifactError(f"{folder}: the rating head's arrays are {shapes}, not {expected}")
    return RatingHead(arrays[0], arrays[1], complete, about)
