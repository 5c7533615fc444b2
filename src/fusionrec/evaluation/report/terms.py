"""What a report calls that which joins users and items: ratings they gave, or what they did."""

from __future__ import annotations

from dataclasses import dataclass

from fusionrec.data.schema import Schema


@dataclass(frozen=True)
class Terms:
    """The words of a page for one kind of interactions.

    Attributes:
        one, many: what they are called.
        did: what a user did to an item: they ``rated`` it.
        done: what was done to the item: it is ``rated``, or somebody has ``rated`` it.
        value: what each of them has, which no score stands for.
        apart: how the pairs whose scores are looked at are told apart.
        alike: what two items are that a model holds to be near.
        shown_first: of somebody's, those that an example shows.
    """

    one: str
    many: str
    did: str
    done: str
    value: str
    apart: str
    alike: str
    shown_first: str

    @property
    def heading(self) -> str:
        """``many`` where it begins a line or a column."""
        return self.many.capitalize()


RATINGS = Terms(
    one="rating",
    many="ratings",
    did="rated",
    done="rated",
    value="rating",
    apart="by the rating given",
    alike="rated alike",
    shown_first="what they liked best",
)
EVENTS = Terms(
    one="interaction",
    many="interactions",
    did="took",
    done="taken",
    value="weight",
    apart="by weight where there are a few of them",
    alike="taken by the same people",
    shown_first="what they took, the greatest weights first",
)


def wording(schema: Schema) -> Terms:
    """The words for the interactions of a schema."""
    return EVENTS if schema.events else RATINGS


def again(schema: Schema) -> str:
    """How popularity counts what somebody took again; empty where nobody takes anything again."""
    if not schema.repeats:
        return ""
    return f" Whoever {wording(schema).did} an item several times counts once for it."
