"""Writes an inferred ``fusionrec.toml``, with the reasons for each value as comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from fusionrec.data.detection.attributes import Attribute
from fusionrec.data.detection.column_stats import shown
from fusionrec.data.detection.inferred import InferredKey, InferredSpec
from fusionrec.data.tabular.spec import FieldSpec
from fusionrec.data.tabular.toml_file import quoted, review_table, sealed, value_text

_WIDTH = 100
_HEAD = (
    "Written by `fusionrec init`: what the files in this folder seem to contain, with the reason "
    "for each guess. Change what is wrong. Then: fusionrec check DIR, and fusionrec train --data "
    "DIR, where DIR is this folder."
)
_REVIEW = (
    "To be looked at, since answers would be nonsense if one of these guesses is wrong. Until then "
    "`fusionrec train` refuses: any edit of this file counts as a look, or give --accept."
)
_MOST_REASONS = 200  # columns or files that are listed: the file must stay small


def toml_text(spec: InferredSpec) -> str:
    """The whole file, as ``read_spec`` reads it."""
    lines = [*_comment(_HEAD), "", f"name = {quoted(spec.name)}", ""]
    if grave := [quoted(str(doubt)) for doubt in spec.doubts if doubt.grave]:
        lines += [*_comment(_REVIEW), review_table(grave), ""]
    lines += _table("interactions", spec.interactions, spec.left_out)
    for name, table in (("users", spec.users), ("items", spec.items)):
        if table is None:
            lines += ["", f"# No file describes {name}."]
            continue
        lines += ["", *_table(name, table.keys, table.left_out)]
        for attribute in table.fields:
            lines += _field(name, attribute)
    if unused := spec.unused | spec.refused:
        lines += ["", *_reasons("Not used:", unused)]
    text = "\n".join(lines) + "\n"
    return sealed(text) if grave else text


def _comment(text: str, begin: str = "# ") -> list[str]:
    # Comments quote untrusted values: nothing may end the line or hide in it.
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return textwrap.wrap(
        plain, _WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False
    )


def _table(name: str, keys: Iterable[InferredKey], left_out: Mapping[str, str]) -> Iterator[str]:
    yield f"[{name}]"
    for key in keys:
        if key.why:
            yield from _comment("; ".join(key.why))
        yield f"{key.key} = {value_text(key.value)}"
    yield from _reasons("Left out:", left_out)


def _reasons(title: str, reasons: Mapping[str, str]) -> Iterator[str]:
    if reasons:
        yield f"# {title}"
    for name, why in islice(reasons.items(), _MOST_REASONS):
        yield from _comment(f"{shown(name)}: {why}", "#   ")
    if len(reasons) > _MOST_REASONS:
        yield f"#   and {len(reasons) - _MOST_REASONS:,} more"


def _field(name: str, attribute: Attribute) -> Iterator[str]:
    """A field with its kind, and the settings that differ from the defaults."""
    yield from ("", f"[{name}.fields.{attribute.name}]")
    yield from _comment("; ".join(attribute.why))
    default = FieldSpec()
    for key, value in attribute.column.to_dict().items():
        if key == "kind" or value != getattr(default, key):
            yield f"{key} = {value_text(value)}"
