"""The softmax over a catalog against the same formula written out, values and gradients."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from fusionrec.training import softmax
from fusionrec.training.softmax import softmax_loss

ITEMS, USERS, DIM = 23, 17, 6


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    drawn = rng.normal(size=(count, DIM))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


RNG = np.random.default_rng(0)
A, B = unit(RNG, USERS), unit(RNG, ITEMS)
TARGET = RNG.integers(0, ITEMS, USERS)
TARGET[:3] = TARGET[3]  # several ask for one item, and some items are nobody's target

Found = tuple[float, np.ndarray, np.ndarray]


def found(temperature: float, *sampled: np.ndarray, weight: float = 1.0) -> Found:
    """The loss and its gradients by users and items."""
    users, items = paddle.to_tensor(A), paddle.to_tensor(B)
    users.stop_gradient = items.stop_gradient = False
    loss = softmax_loss(users, items, TARGET, temperature, *sampled)
    (weight * loss).backward()
    return float(loss), users.grad.numpy(), items.grad.numpy()


def plain(temperature: float) -> Found:
    """The same by Paddle's own cross-entropy over all scores at once."""
    users, items = paddle.to_tensor(A), paddle.to_tensor(B)
    users.stop_gradient = items.stop_gradient = False
    logits = paddle.matmul(users, items, transpose_y=True) / temperature
    loss = F.cross_entropy(logits, paddle.to_tensor(TARGET))
    loss.backward()
    return float(loss), users.grad.numpy(), items.grad.numpy()


def written_out(temperature: float, negatives: np.ndarray, drawn: np.ndarray) -> Found:
    """The sampled loss in doubles: each negative 1/chance times, the target once."""
    a, b = A.astype(np.float64), B.astype(np.float64)
    count = np.zeros((USERS, ITEMS))
    count[:, negatives] = 1 / drawn
    count[np.arange(USERS), TARGET] = 1
    scores = a @ b.T / temperature
    weighed = count * np.exp(scores)
    share = weighed / weighed.sum(axis=1, keepdims=True)
    at = scores[np.arange(USERS), TARGET]
    loss = float((np.log(weighed.sum(axis=1)) - at).mean())
    pull = share.copy()
    pull[np.arange(USERS), TARGET] -= 1
    pull /= USERS * temperature
    return loss, pull @ b, pull.T @ a


def agree(one: Found, other: Found, rel: float = 1e-4) -> None:
    assert one[0] == pytest.approx(other[0], rel=rel)
    for x, y in zip(one[1:], other[1:], strict=True):
        assert np.allclose(x, y, rtol=0, atol=rel * np.abs(y).max())


@pytest.mark.parametrize("temperature", [0.02, 0.05, 1.0, 10.0])
def test_it_is_cross_entropy_with_its_gradients(temperature):
    agree(found(temperature), plain(temperature))


@pytest.mark.parametrize("at_once", [1, 5, USERS - 1, USERS, USERS + 1])
def test_rows_may_be_more_than_one_block(monkeypatch, at_once):
    monkeypatch.setattr(softmax, "ROWS", at_once)
    agree(found(0.1), plain(0.1))
    sampled = np.array([0, 4, 9]), np.array([0.5, 0.2, 0.9], np.float32)
    agree(found(0.1, *sampled), written_out(0.1, *sampled))


def test_the_gradient_is_that_of_what_the_loss_becomes():
    """Not only of a loss that is the end: half the loss, half the gradients."""
    _, users, items = found(0.1)
    _, half_users, half_items = found(0.1, weight=0.5)
    assert np.allclose(half_users, users / 2, atol=1e-7)
    assert np.allclose(half_items, items / 2, atol=1e-7)


def test_everything_drawn_for_certain_is_the_full_softmax():
    everything = np.arange(ITEMS), np.ones(ITEMS, np.float32)
    agree(found(0.1, *everything), found(0.1))
    order = np.random.default_rng(2).permutation(ITEMS)
    agree(found(0.1, order, np.ones(ITEMS, np.float32)), found(0.1))


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_a_sample_against_the_formula(temperature):
    """Targets among the negatives and targets that are not, which count once in either case."""
    rng = np.random.default_rng(3)
    negatives = np.sort(rng.choice(ITEMS, 9, replace=False))
    assert 0 < np.isin(TARGET, negatives).sum() < USERS
    drawn = rng.uniform(0.1, 1.0, 9).astype(np.float32)
    agree(found(temperature, negatives, drawn), written_out(temperature, negatives, drawn))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_lowest_temperature_stays_in_range(sign):
    """Cosines of 1 and of −1 throughout: exp(±50), each for a hundred thousand items."""
    users, items = np.tile(A[:1], (4, 1)), sign * np.tile(A[:1], (50, 1))
    target = np.arange(4)
    tensors = paddle.to_tensor(users), paddle.to_tensor(items)
    for tensor in tensors:
        tensor.stop_gradient = False
    negatives, rare = np.arange(50), np.full(50, 1e-5, np.float32)
    for sampled in ((), (negatives[4:], rare[4:])):
        loss = softmax_loss(*tensors, target, 0.02, *sampled)
        loss.backward()
        terms = 50 if not sampled else 1 + 46 / 1e-5
        assert float(loss) == pytest.approx(np.log(terms), rel=1e-4)
        for tensor in tensors:
            assert np.isfinite(tensor.grad.numpy()).all()
