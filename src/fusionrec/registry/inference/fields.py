"""The towers of ``models/fusion.py`` in NumPy: float32, without dropout, from saved weights.

The layers are documented there. Publishing compares both on a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fusionrec.data.schema import Field
from fusionrec.features.encoder import Encoder
from fusionrec.models.presets import FusionSettings
from fusionrec.registry.weights import Weights

Layer = Callable[[np.ndarray], np.ndarray]


def dense(weights: Weights, name: str, inner: int, outer: int) -> tuple[np.ndarray, np.ndarray]:
    """A fully connected layer's matrix, float32 [inner, outer], and its bias, [outer]."""
    return weights.take(f"{name}.weight", inner, outer), weights.take(f"{name}.bias", outer)


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Scales vectors, float32 [n, dim], to length 1, in place."""
    vectors /= np.sqrt(np.vecdot(vectors, vectors) + np.float32(1e-12))[:, None]
    return vectors


class Fields:
    """One branch per field: encoded arrays in, concatenated branch outputs out.

    Args:
        weights: of the tower.
        encoder: knows every input's range.
        fields: in the order of their arrays.
        settings: widths.
        prefix: of the names of the branches' weights.

    Raises:
        ArtifactError: a branch's weights are missing or of another shape.
    """

    def __init__(
        self,
        weights: Weights,
        encoder: Encoder,
        fields: Sequence[Field],
        settings: FusionSettings,
        prefix: str = "",
    ) -> None:
        branches = [
            _branch(weights, f"{prefix}branches.{number}", field, encoder, settings)
            for number, field in enumerate(fields)
        ]
        self._branches = [branch for branch, _ in branches]
        self.width = sum(width for _, width in branches)

    def read(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """The branches' outputs, float32 [n, width], before they are joined."""
        outputs = [branch(x) for branch, x in zip(self._branches, features, strict=True)]
        return np.concatenate(outputs, axis=1)


def _branch(
    weights: Weights, name: str, field: Field, encoder: Encoder, settings: FusionSettings
) -> tuple[Layer, int]:
    """A field's branch and the width of its output."""
    size, s = encoder.width(field), settings
    if field.kind == "text":
        return _text(weights, name, size, s), s.filters * len(s.windows)
    if field.kind in ("id", "category"):
        width = s.id_width if field.kind == "id" else s.category_width
        table = weights.take(f"{name}.embedding.weight", size, width)
        inner = _activated(weights, f"{name}.dense", width, width, s)
        return lambda rows: inner(table[rows]), width
    inputs, width = 2, s.number_width
    if field.buckets:
        inputs, width = size, s.category_width
    elif field.kind == "categories":
        inputs, width = size, s.categories_width
    return _activated(weights, f"{name}.dense", inputs, width, s), width


def _activated(
    weights: Weights, name: str, inner: int, outer: int, settings: FusionSettings
) -> Layer:
    """A fully connected layer and its activation: float32 [..., inner] -> [..., outer]."""
    matrix, bias = dense(weights, name, inner, outer)
    if settings.activation == "tanh":
        return lambda values: np.tanh(values @ matrix + bias)
    return lambda values: np.maximum(values @ matrix + bias, 0)


def _text(weights: Weights, name: str, size: int, settings: FusionSettings) -> Layer:
    """A text convolution with mean pooling: int64 [n, length] -> float32 [n, filters·windows]."""
    table = weights.take(f"{name}.embedding.weight", size, settings.word_width)
    table = np.concatenate([np.zeros_like(table[:1]), table[1:]])  # padding is zero
    filters, words = settings.filters, settings.word_width
    convolutions = [
        _activated(weights, f"{name}.convolutions.{number}", width * words, filters, settings)
        for number, width in enumerate(settings.windows)
    ]

    def layer(words: np.ndarray) -> np.ndarray:
        is_word = (words > 0).astype(np.float32)[..., None]
        count = np.maximum(is_word.sum(axis=1), 1)
        pooled = []
        for convolution, width in zip(convolutions, settings.windows, strict=True):
            before = (width - 1) // 2
            padded = np.pad(words, ((0, 0), (before, width - 1 - before)))
            spans = table[sliding_window_view(padded, width, axis=1)]
            output = convolution(spans.reshape(*words.shape, width * settings.word_width))
            pooled.append((output * is_word).sum(axis=1) / count)
        return np.concatenate(pooled, axis=1)

    return layer
