"""Saved towers, run by Paddle's inference engine alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from paddle import inference

from fusionrec.data.schema import Side
from fusionrec.errors import ArtifactError
from fusionrec.features import Encoder, Features

BATCH = 4096  # users or items that pass a tower at once


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
            self._run({name: x[begin : begin + BATCH] for name, x in features.items()})
            for begin in range(0, count, BATCH)
        ]
        return np.concatenate(parts)

    def _run(self, features: Features) -> np.ndarray:
        handles = zip(self._predictor.get_input_names(), features.values(), strict=True)
        for name, values in handles:
            self._predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(values))
        self._predictor.run()
        output = self._predictor.get_output_names()[0]
        vectors: np.ndarray = self._predictor.get_output_handle(output).copy_to_cpu()
        return vectors

    def _check(self, features: Features) -> None:
        for field in self._encoder.schema.side(self._side):
            values, size = features[field.name], self._encoder.width(field)
            if values.dtype == np.int64 and (values.min() < 0 or values.max() >= size):
                raise ArtifactError(
                    f"{field.name}: a row number lies outside 0..{size - 1}; "
                    "the encoder and the tower do not belong together"
                )
