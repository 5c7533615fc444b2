"""Conditions as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from fusionrec.data.schema import Field, Schema
from fusionrec.errors import UsageError
from fusionrec.index.filters import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    FieldCondition,
    NoneOf,
    Only,
    Without,
    hint,
)
from fusionrec.index.layout import filter_fields

Operator = Literal["=", "+=", "!="]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A name holds none of these characters, so that a value may hold all of them.
_WRITTEN = re.compile(r"([^=+!]+)(=|\+=|!=)(.*)", re.DOTALL)
_KINDS: dict[Operator, type[AnyOf | AllOf | NoneOf]] = {"=": AnyOf, "+=": AllOf, "!=": NoneOf}


def parse(schema: Schema, name: str, text: str, operator: Operator = "=") -> FieldCondition:
    """Reads one condition.

    Args:
        schema: whose filterable fields may be named.
        name: a field's name or its name on the command line.
        text: a value or its label; of a number ``1994``, ``1980..1989``, ``1980..`` or ``..1989``.
        operator: of categories, whether items must hold the value as one of several that are
            given (``=``), as one of those that they must all hold (``+=``), or must not hold it.

    Raises:
        UsageError: there is no such field or value, the range is none, or the operator is not for
            numbers; the hint says what there is.
    """
    fields = filter_fields(schema)
    field = next((f for f in fields if name in (f.name, f.flag)), None)
    if field is None:
        near, _, _ = hint(name, [f.flag for f in fields], "filters are").partition("filters are")
        raise UsageError(f"answers cannot be filtered by {name!r}", hint=near + _filters(fields))
    if field.kind != "number":
        return _KINDS[operator](field.name, (_choice(field, text),))
    if operator != "=":
        raise UsageError(
            f"{field.flag} is a number: {field.flag}{operator}{text} says nothing of it",
            hint=_ranges(field),
        )
    return _range(field, text)


def read_conditions(
    schema: Schema,
    written: Iterable[str],
    only: Sequence[str] = (),
    without: Sequence[str] = (),
) -> list[Condition]:
    """Reads conditions, all of which must hold, and joins those of one kind and field.

    Args:
        schema: see ``parse``.
        written: ``name=value`` (several: any of them), ``name+=value`` (several: all of them) or
            ``name!=value`` (several: none of them); of a number one ``name=range``.
        only: outside ids of the only items wanted; without any, all are.
        without: outside ids of items not wanted.

    Raises:
        UsageError: see ``parse``; a text is of no such form, or a number has two ranges.
    """
    joined: dict[tuple[type, str], FieldCondition] = {}
    for text in written:
        condition = _written(schema, text)
        key = type(condition), condition.field
        held = joined.get(key)
        if held is not None:
            if isinstance(held, Between) or isinstance(condition, Between):
                raise UsageError(f"{condition.field}: one range at a time")
            condition = type(held)(held.field, held.values + condition.values)
        joined[key] = condition
    found: list[Condition] = list(joined.values())
    found += [Only(tuple(only))] if only else []
    found += [Without(tuple(without))] if without else []
    return found


def _written(schema: Schema, text: str) -> FieldCondition:
    parts = _WRITTEN.fullmatch(text)
    if parts is None:
        raise UsageError(
            f"a condition is name=value, name+=value or name!=value, got {text!r}",
            hint=_filters(filter_fields(schema)),
        )
    name, operator, value = parts.groups()
    return parse(schema, name.strip(), value.strip(), operator)  # type: ignore[arg-type]


def _filters(fields: Sequence[Field]) -> str:
    """What there is to filter by: each name, with the label where that says something else."""
    named = [
        f.flag + (f" ({f.label})" if f.label and f.label.casefold() != f.flag.casefold() else "")
        for f in fields
    ]
    return f"filters are: {', '.join(named) or 'none'}"


def _range(field: Field, text: str) -> Between:
    low, dots, high = text.partition("..")
    ends = [_number(field, end, text) if end.strip() else None for end in (low, high)]
    if ends == [None, None]:
        raise _not_a_range(field, text)
    return Between(field.name, ends[0], ends[1] if dots else ends[0])


def _number(field: Field, end: str, text: str) -> float:
    if not _NUMBER.fullmatch(end.strip()) or not math.isfinite(float(end)):
        raise _not_a_range(field, text)
    return float(end)


def _not_a_range(field: Field, text: str) -> UsageError:
    return UsageError(
        f"{field.flag} must be a number or a range, got {text!r}", hint=_ranges(field)
    )


def _ranges(field: Field) -> str:
    return f"write {field.flag} as 1994, 1980..1989, 1980.. or ..1989"


def _choice(field: Field, text: str) -> str:
    if not field.choices:
        if not text.strip():
            raise UsageError(f"{field.flag} needs a value to filter by")
        return text
    if text in field.choices:
        return text
    wanted = text.strip().casefold()
    for value, label in field.choices.items():
        if wanted in (value.casefold(), label.casefold()):
            return value
    names = list(dict.fromkeys([*field.choices, *field.choices.values()]))
    raise UsageError(
        f"{field.flag} has no value {text!r}",
        hint=hint(text, names, f"{field.flag} is one of"),
    )
