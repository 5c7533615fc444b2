"""The report's words for interactions: ratings or events."""

from __future__ import annotations

from dataclasses import dataclass

from fusionrec.data.schema import Schema


@dataclass(frozen=True)
class Terms:
    """Words for one kind of interaction."""

    singular: str
    plural: str
    did: str  # of a user
    done: str  # of an item
    value: str  # an interaction's number
    apart: str  # how the section on scores groups pairs
    alike: str  # why a model places two items near each other
    shown_first: str  # which interactions of an example user are shown

    @property
    def heading(self) -> str:
        """``plural`` where it begins a line or a column."""
        return self.plural.capitalize()


RATINGS = Terms(
    singular="rating",
    plural="ratings",
    did="rated",
    done="rated",
    value="rating",
    apart="by the rating given",
    alike="rated alike",
    shown_first="what they liked best",
)
EVENTS = Terms(
    singular="interaction",
    plural="interactions",
    did="took",
    done="taken",
    value="weight",
    apart="by weight where there are a few of them",
    alike="taken by the same people",
    shown_first="what they took, the greatest weights first",
)


def terms_for(schema: Schema) -> Terms:
    """The words for the interactions of a schema."""
    return EVENTS if schema.events else RATINGS


def repeat_note(schema: Schema) -> str:
    """How popularity counts repeated interactions; empty where there are none."""
    if not schema.repeats:
        return ""
    return f" Whoever {terms_for(schema).did} an item several times counts once for it."
