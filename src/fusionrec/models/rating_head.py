"""The rating head: predicts ratings from users' and items' ratings, while the cosine ranks."""

from __future__ import annotations

import paddle
from paddle import nn

from fusionrec.models.fusion import normal

SMOOTHING = 3.0  # added to a bag's size, so that a single rating has less effect


class BagTower(nn.Layer):
    """One side's vectors and biases, from the bag of its ratings.

    A user's bag is the items they rated with what they gave, an item's bag the users who rated it.
    Each rating adds ``value * w + m`` with vectors ``w`` and ``m`` of the item (or user) it is of:
    the first for the rating's value, the second for its presence. The sum, divided by the root of
    the bag's size, passes tanh. No id has its own vector, which would memorise its training
    ratings: an id has a bias alone.

    ``own`` counts the users (or items) of this side, ``other`` those of the other side.
    """

    def __init__(self, own: int, other: int, width: int, dropout: float) -> None:
        super().__init__()
        self.values = self.create_parameter([other, width], attr=normal(0.01))
        self.presence = self.create_parameter([other, width], attr=normal(0.01))
        self.shift = self.create_parameter([width], is_bias=True)
        self.bias = self.create_parameter([own, 1], is_bias=True)
        self.lean = self.create_parameter([width, 1], attr=normal(0.01))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, ids: paddle.Tensor, values: paddle.Tensor, presence: paddle.Tensor
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Vectors, float32 [n, width], and biases, float32 [n, 1].

        Args:
            ids: int64 [n], positions.
            values: float32 [n, other], the bags' ratings in ``RatingNetwork``'s unit; 0 for none.
            presence: float32 [n, other], 1 where there is a rating.
        """
        scale = paddle.rsqrt(presence.sum(axis=1, keepdim=True) + SMOOTHING)
        summed = paddle.matmul(values, self.values) + paddle.matmul(presence, self.presence)
        vectors = self.dropout(paddle.tanh(summed * scale + self.shift))
        return vectors, paddle.gather(self.bias, ids) + paddle.matmul(vectors, self.lean)


class RatingNetwork(nn.Layer):
    """Predicts ratings as ``b + b_u + b_i + <p_u, q_i>``, each side's part from a ``BagTower``.

    The item side reads what an item's autoencoder does (Sedhain et al., AutoRec, WWW 2015); where
    that has a free vector of each user, here the user's bag is read likewise, as in SVD++ (Koren,
    Factorization Meets the Neighborhood, KDD 2008) and in graph autoencoders (van den Berg et al.,
    Graph Convolutional Matrix Completion, 2018). Ratings are in quarters of the rating range around
    its middle, in [-2, 2]: for stars of 1 to 5, ``stars - 3``.

    ``width`` is that of the vectors, ``dropout`` the share of their entries dropped in training.
    """

    def __init__(self, users: int, items: int, width: int, dropout: float) -> None:
        super().__init__()
        self.user = BagTower(users, items, width, dropout)
        self.item = BagTower(items, users, width, dropout)
        self.mean = self.create_parameter([1], is_bias=True)

    def forward(
        self, users: tuple[paddle.Tensor, ...], items: tuple[paddle.Tensor, ...]
    ) -> paddle.Tensor:
        """Ratings, float32 [u, i], of u users and i items; each side as of ``BagTower.forward``."""
        user, of_user = self.user(*users)
        item, of_item = self.item(*items)
        return paddle.matmul(user, item, transpose_y=True) + of_user + of_item.T + self.mean
