"""AdamW on large tables: a step changes the rows that were read, in the end as dense ones would."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from fusionrec.models import fusion
from fusionrec.training.optimizer import RowAdamW

ROWS = 8


def made(monkeypatch, *, large: bool, decay: float = 0.0, clip: float | None = None):
    """A table and a layer behind it, with their optimizer."""
    monkeypatch.setattr(fusion, "LARGE", ROWS if large else ROWS + 1)
    paddle.seed(0)
    with paddle.utils.unique_name.guard():
        network = nn.LayerList([fusion.embedding(ROWS, 4), nn.Linear(4, 1)])
    clipped = None if clip is None else nn.ClipGradByGlobalNorm(clip)
    settings = {"learning_rate": 0.01, "beta2": 0.98, "weight_decay": decay, "grad_clip": clipped}
    return network, RowAdamW(network, **settings)


def steps(network, optimizer, ids) -> np.ndarray:
    """Takes a step on each of some lists of rows; returns the table."""
    with paddle.utils.unique_name.guard():
        for rows in ids:
            (network[1](network[0](paddle.to_tensor(rows))) - 1).square().sum().backward()
            optimizer.step()
            optimizer.clear_grad()
    return network[0].weight.numpy()


@pytest.mark.parametrize("decay", [0.0, 1.0])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_it_is_dense_adamw_where_every_row_is_read(monkeypatch, decay, clip):
    twice = [[0, *range(ROWS)]] * 30
    sparse, dense = (
        steps(*made(monkeypatch, large=large, decay=decay, clip=clip), twice)
        for large in (True, False)
    )
    assert np.allclose(sparse, dense, rtol=0, atol=1e-6)
    assert not np.allclose(dense, steps(*made(monkeypatch, large=False), [[0]]), atol=0.01)


def test_a_step_changes_the_rows_that_are_read_alone(monkeypatch):
    network, optimizer = made(monkeypatch, large=True, decay=1.0)
    before = network[0].weight.numpy()
    after = steps(network, optimizer, [[2, 5, 2]])
    changed = (before != after).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [2, 5]


def test_decay_that_a_row_missed_comes_when_it_is_read_or_settled(monkeypatch):
    network, optimizer = made(monkeypatch, large=True, decay=1.0)
    before = network[0].weight.numpy()
    steps(network, optimizer, [[0]] * 7)
    optimizer.settle()
    after = network[0].weight.numpy()
    assert np.allclose(after[1:], before[1:] * 0.99**7, rtol=1e-5)
    optimizer.settle()
    assert np.array_equal(network[0].weight.numpy(), after)


def test_a_rare_row_moves_as_far_as_by_dense_steps(monkeypatch):
    """Paddle's lazy Adam moves it by about a third."""
    ids = [[0], [1], [2], [3], [4], [5], [6], [7]] * 12
    moved = {}
    for large in (True, False):
        network, optimizer = made(monkeypatch, large=large)
        before = network[0].weight.numpy()
        moved[large] = np.abs(steps(network, optimizer, ids) - before).mean()
    assert moved[True] == pytest.approx(moved[False], rel=0.25)


def test_its_state_goes_on_to_the_last_bit(monkeypatch):
    ids = [[0, 1], [2], [1, 3], [0, 2, 7], [5], [1, 1]]
    whole = steps(*made(monkeypatch, large=True, decay=1.0), ids)
    network, optimizer = made(monkeypatch, large=True, decay=1.0)
    steps(network, optimizer, ids[:3])
    state = {name: x for name, x in optimizer.state_dict().items() if isinstance(x, paddle.Tensor)}
    again, other = made(monkeypatch, large=True, decay=1.0)
    again.set_state_dict(network.state_dict())
    other.set_state_dict({name: paddle.to_tensor(x.numpy()) for name, x in state.items()})
    assert np.array_equal(steps(again, other, ids[3:]), whole)
