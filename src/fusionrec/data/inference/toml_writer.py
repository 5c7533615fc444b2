"""A guess as the text of a ``fusionrec.toml``, each value with its reasons beside it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fusionrec.data.inference.attributes import Attribute, Attributes
from fusionrec.data.inference.column_stats import shown
from fusionrec.data.inference.infer import InferredKey, InferredSpec, InferredTable
from fusionrec.data.tabular.spec import FieldSpec
from fusionrec.errors import DataError
from fusionrec.workspace import move_in

_WIDTH = 100
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HEAD = (
    "Written by `fusionrec init`: what the files beside it seem to hold, each guess with what it "
    "was made from. Change what is wrong. Then: fusionrec check DIR, and fusionrec train --data "
    "DIR, where DIR is this folder."
)


def quoted(text: str) -> str:
    """A text as a TOML string of one line; whatever cannot be seen is escaped.

    Half a surrogate pair, which no TOML can hold, becomes the sign for what cannot be shown.
    """
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def value_text(value: Any) -> str:
    """A text, number, truth, list or dictionary as TOML of one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {value_text(one)}" for key, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return repr(value)


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else quoted(text)


def toml_text(guess: InferredSpec) -> str:
    """The whole file; ``read_spec`` reads it back."""
    lines = [*_comment(_HEAD), "", f"name = {quoted(guess.name)}", "", "[interactions]"]
    for line in guess.interactions:
        lines += _line(line)
    lines += _left(guess.left)
    for name, table in (("users", guess.users), ("items", guess.items)):
        lines += ["", *(_table(name, table) if table else _comment(f"No file tells of {name}."))]
    if unused := guess.unused | guess.refused:
        lines += ["", *_comment("Not used:")]
        for file, why in unused.items():
            lines += _comment(f"{shown(file)}: {why}", "#   ")
    return "\n".join(lines) + "\n"


def _comment(text: str, begin: str = "# ") -> list[str]:
    # Untrusted values stand in comments: nothing may end the line or hide in it.
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return textwrap.wrap(
        plain, _WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False
    )


def _line(line: InferredKey) -> Iterator[str]:
    if line.why:
        yield from _comment("; ".join(line.why))
    yield f"{line.key} = {value_text(line.value)}"


def _left(left: dict[str, str]) -> Iterator[str]:
    if left:
        yield "# Left out:"
    for column, why in left.items():
        yield from _comment(f"{shown(column)}: {why}", "#   ")


def _table(name: str, table: InferredTable) -> Iterator[str]:
    yield f"[{name}]"
    for line in table.lines:
        yield from _line(line)
    yield from _left(table.attributes.left)
    yield from _fields(name, table.attributes)


def _fields(name: str, attributes: Attributes) -> Iterator[str]:
    for attribute in attributes.kept:
        yield ""
        yield f"[{name}.fields.{attribute.name}]"
        yield from _comment("; ".join(attribute.why))
        for key, value in _settings(attribute):
            yield f"{key} = {value_text(value)}"


def _settings(attribute: Attribute) -> Iterator[tuple[str, Any]]:
    """What differs from what is so by itself; the kind in any case."""
    column, usual = attribute.column, FieldSpec()
    yield "kind", column.kind
    for key, value in column.to_dict().items():
        if key != "kind" and value != getattr(usual, key):
            yield key, value


def write_new(file: Path, text: str) -> None:
    """Writes a text file that appears whole, or not at all.

    Raises:
        DataError: it cannot be written.
    """
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        move_in(beside, file)
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error}") from error
