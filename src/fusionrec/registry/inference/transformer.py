"""The user tower of ``models/sequence.py`` in NumPy: float32, without dropout, from saved weights.

What is said there of every layer holds here. Publishing compares both on a sample. Where a product
with constants can be done once it is done when the weights are read: a normalisation's scale and
shift go into the layer behind it, the scale of a query and the half of GELU into their matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fusionrec.features.encoder import Encoder
from fusionrec.features.history import DATES, GAPS, RATINGS, HistoryFeatures
from fusionrec.models.presets import SequenceSettings
from fusionrec.registry.inference.buffers import Buffers
from fusionrec.registry.inference.fields import Fields, dense, unit
from fusionrec.registry.weights import Weights

LATER = np.float32(-1e9)  # added to attention to what comes later
ASKED = 64  # tokens of a history whose attention is computed together, up to the last of them
GELU = math.sqrt(2 / math.pi)
_SCRATCH = Buffers()


class HistoryTower:
    """The user tower: profile and history in, vectors of length 1 out.

    Args:
        weights: of the tower.
        encoder: knows every input's range.
        settings: widths.
        reading: what is read of a history.

    Raises:
        ArtifactError: the weights are not those of such a tower.
    """

    def __init__(
        self,
        weights: Weights,
        encoder: Encoder,
        settings: SequenceSettings,
        reading: HistoryFeatures,
    ) -> None:
        dim = settings.dim
        self._reading = reading
        fields = encoder.schema.attributes("user")
        self._profile = Fields(weights, encoder, fields, settings.tower, "profile.")
        self._start = dense(weights, "start", self._profile.width or 1, dim)
        matrix, bias = dense(weights, "item", dim, dim)
        self._item = matrix * np.float32(math.sqrt(dim))
        self._rating = weights.take("rating.weight", RATINGS + 1, dim) + bias
        if reading.clock is not None:
            self._since = weights.take("since.weight", GAPS, dim)
            self._date = weights.take("date.weight", DATES + 1, dim)
        names = [f"blocks.{number}" for number in range(settings.blocks)]
        self._blocks = [_Block(weights, name, settings, reading) for name in names[:-1]]
        self._last = _LastBlock(weights, names[-1], settings, reading)
        self._out = _normed(weights, "norm", *dense(weights, "out", dim, dim))
        weights.end()

    def vectors(self, profile: Sequence[np.ndarray], packed: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors, float32 [n, dim], of n users.

        Args:
            profile: the profile's arrays as ``Encoder.encode`` makes them, without the id.
            packed: the history's, as ``HistoryFeatures.pack`` makes them.
        """
        items, levels, count, *times = packed
        tokens = self._enter(profile, items, levels, times)
        gaps = times[0] if self._reading.gaps else None
        for block in self._blocks:
            block.pass_on(tokens, gaps)
        last = self._last.last(tokens, count[:, 0], gaps)
        matrix, bias = self._out
        joined = _standardised(last) @ matrix
        joined += bias
        return unit(joined)

    def _enter(
        self,
        profile: Sequence[np.ndarray],
        items: np.ndarray,
        levels: np.ndarray,
        times: Sequence[np.ndarray],
    ) -> np.ndarray:
        """Tokens before the first block, float32 [n, length, dim], the profile's first."""
        n, read, dim = items.shape
        tokens = _SCRATCH.take("tokens", n, read + 1, dim)
        matrix, bias = self._start
        told = self._profile.read(profile) if profile else np.ones((n, 1), dtype=np.float32)
        np.add(told @ matrix, bias, out=tokens[:, 0])
        np.add(items @ self._item, self._rating[levels], out=tokens[:, 1:])
        if self._reading.clock is not None:
            since, date = times[-2:]
            tokens += self._since[since]
            tokens += self._date[date]
        return tokens


