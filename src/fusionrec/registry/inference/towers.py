"""Runs saved towers: checks their inputs, and computes in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.layered import Rows
from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError, ConfigError
from fusionrec.features.encoder import Encoder, Features
from fusionrec.features.history import History, HistoryFeatures
from fusionrec.models.presets import FusionSettings, SequenceSettings
from fusionrec.registry.inference.fields import Fields, dense, normalize
from fusionrec.registry.inference.threads import in_threads
from fusionrec.registry.inference.transformer import HistoryTower
from fusionrec.registry.tables import RETRAIN
from fusionrec.registry.weights import Weights

BATCH = 4096  # users or items in one pass
MANY = 1000  # histories that are read in several threads
TOKENS = 1024  # of histories in one pass, so that its arrays stay in the processor's cache


class TowerRunner:
    """A saved tower that reads only fields.

    Args:
        folder, encoder: of the artifact.
        side: whose tower.
        manifest: or at least its keys model and recipe.
        prefix: of the names of its weights.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the tower.
    """

    def __init__(
        self,
        folder: Path,
        side: Side,
        encoder: Encoder,
        manifest: Mapping[str, Any],
        prefix: str = "",
    ) -> None:
        settings = settings_of(manifest)
        if isinstance(settings, SequenceSettings):
            settings = settings.tower
        self._side, self._encoder = side, encoder
        weights = Weights(folder, side, prefix)
        self._fields = Fields(weights, encoder, encoder.schema.inputs(side), settings)
        self._joined = dense(weights, "joined", self._fields.width, settings.dim)
        weights.end()

    def vectors(self, features: Features) -> np.ndarray:
        """Vectors of n users or items, float32 [n, dim], each of length 1.

        Args:
            features: as ``Encoder.encode`` makes them.

        Raises:
            ArtifactError: a row number is outside its embedding.
        """
        check_rows(features, self._side, self._encoder)
        count = len(next(iter(features.values())))
        matrix, bias = self._joined
        parts = []
        for begin in range(0, max(count, 1), BATCH):
            part = [x[begin : begin + BATCH] for x in features.values()]
            parts.append(normalize(self._fields.read(part) @ matrix + bias))
        return np.concatenate(parts)


class HistoryRunner:
    """A saved user tower that reads histories.

    Args:
        folder, encoder: of the artifact.
        manifest: or at least its keys model and recipe.
        items: float32 [items, dim], every item's vector.
        history_features: which of a history it reads.
        prefix: of the names of its weights.

    Raises:
        ArtifactError: the weights cannot be read, or do not match the tower.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        manifest: Mapping[str, Any],
        items: np.ndarray,
        history_features: HistoryFeatures,
        prefix: str = "",
    ) -> None:
        settings = settings_of(manifest)
        if not isinstance(settings, SequenceSettings) or items.shape[1:] != (settings.dim,):
            raise ArtifactError(
                f"{folder}: its recipe is not of a tower that reads histories of these items",
                RETRAIN,
            )
        self._encoder, self._items, self._history_features = encoder, items, history_features
        weights = Weights(folder, "user", prefix)
        self._tower = HistoryTower(weights, encoder, settings, history_features)

    def vectors_after(
        self,
        features: Features,
        histories: Sequence[History],
        now: np.ndarray | None = None,
        items: Rows | None = None,
    ) -> np.ndarray:
        """Vectors of n users, float32 [n, dim], each of length 1.

        Args:
            features: as ``Encoder.encode`` makes them; the id is not read.
            histories: what each of them rated.
            now: float64 [n], time of each request; None where unknown.
            items: float32 [m, dim], instead of the runner's own item vectors.

        Raises:
            ArtifactError: a row number is outside its embedding.
        """
        profile = {n: x for n, x in features.items() if n != self._encoder.schema.id("user").name}
        check_rows(profile, "user", self._encoder)
        items = self._items if items is None else items
        vectors = np.zeros((len(histories), items.shape[1]), dtype=np.float32)

        def read(part: np.ndarray) -> None:
            times = None if now is None else now[part]
            packed = self._history_features.pack([histories[n] for n in part], items, times)
            vectors[part] = self._tower.vectors([x[part] for x in profile.values()], packed)

        groups = self._groups([len(history) for history in histories])
        if len(histories) > MANY:
            in_threads(read, groups)
        else:
            for part in groups:
                read(part)
        return vectors

    def _groups(self, lengths: Sequence[int]) -> Iterator[np.ndarray]:
        """Batches of positions, int64 [n], whose histories have similar lengths."""
        tokens = np.minimum(lengths, self._history_features.length) + 1
        order = np.argsort(tokens, kind="stable")
        begin = 0
        for end in range(1, len(order) + 1):
            # All histories of a batch are padded to the longest, which comes last.
            if end == len(order) or (end + 1 - begin) * tokens[order[end]] > TOKENS:
                yield order[begin:end]
                begin = end


def settings_of(manifest: Mapping[str, Any]) -> FusionSettings | SequenceSettings:
    """The model's settings in a manifest.

    Raises:
        ArtifactError: they do not belong to a model of this fusionrec.
    """
    kinds: dict[str, type[FusionSettings | SequenceSettings]]
    kinds = {"fusion": FusionSettings, "sequence": SequenceSettings}
    try:
        return kinds[manifest["model"]].from_dict(manifest["recipe"]["model"])
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise ArtifactError(
            f"the manifest's recipe is not of a model of this fusionrec: {error}", RETRAIN
        ) from error


def check_rows(features: Features, side: Side, encoder: Encoder) -> None:
    """Checks that every row is in its embedding: a negative one would count from the end.

    Raises:
        ArtifactError: a row is not.
    """
    for field in encoder.schema.inputs(side):
        values, size = features.get(field.name), encoder.width(field)
        if values is None or values.dtype != np.int64:
            continue  # not read by a tower that reads histories, or no row numbers
        if values.min(initial=0) < 0 or values.max(initial=0) >= size:
            raise ArtifactError(
                f"{field.name}: a row number lies outside 0..{size - 1}; "
                "the encoder and the tower do not belong together"
            )
