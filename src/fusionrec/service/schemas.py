"""Requests over HTTP, checked for their form and limits."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from fusionrec.data.dataset import CLOCK_ERROR
from fusionrec.data.values import is_finite

MOST_ITEMS = 100  # of one answer
MOST_OFFSET = 1_000
MOST_PEOPLE = 1_000  # of one request
MOST_LISTED = 20_000  # items of all answers to one request
MOST_NAMED = 1_000  # items that one request names
MOST_EVENTS = 1_000


# PostgreSQL holds no NUL. An id is one line, so that it can stand in a path.
_LINE, _PLAIN = r"^[^\x00\n]+$", r"^[^\x00]*$"

# Outside id of a user or an item.
Id = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_LINE)]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_LINE)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_PLAIN)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_PLAIN)]
Rating = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=MOST_ITEMS, description="Items wanted.")]
Offset = Annotated[int, Field(ge=0, le=MOST_OFFSET, description="Items passed over before.")]
Where = Annotated[
    list[Text],
    Field(
        max_length=50,
        description="Conditions, all of which an item must meet: NAME=VALUE (several: any of "
        "them), NAME+=VALUE (all of them), NAME!=VALUE (none of them), NAME=LOW..HIGH (a range). "
        "`/v1/schema` lists names and values.",
    ),
]
Ids = Annotated[list[Id], Field(max_length=MOST_NAMED)]


def _not_ahead(given: float) -> float:
    """Refuses a later time: the event would count as new until that time has come."""
    if given > time.time() + CLOCK_ERROR:
        said = "time must be in seconds since 1970, and not later than 5 minutes from now"
        raise PydanticCustomError("time_ahead", said)
    return given


_WHEN = "Seconds since 1970, UTC; not later than 5 minutes from now by the service's clock."
Time = Annotated[
    float, Field(ge=0, allow_inf_nan=False, description=_WHEN), AfterValidator(_not_ahead)
]


def _number_as_text(value: Any) -> Any:
    """A number as its text, 25 and 25.0 alike; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if not is_finite(value):
        raise PydanticKnownError("finite_number")
    return str(int(value)) if value == int(value) else str(value)


