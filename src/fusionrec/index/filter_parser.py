"""Parses conditions as users write them."""

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
# A name contains none of these characters; a value may contain all of them.
_WRITTEN = re.compile(r"([^=+!]+)(=|\+=|!=)(.*)", re.DOTALL)
_KINDS: dict[Operator, type[AnyOf | AllOf | NoneOf]] = {"=": AnyOf, "+=": AllOf, "!=": NoneOf}


def parse(schema: Schema, name: str, text: str, operator: Operator = "=") -> FieldCondition:
    """Reads one condition.

    Args:
        schema: its filterable fields may be named.
        name: a field's name or its name on the command line.
        text: a value or its label; of a number ``1994``, ``1980..1989``, ``1980..`` or ``..1989``.
        operator: of categories: items have any of several values (``=``), all of them (``+=``), or
            none of them (``!=``).

    Raises:
        UsageError: there is no such field or value, the range is invalid, or the operator is not
            for numbers; the hint lists what there is.
    """
    fields = filter_fields(schema)
    field = next((f for f in fields if name in (f.name, f.flag)), None)
    if field is None:
        raise UsageError(f"answers cannot be filtered by {name!r}", hint=_filters(fields, name))
    if field.kind != "number":
        return _KINDS[operator](field.name, (_choice(field, text),))
    forms = f"write {field.flag} as 1994, 1980..1989, 1980.. or ..1989"
    if operator != "=":
        raise UsageError(
            f"{field.flag} is a number: {operator} is for categories, got {operator}{text}",
            hint=forms,
        )
    low, dots, high = (part.strip() for part in text.partition(".."))
    ends = [end for end in (low, high) if end]
    if not ends or not all(_NUMBER.fullmatch(end) and math.isfinite(float(end)) for end in ends):
        raise UsageError(f"{field.flag} must be a number or a range, got {text!r}", hint=forms)
    if not dots:
        return Between(field.name, float(low), float(low))
    return Between(field.name, float(low) if low else None, float(high) if high else None)


def read_conditions(
    schema: Schema, written: Iterable[str], only: Sequence[str] = (), without: Sequence[str] = ()
) -> list[Condition]:
    """Reads conditions that must all be met, and joins those of one kind and field.

    Args:
        schema: its filterable fields may be named.
        written: ``name=value`` (several: any of them), ``name+=value`` (several: all of them) or
            ``name!=value`` (several: none of them); of a number one ``name=range``.
        only: outside ids of the only items wanted; without any, all are.
        without: outside ids of items not wanted.

    Raises:
        UsageError: see ``parse``; a text has another form, or a number has two ranges.
    """
    joined: dict[tuple[type, str], FieldCondition] = {}
    for text in written:
        parts = _WRITTEN.fullmatch(text)
        if parts is None:
            raise UsageError(
                f"a condition is name=value, name+=value or name!=value, got {text!r}",
                hint=_filters(filter_fields(schema)),
            )
        name, operator, value = parts.groups()
        condition = parse(schema, name.strip(), value.strip(), operator)  # type: ignore[arg-type]
        key = type(condition), condition.field
        earlier = joined.get(key)
        if earlier is not None:
            if isinstance(earlier, Between) or isinstance(condition, Between):
                raise UsageError(f"{condition.field}: one range at a time")
            condition = type(earlier)(earlier.field, earlier.values + condition.values)
        joined[key] = condition
    conditions: list[Condition] = list(joined.values())
    conditions += [Only(tuple(only))] if only else []
    conditions += [Without(tuple(without))] if without else []
    return conditions


def _filters(fields: Sequence[Field], wrong: str = "") -> str:
    """The available filters, each with its label if that differs."""
    flags = [f.flag for f in fields]
    named = [
        f.flag + (f" ({f.label})" if f.label and f.label.casefold() != f.flag.casefold() else "")
        for f in fields
    ]
    return hint(wrong, flags, "filters are", named)


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
        f"{field.flag} has no value {text!r}", hint=hint(text, names, f"{field.flag} is one of")
    )
