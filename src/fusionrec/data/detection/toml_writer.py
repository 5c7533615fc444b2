"""Writes an inferred ``fusionrec.toml``, with the reasons for each value as comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from fusionrec.data.detection.attributes import Attribute, Attributes
from fusionrec.data.detection.column_stats import shown
from fusionrec.data.detection.infer import InferredKey, InferredSpec, InferredTable
from fusionrec.data.tabular.spec import FieldSpec

_WIDTH = 100
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HEAD = (
    "Written by `fusionrec init`: what the files beside it seem to hold, each guess with what it "
    "was made from. Change what is wrong. Then: fusionrec check DIR, and fusionrec train --data "
    "DIR, where DIR is this folder."
)


def quoted(text: str) -> str:
    """A text as a TOML string on one line; unprintable characters are escaped.

    A lone surrogate, which TOML cannot contain, becomes U+FFFD.
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
    """A text, number, boolean, list or dictionary as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(name)} = {value_text(v)}" for name, v in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return repr(value)


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else quoted(text)


def toml_text(spec: InferredSpec) -> str:
    """The whole file, as ``read_spec`` reads it."""
    lines = [*_comment(_HEAD), "", f"name = {quoted(spec.name)}", "", "[interactions]"]
    for key in spec.interactions:
        lines += _key_lines(key)
    lines += _left_out(spec.left_out)
    for name, table in (("users", spec.users), ("items", spec.items)):
        lines += ["", *(_table(name, table) if table else _comment(f"No file tells of {name}."))]
    if unused := spec.unused | spec.refused:
        lines += ["", *_comment("Not used:")]
        for file, why in unused.items():
            lines += _comment(f"{shown(file)}: {why}", "#   ")
    return "\n".join(lines) + "\n"


def _comment(text: str, begin: str = "# ") -> list[str]:
    # Comments quote untrusted values: nothing may end the line or hide in it.
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return textwrap.wrap(
        plain, _WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False
    )


def _key_lines(key: InferredKey) -> Iterator[str]:
    if key.why:
        yield from _comment("; ".join(key.why))
    yield f"{key.key} = {value_text(key.value)}"


def _left_out(left_out: dict[str, str]) -> Iterator[str]:
    if left_out:
        yield "# Left out:"
    for column, why in left_out.items():
        yield from _comment(f"{shown(column)}: {why}", "#   ")


def _table(name: str, table: InferredTable) -> Iterator[str]:
    yield f"[{name}]"
    for key in table.keys:
        yield from _key_lines(key)
    yield from _left_out(table.attributes.left_out)
    yield from _fields(name, table.attributes)


def _fields(name: str, attributes: Attributes) -> Iterator[str]:
    for attribute in attributes.kept:
        yield ""
        yield f"[{name}.fields.{attribute.name}]"
        yield from _comment("; ".join(attribute.why))
        for key, value in _settings(attribute):
            yield f"{key} = {value_text(value)}"


def _settings(attribute: Attribute) -> Iterator[tuple[str, Any]]:
    """The kind, and the settings that differ from the defaults."""
    column, default = attribute.column, FieldSpec()
    yield "kind", column.kind
    for key, value in column.to_dict().items():
        if key != "kind" and value != getattr(default, key):
            yield key, value
