"""Reads items with vectors from a Parquet file, batch by batch, and checks them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.schema import Schema
from fusionrec.data.values import ID_RULE, is_id
from fusionrec.errors import DataError
from fusionrec.registry.tables import SCHEMA, items_only
from fusionrec.registry.vector_import.columns import (
    columns_of,
    is_list,
    is_text,
    plain,
    plain_type,
    schema_of,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

MAX_DIM = 32_768  # of Milvus
_ROWS = 1_024  # of one batch
_STREAM = 1 << 20  # bytes read at a time, so that no row group is in memory as a whole
_SAME_LENGTH = 1.01
_UNIT = 1e-6  # vectors whose length is this close to 1 stay as they are
_WRITE = "the export of vectors writes such a file, and so does DataFrame.to_parquet of pandas"
_COLUMNS = "it takes a column id, of texts or whole numbers, and a column vector, of lists of float"


@dataclass(frozen=True)
class ImportedItems:
    """The items of a file.

    Attributes:
        schema: of ``table``; users have only an id.
        table: n items.
        vectors: float32 [n, dim], of length 1.
        notes: on inferred and skipped columns, one line each.
    """

    schema: Schema
    table: Table
    vectors: np.ndarray
    notes: tuple[str, ...]


def read_vectors(path: Path) -> ImportedItems:
    """Reads the items of a Parquet file. Rows are counted from 0.

    Its columns are ``id`` (texts or whole numbers), ``vector`` (lists of one length, 1 to 32,768,
    of float16, float32 or float64), and attributes: those of the schema in the file's metadata,
    under ``fusionrec.schema``, and others, whose kind is inferred.

    Raises:
        DataError: it cannot be read, lacks one of the two columns, or has an invalid id or vector.
    """
    with _opened(path) as file:
        _check_columns(path, file.schema_arrow)
        stored = _schema_in(path, file.schema_arrow)
        columns, notes = columns_of(file.schema_arrow, stored)
        rows: dict[str, int] = {}
        vectors = _Vectors(path, file.metadata.num_rows)
        names = ["id", "vector", *(column.name for column in columns)]
        for batch in file.iter_batches(_ROWS, columns=names, use_threads=False):
            ids = _take_ids(path, batch.column("id"), rows)
            vectors.take(batch.column("vector"), ids)
            for column in columns:
                column.take(batch.column(column.name))
    if not rows:
        raise DataError(f"{path} holds no items")
    schema, guessed = schema_of(columns, stored, path.stem)
    values = {column.field.name: column.values for column in columns if column.field}
    notes = [*guessed, *notes, *vectors.notes()]
    return ImportedItems(schema, Table(list(rows), values), vectors.values, tuple(notes))


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    """Opens the file, and translates pyarrow's errors."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    if not path.is_file():
        what = "is no file" if path.exists() else "is not there"
        raise DataError(f"{path} cannot be read: it {what}", hint=_WRITE)
    try:
        with ParquetFile(path, buffer_size=_STREAM, pre_buffer=False) as file:
            yield file
    except MemoryError as error:
        raise DataError(f"{path} cannot be read: its vectors do not fit into memory") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as Parquet: {why}", hint=_WRITE) from error


def _check_columns(path: Path, columns: pa.Schema) -> None:
    from pyarrow import types

    repeated = [name for name in columns.names if columns.names.count(name) > 1]
    if repeated:
        raise DataError(f"{path} has more than one column {repeated[0]!r}")
    for name in ("id", "vector"):
        if name not in columns.names:
            names = ", ".join(columns.names[:20]) or "none"
            raise DataError(f"{path} has no column {name!r}; its columns: {names}", hint=_COLUMNS)
    kind = plain_type(columns.field("id").type)
    if not is_text(kind) and not types.is_integer(kind):
        raise DataError(f"{path}: ids must be texts or whole numbers, got {kind}", hint=_COLUMNS)
    kind = plain_type(columns.field("vector").type)
    if not is_list(kind) or not types.is_floating(kind.value_type):
        raise DataError(f"{path}: vectors must be lists of float, got {kind}", hint=_COLUMNS)


