"""The Encoder: the only code that turns values into the towers' inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from fusionrec.data.arrays import scratch
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Field, Schema, Side
from fusionrec.errors import ArtifactError, DataError, UsageError
from fusionrec.features.vocabulary import (
    UNKNOWN,
    Vocabulary,
    learn,
    numbers,
    one_hot_buckets,
    standardise,
    tokenize,
)

FORMAT = 1
NEW = -1  # the former row of what a former encoder does not know

Features = dict[str, np.ndarray]


class Encoder:
    """Turns users and items into arrays of one schema, the same in training and answering.

    Every array is checked against its vocabulary by construction: a row is never negative and
    never reaches ``vocabulary.size``. Encoded fields of n users or items:

    - ``id``, ``category``: int64 [n], rows.
    - ``categories``: float32 [n, size], 1 for each category of the item; column 0 for unknown ones.
    - ``text``: int64 [n, length], rows of words in order; 0 pads, 1 is an unknown word.
    - ``number``: float32 [n, 2], standardised value and whether it is known (1 or 0); with buckets
      float32 [n, size], 1 at the bucket's row, at row 0 where the number is unknown.
    """

    def __init__(self, schema: Schema, vocabularies: Mapping[str, Vocabulary]) -> None:
        self.schema = schema
        self.vocabularies = dict(vocabularies)
        self._rows = {name: v.rows() for name, v in self.vocabularies.items()}

    @classmethod
    def fit(cls, dataset: Dataset, rows: np.ndarray) -> Encoder:
        """Learns the vocabularies from training rows, int [m], alone.

        Ids without a training interaction get no row, so that no id has an untrained vector.
        """
        vocabularies: dict[str, Vocabulary] = {}
        sides: tuple[tuple[Side, np.ndarray, Table], ...] = (
            ("user", dataset.user, dataset.users),
            ("item", dataset.item, dataset.items),
        )
        for side, positions, table in sides:
            seen = table.take(np.flatnonzero(np.bincount(positions[rows])))
            vocabularies[dataset.schema.id(side).name] = Vocabulary(tuple(seen.ids))
            for field in dataset.schema.inputs(side):
                if field.kind != "id":
                    vocabularies[field.name] = learn(field, seen.columns[field.name])
        return cls(dataset.schema, vocabularies)

    @classmethod
    def empty(cls, schema: Schema) -> Encoder:
        """An encoder without vocabularies: every value is unknown."""
        return cls(schema, {field.name: Vocabulary() for field in _inputs(schema)})

    def encode(
        self, side: Side, ids: Sequence[str | None], columns: Mapping[str, Sequence[Any]]
    ) -> Features:
        """Encodes n users or items: field name -> array, in the order of ``Schema.inputs`` (see the
        class).

        Args:
            side: users or items.
            ids: outside ids; None where there is none.
            columns: attribute name -> n values; None, or a missing name, where unknown.
        """
        encoded: Features = {}
        for field in self.schema.inputs(side):
            values: Sequence[Any] = ids if field.kind == "id" else columns.get(field.name, ())
            if len(values) == 0:
                values = [None] * len(ids)
            encoded[field.name] = self._encode_field(field, values)
        return encoded

    def encode_table(self, side: Side, table: Table) -> Features:
        """Encodes a whole table; see ``encode``."""
        return self.encode(side, table.ids, table.columns)

    def _encode_field(self, field: Field, values: Sequence[Any]) -> np.ndarray:
        vocabulary, rows = self.vocabularies[field.name], self._rows[field.name]
        if field.kind in ("id", "category"):
            return np.fromiter((rows.get(v, UNKNOWN) for v in values), np.int64, len(values))
        if field.kind == "number":
            encode = one_hot_buckets if field.buckets else standardise
            return encode(numbers(values), vocabulary)
        if field.kind == "categories":
            several = scratch((len(values), vocabulary.size), np.float32)
            for n, categories in enumerate(values):
                several[n, [rows.get(v, UNKNOWN) for v in categories or ()]] = 1.0
            return several
        texts = scratch((len(values), vocabulary.length), np.int64)
        for n, text in enumerate(values):
            for position, word in enumerate(tokenize(text or "")[: vocabulary.length]):
                # One row more than other fields: 0 is padding, 1 an unknown word.
                texts[n, position] = rows.get(word, UNKNOWN) + 1
        return texts

    def profile(self, values: Mapping[str, str]) -> dict[str, Any]:
        """A user's attributes ready for ``encode``, from texts, checked against the schema.

        Several categories are separated by commas. A number stands for the choice whose range holds
        it; see ``range_notes``.

        Raises:
            UsageError: a name is not a user attribute, a value is not one of its choices, or a
                number is none.
        """
        known = {f.name: f for f in self.schema.attributes("user")}
        for name in values:
            if name not in known:
                raise UsageError(
                    f"a profile has {', '.join(known) or 'no fields'} in this model, not {name!r}"
                )
        return {name: _parse_value(known[name], value) for name, value in values.items()}

    def range_notes(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Which choice was taken for each number of a profile that ``profile`` accepts."""
        notes = []
        for field in self.schema.attributes("user"):
            text = values.get(field.name, "")
            code = None if text in field.choices else field.range_of(text)
            if code is not None:
                notes.append(f"{field.flag} {text:.20} counts as {field.choices[code]} ({code})")
        return tuple(notes)

    def width(self, field: Field) -> int:
        """Rows that the field's embedding needs (``text``: with the padding's)."""
        return self.vocabularies[field.name].size + (field.kind == "text")

    def rows_in(self, former: Encoder, field: Field) -> np.ndarray:
        """The row that each row of a field had in a former encoder, int64 [size]; ``NEW`` where it
        had none. A bucket's is that of its lowest value.
        """
        before, now = former.vocabularies[field.name], self.vocabularies[field.name]
        if field.buckets:
            if not before.edges:
                return np.zeros(now.size, dtype=np.int64)
            rows = np.searchsorted(before.edges, now.edges, side="right")
            return np.asarray(np.r_[UNKNOWN, np.clip(rows, 1, before.size - 1)])
        known = before.rows()
        return np.array([UNKNOWN, *(known.get(value, NEW) for value in now.values)], np.int64)

    def save(self, path: Path) -> None:
        """Writes the encoder as JSON; ``load`` reads it back equal."""
        value = {
            "format": FORMAT,
            "schema": self.schema.to_json(),
            "vocabularies": {name: asdict(v) for name, v in self.vocabularies.items()},
        }
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Encoder:
        """Reads what ``save`` wrote; an ArtifactError if the file is not an encoder."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["format"] != FORMAT:
                raise ArtifactError(f"{path}: encoder format {value['format']}, not {FORMAT}")
            schema = Schema.from_json(value["schema"])
            vocabularies = {
                name: Vocabulary.from_json(v) for name, v in value["vocabularies"].items()
            }
            if vocabularies.keys() != {field.name for field in _inputs(schema)}:
                raise ArtifactError(f"{path}: its vocabularies are not those of its schema")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            raise ArtifactError(f"{path}: not an encoder ({error!r})") from error
        return cls(schema, vocabularies)


def _inputs(schema: Schema) -> tuple[Field, ...]:
    return tuple(field for side in get_args(Side) for field in schema.inputs(side))


def _parse_value(field: Field, text: str) -> Any:
    """An attribute's text as a Table has it."""
    if field.kind == "number":
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(f"{field.name} must be a number, got {text!r:.80}")
        return number
    several = field.kind == "categories"
    values = [part.strip() for part in text.split(",")] if several else [text]
    values = [field.code_of(value) or field.range_of(value) or value for value in values]
    for value in values:
        if field.choices and value not in field.choices:
            hint = "; ".join(f"{code} = {label}" for code, label in field.choices.items())
            if field.bounds:
                hint = f"a number of {field.bounds[0]} or more counts as its group: {hint}"
            raise UsageError(
                f"{field.name} must be one of {', '.join(field.choices)}, got {value!r}", hint
            )
    return tuple(values) if several else values[0]
