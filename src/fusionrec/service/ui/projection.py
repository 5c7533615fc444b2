"""A map of the items: the two principal components of their vectors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusionrec.recommend.catalog import Catalog
from fusionrec.service.ui.facets import values

MOST = 2_000  # items on the map
_MOST_GROUPS = 20  # colours that people can tell apart


@dataclass(frozen=True)
class Projection:
    """The best known items in two dimensions.

    Attributes:
        points: id, title, x, y and group (position in ``groups``, or None) of each.
        groups: labels of the categories by which items are coloured.
        shares: how much of the vectors' variance each axis shows, in [0, 1].
        middle: float64 [dim].
        axes: float64 [2, dim], of length 1.
        rows: int64 [m], positions of the items.
        number: of the last change of items that it knows.
    """

    points: list[list[Any]]
    groups: list[str]
    shares: list[float]
    middle: np.ndarray
    axes: np.ndarray
    rows: np.ndarray
    number: int

    def after(self, catalog: Catalog) -> Projection:
        """The map after some changes of items; this one if they do not touch the items on it."""
        rows = _best_known(catalog)
        touched = np.intersect1d(catalog.changed_since(self.number), rows)
        return self if np.array_equal(rows, self.rows) and not len(touched) else chart_of(catalog)

    def place(self, vector: np.ndarray) -> list[float]:
        """Where a vector, float [dim], is on the map: x, y."""
        x, y = self.axes @ (vector - self.middle)
        return [round(float(x), 4), round(float(y), 4)]

    def to_json(self) -> dict[str, Any]:
        return {"points": self.points, "groups": self.groups, "axes": self.shares}


def chart_of(catalog: Catalog) -> Projection:
    """The map of a version's items: the principal components of the best known ones' vectors."""
    rows = _best_known(catalog)
    vectors = catalog.artifact.likeness(catalog.vectors[rows]).astype(np.float64)
    middle = vectors.mean(axis=0) if len(rows) else np.zeros(vectors.shape[1])
    spread = vectors - middle
    variances, directions = np.linalg.eigh(spread.T @ spread)
    axes = np.zeros((2, vectors.shape[1]))
    found = directions[:, ::-1].T[:2]
    # A component's sign is chance: its largest part is made positive, on every machine.
    signs = np.sign(found[np.arange(len(found)), np.abs(found).argmax(axis=1)])
    axes[: len(found)] = found * signs[:, None]
    total = float(variances.sum())
    largest = [*variances[::-1][:2], 0.0][:2]
    shares = [round(float(v) / total, 4) if total > 0 else 0.0 for v in largest]
    groups, of_item = _groups(catalog, rows)
    places = np.round(spread @ axes.T, 4).tolist()
    name, ids = catalog.artifact.schema.title, catalog.items.ids
    points = [
        [ids[row], (name and catalog.items.columns[name][row]) or ids[row], x, y, group]
        for row, (x, y), group in zip(rows, places, of_item, strict=True)
    ]
    return Projection(points, groups, shares, middle, axes, rows, catalog.number)


def _best_known(catalog: Catalog) -> np.ndarray:
    """Positions of the items that are rated most often: int64 [m]."""
    here = np.flatnonzero(catalog.available)
    best: np.ndarray = here[np.lexsort((here, -catalog.counts[here]))][:MOST]
    return best


def _groups(catalog: Catalog, rows: np.ndarray) -> tuple[list[str], list[int | None]]:
    """Labels of the most frequent values of the first filterable category, and each row's first
    one as a number in these; None where it is not among them.
    """
    fields = catalog.artifact.schema.filters()
    field = next((f for f in fields if f.kind in ("category", "categories")), None)
    if field is None:
        return [], [None] * len(rows)
    column = catalog.items.columns[field.name]
    firsts = [next(iter(row), None) for row in values(field, [column[row] for row in rows])]
    common = Counter(one for one in firsts if one).most_common(_MOST_GROUPS)
    known = {value: n for n, value in enumerate(sorted(value for value, _ in common))}
    labels = [field.choices.get(value, value) for value in known]
    return labels, [known.get(one) if one else None for one in firsts]
