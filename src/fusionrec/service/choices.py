"""The values that fields hold: all of a short list, and of a long one those that are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fusionrec.catalogue import Catalogue
from fusionrec.data.schema import Field

_CROWD = 3  # users who share a value, without whom it is not told


@dataclass(frozen=True)
class Choice:
    """A value of a category.

    Attributes:
        value: as it is asked for.
        label: as people read it.
        count: how many hold it.
    """

    value: str
    label: str
    count: int


class Choices:
    """The values of the categories that a catalogue's items hold, and of those that its users can
    say of themselves; made when they are first asked for.

    Args:
        catalogue: the items.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._held: dict[str, list[Choice]] = {}

    def all(self, field: Field) -> list[Choice]:
        """Every value of a field: in the schema's order where it lists them, else those that most
        hold first. Of users only what three of them share is told, lest it is the word of one.
        """
        if field.name not in self._held:
            self._held[field.name] = self._found(field)
        return self._held[field.name]

    def holding(self, field: Field, text: str) -> list[Choice]:
        """The values whose label, or they themselves, hold a text, in any letter case; those that
        begin with it first, and the most frequent ones before others.
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

    def _found(self, field: Field) -> list[Choice]:
        if field.kind not in ("category", "categories"):
            return []
        counts = Counter(one for held in values(field, self._column(field)) for one in held)
        if field.choices:
            return [Choice(value, label, counts[value]) for value, label in field.choices.items()]
        least = _CROWD if field.side == "user" else 1
        told = [(value, count) for value, count in counts.items() if count >= least]
        told.sort(key=lambda one: (-one[1], one[0]))
        return [Choice(value, value, count) for value, count in told]

    def _column(self, field: Field) -> Sequence[Any]:
        if field.side == "item":
            return self._catalogue.items.columns[field.name]
        return self._catalogue.artifact.users.columns[field.name]


def values(field: Field, column: Iterable[Any]) -> list[tuple[str, ...]]:
    """The categories that each item or user holds in a field."""
    if field.kind == "categories":
        return [tuple(value or ()) for value in column]
    return [(value,) if value else () for value in column]
