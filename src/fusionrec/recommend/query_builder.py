"""Turns a request by command line, HTTP or Python into a ``Query``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from fusionrec.data.arguments import expected, flag, instance, listed, number, text, whole_number
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


def _where(name: str, value: Any) -> list[Any]:
    where = listed(name, value)
    for one in where:
        if not isinstance(one, str | Condition):
            raise expected(name, "texts such as 'year=1999'", one)
    return where


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    instance(name, value, Mapping, "a dictionary, such as {'age': 30}")
    return dict(value)


def _text_or_none(name: str, value: Any) -> str | None:
    return None if value is None else text(name, value)


def _rated(name: str, value: Any) -> list[Rated]:
    items = value.items() if isinstance(value, Mapping) else listed(name, value)
    made = []
    for pair in items:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise expected(name, "a dictionary of item to rating, or pairs of these", pair)
        item = text(name, pair[0])
        made.append(Rated(item, number(f"{name}: the rating of {item}", pair[1])))
    return made


def _texts(name: str, value: Any) -> list[str]:
    return [text(name, item) for item in listed(name, value)]


# How ``QueryRequest.of`` reads an argument of any type.
_READ: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("user", "goal"), _text_or_none),
    "profile": lambda name, value: {n: text(n, v) for n, v in _mapping(name, value).items()},
    "rated": _rated,
    "where": _where,
    "k": whole_number,
    **dict.fromkeys(("liked", "only", "without"), _texts),
    **dict.fromkeys(("diversity", "calibration"), number),
    **dict.fromkeys(("seen", "explain"), flag),
}
