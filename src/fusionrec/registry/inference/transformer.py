"""The user tower of ``models/sequence.py`` in NumPy: float32, without dropout, from saved weights.

The layers are documented there. Publishing compares both on a sample. Constant factors are
multiplied into the weights once, when these are read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fusionrec.features.encoder import Encoder
from fusionrec.features.history import DATES, GAPS, RATINGS, HistoryFeatures
from fusionrec.models.presets import SequenceSettings
from fusionrec.registry.inference.fields import Fields, dense, normalize
from fusionrec.registry.weights import Weights

MASK = np.float32(-1e9)  # added to the attention scores of later tokens
GELU = math.sqrt(2 / math.pi)


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
        self._item = matrix * np.float32(math.sqrt(dim)), bias
        self._rating = weights.take("rating.weight", RATINGS + 1, dim)
        if history_features.clock is not None:
            self._since = weights.take("since.weight", GAPS, dim)
            self._date = weights.take("date.weight", DATES + 1, dim)
        self._blocks = [
            _Block(weights, f"blocks.{number}", settings, history_features)
            for number in range(settings.blocks)
        ]
        self._out = _after_norm(weights, "norm", *dense(weights, "out", dim, dim))
        weights.end()

    def vectors(self, profile: Sequence[np.ndarray], packed: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors, float32 [n, dim], of n users.

        Args:
            profile: the profile's arrays as ``Encoder.encode`` makes them, without the id.
            packed: the history's arrays, as ``HistoryFeatures.pack`` makes them.
        """
        items, levels, count, *times = packed
        n, length, dim = items.shape
        tokens = np.empty((n, length + 1, dim), dtype=np.float32)  # the profile's first
        fields = self._profile.read(profile) if profile else np.ones((n, 1), dtype=np.float32)
        tokens[:, 0] = _linear(fields, self._start)
        tokens[:, 1:] = _linear(items, self._item) + self._rating[levels]
        if self._history_features.clock is not None:
            since, date = times[-2:]
            tokens += self._since[since] + self._date[date]
        gaps = times[0] if self._history_features.gaps else None
        for block in self._blocks[:-1]:
            tokens = block.all(tokens, gaps)
        last = self._blocks[-1].one(tokens, count[:, 0], gaps)
        return normalize(_linear(_standardised(last), self._out))


