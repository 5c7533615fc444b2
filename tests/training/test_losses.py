"""Losses against the same formulas in NumPy."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from fusionrec.training.losses import exposure_loss, ranking_loss, squared_error

RNG = np.random.default_rng(0)
GRID = RNG.uniform(-1, 1, (4, 7)).astype(np.float32)
USER = np.array([0, 0, 3, 2, 1])
ITEM = np.array([6, 2, 0, 5, 5])


WEIGHT = np.array([1.0, 0.5, 2.0, 1.0, 1.0], np.float32)


def _cross_entropy(logits: np.ndarray, weight: np.ndarray | float = 1.0) -> float:
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-(weight * np.log(softmax[USER, ITEM])).mean())


def test_squared_error():
    cosine, target = GRID[USER, ITEM], np.array([-3, -1, 1, 3, 5], np.float32)
    loss = squared_error(paddle.to_tensor(cosine), paddle.to_tensor(target), 5.0)
    assert float(loss) == pytest.approx(np.mean((5 * cosine - target) ** 2), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_ranking_loss(temperature):
    loss = ranking_loss(
        paddle.to_tensor(GRID),
        paddle.to_tensor(USER),
        paddle.to_tensor(GRID[USER, ITEM]),
        paddle.to_tensor(WEIGHT),
        temperature,
    )
    assert float(loss) == pytest.approx(_cross_entropy(GRID / temperature, WEIGHT), rel=1e-4)


def test_exposure_loss():
    places = paddle.to_tensor(USER * GRID.shape[1] + ITEM)
    loss = exposure_loss(paddle.to_tensor(GRID), paddle.to_tensor(USER), places)
    assert float(loss) == pytest.approx(_cross_entropy(GRID), rel=1e-4)
