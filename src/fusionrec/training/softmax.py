"""Softmax cross-entropy over a whole catalog, with bounded memory."""

from __future__ import annotations

import numpy as np
import paddle
from paddle.autograd import PyLayer

ROWS = 2048  # targets whose scores are in memory at a time


def softmax_loss(
    users: paddle.Tensor,
    items: paddle.Tensor,
    target: np.ndarray,
    temperature: float,
    negatives: np.ndarray | None = None,
    drawn: np.ndarray | None = None,
) -> paddle.Tensor:
    """Mean cross-entropy of each user vector's target item against the catalog.

    With ``negatives`` these stand for the catalog. Each is weighted by the inverse of its
    probability (log-q correction: Bengio and Senécal, Adaptive importance sampling, 2008; Yi
    et al., Sampling-bias-corrected neural modeling, RecSys 2019), and the target counts once.

    Args:
        users: float32 [n, dim], of length 1.
        items: float32 [items, dim], of length 1.
        target: int64 [n], positions in ``items``.
        temperature: divides the cosines; 0.02 or more, or the sums leave float32's range.
        negatives: int64 [m], distinct positions in ``items``; None for all of them.
        drawn: float32 [m], the probability with which each of them was drawn.
    """
    wanted = paddle.gather(items, paddle.to_tensor(target))
    if negatives is None or drawn is None:
        count = np.ones((items.shape[0], 1), np.float32)
        own = np.zeros((len(target), 1), np.float32)
    else:
        # A correction so that a target counts once, even if it was drawn as a negative.
        counted = np.zeros(items.shape[0], np.float32)
        items = paddle.gather(items, paddle.to_tensor(negatives))
        count = (1 / drawn).astype(np.float32)[:, None]
        counted[negatives] = count[:, 0]
        own = (1 - counted[target])[:, None]
    loss: paddle.Tensor = _CrossEntropy.apply(
        users, items, wanted, paddle.to_tensor(count), paddle.to_tensor(own), 1 / temperature
    )
    return loss


class _CrossEntropy(PyLayer):  # type: ignore[misc]
    """``mean(log(Σ_j count_j·exp(s_ij) + own_i·exp(s_it)) − s_it)``, ``s`` the scaled cosines.

    The forward pass computes all gradients, block by block, so that each block's scores are
    exponentiated once and freed: memory is bounded by ``ROWS`` times the catalog.
    """

    @staticmethod
    def forward(ctx, users, items, wanted, count, own, scale):  # type: ignore[no-untyped-def]
        n, dim = users.shape
        loss, of_users, of_wanted = 0.0, [], []
        of_items = paddle.zeros_like(items)
        summed = paddle.concat([items * count, count], axis=1)  # sums and mixes in one product
        scaled = users * scale
        for begin in range(0, n, ROWS):
            part = slice(begin, begin + ROWS)
            at = (scaled[part] * wanted[part]).sum(axis=1, keepdim=True)
            scores = paddle.exp(paddle.matmul(scaled[part], items, transpose_y=True))
            mixed = paddle.matmul(scores, summed)
            alone = own[part] * paddle.exp(at)
            total = mixed[:, dim:] + alone
            loss = loss + (paddle.log(total) - at).sum()
            share = 1 / (total * n)
            pull = alone * share - 1 / n
            of_users.append((mixed[:, :dim] * share + wanted[part] * pull) * scale)
            of_wanted.append(scaled[part] * pull)
            of_items += paddle.matmul(scores, scaled[part] * share, transpose_x=True)
        ctx.save_for_backward(paddle.concat(of_users), of_items * count, paddle.concat(of_wanted))
        return loss / n

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        users, items, wanted = ctx.saved_tensor()
        return users * gradient, items * gradient, wanted * gradient, None, None
