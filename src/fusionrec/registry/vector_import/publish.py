"""Publishes a file's items and vectors as a version without towers and users."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusionrec.data.arrays import save_array
from fusionrec.data.dataset import Table
from fusionrec.errors import Log
from fusionrec.features.encoder import Encoder
from fusionrec.index.layout import layout_of
from fusionrec.registry import VECTORS, Artifact
from fusionrec.registry.tables import Histories, write_histories, write_table
from fusionrec.registry.vector_import.reading import read_vectors
from fusionrec.registry.writer import save_version, write_manifest


def publish_vectors(models: Path, file: Path, log: Log = lambda _: None) -> Artifact:
    """Saves a file's items and vectors as the next version.

    Args:
        models: the folder of all versions.
        file: as of ``read_vectors``.
        log: receives notes on inferred and skipped columns.

    Returns:
        The new version, read back and checked.

    Raises:
        DataError: the file cannot be read, or its items cannot be indexed.
        ArtifactError: the version could not be written; other versions stay as they are.
    """
    items = read_vectors(file)
    for note in items.notes:
        log(note)
    layout_of(items.schema, items.table)  # what no index can hold makes no version
    encoder = Encoder.empty(items.schema)

    def write(folder: Path) -> None:
        encoder.save(folder / "encoder.json")
        write_table(folder / "items.parquet", items.table)
        write_table(folder / "users.parquet", Table([], {}))
        none = np.empty(0, dtype=np.int32)
        nobody = Histories(np.zeros(1, dtype=np.int64), none, none.astype(np.float32))
        write_histories(folder, nobody)
        save_array(folder / "item_vectors.npy", items.vectors)
        users = np.empty((0, items.vectors.shape[1]), dtype=np.float32)
        save_array(folder / "user_vectors.npy", users)
        keys = {"model": VECTORS, "data": file.name, "users": 0, "interactions": 0}
        write_manifest(folder, encoder, keys | {"score": {"kind": "ranking"}, "user_inputs": []})

    return save_version(models, write, "index the file again")
