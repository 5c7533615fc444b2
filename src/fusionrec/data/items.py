"""Single items as people hand them in: files of them, checked against the schema."""

from __future__ import annotations

import csv
import difflib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionrec.data.schema import Field, Schema
from fusionrec.errors import DataError

MOST_TEXT = 10_000  # characters of one value
MOST_CATEGORIES = 100  # of one item
_ID_LENGTH = 500


@dataclass(frozen=True)
class Item:
    """An item and what is known of it.

    Attributes:
        id: outside id.
        content: attribute -> value, as a ``Table`` holds it; every item attribute of the schema.
        given: the attributes that were told; the others are not known.
    """

    id: str
    content: Mapping[str, Any]
    given: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The content as plain JSON values; ``item_of`` reads it back equal."""
        return plain_content(self.content)


def plain_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """An item's attributes as plain JSON values."""
    return {name: _plain(value) for name, value in content.items()}


def item_of(schema: Schema, id: Any, given: Mapping[str, Any]) -> Item:
    """An item from what someone says of it.

    Args:
        schema: whose item attributes may be given; what is left out is not known.
        id: outside id; a whole number becomes its digits.
        given: attribute -> value: a text, a number, or for several categories a list or one text
            with ``|`` between. The choices' labels stand for their codes, in any letter case.

    Raises:
        DataError: there is no such attribute, or a value is none of its kind.
    """
    name = str(id).strip() if isinstance(id, str | int) and not isinstance(id, bool) else ""
    if not name or len(name) > _ID_LENGTH or not name.isprintable():
        raise DataError(f"an item's id must be 1 to {_ID_LENGTH} printable characters, got {id!r}")
    fields = {field.name: field for field in schema.attributes("item")}
    for key in given:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise DataError(
                f"item {name}: an item has no {key!r}",
                hint=f"{guess}Its attributes are {', '.join(fields) or 'none'}",
            )
    content = {n: _value(name, field, given.get(n)) for n, field in fields.items()}
    return Item(name, content, frozenset(given))


def read_items(path: Path, schema: Schema) -> list[Item]:
    """The items of a file: JSON Lines (``.jsonl``, ``.json``), or CSV or TSV with a first line of
    names. The id stands under the name of the schema's item id, or under ``id``.

    Raises:
        DataError: it cannot be read, or a line is not an item; which one, and why.
    """
    items: dict[str, Item] = {}
    name = schema.id("item").name
    for number, given in _lines(path):
        keys = [key for key in (name, "id") if key in given]
        if not keys:
            raise DataError(f"{path}, line {number}: no id", hint=f"name it {name!r} or 'id'")
        content = {key: value for key, value in given.items() if key != keys[0]}
        try:
            item = item_of(schema, given[keys[0]], content)
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error.message}", error.hint) from error
        if item.id in items:
            raise DataError(f"{path}, line {number}: item {item.id} stands in it twice")
        items[item.id] = item
    if not items:
        raise DataError(f"{path} holds no items")
    return list(items.values())


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number and values."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".csv", ".tsv"):
                rows = csv.DictReader(
                    file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","
                )
                for row in rows:
                    if None in row or None in row.values():
                        count = len(rows.fieldnames or ())
                        raise DataError(f"{path}, line {rows.line_num}: not {count} values")
                    yield rows.line_num, {str(k).strip(): v for k, v in row.items()}
                return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}, line {number}: not JSON ({error})", hint="write one object on each line"
        ) from error
    if not isinstance(value, dict):
        raise DataError(f"{path}, line {number}: not an object such as {{…}}")
    return value


def _value(item: str, field: Field, given: Any) -> Any:
    """A value as a ``Table`` holds it."""
    if field.kind == "number":
        return _number(item, field, given)
    if field.kind == "categories":
        parts = given.split("|") if isinstance(given, str) else given
        if parts is None:
            return ()
        if not isinstance(parts, list | tuple) or len(parts) > MOST_CATEGORIES:
            raise DataError(f"item {item}: {field.name} must be a list, at most {MOST_CATEGORIES}")
        named = (_text(item, field, part).strip() for part in parts)
        return tuple(dict.fromkeys(_choice(item, field, part) for part in named if part))
    if given is None:
        return ""
    text = _text(item, field, given)
    return _choice(item, field, text.strip()) if field.kind == "category" and text else text


def _number(item: str, field: Field, given: Any) -> float:
    if given is None or (isinstance(given, str) and not given.strip()):
        return math.nan
    try:
        number = float(given) if not isinstance(given, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"item {item}: {field.name} must be a number, got {given!r}")
    return number


def _text(item: str, field: Field, given: Any) -> str:
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = f"{given:g}" if isinstance(given, float) else str(given)
    if not isinstance(given, str):
        raise DataError(f"item {item}: {field.name} must be a text, got {given!r}")
    if len(given) > MOST_TEXT:
        raise DataError(f"item {item}: {field.name} has {len(given)} characters, over {MOST_TEXT}")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"item {item}: {field.name} holds half a surrogate pair") from error
    return given


def _choice(item: str, field: Field, text: str) -> str:
    """The code of a choice that is given by its code or its label; any text of an open field."""
    if not field.choices or text in field.choices:
        return text
    codes = {label.casefold(): code for code, label in field.choices.items()}
    codes |= {code.casefold(): code for code in field.choices}
    code = codes.get(text.casefold())
    if code is None:
        near = difflib.get_close_matches(text.casefold(), codes, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise DataError(
            f"item {item}: {field.name} has no value {text!r}",
            hint=f"{guess}It is one of {', '.join(field.choices)}",
        )
    return code


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return list(value)
    return None if isinstance(value, float) and math.isnan(value) else value
