"""The article's fusion model: two towers, each joining one branch per field into a unit vector."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import nn
from paddle.nn import functional as F

from fusionrec.data.schema import Field, Side
from fusionrec.features.encoder import Encoder
from fusionrec.models.presets import FusionSettings

LARGE = 8192  # rows of an embedding whose gradients are sparse; fewer are as fast dense
SPREAD = 0.05  # of embeddings: small, so that an id seen once or twice stays near the mean of all
_ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


class Fields(nn.Layer):
    """One branch per field: encoded arrays in, concatenated branch outputs out.

    Takes the arrays that ``Encoder.encode`` makes, in the order of the fields. Row 0 of every
    embedding is for unknown values. Inference runs the same forward pass in NumPy
    (``registry/inference/fields.py``), which reads the weights by the names that they have here.
    """

    def __init__(self, encoder: Encoder, fields: Sequence[Field], settings: FusionSettings) -> None:
        super().__init__()
        self.branches = nn.LayerList([_branch(field, encoder, settings) for field in fields])
        self.width = sum(branch.width for branch in self.branches)

    def read(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """The branches' outputs, float32 [n, width], before the joining layer."""
        outputs = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        return paddle.concat(outputs, axis=-1)


class Tower(Fields):
    """One side's tower: its fields' arrays in, vectors of length 1 out.

    ``forward`` takes the arrays of all fields of the side, in the schema's order, and returns
    float32 [n, dim].
    """

    def __init__(self, encoder: Encoder, side: Side, settings: FusionSettings) -> None:
        super().__init__(encoder, encoder.schema.inputs(side), settings)
        self.joined = nn.Linear(self.width, settings.dim)

    def forward(self, features: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Vectors, float32 [n, dim], of n encoded users or items."""
        return self.join(self.read(features))

    def join(self, branches: paddle.Tensor) -> paddle.Tensor:
        """Vectors of length 1, float32 [n, dim], from what ``read`` returned."""
        joined = self.joined(branches)
        # Written out: the gradient of F.normalize takes three times as long on a CPU.
        return joined * paddle.rsqrt((joined * joined).sum(axis=-1, keepdim=True) + 1e-12)


class ExposureHead(nn.Layer):
    """Predicts from both towers' branches which items a user rates; dropped after training.

    That a user rated an item says as much about taste as the rating does (Koren, Factorization
    Meets the Neighborhood, 2008: SVD++). This head trains the branches on it, without changing
    the cosine that predicts ratings.
    """

    def __init__(self, user_width: int, item_width: int, dim: int) -> None:
        super().__init__()
        self.user = nn.Linear(user_width, dim)
        self.item = nn.Linear(item_width, dim)

    def forward(self, users: paddle.Tensor, items: paddle.Tensor) -> paddle.Tensor:
        """Logits, float32 [u, i], of the branches' outputs of u users and i items."""
        return paddle.matmul(self.user(users), self.item(items), transpose_y=True)


def _branch(field: Field, encoder: Encoder, settings: FusionSettings) -> nn.Layer:
    vocabulary, size = encoder.vocabularies[field.name], encoder.width(field)
    activation = _ACTIVATIONS[settings.activation]
    if field.kind == "id":
        return _Embedded(size, settings.id_width, activation, settings.dropout)
    if field.kind == "category":
        return _Embedded(size, settings.category_width, activation, 0.0)
    if field.kind == "categories":
        return _Dense(vocabulary.size, settings.categories_width, activation)
    if field.buckets:
        return _Dense(size, settings.category_width, activation)
    if field.kind == "number":
        return _Dense(2, settings.number_width, activation)
    return _Text(size, settings, activation)


class _Embedded(nn.Layer):
    """An embedding and the fully connected layer behind it: int64 [n] -> float32 [n, width]."""

    def __init__(self, size: int, width: int, activation: type[nn.Layer], dropout: float) -> None:
        super().__init__()
        self.width = width
        self.embedding = embedding(size, width)
        self.dense = nn.Linear(width, width)
        self.activation = activation()
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: paddle.Tensor) -> paddle.Tensor:
        return self.dropout(self.activation(self.dense(self.embedding(rows))))


class _Dense(nn.Layer):
    """A fully connected layer: float32 [n, size] -> float32 [n, width]."""

    def __init__(self, size: int, width: int, activation: type[nn.Layer]) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.Linear(size, width)
        self.activation = activation()

    def forward(self, values: paddle.Tensor) -> paddle.Tensor:
        return self.activation(self.dense(values))


class _Text(nn.Layer):
    """A text convolution with mean pooling: int64 [n, length] -> float32 [n, filters x windows].

    After Kim, Convolutional Neural Networks for Sentence Classification, 2014; the mean over the
    words replaces the maximum, so that padding has no effect.
    """

    def __init__(self, size: int, settings: FusionSettings, activation: type[nn.Layer]) -> None:
        super().__init__()
        self.width = settings.filters * len(settings.windows)
        self.embedding = embedding(size, settings.word_width)
        self.windows, self.filters = settings.windows, settings.filters
        self.word_width = settings.word_width
        self.convolutions = nn.LayerList(
            [nn.Linear(w * settings.word_width, settings.filters) for w in settings.windows]
        )
        self.activation = activation()

    def forward(self, words: paddle.Tensor) -> paddle.Tensor:
        present = (words > 0).astype("float32").unsqueeze(-1)
        count = present.sum(axis=1).clip(min=1.0)
        length, pooled = words.shape[1], []
        for convolution, width in zip(self.convolutions, self.windows, strict=True):
            # One product of two matrices over each word's embedding beside its neighbours': several
            # times faster on a CPU than conv1d, and than a product over three axes.
            before = (width - 1) // 2
            padded = F.pad(words, [0, 0, before, width - 1 - before])
            spans = paddle.stack([padded[:, at : at + length] for at in range(width)], axis=-1)
            embedded = self.embedding(spans) * (spans > 0).astype("float32").unsqueeze(-1)
            flat = embedded.reshape([-1, width * self.word_width])
            read = self.activation(convolution(flat)).reshape([-1, length, self.filters])
            pooled.append((read * present).sum(axis=1) / count)
        return paddle.concat(pooled, axis=-1)


def embedding(size: int, width: int) -> nn.Embedding:
    """A table of ``size`` rows; of a large one a gradient holds only the rows that were read."""
    return nn.Embedding(size, width, sparse=size >= LARGE, weight_attr=normal(SPREAD))


def normal(spread: float) -> paddle.ParamAttr:
    """Weights that begin at random around 0."""
    return paddle.ParamAttr(initializer=nn.initializer.Normal(0.0, spread))
