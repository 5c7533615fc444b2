"""Saves a data set of any schema as a folder of Parquet files, and reads it back equal."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Schema, Side
from fusionrec.errors import DataError, UsageError, reason
from fusionrec.workspace import move_in, writing

ABOUT = "dataset.json"  # marks such a folder
_KIND = "fusionrec-dataset"
_USERS, _ITEMS, _ROWS = "users.parquet", "items.parquet", "interactions.parquet"


def save_dataset(folder: Path, dataset: Dataset) -> None:
    """Writes a data set into a new folder, atomically: ``dataset.json`` with its name and schema,
    ``users.parquet`` and ``items.parquet`` with ``id`` and a column for each attribute,
    ``interactions.parquet`` with ``user``, ``item``, ``rating`` and, where there are times,
    ``time``; ids are outside ids.

    Raises:
        UsageError: the folder exists.
        FusionrecError: it cannot be written; see ``workspace.writing``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="name another, or remove it")
    about = {"kind": _KIND, "name": dataset.name, "schema": dataset.schema.to_json()}
    beside = None
    with writing(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
            (beside / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")
            write_table(beside / _USERS, dataset.users)
            write_table(beside / _ITEMS, dataset.items)
            rows: dict[str, Any] = {
                "user": [dataset.users.ids[user] for user in dataset.user],
                "item": [dataset.items.ids[item] for item in dataset.item],
                "rating": dataset.rating,
            }
            if dataset.time is not None:
                rows["time"] = dataset.time
            pq.write_table(pa.table(rows), beside / _ROWS)
            beside.chmod(0o755)
            move_in(beside, folder)
        finally:
            if beside is not None:
                shutil.rmtree(beside, ignore_errors=True)


def is_saved(path: Path) -> bool:
    """Whether a path is a folder that ``save_dataset`` wrote."""
    return (path / ABOUT).is_file()


def read_dataset(folder: Path) -> Dataset:
    """The data set in a folder that ``save_dataset`` wrote.

    Raises:
        DataError: a file is missing or damaged, or an interaction names an unknown user or item.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["kind"] != _KIND:
            raise DataError(f"{folder / ABOUT} is of {about['kind']!r}, not of {_KIND}")
        schema, name = Schema.from_json(about["schema"]), str(about["name"])
        users = read_table(folder / _USERS, schema, "user")
        items = read_table(folder / _ITEMS, schema, "item")
        rows = pq.read_table(folder / _ROWS, use_threads=False)
        user = _positions(rows["user"], users, "user")
        item = _positions(rows["item"], items, "item")
        rating = rows["rating"].to_numpy().astype(np.float32)
        time = rows["time"].to_numpy().astype(np.int64) if "time" in rows.column_names else None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{folder} is not a data set of this program: {reason(error)}") from error
    return Dataset(schema, name, users, items, user, item, rating, time)


def write_table(path: Path, table: Table) -> None:
    """Writes users or items as Parquet; ``read_table`` reads them back equal.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Prefixed, since an attribute may be named "id".
    columns: dict[str, Any] = {"id": list(table.ids)}
    columns |= {f"field.{name}": list(column) for name, column in table.columns.items()}
    pq.write_table(pa.table(columns), path)


def read_table(path: Path, schema: Schema, side: Side) -> Table:
    """Users or items that ``write_table`` wrote.

    Raises:
        OSError, KeyError, pyarrow's: the file is missing, damaged, or lacks a field.
    """
    import pyarrow.parquet as pq

    read = pq.read_table(path, use_threads=False).to_pydict()
    columns = {f.name: read[f"field.{f.name}"] for f in schema.attributes(side)}
    for f in schema.attributes(side):
        if f.kind == "categories":
            columns[f.name] = [tuple(names) for names in columns[f.name]]
    return Table(read["id"], columns)


def _positions(ids: Any, table: Table, side: Side) -> np.ndarray:
    known = table.positions()
    positions = [known.get(id_, -1) for id_ in ids.to_pylist()]
    if -1 in positions:
        raise DataError(f"interaction {positions.index(-1)} names a {side} that the table has not")
    return np.array(positions, dtype=np.int32)
