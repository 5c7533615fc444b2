"""What is known of users and items beside the ratings' values: who rated what, and attributes."""

from __future__ import annotations

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.data.schema import Side
from fusionrec.features.encoder import Encoder
from fusionrec.features.flat import centred, flatten, means
from fusionrec.training.stars_biases import Ratings
from fusionrec.training.stars_factors import grouped, with_data

MOST_COLUMNS = 256  # of attributes
FEWEST_IDS = 5  # that a column of attributes tells apart from all others
_POWERS, _OVERSAMPLE = 4, 16  # of the search for the widest directions


def features_of(
    ratings: Ratings, attributes: tuple[np.ndarray, np.ndarray], width: int, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The features of users and of items with ratings, for ``FactorSampler``.

    Args:
        ratings: of which only who rated what is read.
        attributes: of ``attributes_of``, for users and for items.
        width: how many directions of who rated what are kept.
        seed: of their search.

    Returns:
        For each side float64 [m, w] of who rated what and, if there are any, of attributes: those
        of the m ids with ratings, in order; 0 on average.
    """
    own, other = (np.unique(ids, return_inverse=True) for ids in (ratings.user, ratings.item))
    found = []
    for (rated, place), across, columns in (
        (own, other, attributes[0]),
        (other, own, attributes[1]),
    ):
        groups = [presence_directions(place, across[1], width, seed)]
        if columns.shape[1]:
            groups.append(columns[rated] - columns[rated].mean(axis=0))
        found.append(groups)
    return found[0], found[1]


def presence_directions(own: np.ndarray, other: np.ndarray, width: int, seed: int) -> np.ndarray:
    """The directions in which who rated what varies most: float64 [owns, w], w at most ``width``.

    A row has ones where there is a rating, scaled to length 1, as in SVD++ (Koren, KDD 2008), and
    is taken less the mean row. By subspace iteration (Halko et al., SIAM Review 2011).

    Args:
        own, other: int64 [n], dense positions of each rating's two ids.
        width, seed: of the search.
    """
    pattern, _ = grouped(own, other)
    counts = np.diff(pattern.indptr)
    x = with_data(pattern, np.repeat(1 / np.sqrt(counts), counts))
    mean = np.asarray(x.mean(axis=0), dtype=np.float32).ravel()
    columns = min(width + _OVERSAMPLE, *x.shape)
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((x.shape[1], columns)).astype(np.float32)
    for _ in range(_POWERS):
        seen = x @ basis - mean @ basis
        basis = np.linalg.qr(x.T @ seen - np.outer(mean, seen.sum(axis=0)))[0]
    seen = (x @ basis - mean @ basis).astype(np.float64)
    _, vectors = np.linalg.eigh(seen.T @ seen)
    return np.asarray(seen @ vectors[:, ::-1][:, : min(width, columns)])


def attributes_of(dataset: Dataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The attributes of all users, float64 [users, w], and of all items, as numbers; 0 where a
    value is not known. Words of texts are left out, and so are columns that tell hardly any id
    apart; of too many columns the most telling ones stay.

    Args:
        dataset: whose tables are read.
        rows: int [n], the training rows.
    """
    encoder = Encoder.fit(dataset, rows)
    return _columns(encoder, "user", dataset), _columns(encoder, "item", dataset)


def _columns(encoder: Encoder, side: Side, dataset: Dataset) -> np.ndarray:
    table = dataset.users if side == "user" else dataset.items
    fields = encoder.schema.inputs(side)
    if all(field.kind in ("id", "text") for field in fields):
        return np.zeros((len(table), 0))
    flat = flatten(encoder, side, encoder.encode_table(side, table), texts=False)
    known: np.ndarray = centred(flat, means(flat)).astype(np.float64)
    telling = np.minimum((known > 0).sum(axis=0), (known < 0).sum(axis=0)) >= FEWEST_IDS
    known = known[:, telling]
    best = np.sort(np.argsort(-known.var(axis=0), kind="stable")[:MOST_COLUMNS])
    return np.asarray(known[:, best])
