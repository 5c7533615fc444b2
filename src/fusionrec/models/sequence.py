"""The sequence model: a user tower that reads a user's history in order, and the profile."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

from fusionrec.features.encoder import Encoder
from fusionrec.features.history import DATES, GAPS, RATINGS, HistoryFeatures
from fusionrec.models.fusion import SPREAD, Fields, normal
from fusionrec.models.presets import SequenceSettings


class HistoryTower(nn.Layer):
    """The user tower: profile and history in, vectors of length 1 out.

    A causal transformer (Vaswani et al., Attention Is All You Need, 2017; for recommending Kang and
    McAuley, SASRec, 2018) over one token for the profile and one for each item of the history, the
    oldest first. A history's items come as *vectors*, those of the index: the tower knows no item
    numbers, so an item that was added after training can be in a history. Inference runs the same
    forward pass in NumPy (``registry/inference/transformer.py``).

    ``encoder`` is fitted on the training rows; the length of ``reading`` is that of the settings.
    """

    def __init__(
        self, encoder: Encoder, settings: SequenceSettings, reading: HistoryFeatures
    ) -> None:
        super().__init__()
        dim = settings.dim
        self.settings, self.reading = settings, reading
        fields = encoder.schema.attributes("user")
        self.profile = Fields(encoder, fields, settings.tower) if fields else None
        self.start = nn.Linear(self.profile.width if self.profile else 1, dim)
        self.item = nn.Linear(dim, dim)
        self.rating = nn.Embedding(RATINGS + 1, dim, weight_attr=normal(SPREAD))
        if reading.clock is not None:
            self.since = nn.Embedding(GAPS, dim, weight_attr=normal(SPREAD))
            self.date = nn.Embedding(DATES + 1, dim, weight_attr=normal(SPREAD))
        self.drop = Dropout(settings.dropout)
        self.blocks = nn.LayerList([Block(settings, self.drop) for _ in range(settings.blocks)])
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)
        positions = np.arange(settings.history + 1)
        ago = positions[:, None] - positions[None]
        self.ago = paddle.to_tensor(np.maximum(ago, 0))
        self.later = paddle.to_tensor(np.where(ago < 0, np.float32(-1e9), np.float32(0)))

    def forward(self, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Vectors, float32 [n, dim], of n users.

        Args:
            inputs: the profile's arrays as ``Encoder.encode`` makes them, without the id; then
                the history's item vectors, float32 [n, length, dim], its rating levels, int64
                [n, length] (0: unknown), the number of its items, int64 [n, 1], and the arrays of
                ``HistoryFeatures.read_times``. Padding after a history is not read.
        """
        fields = len(self.profile.branches) if self.profile else 0
        items, levels, count, *times = inputs[fields:]
        tokens, ago, later, gaps = self._enter(inputs[:fields], items, levels, times)
        for block in self.blocks[:-1]:
            tokens = block(tokens, ago, later, gaps)
        # Every row has its own last token, the only one that the last block computes.
        length = tokens.shape[1]
        last = (paddle.arange(length, dtype="int64").unsqueeze(0) == count).astype("float32")
        return self.join(self.blocks[-1].last(tokens, last, ago, later, gaps))

    def read(
        self,
        profile: Sequence[paddle.Tensor],
        items: paddle.Tensor,
        levels: paddle.Tensor,
        times: Sequence[paddle.Tensor] = (),
    ) -> paddle.Tensor:
        """Tokens, float32 [n, length + 1, dim]: the t-th reads the profile and t items."""
        tokens, ago, later, gaps = self._enter(profile, items, levels, times)
        for block in self.blocks:
            tokens = block(tokens, ago, later, gaps)
        return tokens

    def _enter(
        self,
        profile: Sequence[paddle.Tensor],
        items: paddle.Tensor,
        levels: paddle.Tensor,
        times: Sequence[paddle.Tensor],
    ) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor, paddle.Tensor | None]:
        """The arguments of the first block, the profile's token first."""
        gaps = times[0] if self.reading.gaps else None
        ones = paddle.ones([items.shape[0], 1])
        profile_features = self.profile.read(profile) if self.profile else ones
        # A vector of length 1 has entries of about dim^-.5; tokens want entries of about 1.
        scale = math.sqrt(self.settings.dim)
        history = self.item(items * scale) + self.rating(levels)
        tokens = paddle.concat([self.start(profile_features).unsqueeze(1), history], axis=1)
        if self.reading.clock is not None:
            since, date = times[-2:]
            tokens = tokens + self.since(since) + self.date(date)
        length = tokens.shape[1]
        return self.drop(tokens), self.ago[:length, :length], self.later[:length, :length], gaps

    def join(self, tokens: paddle.Tensor) -> paddle.Tensor:
        """Vectors of length 1, float32 [n, dim], of tokens, float32 [n, dim]."""
        joined = self.out(self.norm(tokens))
        return joined * paddle.rsqrt((joined * joined).sum(axis=-1, keepdim=True) + 1e-12)


