"""Searches item vectors: in Milvus, or exactly, in the artifact's own vectors.

Importing this package does not import pymilvus; opening a store does.
"""

from __future__ import annotations

from fusionrec.index.batch import BatchSearch
from fusionrec.index.coalescing import coalesced, run_coalesced
from fusionrec.index.connection import Place, place_from
from fusionrec.index.exact import ExactIndex, Hits, Index
from fusionrec.index.filter_columns import FilterColumns
from fusionrec.index.filter_parser import read_conditions
from fusionrec.index.filters import AllOf, AnyOf, Between, Condition, NoneOf, Only, Without
from fusionrec.index.milvus_index import MilvusIndex
from fusionrec.index.milvus_lite import move_aside
from fusionrec.index.milvus_store import CollectionInfo, MilvusStore
from fusionrec.index.overlay import OverlayIndex
from fusionrec.index.server_info import collection_name

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
    "OverlayIndex",
    "Place",
    "Without",
    "coalesced",
    "collection_name",
    "move_aside",
    "place_from",
    "read_conditions",
    "run_coalesced",
]