class _Block:
    """One transformer block.

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
        dim, wide, self._heads = settings.dim, settings.feed_forward * settings.dim, settings.heads
        scale = np.float32((self._heads / dim) ** 0.5)
        query, query_bias = dense(weights, f"{name}.query", dim, dim)
        key_value, key_value_bias = dense(weights, f"{name}.key_value", dim, 2 * dim)
        matrix = np.concatenate([query * scale, key_value], axis=1)
        bias = np.concatenate([query_bias * scale, key_value_bias])
        matrix, bias = _after_norm(weights, f"{name}.before_attention", matrix, bias)
        self._query = matrix[:, :dim].copy(), bias[:dim]
        self._key_value = matrix[:, dim:].copy(), bias[dim:]
        self._answer = dense(weights, f"{name}.answer", dim, dim)
        layer = dense(weights, f"{name}.wide", dim, wide)
        self._wide = _after_norm(weights, f"{name}.before_wide", *layer)
        matrix, bias = dense(weights, f"{name}.narrow", wide, dim)
        self._narrow = matrix * np.float32(0.5), bias  # the half of GELU
        bias = weights.take(f"{name}.bias", self._heads, history_features.length + 1)
        # Every row of biases is a window of this: b[i], …, b[1], b[0], mask, mask, …
        mask = np.full((self._heads, history_features.length), MASK)
        self._position_bias = np.concatenate([bias[:, ::-1], mask], axis=1)
        if history_features.gaps:
            self._gap = weights.take(f"{name}.gap", GAPS, self._heads).T.copy()

    def all(self, tokens: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
        """The block's output for every token, float32 [n, length, dim].

        Args:
            tokens: float32 [n, length, dim].
            gaps: int64 [n, length, length], gap levels between any two; None where not read.
        """
        return self._output(tokens, tokens, self._biases(tokens.shape[1]), gaps)

    def one(self, tokens: np.ndarray, at: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
        """The block's output for the token at position ``at``, int64 [n]: float32 [n, dim]."""
        users = np.arange(len(tokens))
        biases = self._biases(tokens.shape[1])[:, at, None].swapaxes(0, 1)
        gaps = None if gaps is None else gaps[users, at, None]
        return self._output(tokens[users, at, None], tokens, biases, gaps)[:, 0]

    def _output(
        self, tokens: np.ndarray, read: np.ndarray, biases: np.ndarray, gaps: np.ndarray | None
    ) -> np.ndarray:
        """Outputs for m tokens of each user, float32 [n, m, dim], which read ``length`` tokens.

        Args:
            tokens, read: float32 [n, m, dim] and [n, length, dim].
            biases: float32 [(n,) heads, m, length], added to the attention scores.
            gaps: int64 [n, m, length], or None.
        """
        n, m, dim = tokens.shape
        parts = n, -1, self._heads, dim // self._heads
        inputs = _standardised(read)
        asking = inputs if tokens is read else _standardised(tokens)
        query = _linear(asking, self._query).reshape(parts)
        key, value = np.split(_linear(inputs, self._key_value), 2, axis=2)
        scores = query.swapaxes(1, 2) @ key.reshape(parts).transpose(0, 2, 3, 1)
        scores += biases
        if gaps is not None:
            for head, table in enumerate(self._gap):
                scores[:, head] += table[gaps]
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        mixed = scores @ value.reshape(parts).swapaxes(1, 2)
        mixed /= scores.sum(axis=3, keepdims=True)
        tokens = tokens + _linear(mixed.swapaxes(1, 2).reshape(n, m, dim), self._answer)
        tokens += _linear(_double_gelu(_linear(_standardised(tokens), self._wide)), self._narrow)
        return tokens

    def _biases(self, length: int) -> np.ndarray:
        """Attention biases and causal mask, float32 [heads, length, length], as a strided view."""
        (heads, size), (head, step) = self._position_bias.shape, self._position_bias.strides
        shape, first = (heads, length, length), size // 2 * step
        return np.ndarray(shape, np.float32, self._position_bias, first, (head, -step, step))


def _after_norm(
    weights: Weights, name: str, matrix: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's matrix and bias, including the scale and shift of the LayerNorm before it."""
    size = len(matrix)
    scale, shift = weights.take(f"{name}.weight", size), weights.take(f"{name}.bias", size)
    return scale[:, None] * matrix, bias + shift @ matrix


def _standardised(tokens: np.ndarray) -> np.ndarray:
    """Tokens, float32 [..., dim], with mean 0 and variance 1: LayerNorm without scale and shift."""
    centred: np.ndarray = tokens - tokens.mean(axis=-1, keepdims=True)
    variance = np.vecdot(centred, centred) / np.float32(tokens.shape[-1])
    centred /= np.sqrt(variance + np.float32(1e-5))[..., None]
    return centred


def _linear(inputs: np.ndarray, layer: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A fully connected layer, float32 [..., inner] -> [..., outer], as one product."""
    matrix, bias = layer
    outputs: np.ndarray = inputs.reshape(-1, inputs.shape[-1]) @ matrix
    outputs += bias
    return outputs.reshape(*inputs.shape[:-1], -1)


def _double_gelu(values: np.ndarray) -> np.ndarray:
    """Twice GELU in its tanh approximation (Hendrycks and Gimpel, 2016)."""
    inner: np.ndarray = values * values  # values**3 takes twice the tower's time
    inner *= np.float32(GELU * 0.044715)
    inner += np.float32(GELU)
    inner *= values
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    inner *= values
    return inner
