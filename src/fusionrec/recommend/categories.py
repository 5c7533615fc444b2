"""The categories of items, and which of them someone likes."""

from __future__ import annotations

import heapq
from functools import cached_property

import numpy as np

from fusionrec.features.history import History
from fusionrec.index.filter_columns import Rows
from fusionrec.recommend.catalog import Catalog

MOST = 64  # the most frequent categories, which are all that is looked at


class Categories:
    """The categories of a catalog's n items: of the schema's first field of kind ``categories``, or
    none if there is no such field.

    Args:
        catalog: the items.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        fields = catalog.artifact.schema.attributes("item")
        self._field = next((field for field in fields if field.kind == "categories"), None)

    @cached_property
    def _rows(self) -> Rows:
        """Category -> rows of its items."""
        return self._catalog.columns.rows(self._field) if self._field else {}

    @cached_property
    def _values(self) -> list[str]:
        return heapq.nsmallest(MOST, self._rows, key=lambda one: (-len(self._rows[one]), one))

    @cached_property
    def labels(self) -> list[str]:
        """The names of the c categories."""
        choices = self._field.choices if self._field else {}
        return [choices.get(value, value) for value in self._values]

    @cached_property
    def members(self) -> np.ndarray:
        """Which items are of which categories: bool [n, c]."""
        members = np.zeros((len(self._catalog), len(self._values)), dtype=bool)
        for place, value in enumerate(self._values):
            members[self._rows[value], place] = True
        return members

    @cached_property
    def base(self) -> np.ndarray:
        """The share of available items in each category: float64 [c]."""
        here = self.members[self._catalog.available]
        return here.mean(axis=0) if len(here) else np.zeros(len(self._values))

    def parts(self, rows: np.ndarray) -> np.ndarray:
        """Each item's share in each category, float64 [m, c], for items at ``rows``, int [m]: equal
        among its categories, adding up to 1, or to 0 for an item without any.
        """
        members = self.members[rows]
        return np.asarray(members / np.maximum(members.sum(axis=1, keepdims=True), 1))

    def mix(self, rows: np.ndarray) -> np.ndarray | None:
        """The mix of categories in some items, float64 [c], adding up to 1; None if no item has a
        category.
        """
        total = self.parts(rows).sum(axis=0)
        whole = float(total.sum())
        return np.asarray(total / whole) if whole else None


def liked(history: History, like: float) -> np.ndarray:
    """Which items of a history its owner likes: bool [m], those rated ``like`` or more, and those
    without a rating.
    """
    return np.asarray(~(history.ratings < like))  # false for NaN, an unknown rating
