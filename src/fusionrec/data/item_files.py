"""Items from files and requests, checked against the schema."""

from __future__ import annotations

import csv
import difflib
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionrec.data.arguments import shortened
from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field, Schema
from fusionrec.data.values import ID_RULE, clean_text, is_finite, is_id
from fusionrec.errors import DataError, reason

MOST_TEXT = 10_000  # characters of one value
MOST_CATEGORIES = 100  # of one item
_NAMES = 20  # columns in a message

Categories = Mapping[str, Collection[str]]  # field of categories -> its values


@dataclass(frozen=True)
class Item:
    """An item and its attributes.

    Attributes:
        id: outside id.
        content: attribute -> value, as in a ``Table``; every item attribute of the schema.
        given: the attributes that were provided; the others are unknown.
    """

    id: str
    content: Mapping[str, Any]
    given: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The content as plain JSON values; ``item_of`` reads it back equal."""
        return plain_content(self.content)


def plain_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """An item's attributes as plain JSON values."""

    def plain(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return list(value)
        return None if isinstance(value, float) and math.isnan(value) else value

    return {name: plain(value) for name, value in content.items()}


def item_of(schema: Schema, id: Any, given: Mapping[str, Any]) -> Item:
    """An item from attribute values of any source.

    Args:
        schema: of the items; attributes that are not given are unknown.
        id: outside id, kept exactly; a whole number becomes its digits.
        given: attribute -> value: a text, a number, or for several categories a list or one text
            with ``|`` between. The choices' labels stand for their codes, in any letter case. Texts
            are cleaned by ``clean_text``.

    Raises:
        DataError: an attribute does not exist, or a value does not fit its kind.
    """
    # str() refuses a number of thousands of digits, which is no id either.
    name = str(id) if isinstance(id, str) or (isinstance(id, int) and is_finite(id)) else ""
    if isinstance(id, bool) or not is_id(name):
        raise DataError(f"an item's id must be {ID_RULE}, got {shortened(id)}")
    fields = {field.name: field for field in schema.attributes("item")}
    for key in given:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise DataError(
                f"item {name}: an item has no {key!r}",
                hint=f"{guess}Its attributes are {', '.join(fields) or 'none'}",
            )
    content = {n: _value(f"item {name}: {n}", f, given.get(n)) for n, f in fields.items()}
    return Item(name, content, frozenset(given))


def read_items(
    path: Path, schema: Schema, id_column: str | None = None, categories: Categories | None = None
) -> list[Item]:
    """The items of a file: JSON Lines (``.jsonl``, ``.json``), or CSV or TSV with a first line of
    names.

    Args:
        path, schema: the file, and the schema of its items.
        id_column: the column of the id; by default the name of the schema's item id, or ``id``
            unless that is an attribute.
        categories: the known categories. A text that is none of them is split at ``;`` or ``,`` if
            some of its parts are.

    Raises:
        DataError: it cannot be read, or a line is not an item; names the line and the reason.
    """
    items: dict[str, Item] = {}
    known = {  # the codes and labels of the fields of several categories, in lower case
        f.name: frozenset(
            name.casefold()
            for name in (*(categories or {}).get(f.name, ()), *f.choices, *f.choices.values())
        )
        for f in schema.attributes("item")
        if f.kind == "categories"
    }
    for number, row in _lines(path):
        key = _id_column(f"{path}, line {number}", schema, row, id_column)
        content = {name: value for name, value in row.items() if name != key}
        for name, names in known.items():
            if isinstance(content.get(name), str):
                content[name] = _split(content[name], names)
        try:
            item = item_of(schema, row[key], content)
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error.message}", error.hint) from error
        if item.id in items:
            raise DataError(f"{path}, line {number}: item {item.id} stands in it twice")
        items[item.id] = item
    if not items:
        raise DataError(f"{path} holds no items")
    return list(items.values())


def known_categories(schema: Schema, items: Table) -> Categories:
    """The categories of some items: field -> its values."""
    categories: dict[str, frozenset[str]] = {}
    for field in schema.attributes("item"):
        column = items.columns.get(field.name, ())
        if field.kind == "category":
            categories[field.name] = frozenset(value or "" for value in column)
        if field.kind == "categories":
            categories[field.name] = frozenset(name for value in column for name in value or ())
    return categories