class _Block:
    """One transformer block, which changes tokens in place.

    Args:
        weights: of the tower.
        name: what the names of the block's weights begin with.
        settings: widths.
        reading: what is read of a history.
    """

    def __init__(
        self, weights: Weights, name: str, settings: SequenceSettings, reading: HistoryFeatures
    ) -> None:
        dim, self._heads = settings.dim, settings.heads
        query, asked = dense(weights, f"{name}.query", dim, dim)
        key_value, held = dense(weights, f"{name}.key_value", dim, 2 * dim)
        scale = np.float32((self._heads / dim) ** 0.5)
        joined = np.concatenate([query * scale, key_value], axis=1)
        bias = np.concatenate([asked * scale, held])
        self._asked = _normed(weights, f"{name}.before_attention", joined, bias)
        self._answer = dense(weights, f"{name}.answer", dim, dim)
        self._wide = _Wide(weights, name, dim, settings.feed_forward * dim)
        near = weights.take(f"{name}.bias", self._heads, reading.length + 1)
        # All that a row of biases can be is a window of this: b[i], …, b[1], b[0], later, later, …
        later = np.full((self._heads, reading.length), LATER)
        self._near = np.concatenate([near[:, ::-1], later], axis=1)
        if reading.gaps:
            self._gap = weights.take(f"{name}.gap", GAPS, self._heads).T.copy()

    def pass_on(self, tokens: np.ndarray, gaps: np.ndarray | None) -> None:
        """Changes tokens, float32 [n, length, dim].

        Args:
            tokens: of n users.
            gaps: int64 [n, length, length], gap levels between any two; None where not read.
        """
        n, length, dim = tokens.shape
        rows = tokens.reshape(-1, dim)
        matrix, bias = self._asked
        made = _layer(_standardised(rows), matrix, bias, "parts")
        parts = made.reshape(n, length, 3, self._heads, -1).transpose(2, 0, 3, 1, 4)
        query, key, value = parts  # each [n, heads, length, dim / heads]
        mixed = _SCRATCH.take("mixed", n, length, self._heads, dim // self._heads)
        biases = self._biases(length)
        for begin in range(0, length, ASKED):
            end = min(begin + ASKED, length)  # nothing later is asked
            near = _SCRATCH.take("near", n, self._heads, end - begin, end)
            np.matmul(query[:, :, begin:end], key[:, :, :end].swapaxes(2, 3), out=near)
            near += biases[:, begin:end, :end]
            if gaps is not None:
                for head, table in enumerate(self._gap):
                    near[:, head] += table[gaps[:, begin:end, :end]]
            _mix(near, value[:, :, :end], mixed[:, begin:end].transpose(0, 2, 1, 3))
        rows += _layer(mixed.reshape(-1, dim), *self._answer, "added")
        self._wide.add_to(rows)

    def _biases(self, length: int) -> np.ndarray:
        """What is added to attention, float32 [heads, length, length], each row a window."""
        (heads, size), (head, step) = self._near.shape, self._near.strides
        shape, first = (heads, length, length), size // 2 * step
        return np.ndarray(shape, np.float32, self._near, first, (head, -step, step))


class _LastBlock(_Block):
    """The last block, of which one token for each user is computed.

    A single query needs no keys and values of its own: ``q·(x K) = (q Kᵀ)·x``, and a mean of values
    is the value of the mean.
    """

    def __init__(
        self, weights: Weights, name: str, settings: SequenceSettings, reading: HistoryFeatures
    ) -> None:
        super().__init__(weights, name, settings, reading)
        matrix, bias = self._asked
        query, key, value = np.split(matrix, 3, axis=1)
        asked, _, held = np.split(bias, 3)  # that of the keys moves all that is near by the same
        parted = key.reshape(settings.dim, self._heads, -1)
        self._query = query.copy(), asked
        self._key = np.ascontiguousarray(parted.transpose(1, 2, 0))  # [heads, width, dim]
        parted = value.reshape(settings.dim, self._heads, -1)
        self._value = np.ascontiguousarray(parted.transpose(1, 0, 2)), held  # [heads, dim, width]

    def last(self, tokens: np.ndarray, count: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
        """The token at place ``count`` of each user, float32 [n, dim], as ``pass_on`` makes it.

        Args:
            tokens, gaps: as in ``pass_on``.
            count: int64 [n].
        """
        n, length, dim = tokens.shape
        every = np.arange(n)
        read = _standardised(tokens.reshape(-1, dim)).reshape(tokens.shape)
        matrix, bias = self._query
        query = (read[every, count] @ matrix + bias).reshape(n, self._heads, -1)
        query = (query.swapaxes(0, 1) @ self._key).swapaxes(0, 1)  # [n, heads, dim]
        near = query @ read.swapaxes(1, 2)
        near += self._biases(length)[:, count].swapaxes(0, 1)
        if gaps is not None:
            near += self._gap[:, gaps[every, count]].swapaxes(0, 1)
        mixed = np.empty((n, self._heads, dim), dtype=np.float32)
        _mix(near, read, mixed)
        value, held = self._value
        heads = (mixed.swapaxes(0, 1) @ value).swapaxes(0, 1).reshape(n, dim)
        heads += held
        matrix, bias = self._answer
        own: np.ndarray = tokens[every, count] + heads @ matrix
        own += bias
        self._wide.add_to(own)
        return own


class _Wide:
    """The wider layer of a block, with GELU (Hendrycks and Gimpel, 2016) as tanh draws it near."""

    def __init__(self, weights: Weights, name: str, dim: int, wide: int) -> None:
        matrix, bias = dense(weights, f"{name}.wide", dim, wide)
        self._wide = _normed(weights, f"{name}.before_wide", matrix, bias)
        matrix, self._bias = dense(weights, f"{name}.narrow", wide, dim)
        self._narrow = matrix * np.float32(0.5)

    def add_to(self, rows: np.ndarray) -> None:
        """Adds what the layer makes of rows, float32 [n, dim], to them."""
        matrix, bias = self._wide
        wide = _layer(_standardised(rows), matrix, bias, "wide")
        bent = np.multiply(wide, wide, out=_SCRATCH.take("bent", *wide.shape))
        bent *= np.float32(GELU * 0.044715)
        bent += np.float32(GELU)
        bent *= wide
        np.tanh(bent, out=bent)
        bent += np.float32(1)
        bent *= wide
        rows += _layer(bent, self._narrow, self._bias, "added")


def _mix(near: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Means of values weighted by a softmax, written to ``out``.

    Args:
        near: float32 [..., m, length], overwritten.
        values: float32 [..., length, width].
        out: float32 [..., m, width].
    """
    near -= near.max(axis=-1, keepdims=True)
    np.exp(near, out=near)
    np.matmul(near, values, out=out)
    out /= (near @ np.ones(near.shape[-1], dtype=np.float32))[..., None]


def _layer(rows: np.ndarray, matrix: np.ndarray, bias: np.ndarray, use: str) -> np.ndarray:
    """A fully connected layer, float32 [n, outer], in memory kept for a use."""
    made = np.matmul(rows, matrix, out=_SCRATCH.take(use, len(rows), matrix.shape[1]))
    made += bias
    return made


def _standardised(rows: np.ndarray) -> np.ndarray:
    """Rows, float32 [n, dim], with mean 0 and variance 1: LayerNorm with nothing learned."""
    size = np.float32(rows.shape[1])
    centred = _SCRATCH.take("standardised", *rows.shape)
    np.subtract(rows, rows.mean(axis=1, keepdims=True), out=centred)
    centred /= np.sqrt(np.vecdot(centred, centred) / size + np.float32(1e-5))[:, None]
    return centred


def _normed(
    weights: Weights, name: str, matrix: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A layer's matrix and bias with the scale and shift of the normalisation before it in them."""
    size = len(matrix)
    scale, shift = weights.take(f"{name}.weight", size), weights.take(f"{name}.bias", size)
    return scale[:, None] * matrix, bias + shift @ matrix
