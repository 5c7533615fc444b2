"""Publishes a trained model: its towers, and the vectors that the saved towers make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec._version import __version__
from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.history import History
from fusionrec.models.export import ENGINE, tower_vectors, tower_weights
from fusionrec.models.fusion import Tower
from fusionrec.models.sequence import HistoryTower
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.inference.towers import HistoryRunner, TowerRunner
from fusionrec.registry.rating_head import RatingHead
from fusionrec.registry.tables import Histories, write_histories, write_table
from fusionrec.registry.weights import write_weights
from fusionrec.registry.writer import save_version, write_manifest

_AGAIN = "run the same training again with --resume"
_SAMPLE = 64  # users and items by which a saved tower is compared with the trained one

Towers = Mapping[Side, Tower | HistoryTower]


def publish(
    models: Path,
    dataset: Dataset,
    rows: np.ndarray,
    encoder: Encoder,
    towers: Towers,
    about: Mapping[str, Any],
    stars: RatingHead | None = None,
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

    def write(folder: Path) -> None:
        _write(folder, dataset, rows, encoder, towers, about)
        said = _said(dataset, rows, about)
        if stars is not None:
            stars.save(folder)
            said["stars"] = {"width": stars.users.shape[1]}
        write_manifest(folder, encoder, said)

    return save_version(models, write, _AGAIN)


def _said(dataset: Dataset, rows: np.ndarray, about: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest of a trained model tells of its training."""
    return {
        "versions": {"fusionrec": __version__, "paddle": ENGINE},
        "data": dataset.name,
        "users": len(dataset.users),
        "interactions": len(rows),
        "rows": dataset.fingerprint(rows),
        **about,
    }


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
        write_weights(folder, side, tower_weights(tower))
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
    _compare(side, runner.vectors(sample), tower_vectors(tower, list(sample.values())))
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
    wanted = tower_vectors(tower, [*profile, *reading.pack(known, items, now)])
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
            f"make room there and {_AGAIN}",
        ) from error


def _compare(side: Side, saved: np.ndarray, wanted: np.ndarray) -> None:
    """Makes sure that what was written answers as the trained tower does."""
    if not np.allclose(saved, wanted, rtol=0.0, atol=1e-4):
        raise ArtifactError(f"the saved {side} tower does not answer as the trained one does")
