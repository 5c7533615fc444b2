"""Saved towers, run by Paddle's inference engine alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from paddle import inference

from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.features import Encoder, Features, pack_histories

BATCH = 4096  # users or items that pass a tower at once
HISTORIES = 8

History = tuple[np.ndarray, np.ndarray]  # items, int [m] positions, and ratings, float [m]


class TowerRunner:
    """A saved tower, run by Paddle's inference engine alone.

    Args:
        folder: the artifact.
        side: whose tower.
        encoder: the artifact's encoder, which knows every input's range.

    Raises:
        ArtifactError: the engine cannot read the files.
    """

    def __init__(self, folder: Path, side: Side, encoder: Encoder) -> None:
        self._side, self._encoder = side, encoder
        stem = folder / f"{side}_tower"
        try:
            config = inference.Config(f"{stem}.json", f"{stem}.pdiparams")
            config.disable_glog_info()
            config.disable_mkldnn()  # its start-up costs more than one small tower gains
            config.set_cpu_math_library_num_threads(1)
            config.enable_new_executor(True)
            config.enable_memory_optim(True)
            self._predictor = inference.create_predictor(config)
        except Exception as error:  # the engine raises bare RuntimeError and its own kinds
            raise ArtifactError(f"{stem}.json cannot be loaded as a tower: {error}") from error

    def vectors(self, features: Features) -> np.ndarray:
        """Vectors of n encoded users or items.

        Args:
            features: as ``Encoder.encode`` makes them.

        Returns:
            float32 [n, dim], each of length 1.

        Raises:
            ArtifactError: a row number lies outside its embedding (which Paddle would not notice).
        """
        self._check(features)
        count = len(next(iter(features.values())))
        parts = [
            self._run([x[begin : begin + BATCH] for x in features.values()])
            for begin in range(0, count, BATCH)
        ]
        return np.concatenate(parts)

    def _run(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        handles = zip(self._predictor.get_input_names(), inputs, strict=True)
        for name, values in handles:
            self._predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(values))
        self._predictor.run()
        output = self._predictor.get_output_names()[0]
        vectors: np.ndarray = self._predictor.get_output_handle(output).copy_to_cpu()
        return vectors

    def _check(self, features: Features) -> None:
        for field in self._encoder.schema.side(self._side):
            if field.name not in features:
                continue  # a tower that reads histories knows nobody by id
            values, size = features[field.name], self._encoder.width(field)
            if values.dtype == np.int64 and (values.min() < 0 or values.max() >= size):
                raise ArtifactError(
                    f"{field.name}: a row number lies outside 0..{size - 1}; "
                    "the encoder and the tower do not belong together"
                )


class HistoryRunner(TowerRunner):
    """A saved user tower that reads histories.

    Args:
        folder: the artifact.
        encoder: the artifact's encoder.
        items: float32 [items, dim], every item's vector.
        length: items of a history that are read, the newest ones.

    Raises:
        ArtifactError: the engine cannot read the files.
    """

    def __init__(self, folder: Path, encoder: Encoder, items: np.ndarray, length: int) -> None:
        super().__init__(folder, "user", encoder)
        self._items, self._length = items, length

    def vectors_after(self, features: Features, histories: Sequence[History]) -> np.ndarray:
        """Vectors of n users, float32 [n, dim], each of length 1.

        Args:
            features: as ``Encoder.encode`` makes them; the id is not read.
            histories: what each of them rated, in the order of time; ratings may be NaN.

        Raises:
            ArtifactError: a row number lies outside its embedding.
        """
        profile = {n: x for n, x in features.items() if n != self._encoder.schema.id("user").name}
        self._check(profile)
        # By length, so that no short history is padded to the length of a long one.
        order = np.argsort([len(items) for items, _ in histories], kind="stable")
        vectors = np.zeros((len(histories), self._items.shape[1]), dtype=np.float32)
        for begin in range(0, len(order), HISTORIES):
            part = order[begin : begin + HISTORIES]
            read = pack_histories(
                [histories[n] for n in part],
                self._items,
                self._length,
                self._encoder.schema.rating_range,
            )
            vectors[part] = self._run([*(x[part] for x in profile.values()), *read])
        return vectors
