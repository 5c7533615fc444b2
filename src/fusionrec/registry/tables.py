"""Reads and writes an artifact's tables (Parquet) and arrays (NumPy's format, no pickles)."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.arrays import LARGE, ROWS_AT_ONCE, ranges_of, save_array, scratch, take
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Schema, Side
from fusionrec.errors import ArtifactError, reason
from fusionrec.features.history import History
from fusionrec.workspace import move_in, writing

RETRAIN = "train again, or make another version the active one"
REINDEX = "index its file of vectors again, or make another version the active one"
SCHEMA = b"fusionrec.schema"  # Parquet metadata key of the schema, as JSON


@dataclass(frozen=True)
class Histories:
    """What each known user rated, in order of time.

    Attributes:
        offsets: int64 [users + 1]; user u's interactions are ``offsets[u]:offsets[u + 1]``.
        item: int32 [n], positions in the item table.
        rating: float32 [n].
        time: int64 [n], seconds since 1970; None if the data set has no times.
    """

    offsets: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    time: np.ndarray | None = None

    def of(self, user: int) -> History:
        """The history of the user at a position."""
        span = slice(int(self.offsets[user]), int(self.offsets[user + 1]))
        times = None if self.time is None else self.time[span]
        return History.of(self.item[span], self.rating[span], times)

    @property
    def newest(self) -> np.ndarray | None:
        """When each user took something last, float64 [users]; NaN for those who took nothing.
        None if the data set has no times.
        """
        if self.time is None:
            return None
        some, found = np.diff(self.offsets) > 0, np.full(len(self.offsets) - 1, np.nan)
        found[some] = self.time[self.offsets[1:][some] - 1]
        return found

    @property
    def ordered(self) -> bool:
        """Whether there are times that differ, so that something is known to come later."""
        return self.time is not None and len(self.time) > 0 and self.time.min() < self.time.max()

    @staticmethod
    def order(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        """Some rows, int [n], by user and time, as histories have them."""
        ordered = scratch((len(rows),), rows.dtype)
        done, user = 0, dataset.user[rows]
        counts = np.bincount(user, minlength=len(dataset.users))
        for low, high in ranges_of(counts, max(ROWS_AT_ONCE, len(rows) // 32)):
            at = np.flatnonzero((user >= low) & (user < high))
            some = rows[at]
            time = some if dataset.time is None else dataset.time[some]
            ordered[done : done + len(at)] = some[np.lexsort((some, time, user[at]))]
            done += len(at)
        return ordered

    @classmethod
    def build(cls, dataset: Dataset, rows: np.ndarray) -> Histories:
        """The histories of all users of a data set, from a selection of its rows."""
        counts = np.bincount(dataset.user[rows], minlength=len(dataset.users))
        ordered = cls.order(dataset, rows)
        return cls(
            np.r_[0, np.cumsum(counts)].astype(np.int64),
            take(dataset.item, ordered),
            take(dataset.rating, ordered),
            None if dataset.time is None else take(dataset.time, ordered),
        )


def write_histories(folder: Path, histories: Histories) -> None:
    """Writes the histories as one array per column; ``read_histories`` reads them back."""
    for name, column in vars(histories).items():
        if column is not None:
            save_array(folder / f"history_{name}.npy", column)


def read_histories(folder: Path) -> Histories:
    """Reads the histories of an artifact; some have no times."""
    columns = {field.name: folder / f"history_{field.name}.npy" for field in fields(Histories)}
    arrays = {n: read_array(path) for n, path in columns.items() if n != "time" or path.exists()}
    return Histories(**arrays)


def write_table(path: Path, table: Table) -> None:
    """Writes a table's ids and columns as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"id": list(table.ids)}
    columns |= {f"field.{name}": list(column) for name, column in table.columns.items()}
    pq.write_table(pa.table(columns), path)


def write_vectors(path: Path, schema: Schema, items: Table, vectors: np.ndarray) -> None:
    """Writes items' ids, attributes and vectors as Parquet, for other programs: ``id``, a column
    for each attribute (see ``column_names``), and ``vector``, a list of float32. The schema is in
    the metadata, so that ``index --vectors`` can import the file.

    Args:
        path: the file; replaced as a whole, or left unchanged.
        schema, items: n items and their schema.
        vectors: float32 [n, dim].

    Raises:
        FusionrecError: it cannot be written; see ``workspace.writing``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"number": pa.float64(), "categories": pa.list_(pa.string())}
    columns: dict[str, Any] = {"id": pa.array(items.ids, pa.string())}
    names = column_names(schema)
    for field in schema.attributes("item"):
        kind = kinds.get(field.kind, pa.string())
        columns[names[field.name]] = pa.array(list(items.columns[field.name]), kind)
    size = vectors.shape[1]
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), size)
    text = json.dumps(items_only(schema).to_json(), ensure_ascii=False)
    table = pa.table(columns).replace_schema_metadata({SCHEMA: text.encode()})
    temporary = path.with_name(f".{path.name}.new")
    with writing(path):
        try:
            pq.write_table(table, temporary)
            move_in(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def column_names(schema: Schema) -> dict[str, str]:
    """Item attribute -> its column in a file of vectors: its own name, with ``_`` appended where
    that would hide another column.
    """
    names = [field.name for field in schema.attributes("item")]
    columns = {}
    for name in names:
        column = name
        while column in ("id", "vector") or (column != name and column in names):
            column += "_"
        columns[name] = column
    return columns


def items_only(schema: Schema) -> Schema:
    """The schema without the users' attributes."""
    return replace(schema, fields=(schema.id("user"), *schema.side("item")))


def read_table(path: Path, schema: Schema, side: Side) -> Table:
    """Reads a table that ``write_table`` wrote.

    Raises:
        ArtifactError: it cannot be read or lacks a column of the schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # pq.read_table would import pandas, which takes a quarter of a second.
        with pq.ParquetFile(path) as file:
            values = file.read(use_threads=False).to_pydict()
        columns = {f.name: values[f"field.{f.name}"] for f in schema.attributes(side)}
        return Table(values["id"], columns)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read: {reason(error)}") from error


def read_array(path: Path) -> np.ndarray:
    """Reads an array that ``np.save`` wrote; a large one is mapped, read-only.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        large = path.stat().st_size > LARGE
        return np.asarray(np.load(path, "r" if large else None, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path} cannot be read: {reason(error)}") from error


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors, float32 [n, dim], scaled to length 1; those of length 0 stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0), dtype=np.float32)