def _schema_in(path: Path, columns: pa.Schema) -> Schema | None:
    """The schema in the file's metadata; None if there is none."""
    text = (columns.metadata or {}).get(SCHEMA)
    if text is None:
        return None
    try:
        return items_only(Schema.from_json(json.loads(text)))
    except (ValueError, DataError) as error:
        raise DataError(
            f"{path}: what stands under fusionrec.schema in its metadata is not a schema: {error}",
            hint="take it out to have the schema guessed",
        ) from error


def _take_ids(path: Path, values: pa.Array, rows: dict[str, int]) -> list[str]:
    """Checks a batch of ids, adds them to ``rows`` (id -> row in the file), and returns them."""
    ids = []
    for row, value in enumerate(plain(values).to_pylist(), start=len(rows)):
        id, at = str(value), f"row {row} (counted from 0)"
        if value is None:
            raise DataError(f"{path}: {at} has no id")
        if not is_id(id):
            raise DataError(f"{path}: an id must be {ID_RULE}, got {id[:50]!r} in {at}")
        if rows.setdefault(id, row) != row:
            raise DataError(f"{path}: the id {id!r} in {at} stands in row {rows[id]} already")
        ids.append(id)
    return ids


class _Vectors:
    """Collects the vectors of a file, scaled to length 1.

    Args:
        path: for messages.
        n: number of rows.

    Attributes:
        values: float32 [n, dim].
    """

    def __init__(self, path: Path, n: int) -> None:
        self._path, self._n, self._row = path, n, 0
        self.values = np.empty((0, 0), dtype=np.float32)
        self._shortest, self._longest = np.inf, 0.0

    def take(self, values: pa.Array, ids: list[str]) -> None:
        """Adds the vectors of a batch; ``ids`` are its ids."""
        values = plain(values)
        if values.null_count:
            row = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
            raise self._error(ids, row, "is missing")
        sizes = values.value_lengths().to_numpy(zero_copy_only=False)
        if not self._row and len(sizes):
            if not 1 <= sizes[0] <= MAX_DIM:
                raise self._error(ids, 0, f"has {sizes[0]} numbers, not 1 to {MAX_DIM:,}")
            self.values = np.empty((self._n, int(sizes[0])), dtype=np.float32)
        dim = self.values.shape[1]
        if (sizes != dim).any():
            row = int(np.argmax(sizes != dim))
            raise self._error(ids, row, f"has {sizes[row]} numbers, those before have {dim}")
        vectors = values.flatten().to_numpy(zero_copy_only=False).reshape(len(ids), dim)
        self.values[self._row : self._row + len(ids)] = self._normalized(vectors, ids)
        self._row += len(ids)

    def _normalized(self, vectors: np.ndarray, ids: list[str]) -> np.ndarray:
        """Vectors, float [m, dim], scaled to length 1: float32."""
        wide = vectors.astype(np.float64)
        largest = np.abs(wide).max(axis=1, initial=0.0)
        if not np.isfinite(largest).all():
            row = int(np.argmax(~np.isfinite(largest)))
            raise self._error(ids, row, "holds what is no finite number")
        if not largest.all():
            raise self._error(ids, int(np.argmin(largest)), "is zero, which points nowhere")
        wide /= largest[:, None]  # first, so that no square is too large or too small
        lengths = np.linalg.norm(wide, axis=1)
        wide /= lengths[:, None]
        with np.errstate(over="ignore"):
            lengths *= largest
        self._shortest = min(self._shortest, float(lengths.min()))
        self._longest = max(self._longest, float(lengths.max()))
        unit = np.abs(lengths - 1.0) <= _UNIT
        return np.where(unit[:, None], vectors, wide).astype(np.float32)

    def notes(self) -> list[str]:
        """A note if the vectors' lengths differ."""
        if self._longest <= _SAME_LENGTH * self._shortest:
            return []
        return [
            f"note: the vectors' lengths go from {self._shortest:.4g} to {self._longest:.4g}; here "
            "all have length 1, so the order is by cosine and may differ from that by the inner "
            "product of the vectors as they were"
        ]

    def _error(self, ids: list[str], index: int, what: str) -> DataError:
        row = self._row + index
        return DataError(
            f"{self._path}: the vector of item {ids[index]!r}, row {row} (counted from 0), {what}"
        )
