"""Maps a file's columns to item attributes, by its schema or by inference."""

from __future__ import annotations

import itertools
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

MAX_CATEGORIES = 1_000  # distinct texts of a column that becomes a filter
MAX_CATEGORY_LENGTH = 1_000  # characters of such a text; longer ones are prose
MAX_FILTERS = (MAX_COLUMNS - 4) // 2  # a filter takes up to two of a collection's columns
_FORMS: dict[FieldKind, Form] = {
    "category": "text", "text": "text", "categories": "texts", "number": "number",
    "image": "text",
}  # fmt: skip


class Column:
    """One attribute's column, filled batch by batch.

    Args:
        name: in the file.
        form: of its values.
        field: of the schema; None to infer it.

    Attributes:
        values: as in a ``Table``, one for each row.
    """

    def __init__(self, name: str, form: Form, field: Field | None = None) -> None:
        self.name, self.form, self.field = name, form, field
        self.values: list[Any] = []
        self._seen: dict[Any, Any] = {}

    def take(self, part: pa.Array) -> None:
        """Adds the values of a batch; numbers that are missing or not finite become NaN. Equal
        texts share one object, to save memory.
        """
        if self.form == "number":
            import pyarrow as pa

            floats = plain(part).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            self.values += np.where(np.isfinite(floats), floats, np.nan).tolist()
            return
        values: list[Any] = plain(part).to_pylist()
        if self.form == "text":
            # Booleans become "true" and "false".
            values = [str(x).lower() if isinstance(x, bool) else x or "" for x in values]
        else:
            values = [tuple(text for text in texts or () if text) for texts in values]
        if len(self._seen) > MAX_CATEGORIES:
            self.values += values
            return
        self.values += [self._seen.setdefault(value, value) for value in values]

    def infer_field(self, name: str, *, title: bool) -> Field:
        """Infers the field, under a valid field name."""
        if self.form == "number":
            return Field(name, "item", "number", filterable=True)
        if self.form == "texts":
            return Field(name, "item", "categories", filterable=True)
        few = len(self._seen) <= MAX_CATEGORIES
        if title or not few or max(map(len, self._seen), default=0) > MAX_CATEGORY_LENGTH:
            return Field(name, "item", "text")
        return Field(name, "item", "category", filterable=True)


def columns_of(available: pa.Schema, schema: Schema | None) -> tuple[list[Column], list[str]]:
    """The usable columns of a file, and notes on the others.

    Args:
        available: the file's columns.
        schema: in the file's metadata; None if there is none.

    Raises:
        DataError: a column of the schema is missing, or has another kind.
    """
    known = _schema_columns(available, schema) if schema else {}
    columns, notes = [*known.values()], []
    for field in available:
        if field.name in ("id", "vector") or field.name in known:
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


def _schema_columns(available: pa.Schema, schema: Schema) -> dict[str, Column]:
    """The columns of a schema, by their names in the file."""
    names, columns = column_names(schema), {}
    for field in schema.attributes("item"):
        name = names[field.name]
        form = form_of(available.field(name).type) if name in available.names else None
        if form != _FORMS[field.kind]:
            there = name in available.names
            actual = f"it is {available.field(name).type}" if there else "there is none"
            raise DataError(
                f"the schema in the file tells of a column {name!r} for the {field.kind} "
                f"{field.name}, and {actual}",
                hint="take fusionrec.schema out of the file's metadata to have it guessed",
            )
        columns[name] = Column(name, form, field)
    return columns


def schema_of(
    columns: Sequence[Column], schema: Schema | None, name: str
) -> tuple[Schema, list[str]]:
    """The schema of the columns, in their order, and notes on inferred fields.

    Args:
        columns: all columns, filled.
        schema: in the file's metadata; None if there is none.
        name: of the new schema if there is none.
    """
    fields = list(schema.side("item")) if schema else [Field("id", "item", "id")]
    title = schema.title if schema else ""
    texts = {c.name.casefold(): c for c in reversed(columns) if c.form == "text"}
    of_title = None if schema else texts.get("title", texts.get("name"))
    notes = []
    taken = {f.name for f in fields} | ({schema.id("user").name} if schema else set())
    for column in columns:
        if column.field is not None:
            continue
        own = field_name(column.name, taken)
        field = column.infer_field(own, title=column is of_title)
        if field.filterable and sum(f.filterable for f in fields) >= MAX_FILTERS:
            field = replace(field, filterable=False)
        if column is of_title:
            title = own
        named = own if own == column.name else f"{column.name!r}, here {own}"
        use = "the title" if own == title else "a filter" if field.filterable else "no filter"
        notes.append(f"guessed: {named} is {field.kind}, {use}")
        column.field = field
        fields.append(field)
        taken.add(own)
    if schema:
        return replace(schema, fields=(schema.id("user"), *fields)), notes
    user = Field(_free("user", taken), "user", "id")
    return Schema(name, (user, *fields), (1.0, 5.0), title), notes


def field_name(name: str, taken: Collection[str]) -> str:
    """A valid field name, of letters, digits and underscores, after a column's."""
    if not (name.isidentifier() and name.isascii()):
        decomposed = unicodedata.normalize("NFKD", name)
        letters = "".join(c for c in decomposed if not unicodedata.combining(c))
        name = re.sub(r"\W+", "_", letters, flags=re.ASCII).strip("_") or "column"
        name = name if name.isidentifier() else f"_{name}"
    return _free(name, taken)


def _free(name: str, taken: Collection[str]) -> str:
    names = (name if number == 1 else f"{name}_{number}" for number in itertools.count(1))
    return next(free for free in names if free not in taken)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The value type behind dictionaries and extensions."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def plain(values: pa.Array) -> pa.Array:
    """Values as their ``plain_type``."""
    import pyarrow as pa

    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are texts."""
    from pyarrow import types

    return any(f(kind) for f in (types.is_string, types.is_large_string, types.is_string_view))


def is_list(kind: pa.DataType) -> bool:
    """Whether values of a type are lists, of one length or not."""
    from pyarrow import types

    return any(f(kind) for f in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def form_of(kind: pa.DataType) -> Form | None:
    """The form of a type's values; None if no attribute can have it."""
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
