"""Turns a request by command line, HTTP or Python into a ``Query``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from fusionrec.errors import UsageError
from fusionrec.index import Condition, read_conditions
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.user_feedback import UserFeedback


@dataclass(frozen=True)
class QueryRequest:
    """A request as it came, checked for its form alone.

    Attributes:
        user, profile, k, offset, seen, explain, diversity, calibration, goal: as in ``Query``.
        liked: items that the person likes, by id, or by title if ``titles`` is set.
        rated: items that the person rated or took, named likewise; they come after ``liked``.
        where: conditions, such as ``year=1980..1989``, or typed ones.
        only, without: the only items to choose from, and items to leave out, named likewise.
        titles: whether items may be named by their titles.
        visitors: whether an unknown user gets the popular items instead of an error.
    """

    user: str | None = None
    profile: Mapping[str, str] = field(default_factory=dict)
    liked: Sequence[str] = ()
    rated: Sequence[Rated] = ()
    where: Sequence[str | Condition] = ()
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    k: int = 10
    offset: int = 0
    seen: bool = False
    explain: bool = False
    diversity: float = 0.0
    calibration: float = 0.0
    goal: str | None = None
    titles: bool = True
    visitors: bool = False

    @classmethod
    def of(cls, **given: Any) -> Self:
        """A request from Python values: ids and profile values of any type become text, a single
        item or condition stands for a list of one, and None for nothing.

        Args:
            given: attributes by name; ``rated`` is item -> rating, or pairs of these.

        Raises:
            UsageError: a value has a type that cannot be used; the message names it.
        """
        read = {n: _READ[n](n, value) if n in _READ else value for n, value in given.items()}
        return cls(**read)


def build_query(
    request: QueryRequest, items: ItemSearch, feedback: Feedback
) -> tuple[Query, UserFeedback]:
    """The query of a request with its user's feedback since the training, and that feedback.

    Args:
        request: the request.
        items: of the version that answers.
        feedback: of all users.

    Raises:
        UsageError: a condition does not fit the schema, a title is ambiguous, items are rated
            where interactions are events (code ``ratings_mean_nothing``), or the version has no
            such goal (code ``unknown_goal``).
        LedgerError: the ledger cannot be read.
    """
    schema = items.artifact.schema
    rated = [n for n, item in enumerate(request.rated) if item.rating is not None]
    if rated and schema.events:
        raise UsageError(
            f"ratings mean nothing here: {schema.name} knows what people took, not how they rated "
            "it",
            code="ratings_mean_nothing",
            positions=rated,
        )
    if request.goal is not None:
        items.artifact.require_goal(request.goal)
    history = [Rated(item, schema.like, named=True) for item in request.liked] + [*request.rated]
    query = Query(
        request.user,
        request.profile,
        items.named(history) if request.titles else history,
        k=request.k,
        offset=request.offset,
        where=conditions(request, items),
        seen=request.seen,
        explain=request.explain,
        diversity=request.diversity,
        calibration=request.calibration,
        goal=request.goal,
    )
    return feedback.enrich(query, items.catalog, visitors=request.visitors)


def conditions(request: QueryRequest, items: ItemSearch) -> list[Condition]:
    """The conditions of a request.

    Raises:
        UsageError: one does not fit the schema.
    """
    written = [text for text in request.where if isinstance(text, str)]
    typed = [one for one in request.where if not isinstance(one, str)]
    if not (written or request.only or request.without):
        return typed
    only, without = request.only, request.without
    if request.titles:
        only = [items.item(id_) or id_ for id_ in only]
        without = [items.item(id_) or id_ for id_ in without]
    return [*read_conditions(items.artifact.schema, written, only, without), *typed]


def _whole_number(name: str, value: Any) -> int:
    try:
        return operator.index(value)  # NumPy's whole numbers too
    except TypeError:
        raise UsageError(f"{name} must be a whole number, got {value!r}") from None


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name} must be a number, got {value!r}") from None


def _listed(name: str, value: Any) -> list[Any]:
    """A list, or a single value as a list of it."""
    if value is None:
        return []
    if isinstance(value, str | int | float) or not isinstance(value, Iterable):
        return [value]
    if isinstance(value, Mapping):
        raise UsageError(f"{name} must be a list, got a dictionary")
    return list(value)


def _where(name: str, value: Any) -> list[Any]:
    where = _listed(name, value)
    for one in where:
        if isinstance(one, int | float | bytes):
            raise UsageError(f"where must be texts such as 'year=1999', got {one!r}")
    return where


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise UsageError(f"{name} must be a dictionary, such as {{'age': 30}}, got a {kind}")
    return value


def _text(name: str, value: Any) -> str:
    try:
        return str(value)
    except ValueError as error:  # a whole number of more digits than Python writes
        raise UsageError(f"{name} has too many digits: {error}") from error


def _text_or_none(name: str, value: Any) -> str | None:
    return None if value is None else _text(name, value)


def _rated(name: str, value: Any) -> list[Rated]:
    pairs = value if isinstance(value, list | tuple) else _mapping(name, value).items()
    made = []
    for item, rating in pairs:
        try:
            made.append(Rated(str(item), float(rating)))
        except (TypeError, ValueError, OverflowError) as error:
            kind = type(rating).__name__
            raise UsageError(
                f"rated: the rating of {item} must be a number, got a {kind} that is none ({error})"
            ) from error
    return made


def _texts(name: str, value: Any) -> list[str]:
    return [_text(name, item) for item in _listed(name, value)]


# How ``QueryRequest.of`` reads an argument of any type.
_READ: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("user", "goal"), _text_or_none),
    "profile": lambda name, value: {n: _text(n, v) for n, v in _mapping(name, value).items()},
    "rated": _rated,
    "where": _where,
    "k": _whole_number,
    **dict.fromkeys(("liked", "only", "without"), _texts),
    **dict.fromkeys(("diversity", "calibration"), _number),
}
