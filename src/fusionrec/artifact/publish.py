"""Writes a trained model beside its place and moves it in: nobody sees a half-written one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

from fusionrec import __version__
from fusionrec.artifact.model import FORMAT, MANIFEST, Artifact, sha256, version_numbers
from fusionrec.artifact.stars import Stars
from fusionrec.artifact.tables import Histories, write_histories, write_table
from fusionrec.artifact.towers import History, HistoryRunner, TowerRunner
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Field, Side
from fusionrec.errors import ArtifactError
from fusionrec.features import Encoder, Features, pack_histories
from fusionrec.models.sequence import HistoryTower
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
    towers: Mapping[Side, nn.Layer],
    about: Mapping[str, Any],
    stars: Stars | None = None,
) -> Artifact:
    """Saves a trained model as the next version.

    Args:
        models: the folder of all versions.
        dataset: the data set it was trained on.
        rows: int [n], all rows that training was given, those held out for validation included.
        encoder, towers: what was trained.
        about: what the manifest tells beside what is known here: recipe and training figures.
        stars: of the rating head, if there is one.

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
        if stars is not None:
            stars.save(fresh)
            about = {**about, "stars": {"width": stars.users.shape[1]}}
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
    towers: Mapping[Side, nn.Layer],
) -> None:
    encoder.save(folder / "encoder.json")
    write_table(folder / "items.parquet", dataset.items)
    write_table(folder / "users.parquet", dataset.users)
    histories = Histories.build(dataset, rows)
    write_histories(folder, histories)
    # Made by the exported towers, so that index and answers come from the same files.
    item_features = encoder.encode_table("item", dataset.items)
    items = _export_fields(folder, "item", towers["item"], encoder, item_features)
    np.save(folder / "item_vectors.npy", items, allow_pickle=False)
    user_features = encoder.encode_table("user", dataset.users)
    if isinstance(towers["user"], HistoryTower):
        known = [histories.of(user) for user in range(len(dataset.users))]
        users = _export_history(folder, towers["user"], encoder, user_features, known, items)
    else:
        users = _export_fields(folder, "user", towers["user"], encoder, user_features)
    np.save(folder / "user_vectors.npy", users, allow_pickle=False)


def _export_fields(
    folder: Path, side: Side, tower: nn.Layer, encoder: Encoder, features: Features
) -> np.ndarray:
    """Exports a tower that reads fields alone; the vectors of the whole table."""
    specs = [_spec(field, encoder) for field in encoder.schema.side(side)]
    sample = {name: values[:_SAMPLE] for name, values in features.items()}
    wanted = _export(folder, side, tower, specs, list(sample.values()))
    with _reading(folder, side):
        runner = TowerRunner(folder, side, encoder)
        found = runner.vectors(sample)
    _compare(side, found, wanted)
    return runner.vectors(features)


def _export_history(
    folder: Path,
    tower: HistoryTower,
    encoder: Encoder,
    features: Features,
    histories: Sequence[History],
    items: np.ndarray,
) -> np.ndarray:
    """Exports a user tower that reads histories; the vectors of all users."""
    length, schema = tower.settings.history, encoder.schema
    specs = [_spec(field, encoder) for field in schema.attributes("user")]
    specs += [
        InputSpec([None, None, items.shape[1]], "float32", name="history"),
        InputSpec([None, None], "int64", name="history_levels"),
        InputSpec([None, 1], "int64", name="history_count"),
    ]
    sample = {name: values[:_SAMPLE] for name, values in features.items()}
    read = pack_histories(histories[:_SAMPLE], items, length, schema.rating_range)
    profile = [values for name, values in sample.items() if name != schema.id("user").name]
    tower.settle()
    wanted = _export(folder, "user", tower, specs, [*profile, *read])
    with _reading(folder, "user"):
        runner = HistoryRunner(folder, encoder, items, length)
        found = runner.vectors_after(sample, histories[:_SAMPLE])
    _compare("user", found, wanted)
    return runner.vectors_after(features, histories)


def _spec(field: Field, encoder: Encoder) -> InputSpec:
    vocabulary = encoder.vocabularies[field.name]
    shape, kind = {
        "id": ([None], "int64"),
        "category": ([None], "int64"),
        "categories": ([None, vocabulary.size], "float32"),
        "text": ([None, vocabulary.length], "int64"),
        "number": ([None, 2], "float32"),
    }[field.kind]
    return InputSpec(shape, kind, name=field.name)


def _export(
    folder: Path,
    side: Side,
    tower: nn.Layer,
    specs: Sequence[InputSpec],
    sample: Sequence[np.ndarray],
) -> np.ndarray:
    """Exports a tower; what the trained one makes of a sample."""
    tower.eval()
    paddle.jit.save(tower, str(folder / f"{side}_tower"), input_spec=[list(specs)])
    with paddle.no_grad():
        wanted: np.ndarray = tower([paddle.to_tensor(values) for values in sample]).numpy()
    return wanted


@contextmanager
def _reading(folder: Path, side: Side) -> Iterator[None]:
    """Says what it means if what was exported cannot be run."""
    try:
        yield
    except Exception as error:  # Paddle does not notice that its files came out cut short
        raise ArtifactError(
            f"the model could not be saved in {folder.parent}: the {side} tower's files cannot be "
            "read back, as when the disk is full",
            _ROOM,
        ) from error


def _compare(side: Side, exported: np.ndarray, wanted: np.ndarray) -> None:
    """Makes sure that what was written answers as the tower does."""
    if not np.allclose(exported, wanted, rtol=0.0, atol=1e-4):
        raise ArtifactError(f"the exported {side} tower does not answer as the trained one does")


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
