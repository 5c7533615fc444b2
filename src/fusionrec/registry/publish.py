"""Publishes a trained model: its towers, and the vectors that the saved towers compute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec._version import __version__
from fusionrec.data.arrays import save_array, scratch
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.features.encoder import Encoder
from fusionrec.models.export import ENGINE, tower_vectors, tower_weights
from fusionrec.models.fusion import Tower
from fusionrec.models.sequence import HistoryTower
from fusionrec.registry.artifact import Artifact
from fusionrec.registry.inference.towers import HistoryRunner, TowerRunner
from fusionrec.registry.tables import Histories
from fusionrec.registry.weights import write_weights
from fusionrec.registry.writer import save_version, write_manifest, write_training_data

_RETRY = "resume the same training"
_CHUNK = 65_536  # users or items whose features are in memory at a time
_SAMPLE = 64  # users and items on which a saved tower is compared with the trained one


def publish(
    models: Path,
    dataset: Dataset,
    rows: np.ndarray,
    encoder: Encoder,
    towers: Mapping[Side, Tower | HistoryTower],
    about: Mapping[str, Any],
) -> Artifact:
    """Saves a trained model as the next version.

    Args:
        models: the folder of all versions.
        dataset: the data set it was trained on.
        rows: int [n], all rows of the training data, including the validation rows.
        encoder, towers: of the trained model.
        about: more keys of the manifest: model, recipe, training figures.

    Returns:
        The new version, read back and checked.

    Raises:
        ArtifactError: it could not be written, as on a full disk; other versions stay as they are.
    """

    def write(folder: Path) -> None:
        data = write_training_data(folder, dataset, rows, encoder, Histories.build(dataset, rows))
        for side, tower in towers.items():
            write_weights(folder, side, tower_weights(tower))
        # Made by the saved towers, so that index and answers come from the same files.
        saved = Artifact(folder, about, encoder)
        items = _vectors(saved, "item", towers["item"], dataset.items)
        save_array(folder / "item_vectors.npy", items)
        users = _vectors(saved, "user", towers["user"], dataset.users)
        save_array(folder / "user_vectors.npy", users)
        keys = {"versions": {"fusionrec": __version__, "paddle": ENGINE}, **data, **about}
        write_manifest(folder, encoder, keys)

    return save_version(models, write, _RETRY)


def _vectors(saved: Artifact, side: Side, tower: Tower | HistoryTower, table: Table) -> np.ndarray:
    """Vectors of a whole table by a saved tower, which is compared with the trained one too."""
    try:
        runner = saved.user_tower if side == "user" else saved.item_tower
    except ArtifactError as error:
        raise ArtifactError(
            f"the model could not be saved in {saved.folder.parent}: the {side} tower's file "
            f"cannot be read back, as when the disk is full ({error})",
            f"make room there and {_RETRY}",
        ) from error

    assert isinstance(runner, TowerRunner | HistoryRunner)

    def made(begin: int, end: int) -> np.ndarray:
        features = saved.encoder.encode_table(side, table.part(begin, end))
        if isinstance(runner, TowerRunner):
            return runner.vectors(features)
        return runner.vectors_after(features, [saved.histories.of(u) for u in range(begin, end)])

    first = made(0, min(_CHUNK, len(table)))
    sample = table.part(0, min(_SAMPLE, len(first)))
    _check_alike(saved, runner, side, tower, sample, first[: len(sample)])
    vectors = scratch((len(table), first.shape[1]), np.float32)
    vectors[: len(first)] = first
    for begin in range(len(first), len(table), _CHUNK):
        vectors[begin : begin + _CHUNK] = made(begin, min(begin + _CHUNK, len(table)))
    return vectors


def _check_alike(
    saved: Artifact,
    runner: TowerRunner | HistoryRunner,
    side: Side,
    tower: Tower | HistoryTower,
    sample: Table,
    found: np.ndarray,
) -> None:
    """Raises an ArtifactError if a saved tower does not answer as the trained one does, on a sample
    of users or items whose vectors it ``found``, float32 [n, dim].
    """
    features = saved.encoder.encode_table(side, sample)
    if isinstance(runner, HistoryRunner):
        assert isinstance(tower, HistoryTower)
        del features[saved.schema.id("user").name]  # it is not read
        read = [saved.histories.of(user) for user in range(len(sample))]
        # A week after the last rating of each, so that a tower with a clock has times to read.
        now = np.array([np.max(history.times, initial=0) + 7 * 86_400 for history in read])
        found = runner.vectors_after(features, read, now)
        packed = tower.reading.pack(read, saved.item_vectors, now)
        expected = tower_vectors(tower, [*features.values(), *packed])
    else:
        expected = tower_vectors(tower, list(features.values()))
    if not np.allclose(found, expected, rtol=0.0, atol=1e-4):
        raise ArtifactError(f"the saved {side} tower does not answer as the trained one does")
