"""The one way to ask: a request by command line, HTTP or Python becomes a ``Query``."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from fusionrec.errors import UsageError
from fusionrec.index import Condition, read_conditions
from fusionrec.recommend.feedback import Feedback, UserFeedback
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.query import Query, Rated


@dataclass(frozen=True)
class QueryRequest:
    """A question as it came, checked for its form alone.

    Attributes:
        user, profile, k, offset, seen, explain, diversity, calibration: as of ``Query``.
        liked: items that the person likes, by id, or by title where ``titles`` says so.
        rated: items that the person rated or took, named likewise; they come after ``liked``.
        where: conditions, such as ``year=1980..1989``, or typed ones.
        only, without: the only items wanted, and items not wanted, named likewise.
        titles: whether items may be named by their titles.
        visitors: whether an unknown user is answered like anybody, instead of being refused.
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
    titles: bool = True
    visitors: bool = False

    @classmethod
    def of(
        cls,
        user: object = None,
        profile: object = None,
        rated: object = None,
        *,
        k: object = 10,
        diversity: object = 0.0,
        calibration: object = 0.0,
        **named: Any,
    ) -> Self:
        """A request in Python's values: ids and profile values of any type become text, one item or
        condition may stand for a list of one.

        Args:
            user, profile, k, diversity, calibration: as of the class; None for none.
            rated: item -> rating, or pairs of these.
            named: ``liked``, ``where``, ``only`` and ``without``; ``seen`` and ``explain``.

        Raises:
            UsageError: a value is of no type that can be used; the message names it.
        """
        lists = {n: _listed(n, named.pop(n)) for n in ("liked", "only", "without") if n in named}
        texts: dict[str, Any] = {
            name: [_text(name, item) for item in items] for name, items in lists.items()
        }
        if "where" in named:
            where = _listed("where", named.pop("where"))
            wrong = [one for one in where if isinstance(one, int | float | bytes)]
            if wrong:
                raise UsageError(f"where must be texts such as 'year=1999', got {wrong[0]!r}")
            texts["where"] = where
        return cls(
            None if user is None else _text("user", user),
            {name: _text(name, value) for name, value in _mapping("profile", profile).items()},
            rated=[Rated(str(item), _rating(item, rating)) for item, rating in _pairs(rated)],
            k=whole_number("k", k),
            diversity=_number("diversity", diversity),
            calibration=_number("calibration", calibration),
            **texts,
            **named,
        )


def build_query(
    request: QueryRequest, items: ItemSearch, feedback: Feedback
) -> tuple[Query, UserFeedback]:
    """The query of a request, with what its user said since the training.

    Args:
        request: the question.
        items: of the version that answers.
        feedback: what users said.

    Returns:
        The query, and what of it comes from feedback.

    Raises:
        UsageError: a condition does not fit the schema, a title may mean several items, or items
            are rated where interactions are events (code ``ratings_mean_nothing``).
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
    schema = items.artifact.schema
    only, without = request.only, request.without
    if request.titles:
        only = [items.item(id_) or id_ for id_ in only]
        without = [items.item(id_) or id_ for id_ in without]
    return [*read_conditions(schema, written, only, without), *typed]


def whole_number(name: str, value: object) -> int:
    """A whole number of any type that is one, such as NumPy's.

    Raises:
        UsageError: it is none.
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{name} must be a whole number, got {value!r}") from None


def _number(name: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name} must be a number, got {value!r}") from None


def _listed(name: str, value: object) -> list[Any]:
    """A list, or one thing as a list of it."""
    if value is None:
        return []
    if isinstance(value, str | int | float) or not isinstance(value, Iterable):
        return [value]
    if isinstance(value, Mapping):
        raise UsageError(f"{name} must be a list, got a dictionary")
    return list(value)


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise UsageError(f"{name} must be a dictionary, such as {{'age': 30}}, got a {kind}")
    return value


def _pairs(rated: object) -> Iterable[tuple[Any, Any]]:
    if isinstance(rated, list | tuple):
        return rated
    return _mapping("rated", rated).items()


def _text(name: str, value: object) -> str:
    """A value as text.

    Raises:
        UsageError: it is a whole number of more digits than Python writes.
    """
    try:
        return str(value)
    except ValueError as error:
        raise UsageError(f"{name} has too many digits: {error}") from error


def _rating(item: object, rating: object) -> float:
    """The rating of an item.

    Raises:
        UsageError: it is no number that a float holds.
    """
    try:
        return float(rating)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        name = type(rating).__name__
        raise UsageError(
            f"rated: the rating of {item} must be a number, got a {name} that is none ({error})"
        ) from error
