"""Where item vectors are searched: Milvus, or the artifact's own vectors, exactly.

Importing this package loads no Milvus client; that happens when a store is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fusionrec.index.exact import ExactIndex, Hits
from fusionrec.index.filters import AnyOf, Between, Condition, mask, parse
from fusionrec.index.lite import wipe
from fusionrec.index.milvus import CollectionInfo, MilvusStore
from fusionrec.index.stored import MilvusIndex, collection_name

__all__ = [
    "AnyOf",
    "Between",
    "CollectionInfo",
    "Condition",
    "ExactIndex",
    "Hits",
    "Index",
    "MilvusIndex",
    "MilvusStore",
    "collection_name",
    "mask",
    "parse",
    "wipe",
]


class Index(Protocol):
    """What answers a search, wherever the vectors are.

    Attributes:
        place: where the answer comes from, for people; without secrets.
    """

    @property
    def place(self) -> str: ...

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """The k items with the highest inner product; see ``ExactIndex.search``."""
        ...

    def close(self) -> None:
        """Lets go of the place; closing twice does nothing."""
        ...