_Value = Annotated[
    str,
    StringConstraints(max_length=500, pattern=_PLAIN),
    BeforeValidator(
        _number_as_text,
        json_schema_input_type=Annotated[str, Field(max_length=500, pattern=_PLAIN)] | float,
    ),
]
Profile = Annotated[
    dict[Name, _Value],
    Field(
        max_length=100,
        description="User attribute -> value, a number or its text; `/v1/schema` lists them.",
    ),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PageRequest(_Request):
    """Which part of a list is wanted."""

    k: Count = 10
    offset: Offset = 0


class HistoryRequest(PageRequest):
    """Which part of what a user said is wanted."""

    item: Annotated[list[Id], Field(max_length=MOST_ITEMS)] = Field(
        default=[], description="Ids of the only items about which it is wanted."
    )


class ListRequest(PageRequest):
    """Which items are wanted."""

    where: Where = []


Goal = Annotated[
    Name | None,
    Field(
        description="What the list is for, one of `goals` of `/v1/schema`: `later` all that people "
        "take after now, `next` their next item, `taste` what else they like. By default "
        "the first of them."
    ),
]

_GUARDED = "With `user` this needs a key that opens `feedback`."


class RecommendRequest(ListRequest):
    """Whom to recommend to, and what."""

    user: Id | None = Field(default=None, description="Of the training data, or a visitor's.")
    only: Ids = Field(default=[], description=f"Ids of the only items wanted. {_GUARDED}")
    without: Ids = Field(default=[], description="Ids of items not wanted.")
    liked: Ids = Field(default=[], description="Ids of items that the person likes.")
    seen: bool = Field(
        default=False, description=f"Whether items that they rated may be in the answer. {_GUARDED}"
    )

    explain: bool = Field(
        default=False, description=f"Whether each item bears the reason why. {_GUARDED}"
    )
    diversity: Share = Field(
        default=0.0, description="How much unlike each other the items shall be."
    )
    calibration: Share = Field(
        default=0.0, description="How much their categories shall mix as in what the person likes."
    )
    goal: Goal = None
    fresh: bool = Field(
        default=False,
        description="Whether items that the user was recently shown, in vain, shall step back. "
        + _GUARDED,
    )


class WhyNotRequest(_Request):
    """In whose list an item is looked for."""

    user: Id = Field(description="Of the training data, or a visitor's.")
    k: Count = 10
    where: Where = []
    seen: bool = Field(default=False, description="Whether items that they rated may be in it.")
    goal: Goal = None


class SearchRequest(ListRequest):
    """Which words to look for, and for whom."""

    q: Text = Field(description="Words of titles, other texts and categories, in any order.")
    user: Id | None = Field(
        default=None, description="By whose taste the items are ordered as well."
    )
    goal: Goal = None
    prefix: bool = Field(default=False, description="Whether the last word may be a beginning.")


Way = Annotated[
    Literal["directions", "neighbourhoods"],
    Field(
        description="`directions`: the two in which vectors differ most; `neighbourhoods`: what "
        "goes together is near."
    ),
]


class MapRequest(_Request):
    """Who is to be put on the map."""

    user: Id | None = None
    way: Way = "directions"


class FacetsRequest(PageRequest):
    """Which values of a category are wanted."""

    field: Name = Field(description="A category's name, as `/v1/schema` lists it.")
    q: Annotated[str, StringConstraints(max_length=500, pattern=_PLAIN)] = Field(
        default="", description="What a value or its label holds; nothing: any."
    )


class RatedItem(_Body):
    """An item that a person rated, or chose where there is no rating."""

    item: Id
    rating: Rating | None = Field(
        default=None, description="On the scale of `/v1/schema`; none where nothing is rated."
    )
    time: Time | None = None


class PersonRequest(RecommendRequest):
    """The same, with all that is known of the person."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {"user": "visitor-1", "k": 5},
                {"history": [{"item": "1", "rating": 5}], "without": ["2"]},
            ]
        },
    )

    profile: Profile = {}
    history: list[RatedItem] = Field(default=[], max_length=MOST_NAMED)


class MapPersonRequest(PersonRequest):
    """Who is to be put on the map, and which items beside the best known ones."""

    way: Way = "directions"
    mark: Ids = Field(default=[], description="Ids of items that are to be on it.")


class PeopleRequest(_Body):
    """Several people at once, each with a request of their own."""

    people: list[PersonRequest] = Field(
        min_length=1,
        max_length=MOST_PEOPLE,
        description=f"Together they may want {MOST_LISTED:,} items, those passed over included.",
    )

    @field_validator("people")
    @classmethod
    def _limited(cls, people: list[PersonRequest]) -> list[PersonRequest]:
        wanted = sum(one.k + one.offset for one in people)
        if wanted > MOST_LISTED:
            said = f"together they may want {MOST_LISTED:,} items, not {wanted:,}"
            raise PydanticCustomError("too_many_items", said)  # type: ignore[misc]
        return people


class TrafficRequest(_Request):
    """Of which traffic."""

    span: Literal["hour", "day", "month"] = Field(
        "hour", description="The last hour, day, or 30 days."
    )
    route: Name = Field("/v1", description="One that `routes` names; `/v1` is all below it.")


class EventRequest(_Body):
    """What a user said or did."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user": "visitor-1", "item": "1", "kind": "like", "id": "a1"}]
        }
    )

    user: Id
    item: Id
    kind: Literal["rating", "like", "dislike", "view", "hide"]
    rating: Rating | None = Field(
        default=None,
        description="Of kind `rating` alone, and always there; where `/v1/schema` has no `rating`, "
        "that kind is refused.",
    )
    time: Time | None = Field(default=None, description=f"{_WHEN} Default: now.")
    id: EventId | None = Field(
        None,
        description="Made by the client: telling it again changes nothing. Default: a new one.",
    )


class EventsRequest(_Body):
    """Several events at once."""

    events: list[EventRequest] = Field(min_length=1, max_length=MOST_EVENTS)


def _several_by(name: str) -> Discriminator:
    """Tells by a name whether a body holds several of what it may hold one of."""

    def kind(body: Any) -> str:
        return "several" if isinstance(body, dict) and name in body else "one"

    return Discriminator(kind)


# Errors are of the form that was meant, not of both.
EventBody = Annotated[
    Annotated[EventRequest, Tag("one")] | Annotated[EventsRequest, Tag("several")],
    _several_by("events"),
]
PersonBody = Annotated[
    Annotated[PersonRequest, Tag("one")] | Annotated[PeopleRequest, Tag("several")],
    _several_by("people"),
]
