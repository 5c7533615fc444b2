"""What the trainers share beside the loop: the optimizer, weights, and a check of vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle

from fusionrec.errors import TrainingError
from fusionrec.models.presets import TrainingSettings

LOWER = "a lower training.learning_rate usually helps"


def adamw(
    network: paddle.nn.Layer, settings: TrainingSettings, decays: Callable[[str], bool]
) -> paddle.optimizer.AdamW:
    """An AdamW with decay of the parameters whose names ``decays`` takes."""
    parameters = dict(network.named_parameters())
    decayed = {p.name for name, p in parameters.items() if decays(name)}
    return paddle.optimizer.AdamW(
        learning_rate=settings.learning_rate,
        parameters=list(parameters.values()),
        weight_decay=settings.weight_decay,
        apply_decay_param_fun=decayed.__contains__,
    )


def weights(network: paddle.nn.Layer) -> dict[str, np.ndarray]:
    """A copy of everything learned, by name."""
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def check_lengths(vectors: np.ndarray, whose: str, epoch: int) -> None:
    """Checks that vectors, [n, dim], have length 1; those of a network that diverged have not.

    Raises:
        TrainingError: one of them has another length.
    """
    # Written so that NaN fails too.
    if not (np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < 1e-3).all():
        raise TrainingError(f"the {whose} vectors are not of length 1 after epoch {epoch}", LOWER)
