"""The user tower of ``models/sequence.py`` in NumPy: float32, without dropout, from saved weights.

The layers are documented there. Publishing compares both on a sample. Products with constants are
computed once, when the weights are read: a normalisation's scale and shift go into the next layer,
the scale of a query and the half of GELU into their matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fusionrec.features.encoder import Encoder
from fusionrec.features.history import DATES, GAPS, RATINGS, HistoryFeatures
from fusionrec.models.presets import SequenceSettings
from fusionrec.registry.inference.buffers import Buffers
from fusionrec.registry.inference.fields import Fields, dense, normalize
from fusionrec.registry.weights import Weights

MASK = np.float32(-1e9)  # added to the attention scores of later tokens
QUERY_BLOCK = 64  # queries whose attention is computed together
GELU = math.sqrt(2 / math.pi)
_SCRATCH = Buffers()


class HistoryTower:
    """The user tower: profile and history in, vectors of length 1 out.

    Args:
        weights: of the tower.
        encoder: knows every input's range.
        settings: widths.
        history_features: which of a history are read.

    Raises:
        ArtifactError: the weights do not match the tower.
    """

    def __init__(
        self,
        weights: Weights,
        encoder: Encoder,
        settings: SequenceSettings,
        history_features: HistoryFeatures,
    ) -> None:
        dim = settings.dim
        self._history_features = history_features
        fields = encoder.schema.attributes("user")
        self._profile = Fields(weights, encoder, fields, settings.tower, "profile.")
        self._start = dense(weights, "start", self._profile.width or 1, dim)
        matrix, bias = dense(weights, "item", dim, dim)
        self._item = matrix * np.float32(math.sqrt(dim))
        self._rating = weights.take("rating.weight", RATINGS + 1, dim) + bias
        if history_features.clock is not None:
            self._since = weights.take("since.weight", GAPS, dim)
            self._date = weights.take("date.weight", DATES + 1, dim)
        names = [f"blocks.{number}" for number in range(settings.blocks)]
        self._blocks = [_Block(weights, name, settings, history_features) for name in names[:-1]]
        self._last = _LastBlock(weights, names[-1], settings, history_features)
        self._out = _normed(weights, "norm", *dense(weights, "out", dim, dim))
        weights.end()

    def vectors(self, profile: Sequence[np.ndarray], packed: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors, float32 [n, dim], of n users.

        Args:
            profile: the profile's arrays as ``Encoder.encode`` makes them, without the id.
            packed: the history's arrays, as ``HistoryFeatures.pack`` makes them.
        """
        items, levels, count, *times = packed
        tokens = self._enter(profile, items, levels, times)
        gaps = times[0] if self._history_features.gaps else None
        for block in self._blocks:
            block.update(tokens, gaps)
        last = self._last.last(tokens, count[:, 0], gaps)
        matrix, bias = self._out
        joined = _standardised(last) @ matrix
        joined += bias
        return normalize(joined)

    def _enter(
        self,
        profile: Sequence[np.ndarray],
        items: np.ndarray,
        levels: np.ndarray,
        times: Sequence[np.ndarray],
    ) -> np.ndarray:
        """Tokens before the first block, float32 [n, length, dim], the profile's first."""
        n, length, dim = items.shape
        tokens = _SCRATCH.take("tokens", n, length + 1, dim)
        matrix, bias = self._start
        fields = self._profile.read(profile) if profile else np.ones((n, 1), dtype=np.float32)
        np.add(fields @ matrix, bias, out=tokens[:, 0])
        np.add(items @ self._item, self._rating[levels], out=tokens[:, 1:])
        if self._history_features.clock is not None:
            since, date = times[-2:]
            tokens += self._since[since]
            tokens += self._date[date]
        return tokens


