"""Made items for the tests of the index, such as a shop with hostile ids, values and names; and
how their collections are built and opened.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.movielens import GENRES, MOVIELENS
from fusionrec.data.schema import Field, Schema
from fusionrec.index import MilvusIndex, Place, collection_name

CHECKSUM = "00ff00ff"
Data = tuple[Schema, Table, np.ndarray]
LONG = 'ÿ"' * 5_000
BRANDS = ('Ädel "A"', "b\\", "c\nd", "e') or true or ('", "茶", "", LONG)
SHOP = Schema(
    name="shop",
    fields=(
        Field("customer", "user", "id"),
        Field("sku", "item", "id"),
        Field("brand", "item", "category", filterable=True),
        Field("tags", "item", "categories", filterable=True, option="tag"),
        Field("in", "item", "categories", filterable=True),  # a word of the filter language
        Field("row", "item", "number", filterable=True, option="price"),  # a column of its own
        Field("name", "item", "text"),
    ),
    rating_range=(0.0, 1.0),
    title="name",
)


def build(
    place: Place | str | Path,
    data: Data,
    version: str | int = 1,
    checksum: str = CHECKSUM,
    **options: Any,
) -> MilvusIndex:
    """Builds the collection of a version."""
    place = str(place) if isinstance(place, Path) else place
    return MilvusIndex.build(place, *data, collection_name(version, checksum), checksum, **options)


def reopen(
    place: Place | str | Path, data: Data, version: str | int = 1, checksum: str = CHECKSUM
) -> MilvusIndex:
    """Opens the collection of a version."""
    place = str(place) if isinstance(place, Path) else place
    return MilvusIndex.open(place, *data, collection_name(version, checksum), checksum)


def unit(n: int, d: int, seed: int) -> np.ndarray:
    """float32 [n, d], L2-normalised."""
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def shop(n: int = 120, seed: int = 0) -> Data:
    """A shop of n items; every fifth has the vector of the one before it, so that scores tie."""
    random = np.random.default_rng(seed)
    words = [f"τag'{i}\"" for i in range(40)]  # more than become columns of their own
    prices = random.choice([math.nan, -5.5, 0.0, 1e9, 3.25, 1e-7, math.inf], size=n)
    items = Table(
        [f"商品-{i}\u202eé" for i in range(n)],
        {
            "brand": [BRANDS[i % len(BRANDS)] for i in range(n)],
            "tags": [_some(random, words, 5) for _ in range(n)],
            "in": [_some(random, ['x"', "y\\", "ж", "z\n", LONG], 3) for _ in range(n)],
            "row": prices.tolist(),
            "name": ["ñ\n\\'\"" * 2_000 if i % 7 == 0 else f"name {i}" for i in range(n)],
        },
    )
    vectors = unit(n, 16, seed)
    vectors[4::5] = vectors[3::5][: len(vectors[4::5])]
    return SHOP, items, vectors


def films(n: int = 150, seed: int = 1) -> Data:
    """Made films of MovieLens' schema."""
    random = np.random.default_rng(seed)
    years = random.integers(1930, 2001, n).astype(float)
    years[::11] = math.nan
    columns = {
        "title": [f"Film {i}" for i in range(n)],
        "genres": [_some(random, list(GENRES), 4) for _ in range(n)],
        "year": years.tolist(),
    }
    return MOVIELENS, Table([str(i) for i in range(n)], columns), unit(n, 24, seed)


def _some(random: np.random.Generator, words: list[str], most: int) -> tuple[str, ...]:
    return tuple(random.choice(words, size=random.integers(0, most), replace=False).tolist())
