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

from fusionrec import __version__
from fusionrec.artifact.model import FORMAT, MANIFEST, Artifact, sha256, version_numbers
from fusionrec.artifact.stars import Stars
from fusionrec.artifact.tables import Histories, write_histories, write_table
from fusionrec.artifact.towers import HistoryRunner, TowerRunner
from fusionrec.artifact.weights import write_weights
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.features import Encoder, Features
from fusionrec.histories import History
from fusionrec.models.arrays import ENGINE, answer, arrays
from fusionrec.models.fusion import Tower
from fusionrec.models.sequence import HistoryTower
from fusionrec.scores import ScoreMap

_ROOM = (
    "make room there and run the same training again with --resume; "
    "the versions saved before are as they were"
)
_SAMPLE = 64  # users and items by which a saved tower is compared with the trained one

Towers = Mapping[Side, Tower | HistoryTower]


def publish(
    models: Path,
    dataset: Dataset,
    rows: np.ndarray,
    encoder: Encoder,
    towers: Towers,
    about: Mapping[str, Any],
    stars: Stars | None = None,
) -> Artifact:
    """Saves a trained model as the next version.

    Args:
        models: the folder of all versions.
        dataset: the data set it was trained on.
        rows: int [n], all rows that training was given, those held out for validation included.
        encoder, towers: what was trained.
        about: what the manifest tells beside what is known here: model, recipe, training figures.
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
        _write(fresh, dataset, rows, encoder, towers, about)
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
    towers: Towers,
    about: Mapping[str, Any],
) -> None:
    encoder.save(folder / "encoder.json")
    write_table(folder / "items.parquet", dataset.items)
    write_table(folder / "users.parquet", dataset.users)
    histories = Histories.build(dataset, rows)
    write_histories(folder, histories)
    for side, tower in towers.items():
        write_weights(folder, side, arrays(tower))
    # Made by the saved towers, so that index and answers come from the same files.
    item_features = encoder.encode_table("item", dataset.items)
    items = _of_fields(folder, "item", towers["item"], encoder, about, item_features)
    np.save(folder / "item_vectors.npy", items, allow_pickle=False)
    user_features = encoder.encode_table("user", dataset.users)
    if isinstance(towers["user"], HistoryTower):
        known = [histories.of(user) for user in range(len(dataset.users))]
        users = _of_histories(folder, towers["user"], encoder, about, user_features, known, items)
    else:
        users = _of_fields(folder, "user", towers["user"], encoder, about, user_features)
    np.save(folder / "user_vectors.npy", users, allow_pickle=False)


def _of_fields(
    folder: Path,
    side: Side,
    tower: Tower | HistoryTower,
    encoder: Encoder,
    about: Mapping[str, Any],
    features: Features,
) -> np.ndarray:
    """Vectors of a whole table by a saved tower that reads fields alone, once it is compared."""
    sample = {name: values[:_SAMPLE] for name, values in features.items()}
    with _reading(folder, side):
        runner = TowerRunner(folder, side, encoder, about)
    _compare(side, runner.vectors(sample), answer(tower, list(sample.values())))
    return runner.vectors(features)


def _of_histories(
    folder: Path,
    tower: HistoryTower,
    encoder: Encoder,
    about: Mapping[str, Any],
    features: Features,
    histories: Sequence[History],
    items: np.ndarray,
) -> np.ndarray:
    """Vectors of all users by a saved tower that reads histories, once it is compared."""
    reading = tower.reading
    sample = {name: values[:_SAMPLE] for name, values in features.items()}
    # Asked a week after what each rated last, so that whatever reads times has some to read.
    known = histories[:_SAMPLE]
    now = np.array([np.max(history.times, initial=0) + 7 * 86_400 for history in known])
    profile = [x for name, x in sample.items() if name != encoder.schema.id("user").name]
    with _reading(folder, "user"):
        runner = HistoryRunner(folder, encoder, about, items, reading)
    wanted = answer(tower, [*profile, *reading.pack(known, items, now)])
    _compare("user", runner.vectors_after(sample, known, now), wanted)
    return runner.vectors_after(features, histories)


@contextmanager
def _reading(folder: Path, side: Side) -> Iterator[None]:
    """Says what it means if what was written cannot be read."""
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(
            f"the model could not be saved in {folder.parent}: the {side} tower's file cannot be "
            f"read back, as when the disk is full ({error})",
            _ROOM,
        ) from error


def _compare(side: Side, saved: np.ndarray, wanted: np.ndarray) -> None:
    """Makes sure that what was written answers as the trained tower does."""
    if not np.allclose(saved, wanted, rtol=0.0, atol=1e-4):
        raise ArtifactError(f"the saved {side} tower does not answer as the trained one does")


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
        "versions": {"fusionrec": __version__, "paddle": ENGINE},
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
