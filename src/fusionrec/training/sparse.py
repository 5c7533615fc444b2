"""Sparse gradients of large tables: the rows that a minibatch read, and their values."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.nn.clip import merge_selected_rows

from fusionrec.models import fusion


def large_tables(network: nn.Layer) -> list[paddle.Tensor]:
    """The embeddings of a network whose gradients are sparse, each [rows, width]."""
    embeddings = [x for x in network.sublayers() if isinstance(x, nn.Embedding)]
    return [x.weight for x in embeddings if x.weight.shape[0] >= fusion.LARGE]


def merged_rows(gradient: paddle.Tensor) -> tuple[np.ndarray, paddle.Tensor]:
    """A sparse gradient: distinct rows, int64 [n] rising, and values, float32 [n, width]."""
    merged = merge_selected_rows(gradient)
    return np.array(merged.rows(), dtype=np.int64), merged._get_tensor_from_selected_rows()


def set_rows(table: paddle.Tensor, rows: paddle.Tensor, values: paddle.Tensor) -> None:
    """Gives a table a gradient of some rows, int64 [n], and values; what is there twice is summed.

    Paddle makes such a gradient only where a table is read.
    """
    table.clear_gradient(False)
    paddle.autograd.backward([F.embedding(rows, table, sparse=True)], [values])
