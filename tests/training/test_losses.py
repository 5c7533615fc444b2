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


def test_an_item_may_stand_for_several():
    """As if the columns were there so many times."""
    counts = np.array([1, 3, 1, 2, 1, 1, 1])
    logs = paddle.to_tensor(np.log(counts).astype(np.float32))
    places = paddle.to_tensor(USER * GRID.shape[1] + ITEM)
    whole = np.log((counts * np.exp(GRID)).sum(axis=1))
    wanted = float((whole[USER] - GRID[USER, ITEM]).mean())
    tensors = paddle.to_tensor(GRID), paddle.to_tensor(USER)
    assert float(exposure_loss(*tensors, places, logs)) == pytest.approx(wanted, rel=1e-4)
    liked, ones = paddle.to_tensor(GRID[USER, ITEM]), paddle.ones([len(USER)])
    ranked = ranking_loss(*tensors, liked, ones, 1.0, logs)
    assert float(ranked) == pytest.approx(wanted, rel=1e-4)
