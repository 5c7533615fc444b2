"""The loss terms of the fusion model."""

from __future__ import annotations

import paddle


def squared_error(cosine: paddle.Tensor, target: paddle.Tensor, scale: float) -> paddle.Tensor:
    """The article's loss: the mean of ``(scale·cos − target)²``.

    Args:
        cosine, target: float32 [n], one per rating; targets on the scale of scores.
        scale: score of a cosine of 1.
    """
    return paddle.mean((scale * cosine - target) ** 2)


def ranking_loss(
    cosines: paddle.Tensor,
    user: paddle.Tensor,
    liked: paddle.Tensor,
    weight: paddle.Tensor,
    temperature: float,
    log_count: paddle.Tensor | None = None,
) -> paddle.Tensor:
    """Softmax cross-entropy of liked items against every item of the block.

    The block's items are a uniform sample of the catalog, so no correction for the sampling is
    needed; where they are drawn themselves, ``log_count`` is it (Bengio and Senécal, Adaptive
    importance sampling, 2008).

    Args:
        cosines: float32 [u, i], every user of the block with every item.
        user: int64 [m], the row in ``cosines`` of each liked item's user.
        liked, weight: float32 [m], the liked items' cosines and weights.
        temperature: divides the cosines.
        log_count: float32 [i], logarithm of how many items each one stands for; None: 1 each.
    """
    normaliser = _normaliser(cosines / temperature, log_count)
    return paddle.mean(weight * (paddle.gather(normaliser, user) - liked / temperature))


def exposure_loss(
    logits: paddle.Tensor,
    user: paddle.Tensor,
    indices: paddle.Tensor,
    log_count: paddle.Tensor | None = None,
) -> paddle.Tensor:
    """Softmax cross-entropy of every rated item, liked or not, against every item of the block.

    Args:
        logits: float32 [u, i], every user of the block with every item.
        user: int64 [n], the row in ``logits`` of each rating's user.
        indices: int64 [n], the index in the flattened ``logits`` of each rating.
        log_count: as of ``ranking_loss``.
    """
    normaliser = _normaliser(logits, log_count)
    return paddle.mean(paddle.gather(normaliser, user) - paddle.gather(logits.flatten(), indices))


def _normaliser(logits: paddle.Tensor, log_count: paddle.Tensor | None) -> paddle.Tensor:
    counted = logits if log_count is None else logits + log_count
    return paddle.logsumexp(counted, axis=1)
