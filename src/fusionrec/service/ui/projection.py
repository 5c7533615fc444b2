"""A map of the items: the two principal components of their vectors, or neighbourhoods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from fusionrec.data.schema import Field
from fusionrec.deploy.item_map import Neighbourhoods
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.user_history import title_of
from fusionrec.service.ui.facets import values

MOST = 2_000  # items on the map
_MOST_GROUPS = 6  # colours that people tell apart at a glance


@dataclass(frozen=True)
class Projection:
    """The best known items in two dimensions.

    Attributes:
        groups: labels of the categories by which items are coloured.
        shares: how much of the vectors' variance each axis shows, in [0, 1].
        middle: float64 [dim].
        axes: float64 [2, dim], of length 1.
        rows: int64 [m], positions of the items, the best known first.
        number: of the last change of items that it knows.
        of_value: category -> position in ``groups``.
    """

    groups: list[str]
    shares: list[float]
    middle: np.ndarray
    axes: np.ndarray
    rows: np.ndarray
    number: int
    of_value: dict[str, int]

    def after(self, catalog: Catalog) -> Projection:
        """The map after some changes of items; this one if they do not touch the items on it."""
        rows = _best_known(catalog)
        touched = np.intersect1d(catalog.changed_since(self.number), rows)
        return self if np.array_equal(rows, self.rows) and not len(touched) else chart_of(catalog)

    def drawn(
        self,
        catalog: Catalog,
        near: Neighbourhoods | None = None,
        marked: Sequence[str] = (),
        person: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """The map as JSON values.

        Args:
            catalog: the items.
            near: places them by their neighbourhoods; None by the two main directions.
            marked: ids of more items that are to be on it.
            person: float [dim], the vector of someone who is to be on it.
        """
        extra = catalog.rows(marked)
        extra = np.setdiff1d(extra[catalog.available[extra]], self.rows)
        rows = np.concatenate([self.rows, extra]).astype(np.int64)
        vectors = catalog.artifact.likeness(catalog.vectors[rows])
        if near is None:
            places = (vectors - self.middle) @ self.axes.T
        else:
            places = near.of(rows, np.isin(rows, catalog.changed_since(0)), vectors)
        made: dict[str, Any] = {
            "points": self._points(catalog, rows, np.round(places, 4)),
            "groups": self.groups,
            "axes": self.shares,
            "way": "directions" if near is None else "neighbourhoods",
        }
        if person is not None:
            vector = catalog.artifact.likeness(np.asarray(person)[None])
            at = (vector - self.middle) @ self.axes.T if near is None else near.near(vector)
            made["you"] = np.round(at[0], 4).tolist()
        return made

    def _points(self, catalog: Catalog, rows: np.ndarray, places: np.ndarray) -> list[list[Any]]:
        """Id, title, x, y and group (a position in ``groups``, or None) of items; where there is no
        group, a label of what else they are.
        """
        held, field = _held(catalog, rows), _field(catalog)

        def label(value: str) -> str:
            return value if field is None else field.choices.get(value, value)

        ids, of_value = catalog.items.ids, self.of_value
        points = []
        for row, (x, y), some in zip(rows.tolist(), places.tolist(), held, strict=True):
            group = next((of_value[one] for one in some if one in of_value), None)
            rest = [label(some[0])] if group is None and some else []
            points.append([ids[row], title_of(catalog, row, ids[row]), x, y, group, *rest])
        return points


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
    of_value = _groups(catalog, rows)
    field = _field(catalog)
    labels = [field.choices.get(value, value) for value in of_value] if field else []
    return Projection(labels, shares, middle, axes, rows, catalog.number, of_value)


def _best_known(catalog: Catalog) -> np.ndarray:
    """Positions of the items that are rated most often: int64 [m]."""
    here = np.flatnonzero(catalog.available)
    best: np.ndarray = here[np.lexsort((here, -catalog.counts[here]))][:MOST]
    return best


def _field(catalog: Catalog) -> Field | None:
    """The first filterable category."""
    fields = catalog.artifact.schema.filters()
    return next((f for f in fields if f.kind in ("category", "categories")), None)


def _held(catalog: Catalog, rows: np.ndarray) -> list[tuple[str, ...]]:
    """The values of that category which items hold."""
    field = _field(catalog)
    if field is None:
        return [()] * len(rows)
    column = catalog.items.columns[field.name]
    return values(field, [column[row] for row in rows.tolist()])


def _groups(catalog: Catalog, rows: np.ndarray) -> dict[str, int]:
    """The most frequent values of that category, each with its number."""
    common = Counter(chain.from_iterable(_held(catalog, rows))).most_common(_MOST_GROUPS)
    return {value: n for n, value in enumerate(sorted(value for value, _ in common))}