class _Block:
    """One transformer block; it updates tokens in place.

    Args:
        weights: of the tower.
        name: prefix of the names of its weights.
        settings: widths.
        history_features: which of a history are read.
    """

    def __init__(
        self,
        weights: Weights,
        name: str,
        settings: SequenceSettings,
        history_features: HistoryFeatures,
    ) -> None:
        dim, self._heads = settings.dim, settings.heads
        query, query_bias = dense(weights, f"{name}.query", dim, dim)
        key_value, key_value_bias = dense(weights, f"{name}.key_value", dim, 2 * dim)
        scale = np.float32((self._heads / dim) ** 0.5)
        joined = np.concatenate([query * scale, key_value], axis=1)
        bias = np.concatenate([query_bias * scale, key_value_bias])
        self._qkv = _normed(weights, f"{name}.before_attention", joined, bias)
        self._answer = dense(weights, f"{name}.answer", dim, dim)
        self._feed_forward = _FeedForward(weights, name, dim, settings.feed_forward * dim)
        bias = weights.take(f"{name}.bias", self._heads, history_features.length + 1)
        # Every row of biases is a window of this: b[i], …, b[1], b[0], mask, mask, …
        mask = np.full((self._heads, history_features.length), MASK)
        self._position_bias = np.concatenate([bias[:, ::-1], mask], axis=1)
        if history_features.gaps:
            self._gap = weights.take(f"{name}.gap", GAPS, self._heads).T.copy()

    def update(self, tokens: np.ndarray, gaps: np.ndarray | None) -> None:
        """Updates tokens, float32 [n, length, dim], in place.

        Args:
            tokens: of n users.
            gaps: int64 [n, length, length], gap levels between any two; None where not read.
        """
        n, length, dim = tokens.shape
        rows = tokens.reshape(-1, dim)
        matrix, bias = self._qkv
        projected = _layer(_standardised(rows), matrix, bias, "parts")
        parts = projected.reshape(n, length, 3, self._heads, -1).transpose(2, 0, 3, 1, 4)
        query, key, value = parts  # each [n, heads, length, dim / heads]
        mixed = _SCRATCH.take("mixed", n, length, self._heads, dim // self._heads)
        biases = self._biases(length)
        for begin in range(0, length, QUERY_BLOCK):
            end = min(begin + QUERY_BLOCK, length)  # causal: no later keys
            scores = _SCRATCH.take("scores", n, self._heads, end - begin, end)
            np.matmul(query[:, :, begin:end], key[:, :, :end].swapaxes(2, 3), out=scores)
            scores += biases[:, begin:end, :end]
            if gaps is not None:
                for head, table in enumerate(self._gap):
                    scores[:, head] += table[gaps[:, begin:end, :end]]
            _mix(scores, value[:, :, :end], mixed[:, begin:end].transpose(0, 2, 1, 3))
        rows += _layer(mixed.reshape(-1, dim), *self._answer, "added")
        self._feed_forward.add_to(rows)

    def _biases(self, length: int) -> np.ndarray:
        """Attention biases and causal mask, float32 [heads, length, length], as a strided view."""
        (heads, size), (head, step) = self._position_bias.shape, self._position_bias.strides
        shape, first = (heads, length, length), size // 2 * step
        return np.ndarray(shape, np.float32, self._position_bias, first, (head, -step, step))


class _LastBlock(_Block):
    """The last block, which computes one token for each user.

    A single query needs no separate keys and values: ``q·(x K) = (q Kᵀ)·x``, and the mean of values
    is the value of the mean.
    """

    def __init__(
        self,
        weights: Weights,
        name: str,
        settings: SequenceSettings,
        history_features: HistoryFeatures,
    ) -> None:
        super().__init__(weights, name, settings, history_features)
        matrix, bias = self._qkv
        query, key, value = np.split(matrix, 3, axis=1)
        query_bias, _, value_bias = np.split(bias, 3)  # the keys' bias cancels in the softmax
        parted = key.reshape(settings.dim, self._heads, -1)
        self._query = query.copy(), query_bias
        self._key = np.ascontiguousarray(parted.transpose(1, 2, 0))  # [heads, width, dim]
        parted = value.reshape(settings.dim, self._heads, -1)
        # [heads, dim, width]
        self._value = np.ascontiguousarray(parted.transpose(1, 0, 2)), value_bias

    def last(self, tokens: np.ndarray, count: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
        """The token at position ``count`` of each user, float32 [n, dim], as ``update`` makes it.

        Args:
            tokens, gaps: as in ``update``.
            count: int64 [n].
        """
        n, length, dim = tokens.shape
        users = np.arange(n)
        inputs = _standardised(tokens.reshape(-1, dim)).reshape(tokens.shape)
        matrix, bias = self._query
        query = (inputs[users, count] @ matrix + bias).reshape(n, self._heads, -1)
        query = (query.swapaxes(0, 1) @ self._key).swapaxes(0, 1)  # [n, heads, dim]
        scores = query @ inputs.swapaxes(1, 2)
        scores += self._biases(length)[:, count].swapaxes(0, 1)
        if gaps is not None:
            scores += self._gap[:, gaps[users, count]].swapaxes(0, 1)
        mixed = np.empty((n, self._heads, dim), dtype=np.float32)
        _mix(scores, inputs, mixed)
        value, bias = self._value
        heads = (mixed.swapaxes(0, 1) @ value).swapaxes(0, 1).reshape(n, dim)
        heads += bias
        matrix, bias = self._answer
        own: np.ndarray = tokens[users, count] + heads @ matrix
        own += bias
        self._feed_forward.add_to(own)
        return own


class _FeedForward:
    """The feed-forward layer of a block, with the tanh approximation of GELU (Hendrycks and Gimpel,
    2016).
    """

    def __init__(self, weights: Weights, name: str, dim: int, wide: int) -> None:
        matrix, bias = dense(weights, f"{name}.wide", dim, wide)
        self._wide = _normed(weights, f"{name}.before_wide", matrix, bias)
        matrix, self._bias = dense(weights, f"{name}.narrow", wide, dim)
        self._narrow = matrix * np.float32(0.5)

    def add_to(self, rows: np.ndarray) -> None:
        """Adds the layer's output for rows, float32 [n, dim], to them, in place."""
        matrix, bias = self._wide
        wide = _layer(_standardised(rows), matrix, bias, "wide")
        activated = np.multiply(wide, wide, out=_SCRATCH.take("activated", *wide.shape))
        activated *= np.float32(GELU * 0.044715)
        activated += np.float32(GELU)
        activated *= wide
        np.tanh(activated, out=activated)
        activated += np.float32(1)
        activated *= wide
        rows += _layer(activated, self._narrow, self._bias, "added")


def _mix(scores: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Means of values weighted by a softmax, written to ``out``.

    Args:
        scores: float32 [..., m, length], overwritten.
        values: float32 [..., length, width].
        out: float32 [..., m, width].
    """
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    np.matmul(scores, values, out=out)
    out /= (scores @ np.ones(scores.shape[-1], dtype=np.float32))[..., None]


def _layer(rows: np.ndarray, matrix: np.ndarray, bias: np.ndarray, use: str) -> np.ndarray:
    """A fully connected layer, float32 [n, outer], in a reused array."""
    output = np.matmul(rows, matrix, out=_SCRATCH.take(use, len(rows), matrix.shape[1]))
    output += bias
    return output


def _standardised(rows: np.ndarray) -> np.ndarray:
    """Rows, float32 [n, dim], with mean 0 and variance 1: LayerNorm without scale and shift."""
    size = np.float32(rows.shape[1])
    centred = _SCRATCH.take("standardised", *rows.shape)
    np.subtract(rows, rows.mean(axis=1, keepdims=True), out=centred)
    centred /= np.sqrt(np.vecdot(centred, centred) / size + np.float32(1e-5))[:, None]
    return centred


def _normed(
    weights: Weights, name: str, matrix: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's matrix and bias, including the scale and shift of the LayerNorm before it."""
    size = len(matrix)
    scale, shift = weights.take(f"{name}.weight", size), weights.take(f"{name}.bias", size)
    return scale[:, None] * matrix, bias + shift @ matrix
