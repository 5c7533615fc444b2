"""Where item vectors are searched: Milvus, or the artifact's own vectors, exactly.

Importing this package loads no Milvus client; that happens when a store is opened.
"""

from __future__ import annotations

from fusionrec.index.base import Index
from fusionrec.index.columns import FilterColumns, mask
from fusionrec.index.differences import collection_name
from fusionrec.index.exact import ExactIndex, Hits
from fusionrec.index.filters import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    NoneOf,
    Only,
    Without,
)
from fusionrec.index.lite import wipe
from fusionrec.index.many import ManySearch
from fusionrec.index.milvus import CollectionInfo, MilvusStore
from fusionrec.index.overlaid import OverlaidIndex
from fusionrec.index.parsing import parse, read_conditions
from fusionrec.index.places import Place, place_from
from fusionrec.index.stored import MilvusIndex
from fusionrec.index.together import side_by_side

__all__ = [
    "AllOf",
    "AnyOf",
    "Between",
    "CollectionInfo",
    "Condition",
    "ExactIndex",
    "FilterColumns",
    "Hits",
    "Index",
    "ManySearch",
    "MilvusIndex",
    "MilvusStore",
    "NoneOf",
    "Only",
    "OverlaidIndex",
    "Place",
    "Without",
    "collection_name",
    "mask",
    "parse",
    "place_from",
    "read_conditions",
    "side_by_side",
    "wipe",
]
