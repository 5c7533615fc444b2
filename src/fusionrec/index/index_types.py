"""Types of a vector index, by number of items, with their build and search parameters.

The sizes and settings were chosen by ``benchmarks/scale.py``; see
``benchmarks/RESULTS.md`` and ``docs/scale.md``.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

IndexType = Literal["FLAT", "HNSW", "IVF_SQ8", "DISKANN"]
KINDS: tuple[IndexType, ...] = get_args(IndexType)

_FLAT_TO = 50_000  # items up to which a server compares all of them about as fast
_HNSW_TO = 10_000_000  # above, graph and vectors (0.8 kB an item of 128 numbers) outgrow a machine
_MAX_EF = 32_768  # a server's limit
_SEGMENT = 1_000_000  # items of which a server makes one index, about: 512 MB of 128 numbers each


def kind_for(n: int) -> IndexType:
    """The index type for n items on a server: exact while that is cheap, then a graph, then
    vectors quantized to one byte a number.
    """
    return "FLAT" if n <= _FLAT_TO else "HNSW" if n <= _HNSW_TO else "IVF_SQ8"


def is_exact(kind: IndexType) -> bool:
    """Whether it always finds the nearest items."""
    return kind == "FLAT"


def is_rounded(kind: IndexType) -> bool:
    """Whether its scores may be of quantized vectors, so that a search must fetch more rows and
    score them again.
    """
    return kind in ("IVF_SQ8", "DISKANN")


def build_params(kind: IndexType, n: int) -> dict[str, int]:
    """Build parameters of an index of n items."""
    if kind == "HNSW":
        return {"M": 32, "efConstruction": 200}
    return {"nlist": _lists(n)} if kind == "IVF_SQ8" else {}


def search_params(kind: IndexType, limit: int, n: int) -> dict[str, Any]:
    """Search parameters of an index of n items for ``limit`` hits."""
    if kind == "HNSW":
        return {"ef": min(max(128, 2 * limit), _MAX_EF)}  # a server refuses one below the limit
    if kind == "IVF_SQ8":
        return {"nprobe": min(max(_lists(n) // 16, 64), _lists(n))}
    return {"search_list": max(100, 2 * limit)} if kind == "DISKANN" else {}


def _lists(n: int) -> int:
    """Lists of a segment's inverted file: about 4·√items, a power of two."""
    return max(1 << round(math.log2(4 * math.sqrt(min(n, _SEGMENT)))), 16)
