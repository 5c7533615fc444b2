"""The values of categories, with how many items or users hold them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusionrec.data.schema import Field
from fusionrec.recommend.catalog import Catalog

_CROWD = 3  # users who must share a value


@dataclass(frozen=True)
class Facet:
    """A value of a category, its label for people, and how many hold it."""

    value: str
    label: str
    count: int


class Facets:
    """The values of the categories of a catalog's items and users; made when first asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._facets: dict[str, list[Facet]] = {}

    def all(self, field: Field) -> list[Facet]:
        """Every value of a field: in the schema's order if it lists them, else the most frequent
        first. User values appear only if at least three users share them.
        """
        if field.name not in self._facets:
            self._facets[field.name] = self._found(field)
        return self._facets[field.name]

    def holding(self, field: Field, text: str) -> list[Facet]:
        """The values that hold a text, or whose label does, in any letter case; those that begin
        with it first, the most frequent before others.
        """
        asked = text.strip().casefold()
        begun, within = [], []
        for one in sorted(self.all(field), key=lambda one: -one.count):
            names = one.label.casefold(), one.value.casefold()
            if any(name.startswith(asked) for name in names):
                begun.append(one)
            elif any(asked in name for name in names):
                within.append(one)
        return begun + within

    def after(self, catalog: Catalog) -> Facets:
        """The values after some changes of items; those that are ready are counted anew for the
        items that changed.
        """
        made = Facets(catalog)
        changed = catalog.changed_since(self._catalog.number).tolist()
        for field in self._catalog.artifact.schema.fields:
            if field.name in self._facets:
                before = self._facets[field.name]
                item = field.side == "item" and field.kind in ("category", "categories")
                made._facets[field.name] = (
                    self._moved(field, before, made, changed) if item else before
                )
        return made

    def _moved(
        self, field: Field, before: list[Facet], made: Facets, changed: Sequence[int]
    ) -> list[Facet]:
        """The values of an item field, with the counts of those that changed items have or had."""
        if field.choices:
            return made._found(field)
        moved = before.copy()
        old, new = (one._catalog.columns.rows(field) for one in (self, made))
        columns = [one._catalog.items.columns[field.name] for one in (self, made)]
        rows = [column[row] for column in columns for row in changed if row < len(column)]
        for value in sorted({one for several in values(field, rows) for one in several}):
            count, now = len(old.get(value, ())), len(new.get(value, ()))
            if count:
                del moved[bisect_left(moved, (-count, value), key=_order)]
            if now:
                insort(moved, Facet(value, value, now), key=_order)
        return moved

    def _found(self, field: Field) -> list[Facet]:
        if field.kind not in ("category", "categories"):
            return []
        counts = self._counts(field)
        if field.choices:
            return [Facet(v, label, counts.get(v, 0)) for v, label in field.choices.items()]
        least = _CROWD if field.side == "user" else 1
        facets = [Facet(value, value, n) for value, n in counts.items() if n >= least]
        return sorted(facets, key=_order)

    def _counts(self, field: Field) -> Mapping[str, int]:
        """How many items or users hold each value."""
        if field.side == "item":
            rows = self._catalog.columns.rows(field)
            empty = field.kind == "category"
            return {value: len(items) for value, items in rows.items() if value or not empty}
        column = self._catalog.artifact.users.columns[field.name]
        return Counter(value for row in values(field, column) for value in row)


def _order(choice: Facet) -> tuple[int, str]:
    return -choice.count, choice.value


def values(field: Field, column: Iterable[Any]) -> list[tuple[str, ...]]:
    """The categories that each item or user holds in a field."""
    if field.kind == "categories":
        return [tuple(value or ()) for value in column]
    return [(value,) if value else () for value in column]
