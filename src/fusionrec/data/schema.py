"""Schema: the fields of users and items. All code but the file readers is generic over it."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

from fusionrec.errors import DataError

Side = Literal["user", "item"]
EVENTS = (0.0, 1.0)  # the rating range of events
FieldKind = Literal["id", "category", "categories", "text", "number", "image"]


@dataclass(frozen=True)
class Field:
    """One attribute of a user or an item.

    Attributes:
        name: column name, unique in the schema; letters, digits and underscores.
        kind: ``id`` (outside id, a string), ``category`` (one value), ``categories`` (several
            values), ``text`` (words in order), ``number`` (a float; NaN where it is not known), or
            of items ``image`` (a file's name or a URL, which people see and models do not).
        filterable: whether answers may be filtered by it; items only.
        choices: for categories, every value that is allowed, with the label people read; empty if
            open. They are ranges of numbers where the labels say so; see ``bounds``.
        option: the command line's name for it, where that differs from ``name``.
        label: what people read; by default made from the name.
        buckets: whether a number is encoded by its quantile bucket instead of its size; for effects
            that do not rise or fall evenly.
    """

    name: str
    side: Side
    kind: FieldKind
    filterable: bool = False
    choices: dict[str, str] = field(default_factory=dict)
    option: str = ""
    label: str = ""
    buckets: bool = False

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or not self.name.isascii():
            raise DataError(
                f"a field's name must be letters, digits and underscores, got {self.name!r}"
            )
        if self.kind not in get_args(FieldKind) or self.side not in get_args(Side):
            raise DataError(f"field {self.name}: unknown kind {self.kind!r} or side {self.side!r}")
        if self.buckets and self.kind != "number":
            raise DataError(f"field {self.name}: only numbers fall in buckets, not {self.kind}")
        if self.kind == "image" and (self.side == "user" or self.filterable):
            raise DataError(f"field {self.name}: images are of items, and filter no answer")

    @property
    def heading(self) -> str:
        """The field as people read it, such as ``Page count``."""
        return self.label or self.flag.replace("_", " ").capitalize()

    @property
    def flag(self) -> str:
        """The field's name on the command line."""
        return self.option or self.name

    @property
    def bounds(self) -> tuple[int, ...]:
        """The lower bound of each choice where all are ranges of numbers; else nothing.

        Then each code is its range's lower bound, and its label says so: ``18-24`` where 25 is the
        next code, ``56 and over`` of the last one; the first may be ``under 18`` before 18.
        """
        codes = list(self.choices)
        if len(codes) < 2 or not all(code.isascii() and code.isdecimal() for code in codes):
            return ()
        lows = [int(code) for code in codes]
        spans = [f"{low}-{high - 1}" for low, high in pairwise(lows)] + [f"{lows[-1]} and over"]
        if self.choices[codes[0]] == f"under {lows[1]}":
            spans[0] = self.choices[codes[0]]
        return tuple(lows) if spans == list(self.choices.values()) else ()

    def code_of(self, text: str) -> str | None:
        """The code of the choice that a text names by code or label, in any letter case."""
        if text in self.choices:
            return text
        codes = {label.casefold(): code for code, label in self.choices.items()}
        codes |= {code.casefold(): code for code in self.choices}
        return codes.get(text.casefold())

    def range_of(self, number: str) -> str | None:
        """The code of the choice whose range holds a number, such as ``30``; else None."""
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) or not math.isfinite(float(number)):
            return None
        below = [low for low in self.bounds if low <= float(number)]
        return str(max(below)) if below else None


@dataclass(frozen=True)
class Schema:
    """The fields of a data set, and the meaning of its interactions.

    Attributes:
        name: for messages.
        fields: every field; exactly one ``id`` on each side.
        rating_range: lowest and highest possible rating; 0 and 1 for events.
        title: the text field with the item's title; empty if there is none.
        like: the lowest rating that counts as liking an item; 0 for events, all of which do.
        events: whether interactions are events (views, purchases, plays) instead of ratings. A
            rating is then the event's weight, above 0 up to 1, and dislikes are unknown.
        repeats: whether people take an item repeatedly, so that all interactions with it count and
            it may be recommended again.
    """

    name: str
    fields: tuple[Field, ...]
    rating_range: tuple[float, float]
    title: str = ""
    like: float = 4.0
    events: bool = False
    repeats: bool = False

    def __post_init__(self) -> None:
        names = [f.name for f in self.fields]
        if len(set(names)) != len(names):
            raise DataError(f"schema {self.name}: field names must be unique, got {names}")
        for side in get_args(Side):
            ids = [f.name for f in self.side(side) if f.kind == "id"]
            if len(ids) != 1:
                raise DataError(f"schema {self.name}: one id field per side, {side} has {ids}")
        if self.rating_range[0] >= self.rating_range[1]:
            raise DataError(
                f"schema {self.name}: rating range {self.rating_range} is not low, high"
            )
        if self.events and (self.rating_range, self.like) != (EVENTS, 0.0):
            raise DataError(f"schema {self.name}: events weigh {EVENTS}, and each is a like (0)")

    def side(self, side: Side) -> tuple[Field, ...]:
        """The fields of users or of items, in the schema's order."""
        return tuple(f for f in self.fields if f.side == side)

    def id(self, side: Side) -> Field:
        """The id field of a side."""
        return next(f for f in self.side(side) if f.kind == "id")

    def attributes(self, side: Side) -> tuple[Field, ...]:
        """The fields of a side without its id: a user's profile, an item's content."""
        return tuple(f for f in self.side(side) if f.kind != "id")

    def inputs(self, side: Side) -> tuple[Field, ...]:
        """The fields of a side that models read: all but images."""
        return tuple(f for f in self.side(side) if f.kind != "image")

    def filters(self) -> tuple[Field, ...]:
        """The item fields that answers may be filtered by."""
        return tuple(f for f in self.side("item") if f.filterable)

    def to_json(self) -> dict[str, Any]:
        """The schema as plain JSON values, which ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Schema:
        """Reads what ``to_json`` made; a DataError if a part is missing or of the wrong kind."""
        try:
            return cls(
                name=value["name"],
                fields=tuple(Field(**f) for f in value["fields"]),
                rating_range=(float(value["rating_range"][0]), float(value["rating_range"][1])),
                title=value["title"],
                like=float(value["like"]),
                events=bool(value.get("events", False)),
                repeats=bool(value.get("repeats", False)),
            )
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise DataError(f"not a schema: {error!r}") from error