def new_categories(schema: Schema, items: Sequence[Item], categories: Categories) -> dict[str, int]:
    """The categories of new or changed items, in fields without choices, that are not among the
    ``categories`` of the others, and how many of the items have each.
    """
    counts: Counter[str] = Counter()
    for field in schema.attributes("item"):
        if field.choices or field.name not in categories:
            continue
        for item in items:
            value = item.content[field.name]
            values = value if field.kind == "categories" else (value,)
            counts.update(name for name in values if name and name not in categories[field.name])
    return dict(counts)


def _id_column(line: str, schema: Schema, row: Mapping[str, Any], wanted: str | None) -> str:
    attributes = {f.name for f in schema.attributes("item")}
    usual = [n for n in dict.fromkeys([schema.id("item").name, "id"]) if n not in attributes]
    key = next((name for name in ([wanted] if wanted else usual) if name in row), None)
    if key is not None:
        return key
    others = [name for name in row if name not in attributes]
    likely = next((n for n in others if "id" in n.lower()), others[0] if others else "COLUMN")
    names = " or ".join(usual)
    has = ", ".join([str(name)[:50] for name in row][:_NAMES]) or "nothing"
    raise DataError(
        f"{line}: no {wanted!r}; it has {has}" if wanted else f"{line}: no id; it has {has}",
        hint=f"rename {likely[:50]} to {names}, or say --id {likely[:50]}",
    )


def _split(text: str, known: Collection[str]) -> str | list[str]:
    """A text of several categories, split at ``;`` or ``,`` if some part is known."""
    if "|" in text or text.strip().casefold() in known:
        return text
    for mark in ";,":
        parts = [part.strip() for part in text.split(mark)]
        if len(parts) > 1 and any(part.casefold() in known for part in parts):
            return parts
    return text


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number and values."""
    kind = path.suffix.lower()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if kind in (".csv", ".tsv"):
                rows = csv.DictReader(file, delimiter="\t" if kind == ".tsv" else ",")
                for row in rows:
                    if None in row or None in row.values():
                        count = len(rows.fieldnames or ())
                        raise DataError(f"{path}, line {rows.line_num}: not {count} values")
                    yield rows.line_num, {str(k).strip(): v for k, v in row.items()}
                return
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DataError(
                        f"{path}, line {number}: not JSON ({error})",
                        hint="write one object on each line",
                    ) from error
                if not isinstance(value, dict):
                    raise DataError(f"{path}, line {number}: not an object such as {{…}}")
                yield number, value
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error


def _value(what: str, field: Field, given: Any) -> Any:
    """A value as in a ``Table``; ``what`` names it in errors."""
    if field.kind == "number":
        if given is None or (isinstance(given, str) and not given.strip()):
            return math.nan
        try:
            number = float(given) if not isinstance(given, bool) else math.nan
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"{what} must be a number, got {shortened(given)}")
        return number
    if field.kind == "categories":
        parts = given.split("|") if isinstance(given, str) else given
        if parts is None:
            return ()
        if not isinstance(parts, list | tuple) or len(parts) > MOST_CATEGORIES:
            raise DataError(f"{what} must be a list, at most {MOST_CATEGORIES}")
        named = (_text(what, part) for part in parts)
        return tuple(dict.fromkeys(_choice(what, field, part) for part in named if part))
    text = "" if given is None else _text(what, given)
    return _choice(what, field, text) if field.kind == "category" and text else text


def _text(what: str, given: Any) -> str:
    if isinstance(given, int | float) and not isinstance(given, bool) and is_finite(given):
        given = f"{given:g}" if isinstance(given, float) else str(given)
    if not isinstance(given, str):
        raise DataError(f"{what} must be a text, got {shortened(given)}")
    if len(given) > MOST_TEXT:
        raise DataError(f"{what} has {len(given)} characters, over {MOST_TEXT}")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{what} holds half a surrogate pair") from error
    return clean_text(given)


def _choice(what: str, field: Field, text: str) -> str:
    """The code of a choice, from its code or label; any text if the field is open."""
    if not field.choices:
        return text
    code = field.code_of(text)
    if code is None:
        labels = {label.casefold(): label for label in field.choices.values()}
        labels |= {code.casefold(): label for code, label in field.choices.items()}
        near = difflib.get_close_matches(text.casefold(), labels, n=1)
        guess = f"did you mean {labels[near[0]]!r}? " if near else ""
        raise DataError(
            f"{what} has no value {text!r}", hint=f"{guess}It is one of {', '.join(field.choices)}"
        )
    return code
