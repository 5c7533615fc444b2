"""The towers of ``models/fusion.py`` in NumPy: float32, without dropout, from saved weights.

What is said there of every layer holds here. Publishing compares both on a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fusionrec.data.schema import Field, Side
from fusionrec.features.encoder import Encoder
from fusionrec.models.presets import FusionSettings
from fusionrec.registry.weights import Weights

Layer = Callable[[np.ndarray], np.ndarray]


def dense(weights: Weights, name: str, inner: int, outer: int) -> tuple[np.ndarray, np.ndarray]:
    """A fully connected layer's matrix, float32 [inner, outer], and its bias, [outer]."""
    return weights.take(f"{name}.weight", inner, outer), weights.take(f"{name}.bias", outer)


def unit(joined: np.ndarray) -> np.ndarray:
    """Vectors brought to length 1, in place; float32 [n, dim]."""
    joined /= np.sqrt(np.vecdot(joined, joined) + np.float32(1e-12))[:, None]
    return joined


class Fields:
    """One branch for each of some fields: their arrays in, what the branches make of them out.

    Args:
        weights: of the tower.
        encoder: knows every input's range.
        fields: in the order in which their arrays will come.
        settings: widths.
        within: what the names of the branches' weights begin with.

    Raises:
        ArtifactError: a branch's weights are missing or of another shape.
    """

    def __init__(
        self,
        weights: Weights,
        encoder: Encoder,
        fields: Sequence[Field],
        settings: FusionSettings,
        within: str = "",
    ) -> None:
        made = [
            _branch(weights, f"{within}branches.{number}", field, encoder, settings)
            for number, field in enumerate(fields)
        ]
        self._branches = [branch for branch, _ in made]
        self.width = sum(width for _, width in made)

    def read(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """What the branches make of the fields, float32 [n, width], not yet joined."""
        outputs = [branch(x) for branch, x in zip(self._branches, features, strict=True)]
        return np.concatenate(outputs, axis=1)


class FieldTower(Fields):
    """One side's tower: its fields' arrays in, vectors of length 1 out.

    Args:
        weights: of the tower.
        encoder: knows every input's range.
        side: whose tower.
        settings: widths.

    Raises:
        ArtifactError: the weights are not those of such a tower.
    """

    def __init__(
        self, weights: Weights, encoder: Encoder, side: Side, settings: FusionSettings
    ) -> None:
        super().__init__(weights, encoder, encoder.schema.side(side), settings)
        self._joined = dense(weights, "joined", self.width, settings.dim)
        weights.end()

    def vectors(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors, float32 [n, dim], of n users or items: all fields, in the schema's order."""
        matrix, bias = self._joined
        joined = self.read(features) @ matrix
        joined += bias
        return unit(joined)


def _branch(
    weights: Weights, name: str, field: Field, encoder: Encoder, settings: FusionSettings
) -> tuple[Layer, int]:
    """A field's branch and how many numbers it makes."""
    size, s = encoder.width(field), settings
    if field.kind in ("id", "category"):
        width = s.id_width if field.kind == "id" else s.category_width
        table = weights.take(f"{name}.embedding.weight", size, width)
        inner = _activated(weights, f"{name}.dense", width, width, s)
        return lambda rows: inner(table[rows]), width
    if field.kind == "text":
        return _text(weights, name, size, s), s.filters * len(s.windows)
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
    tanh = settings.activation == "tanh"

    def layer(values: np.ndarray) -> np.ndarray:
        made: np.ndarray = values @ matrix
        made += bias
        if tanh:
            np.tanh(made, out=made)
        else:
            np.maximum(made, 0, out=made)
        return made

    return layer


def _text(weights: Weights, name: str, size: int, settings: FusionSettings) -> Layer:
    """A text convolution with mean pooling: int64 [n, length] -> float32 [n, filters·windows]."""
    table = weights.take(f"{name}.embedding.weight", size, settings.word_width)
    table = np.concatenate([np.zeros_like(table[:1]), table[1:]])  # where no word is, nothing is
    convolutions = [
        _activated(
            weights,
            f"{name}.convolutions.{number}",
            width * settings.word_width,
            settings.filters,
            settings,
        )
        for number, width in enumerate(settings.windows)
    ]

    def layer(words: np.ndarray) -> np.ndarray:
        there = (words > 0).astype(np.float32)[..., None]
        count = np.maximum(there.sum(axis=1), 1)
        pooled = []
        for convolution, width in zip(convolutions, settings.windows, strict=True):
            before = (width - 1) // 2
            padded = np.pad(words, ((0, 0), (before, width - 1 - before)))
            spans = table[sliding_window_view(padded, width, axis=1)]
            made = convolution(spans.reshape(*words.shape, width * settings.word_width))
            made *= there
            pooled.append(made.sum(axis=1) / count)
        return np.concatenate(pooled, axis=1)

    return layer
