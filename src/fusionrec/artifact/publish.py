"""Writes a trained model beside its place and moves it in: nobody sees a half-written one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from fusionrec import __version__
from fusionrec.artifact.model import FORMAT, MANIFEST, Artifact, sha256, version_numbers
from fusionrec.artifact.tables import Histories, write_histories, write_table
from fusionrec.artifact.towers import TowerRunner
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.features import Encoder
from fusionrec.models.fusion import Tower
from fusionrec.scores import ScoreMap

_ROOM = (
    "make room there and run the same training again with --resume; "
    "the versions saved before are as they were"
)
_SAMPLE = 64  # users and items by which an exported tower is compared with the trained one


def publish(
    models: Path,
    dataset: Dataset,
    rows: np.ndarray,
    encoder: Encoder,
    towers: Mapping[Side, Tower],
    about: Mapping[str, Any],
) -> Artifact:
    """Saves a trained model as the next version.

    Args:
        models: the folder of all versions.
        dataset: the data set it was trained on.
        rows: int [n], all rows that training was given, those held out for validation included.
        encoder, towers: what was trained.
        about: what the manifest tells beside what is known here: recipe and training figures.

    Returns:
        The new version, read back and checked.

    Raises:
        ArtifactError: it could not be written (a full disk, say); the versions there are untouched.
    """
    try:
        models.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=models))
    except OSError as error:
        raise ArtifactError(f"cannot write to {models}: {error.strerror}") from error
    try:
        _write(fresh, dataset, rows, encoder, towers)
        _write_manifest(fresh, dataset, rows, encoder, about)
        return Artifact.load(_move_in(fresh, models))
    except OSError as error:
        raise ArtifactError(
            f"the model could not be saved in {models}: {error.strerror}",
            _ROOM,
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write(
    folder: Path,
    dataset: Dataset,
    rows: np.ndarray,
    encoder: Encoder,
    towers: Mapping[Side, Tower],
) -> None:
    encoder.save(folder / "encoder.json")
    tables: dict[Side, Table] = {"user": dataset.users, "item": dataset.items}
    for side, table in tables.items():
        runner = _export(folder, side, towers[side], encoder, table)
        # Made by the exported tower, so that index and answers come from the same file.
        vectors = runner.vectors(encoder.encode_table(side, table))
        np.save(folder / f"{side}_vectors.npy", vectors, allow_pickle=False)
    write_table(folder / "items.parquet", dataset.items)
    write_table(folder / "users.parquet", dataset.users)
    write_histories(folder, Histories.build(dataset, rows))


def _export(folder: Path, side: Side, tower: Tower, encoder: Encoder, table: Table) -> TowerRunner:
    """Exports a tower and makes sure that what was written answers as the tower does."""
    specs = []
    for field in encoder.schema.side(side):
        size = encoder.vocabularies[field.name].size
        length = encoder.vocabularies[field.name].length
        shape, kind = {
            "id": ([None], "int64"),
            "category": ([None], "int64"),
            "categories": ([None, size], "float32"),
            "text": ([None, length], "int64"),
            "number": ([None, 2], "float32"),
        }[field.kind]
        specs.append(paddle.static.InputSpec(shape, kind, name=field.name))
    tower.eval()
    paddle.jit.save(tower, str(folder / f"{side}_tower"), input_spec=[specs])
    sample = encoder.encode_table(side, table.take(np.arange(min(_SAMPLE, len(table)))))
    with paddle.no_grad():
        wanted = tower([paddle.to_tensor(values) for values in sample.values()]).numpy()
    try:
        runner = TowerRunner(folder, side, encoder)
        same = np.allclose(runner.vectors(sample), wanted, rtol=0.0, atol=1e-4)
    except Exception as error:  # Paddle does not notice that its files came out cut short
        raise ArtifactError(
            f"the model could not be saved in {folder.parent}: the {side} tower's files cannot be "
            "read back, as when the disk is full",
            _ROOM,
        ) from error
    if not same:
        raise ArtifactError(f"the exported {side} tower does not answer as the trained one does")
    return runner


def _write_manifest(
    folder: Path,
    dataset: Dataset,
    rows: np.ndarray,
    encoder: Encoder,
    about: Mapping[str, Any],
) -> None:
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    shape = np.load(folder / "item_vectors.npy", mmap_mode="r", allow_pickle=False).shape
    manifest = {
        "kind": "fusionrec",
        "format": FORMAT,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {"fusionrec": __version__, "paddle": paddle.version.full_version},
        "data": dataset.name,
        "users": len(dataset.users),
        "items": shape[0],
        "interactions": len(rows),
        "rows": dataset.fingerprint(rows),
        "vocabularies": files["encoder.json"],
        "dim": shape[1],
        "metric": "IP",
        "score": {"kind": "rating", **ScoreMap(*dataset.schema.rating_range).to_json()},
        "user_inputs": [field.name for field in encoder.schema.side("user")],
        **about,
        "files": files,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _move_in(fresh: Path, models: Path) -> Path:
    for path in [*fresh.iterdir(), fresh]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    fresh.chmod(0o755)
    while True:
        target = models / f"v{max(version_numbers(models), default=0) + 1}"
        try:
            fresh.rename(target)
        except OSError:
            if not target.exists():
                raise
            continue  # another training took this number meanwhile
        return target
