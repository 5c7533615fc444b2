"""Ratings from a rating head: one inner product for each pair, in an artifact as two arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.errors import ArtifactError
from fusionrec.registry.tables import read_array


@dataclass(frozen=True)
class RatingHead:
    """What a rating head makes of every user and item: the inner product of two rows is a rating.

    Attributes:
        users: float32 [users, width]. The last number is 1 where training saw a rating of the
            user; all of the row is 0 where it saw none.
        items: float32 [items, width]; the number before the last likewise.
    """

    users: np.ndarray
    items: np.ndarray

    def rating(
        self, user: np.ndarray, item: np.ndarray, otherwise: np.ndarray, low: float, high: float
    ) -> np.ndarray:
        """Predicted ratings, float64 [n], held within ``low`` to ``high``.

        Args:
            user, item: int [n], positions; those of items that were added later are behind all.
            otherwise: float [n], what stands where training saw no rating of the user or the item.
            low, high: the schema's rating range.
        """
        there = item < len(self.items)
        item = np.where(there, item, 0)
        known = there & (self.users[user, -1] > 0) & (self.items[item, -2] > 0)
        predicted = np.einsum("nd,nd->n", self.users[user], self.items[item], dtype=np.float64)
        held: np.ndarray = np.where(known, np.clip(predicted, low, high), otherwise)
        return held

    def save(self, folder: Path) -> None:
        """Writes both arrays in NumPy's format; ``read_stars`` reads them back equal."""
        for side in _SIDES:
            np.save(folder / f"star_{side}.npy", getattr(self, side), allow_pickle=False)


def read_stars(folder: Path, manifest: Mapping[str, Any]) -> RatingHead | None:
    """The ratings that a version's head predicts; None where the version has no head.

    Raises:
        ArtifactError: the arrays cannot be read, or do not fit the version's users and items.
    """
    if "stars" not in manifest:
        return None
    stars = RatingHead(*(read_array(folder / f"star_{side}.npy") for side in _SIDES))
    wanted = [(manifest[side], manifest["stars"]["width"]) for side in _SIDES]
    found = [getattr(stars, side).shape for side in _SIDES]
    if found != wanted:
        raise ArtifactError(f"{folder}: the rating head's arrays are {found}, not {wanted}")
    return stars


_SIDES = ("users", "items")
