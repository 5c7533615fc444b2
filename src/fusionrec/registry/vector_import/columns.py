"""What the columns of a file of items are: attributes by a schema that came along, or by guess."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fusionrec.data.schema import Field, FieldKind, Schema
from fusionrec.errors import DataError
from fusionrec.index.layout import MAX_COLUMNS
from fusionrec.registry.tables import column_names

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["text", "texts", "number"]

MOST_VALUES = 1_000  # of a column of texts that answers are filtered by
LONGEST_VALUE = 1_000  # characters of such a value; what is longer is prose
MOST_FILTERS = (MAX_COLUMNS - 4) // 2  # a filter takes up to two of a collection's columns
_TITLES = ("title", "name")
_FORMS: dict[FieldKind, Form] = {
    "category": "text", "text": "text", "categories": "texts", "number": "number",
}  # fmt: skip


class Column:
    """One attribute's column, filled part by part.

    Args:
        name: in the file.
        form: what its values are.
        field: what the schema says of it; None where that is to be guessed.

    Attributes:
        values: as a ``Table`` holds them, one for each row that was taken.
    """

    def __init__(self, name: str, form: Form, field: Field | None = None) -> None:
        self.name, self.form, self.field = name, form, field
        self.values: list[Any] = []
        self._seen: dict[Any, Any] = {}

    def take(self, part: pa.Array) -> None:
        """Adds some rows' values. Equal ones become one object: memory for a million items."""
        if self.form == "number":
            self.values += _numbers(part)
            return
        held: list[Any] = plain(part).to_pylist()
        if self.form == "text":
            # A truth value is the word for it.
            held = [str(text).lower() if isinstance(text, bool) else text or "" for text in held]
        else:
            held = [tuple(text for text in texts or () if text) for texts in held]
        if len(self._seen) > MOST_VALUES:
            self.values += held
            return
        self.values += [self._seen.setdefault(value, value) for value in held]

    def guess(self, name: str, *, title: bool) -> Field:
        """The field that it is taken for, under a name that a field may have."""
        if self.form == "number":
            return Field(name, "item", "number", filterable=True)
        if self.form == "texts":
            return Field(name, "item", "categories", filterable=True)
        values = self._seen.keys()
        few = len(values) <= MOST_VALUES and max(map(len, values), default=0) <= LONGEST_VALUE
        if few and not title:
            return Field(name, "item", "category", filterable=True)
        return Field(name, "item", "text")


def columns_of(found: pa.Schema, schema: Schema | None) -> tuple[list[Column], list[str]]:
    """The columns of a file that can be used, and notes on those that cannot.

    Args:
        found: the file's columns.
        schema: that came along in it; None if none did.

    Raises:
        DataError: a column that the schema tells of is missing, or is of another kind.
    """
    columns: list[Column] = []
    notes = []
    told = _told(found, schema) if schema else {}
    columns += told.values()
    for field in found:
        if field.name in ("id", "vector") or field.name in told:
            continue
        form = form_of(field.type)
        if form is None:
            notes.append(
                f"note: column {field.name!r} is left out: its type, {field.type}, is no text, "
                "number or list of texts"
            )
        else:
            columns.append(Column(field.name, form))
    return columns, notes


def _told(found: pa.Schema, schema: Schema) -> dict[str, Column]:
    """The columns that a schema tells of, by their names in the file."""
    names, told = column_names(schema), {}
    for field in schema.attributes("item"):
        name = names[field.name]
        form = form_of(found.field(name).type) if name in found.names else None
        if form != _FORMS[field.kind]:
            came = f"it is {found.field(name).type}" if name in found.names else "there is none"
            raise DataError(
                f"the schema in the file tells of a column {name!r} for the {field.kind} "
                f"{field.name}, and {came}",
                hint="take fusionrec.schema out of the file's metadata to have it guessed",
            )
        told[name] = Column(name, form, field)
    return told


def schema_of(
    columns: Sequence[Column], schema: Schema | None, about: str
) -> tuple[Schema, list[str]]:
    """The schema of the columns, whose fields stand in their order, and what to say of it.

    Args:
        columns: all of them, filled.
        schema: that came along; None if none did.
        about: what the items are called where none did.
    """
    fields = list(schema.side("item")) if schema else [Field("id", "item", "id")]
    title = schema.title if schema else ""
    of_title = None if schema else _title(columns)
    notes = []
    taken = {f.name for f in fields} | ({schema.id("user").name} if schema else set())
    for column in columns:
        if column.field is not None:
            continue
        name = field_name(column.name, taken)
        field = column.guess(name, title=column is of_title)
        if field.filterable and sum(f.filterable for f in fields) >= MOST_FILTERS:
            field = replace(field, filterable=False)
        if column is of_title:
            title = name
        notes.append(_guessed(column.name, field, title))
        column.field = field
        fields.append(field)
        taken.add(name)
    if schema:
        return replace(schema, fields=(schema.id("user"), *fields)), notes
    nobody = Field(_free("user", taken), "user", "id")
    return Schema(about, (nobody, *fields), (1.0, 5.0), title), notes


def _title(columns: Sequence[Column]) -> Column | None:
    """The column that people know items by."""
    for wanted in _TITLES:
        for column in columns:
            if column.form == "text" and column.name.casefold() == wanted:
                return column
    return None


def _guessed(column: str, field: Field, title: str) -> str:
    named = column if column == field.name else f"{column!r}, here {field.name}"
    use = "the title" if field.name == title else "a filter" if field.filterable else "no filter"
    return f"guessed: {named} is {field.kind}, {use}"


def field_name(name: str, taken: Collection[str]) -> str:
    """A name that a field may have, of letters, digits and underscores, like a column's."""
    if not (name.isidentifier() and name.isascii()):
        apart = unicodedata.normalize("NFKD", name)
        letters = "".join(c for c in apart if not unicodedata.combining(c))
        name = re.sub(r"\W+", "_", letters, flags=re.ASCII).strip("_") or "column"
        name = name if name.isidentifier() else f"_{name}"
    return _free(name, taken)


def _free(name: str, taken: Collection[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def plain_type(kind: pa.DataType) -> pa.DataType:
    """A type without what only says how it is stored: dictionaries, extensions."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def plain(values: pa.Array) -> pa.Array:
    """Values of the type that ``plain_type`` makes of theirs."""
    import pyarrow as pa

    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are texts."""
    from pyarrow import types

    return any((types.is_string(kind), types.is_large_string(kind), types.is_string_view(kind)))


def is_list(kind: pa.DataType) -> bool:
    """Whether values of a type are lists, of one length or not."""
    from pyarrow import types

    sizes = types.is_list(kind), types.is_large_list(kind), types.is_fixed_size_list(kind)
    return any(sizes)


def form_of(kind: pa.DataType) -> Form | None:
    """What values of a type are as an attribute's; None for what no attribute holds."""
    from pyarrow import types

    kind = plain_type(kind)
    if is_text(kind) or types.is_boolean(kind):
        return "text"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if is_list(kind):
        inner = plain_type(kind.value_type)
        return "texts" if is_text(inner) or types.is_null(inner) else None
    return None


def _numbers(part: pa.Array) -> list[float]:
    """Floats; NaN for what is missing or not finite."""
    import pyarrow as pa

    values = plain(part).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    held: list[float] = np.where(np.isfinite(values), values, np.nan).tolist()
    return held
