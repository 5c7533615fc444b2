"""Publishes a trained model: its towers, and the vectors that the saved towers compute."""

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

_RETRY = "resume the same training"
_SAMPLE = 64  # users and items on which a saved tower is compared with the trained one

Towers = Mapping[Side, Tower | HistoryTower]


def publish(
    models: Path,
    dataset: Dataset,
    rows: np.ndarray,
    encoder: Encoder,
    towers: Towers,
    about: Mapping[str, Any],
    rating_head: RatingHead | None = None,
) -> Artifact:
    """Saves a trained model as the next version.

    Args:
        models: the folder of all versions.
        dataset: the data set it was trained on.
        rows: int [n], all rows of the training data, including the validation rows.
        encoder, towers: of the trained model.
        about: more keys of the manifest: model, recipe, training figures.
        rating_head: if the model has one.

    Returns:
        The new version, read back and checked.

    Raises:
        ArtifactError: it could not be written, as on a full disk; other versions stay as they are.
    """

    def write(folder: Path) -> None:
        _write(folder, dataset, rows, encoder, towers, about)
        keys = {
            "versions": {"fusionrec": __version__, "paddle": ENGINE},
            "data": dataset.name,
            "users": len(dataset.users),
            "interactions": len(rows),
            "rows": dataset.fingerprint(rows),
            **about,
        }
        if rating_head is not None:
            rating_head.save(folder)
            keys["stars"] = {"width": rating_head.users.shape[1]}
        write_manifest(folder, encoder, keys)

    return save_version(models, write, _RETRY)


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
    items = _field_vectors(folder, "item", towers["item"], encoder, about, item_features)
    np.save(folder / "item_vectors.npy", items, allow_pickle=False)
    user_features = encoder.encode_table("user", dataset.users)
    if isinstance(towers["user"], HistoryTower):
        read = [histories.of(user) for user in range(len(dataset.users))]
        users = _history_vectors(folder, towers["user"], encoder, about, user_features, read, items)
    else:
        users = _field_vectors(folder, "user", towers["user"], encoder, about, user_features)
    np.save(folder / "user_vectors.npy", users, allow_pickle=False)


def _field_vectors(
    folder: Path,
    side: Side,
    tower: Tower | HistoryTower,
    encoder: Encoder,
    about: Mapping[str, Any],
    features: Features,
) -> np.ndarray:
    """Checks a saved tower without histories, and returns its vectors of a whole table."""
    sample = {name: values[:_SAMPLE] for name, values in features.items()}
    with _reading_back(folder, side):
        runner = TowerRunner(folder, side, encoder, about)
    _compare(side, runner.vectors(sample), tower_vectors(tower, list(sample.values())))
    return runner.vectors(features)


def _history_vectors(
    folder: Path,
    tower: HistoryTower,
    encoder: Encoder,
    about: Mapping[str, Any],
    features: Features,
    histories: Sequence[History],
    items: np.ndarray,
) -> np.ndarray:
    """Checks a saved tower with histories, and returns its vectors of all users."""
    history_features = tower.reading
    sample = {name: values[:_SAMPLE] for name, values in features.items()}
    # A week after the last rating of each, so that a tower with a clock has times to read.
    read = histories[:_SAMPLE]
    now = np.array([np.max(history.times, initial=0) + 7 * 86_400 for history in read])
    profile = [x for name, x in sample.items() if name != encoder.schema.id("user").name]
    with _reading_back(folder, "user"):
        runner = HistoryRunner(folder, encoder, about, items, history_features)
    expected = tower_vectors(tower, [*profile, *history_features.pack(read, items, now)])
    _compare("user", runner.vectors_after(sample, read, now), expected)
    return runner.vectors_after(features, histories)


@contextmanager
def _reading_back(folder: Path, side: Side) -> Iterator[None]:
    """Explains that a file that was just written cannot be read back."""
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(
            f"the model could not be saved in {folder.parent}: the {side} tower's file cannot be "
            f"read back, as when the disk is full ({error})",
            f"make room there and {_RETRY}",
        ) from error


def _compare(side: Side, saved: np.ndarray, expected: np.ndarray) -> None:
    """Checks that the saved tower computes the trained one's vectors."""
    if not np.allclose(saved, expected, rtol=0.0, atol=1e-4):
        raise ArtifactError(f"the saved {side} tower does not answer as the trained one does")