class Block(nn.Layer):
    """One transformer block, normalised before each part: attention, then a wider layer.

    Attention adds a learned bias for how many positions ago an item is (Shaw et al.,
    Self-Attention with Relative Position Representations, 2018, as T5 simplified it, 2020) and, as
    a setting, one for how much earlier it was rated (Li, Wang and McAuley, Time Interval Aware
    Self-Attention, 2020, in the simple form of Zhai et al., Actions Speak Louder than Words, 2024).
    """

    def __init__(self, settings: SequenceSettings, drop: nn.Layer) -> None:
        super().__init__()
        dim, self.heads = settings.dim, settings.heads
        self.before_attention, self.before_wide = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.answer = nn.Linear(dim, dim)
        self.wide = nn.Linear(dim, settings.feed_forward * dim)
        self.narrow = nn.Linear(settings.feed_forward * dim, dim)
        zero = nn.initializer.Constant(0.0)
        shape = [self.heads, settings.history + 1]
        self.bias = self.create_parameter(shape, default_initializer=zero)
        if settings.gaps:
            self.gap = self.create_parameter([GAPS, self.heads], default_initializer=zero)
        self.drop = drop

    def forward(
        self,
        tokens: paddle.Tensor,
        ago: paddle.Tensor,
        later: paddle.Tensor,
        gaps: paddle.Tensor | None = None,
    ) -> paddle.Tensor:
        """Tokens, float32 [n, length, dim], from such tokens.

        Args:
            tokens: of n rows.
            ago: int64 [length, length], how many positions the column's token is before the row's.
            later: float32 [length, length], −1e9 where it is after it, else 0.
            gaps: int64 [n, length, length], gap levels between the two; None where not read.
        """
        read = self.before_attention(tokens)
        bias = self.biases(ago, later).flatten()
        if gaps is not None:
            bias = self._of_gaps(gaps) + bias
        return self._widen(tokens, self._attend(read, read, bias))

    def last(
        self,
        tokens: paddle.Tensor,
        last: paddle.Tensor,
        ago: paddle.Tensor,
        later: paddle.Tensor,
        gaps: paddle.Tensor | None = None,
    ) -> paddle.Tensor:
        """One token of each row as ``forward`` would make it, float32 [n, dim]: that at which
        ``last``, float32 [n, length], is 1 and not 0.
        """
        read, length = self.before_attention(tokens), tokens.shape[1]
        biases = self.biases(ago, later).transpose([1, 0, 2]).reshape([length, -1])
        queries, own = (paddle.matmul(last.unsqueeze(1), x) for x in (read, tokens))
        bias = paddle.matmul(last, biases)
        if gaps is not None:
            own_gaps = (gaps * last.astype("int64").unsqueeze(2)).sum(axis=1, keepdim=True)
            bias = bias + self._of_gaps(own_gaps)
        return self._widen(own, self._attend(queries, read, bias)).squeeze(1)

    def _of_gaps(self, gaps: paddle.Tensor) -> paddle.Tensor:
        """Biases, float32 [n, heads·m·length], of gap levels, int64 [n, m, length]."""
        biases = F.embedding(gaps, self.gap).transpose([0, 3, 1, 2])
        return biases.reshape([gaps.shape[0], -1])

    def biases(self, ago: paddle.Tensor, later: paddle.Tensor) -> paddle.Tensor:
        """What is added to attention, float32 [heads, length, length]; see ``forward``."""
        length = ago.shape[0]
        scores = paddle.gather(self.bias, ago.flatten(), axis=1)
        return scores.reshape([self.heads, length, length]) + later

    def _attend(
        self, queries: paddle.Tensor, read: paddle.Tensor, bias: paddle.Tensor
    ) -> paddle.Tensor:
        """Attention of m tokens, float32 [n, m, dim], to ``length`` tokens, [n, length, dim].

        ``bias`` is float32 [heads·m·length], or a row of these for each of n. Flat, because Paddle
        adds a vector to rows ten times faster than it adds across four axes.
        """
        n, m, length = queries.shape[0], queries.shape[1], read.shape[1]
        query = self._split_heads(self.query(queries) * (self.heads / queries.shape[2]) ** 0.5)
        key, value = self._split_heads(self.key_value(read)).split(2, axis=1)
        scores = paddle.matmul(query, key, transpose_y=True).reshape([n, -1]) + bias
        scores = F.softmax(scores.reshape([n, self.heads, m, length]))
        mixed = paddle.matmul(scores, value).transpose([0, 2, 1, 3])
        return self.answer(mixed.reshape([n, m, queries.shape[2]]))

    def _split_heads(self, tokens: paddle.Tensor) -> paddle.Tensor:
        """float32 [n, length, k·dim] split into heads: [n, k·heads, length, dim / heads]."""
        n, length = tokens.shape[0], tokens.shape[1]
        width = self.answer.weight.shape[0] // self.heads
        return tokens.reshape([n, length, -1, width]).transpose([0, 2, 1, 3])

    def _widen(self, tokens: paddle.Tensor, attended: paddle.Tensor) -> paddle.Tensor:
        tokens = tokens + self.drop(attended)
        wide = F.gelu(self.wide(self.before_wide(tokens)), approximate=True)
        return tokens + self.drop(self.narrow(wide))


class Dropout(nn.Layer):
    """Dropout as Paddle's, which draws its random numbers ten times slower on a CPU: one byte is
    enough for each value.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.least = min(round(256 * share), 255)
        self.seed(0)

    def seed(self, *numbers: int) -> None:
        """Restarts the random numbers."""
        self._bits = np.random.default_rng(numbers).bit_generator

    def forward(self, values: paddle.Tensor) -> paddle.Tensor:
        if not self.training or not self.least:
            return values
        count = int(np.prod(values.shape))
        drawn = self._bits.random_raw((count + 7) // 8).view(np.uint8)[:count]
        kept = (drawn >= self.least).astype(np.float32)
        kept *= np.float32(256 / (256 - self.least))
        return values * paddle.to_tensor(kept.reshape(values.shape))
