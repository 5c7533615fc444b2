"""Where item vectors are searched: Milvus, or the artifact's own vectors, exactly.

Importing this package loads no Milvus client; that happens when a store is opened.
"""

from __future__ import annotations

from fusionrec.index.base import Index
from fusionrec.index.batch import BatchSearch
from fusionrec.index.coalescing import side_by_side
from fusionrec.index.connection import Place, place_from
from fusionrec.index.dialect import collection_name
from fusionrec.index.exact import ExactIndex, Hits
from fusionrec.index.filter_columns import FilterColumns, mask
from fusionrec.index.filter_parser import parse, read_conditions
from fusionrec.index.filters import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    NoneOf,
    Only,
    Without,
)
from fusionrec.index.milvus_index import MilvusIndex
from fusionrec.index.milvus_lite import wipe
from fusionrec.index.milvus_store import CollectionInfo, MilvusStore
from fusionrec.index.overlay import OverlaidIndex

__all__ = [
    "AllOf",
    "AnyOf",
    "BatchSearch",
    "Between",
    "CollectionInfo",
    "Condition",
    "ExactIndex",
    "FilterColumns",
    "Hits",
    "Index",
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
