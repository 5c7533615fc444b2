"""Encoded attributes as the columns of a linear model."""

from __future__ import annotations

import numpy as np

from fusionrec.data.schema import Side
from fusionrec.features.encoder import Encoder, Features

WORDS = 1024  # columns that the words of a text share


def flatten(encoder: Encoder, side: Side, features: Features, *, texts: bool = True) -> np.ndarray:
    """The attributes of n users or items as numbers: float32 [n, width]; the id is not read.

    A category is 0 or 1 for each known value, a number its standardised value or its bucket, a text
    counts its words in ``WORDS`` columns by their row's remainder (feature hashing, Weinberger et
    al., ICML 2009), or has no columns without ``texts``. All columns of a field that is not known
    are NaN.
    """
    count = len(next(iter(features.values())))
    columns = [np.empty((count, 0), dtype=np.float32)]
    for field in encoder.schema.inputs(side):
        if field.kind == "id":
            continue
        value, size = features[field.name], encoder.width(field)
        if field.kind == "category":
            flat = np.zeros((count, size), dtype=np.float32)
            flat[np.arange(count), value] = 1.0
            flat = flat[:, 1:]
            known = np.asarray(value > 0)
        elif field.kind == "text":
            if not texts:
                continue
            flat = np.zeros((count, WORDS), dtype=np.float32)
            rows, places = np.nonzero(value > 1)  # 0 pads, 1 is an unknown word
            np.add.at(flat, (rows, value[rows, places] % WORDS), 1.0)
            known = np.asarray(flat.any(axis=1))
        elif field.kind == "number" and not field.buckets:
            flat, known = value[:, :1], np.asarray(value[:, 1] > 0)
        else:
            flat = value[:, 1:]
            known = np.asarray(flat.any(axis=1))
        columns.append(np.where(known[:, None], flat, np.float32(np.nan)))
    return np.concatenate(columns, axis=1)


def centred(flat: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Flat attributes, [n, width], less their means, [width]; 0 where they are not known."""
    return np.where(np.isnan(flat), np.float32(0.0), flat - mean)


def means(flat: np.ndarray) -> np.ndarray:
    """The mean of each column of known values, float32 [width]; 0 where none is known."""
    known = np.isfinite(flat)
    total = np.where(known, flat, 0.0).sum(axis=0, dtype=np.float64)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1), dtype=np.float32)
