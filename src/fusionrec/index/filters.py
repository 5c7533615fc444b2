"""Conditions on items, and their Milvus expressions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fusionrec.data.schema import Field, Schema
from fusionrec.data.values import is_finite
from fusionrec.errors import UsageError
from fusionrec.index.layout import ID, ROW, Layout, filter_fields

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def _check_texts(what: str, values: tuple[str, ...]) -> None:
    if isinstance(values, str) or not values:
        raise UsageError(f"{what}: a filter needs a tuple of one value or more")
    for value in values:
        if not isinstance(value, str):
            raise UsageError(f"{what}: filter values must be texts, got {value!r}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{what}: half a surrogate pair in {value[:50]!r}") from error


@dataclass(frozen=True)
class _Categories:
    field: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_texts(self.field, self.values)


class AnyOf(_Categories):
    """Items whose category, or one of whose categories, is among ``values``.

    Raises:
        UsageError: there is no value, or one is not a text; so for ``AllOf`` and ``NoneOf``.
    """


class AllOf(_Categories):
    """Items that have all of ``values``."""


class NoneOf(_Categories):
    """Items that have none of ``values``, including those without any category."""


@dataclass(frozen=True)
class _Ids:
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_texts(type(self).__name__.lower(), self.ids)


class Only(_Ids):
    """Only the items with these outside ids; unknown ids add none.

    Raises:
        UsageError: there is no id, or one is not a text.
    """


class Without(_Ids):
    """All items except those with these outside ids; see ``Only``."""


@dataclass(frozen=True)
class Between:
    """Items with a known number in ``low..high``, both included; None is no bound.

    Raises:
        UsageError: both bounds are missing, one is not finite, or low is above high.
    """

    field: str
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        bounds = [b for b in (self.low, self.high) if b is not None]
        if not bounds:
            raise UsageError(f"{self.field}: a range needs a lowest or a highest number")
        if not all(map(is_finite, bounds)):
            raise UsageError(f"{self.field}: the ends of a range must be finite numbers")
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise UsageError(
                f"{self.field}: the range {bounds[0]:g}..{bounds[1]:g} begins above its end",
                hint=f"did you mean {bounds[1]:g}..{bounds[0]:g}?",
            )


FieldCondition = AnyOf | AllOf | NoneOf | Between
Condition = FieldCondition | Only | Without


def hint(wrong: str, allowed: Sequence[str], words: str, shown: Sequence[str] = ()) -> str:
    """A hint with the allowed names (written as ``shown``) and the most similar one."""
    folded = {name.casefold(): name for name in allowed}
    near = difflib.get_close_matches(wrong.strip().casefold(), list(folded), n=1)
    guess = f"did you mean {folded[near[0]]!r}? " if near else ""
    return f"{guess}{words}: {', '.join(shown or allowed) or 'none'}"


def field_of(schema: Schema, condition: FieldCondition) -> Field:
    """The field of a condition.

    Raises:
        UsageError: there is no such field, or the condition does not apply to its kind.
    """
    field = next((f for f in filter_fields(schema) if f.name == condition.field), None)
    if field is None:
        known = [f.name for f in filter_fields(schema)]
        raise UsageError(
            f"answers cannot be filtered by {condition.field!r}",
            hint=hint(condition.field, known, "filters are"),
        )
    if isinstance(condition, Between) != (field.kind == "number"):
        raise UsageError(f"{field.name} is a {field.kind}, {condition!r} does not apply to it")
    return field


def expression(conditions: Iterable[Condition], exclude_rows: Iterable[int], layout: Layout) -> str:
    """Translates conditions into Milvus' filter language.

    Args:
        conditions: must all be met.
        exclude_rows: rows to leave out.
        layout: the collection's columns.

    Returns:
        An expression; empty if all items are allowed. All of its values come from ``literal``, and
        all of its names from ``layout``.

    Raises:
        UsageError: a condition does not fit the schema, or a value cannot be written.
    """
    terms = [_term(condition, layout) for condition in conditions]
    excluded = ", ".join(literal(int(row)) for row in exclude_rows)
    if excluded:
        terms.append(f"{ROW} not in [{excluded}]")
    return " and ".join(terms)


_NOTHING, _EVERYTHING = f"{ROW} < 0", f"{ROW} >= 0"


def _term(condition: Condition, layout: Layout) -> str:
    if isinstance(condition, Only | Without):
        ids = ", ".join(literal(id_) for id_ in dict.fromkeys(condition.ids))
        return f"{ID} {'in' if isinstance(condition, Only) else 'not in'} [{ids}]"
    field = field_of(layout.schema, condition)
    column = layout.column(field.name)
    if isinstance(condition, Between):
        known = layout.column(field.name, "known")
        assert column is not None  # a number has both, by layout_of
        assert known is not None
        ends = [f"{known.name} == true"]
        if condition.low is not None:
            ends.append(f"{column.name} >= {literal(float(condition.low))}")
        if condition.high is not None:
            ends.append(f"{column.name} <= {literal(float(condition.high))}")
        return f"({' and '.join(ends)})"
    if column is None:
        return f"({_category_terms(condition, layout.categories(field.name))})"
    distinct = list(dict.fromkeys(condition.values))
    values = ", ".join(literal(value) for value in distinct)
    if column.kind == "array":
        every = "all" if isinstance(condition, AllOf) else "any"
        negated = "not " if isinstance(condition, NoneOf) else ""
        return f"({negated}array_contains_{every}({column.name}, [{values}]))"
    if isinstance(condition, AllOf) and len(distinct) > 1:
        return f"({_NOTHING})"  # such an item has only one
    return f"{column.name} {'not in' if isinstance(condition, NoneOf) else 'in'} [{values}]"


def _category_terms(condition: AnyOf | AllOf | NoneOf, columns: Mapping[str, str]) -> str:
    """The condition on BOOL columns, one per category; no item has a category without one."""
    present = [columns[value] for value in dict.fromkeys(condition.values) if value in columns]
    if isinstance(condition, NoneOf):
        return " and ".join(f"{name} == false" for name in present) or _EVERYTHING
    if isinstance(condition, AllOf):
        known = len(present) == len(set(condition.values))
        return " and ".join(f"{name} == true" for name in present) if known else _NOTHING
    return " or ".join(f"{name} == true" for name in present) or _NOTHING


def literal(value: str | float | int) -> str:
    """A value in Milvus' filter language; all values in expressions come from here. Conditions have
    checked theirs: numbers are finite, texts have no half of a surrogate pair.
    """
    return f'"{value.translate(_ESCAPES)}"' if isinstance(value, str) else repr(value)
