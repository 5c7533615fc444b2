"""Vectors in lists by their nearest centre, a byte a number: faiss' IVF, in a mapped file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from fusionrec.errors import StoreDamagedError

_LISTS_OF_ROOT = 4  # lists for each square root of the number of vectors
_TRAINED = 40  # vectors for each list from which the centres are learned
_ROUNDS = 6  # of k-means
_SPREADS = 2  # standard deviations by which the best of a list is better than its centre
_MULTIPLE = 16  # of numbers, that faiss reads at once
_BLOCK = 65_536  # vectors that are added at once


def is_installed() -> bool:
    """Whether faiss, which comes with Milvus Lite, can be imported."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


class InvertedLists:
    """Finds vectors with a high inner product in the lists that promise most. Thread-safe.

    Vectors are in the list of the centre nearest to them. Where they differ much in length, that
    reads a third of the lists that the centre with the highest inner product would need. A list is
    judged by its centre's product, and by how far its vectors are from the centre. Each number of
    a vector's difference from its list's centre is a byte, with a scale for each dimension: the
    parts of a version's vectors have scales of their own.

    Args:
        index: faiss' ``IndexIVFScalarQuantizer`` of all vectors, whose ids are their rows.
        width: d, numbers of a vector. The index' are longer: the first one more is a centre's
            spread, the others are zeros, since faiss is quick with multiples of 16 alone.
    """

    def __init__(self, index: Any, width: int) -> None:
        self._index, self._width = index, width

    @classmethod
    def build(cls, vectors: np.ndarray) -> Self:
        """Puts vectors, float32 [n, d], n ≥ 1, into lists, by all threads that OpenMP has."""
        import faiss

        n, d = vectors.shape
        lists = max(1, min(n // _TRAINED, int(_LISTS_OF_ROOT * np.sqrt(n))))
        means, spread = _centres(vectors, lists)
        nearest: Any = faiss.IndexFlatL2(d)
        nearest.add(means)
        centres = _wide(means, _SPREADS / np.sqrt(d) * spread)
        width, byte = centres.shape[1], faiss.ScalarQuantizer.QT_8bit
        products, metric = faiss.IndexFlatIP(width), faiss.METRIC_INNER_PRODUCT
        products.add(centres)  # type: ignore[call-arg]
        index: Any = faiss.IndexIVFScalarQuantizer(products, width, lists, byte, metric, True)
        holders = np.empty(n, dtype=np.int64)
        low, high = np.full(width, np.inf, np.float32), np.full(width, -np.inf, np.float32)
        for part in _blocks(n):
            holders[part] = nearest.search(np.ascontiguousarray(vectors[part]), 1)[1][:, 0]
            apart = _wide(vectors[part]) - centres[holders[part]]
            low, high = np.minimum(low, apart.min(axis=0)), np.maximum(high, apart.max(axis=0))
        # Of all vectors: faiss would look at the sample, and cut off the longest of the others,
        # which are often the best.
        faiss.copy_array_to_vector(np.concatenate([low, high - low]), index.sq.trained)
        index.is_trained = True
        for part in _blocks(n):
            wide, holder = _wide(vectors[part]), holders[part]  # held here, while faiss reads them
            index.add_core(len(wide), faiss.swig_ptr(wide), None, faiss.swig_ptr(holder))
        return cls(index, d)

    @classmethod
    def read(cls, file: Path, n: int, d: int) -> Self:
        """Maps a file that ``write`` wrote, of n vectors of d numbers.

        Its checksum must have been compared: faiss trusts what it reads.

        Raises:
            StoreDamagedError: it holds something else.
        """
        import faiss

        try:
            index: Any = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise StoreDamagedError(f"{file} cannot be read: {error}") from error
        sizes = n, _wide(np.empty((0, d))).shape[1]
        kind = faiss.IndexIVFScalarQuantizer
        if not isinstance(index, kind) or (index.ntotal, index.d) != sizes:
            raise StoreDamagedError(f"{file} does not hold lists of {n} vectors of {d} numbers")
        return cls(index, d)

    def write(self, file: Path) -> None:
        """Writes the lists; raises an OSError where that fails."""
        import faiss

        try:
            faiss.write_index(self._index, str(file))
        except RuntimeError as error:  # faiss knows no other
            raise OSError(f"{file} cannot be written: {error}") from error

    @property
    def count(self) -> int:
        """How many lists there are."""
        return int(self._index.nlist)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def nearest(
        self, query: np.ndarray, most: int, probes: int, allowed: np.ndarray | None = None
    ) -> np.ndarray:
        """Rows with about the highest inner products among those in the lists that promise most.

        Args:
            query: float32 [d].
            most: how many rows, at most.
            probes: how many lists are read.
            allowed: bool [n], which rows may be found; all by default.

        Returns:
            int64 [m], rising; fewer than ``most`` where the lists hold fewer that are allowed.
        """
        import faiss

        given: dict[str, Any] = {"nprobe": probes}
        if allowed is not None:
            bits: Any = np.packbits(allowed, bitorder="little")
            given["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg]
        asked = faiss.SearchParametersIVF(**given)
        rows = self._index.search(_asking(query[None]), most, params=asked)[1][0]
        return np.asarray(np.sort(rows[rows >= 0]))

    def ranks(self, queries: np.ndarray, rows: Sequence[np.ndarray]) -> np.ndarray:
        """How many lists promise more for each query than the one that holds a row.

        Args:
            queries: float32 [b, d].
            rows: for each query int64 [m], some rows.

        Returns:
            int64, of all rows of all queries in one array.
        """
        import faiss

        holder = np.empty(len(self), dtype=np.int32)
        for number in range(self.count):
            size = self._index.invlists.list_size(number)
            if size:
                ids = faiss.rev_swig_ptr(self._index.invlists.get_ids(number), size)
                holder[ids] = number
        order = self._index.quantizer.search(_asking(queries), self.count)[1]
        ranks = np.argsort(order, axis=1)
        return np.concatenate([of[holder[some]] for of, some in zip(ranks, rows, strict=True)])


def _centres(vectors: np.ndarray, lists: int) -> tuple[np.ndarray, np.ndarray]:
    """The centres of some lists of vectors, float32 [lists, d], and how far these are from them,
    float [lists]: the root of the mean square, of a sample.
    """
    import faiss

    n, d = vectors.shape
    chosen = np.random.default_rng(0).choice(n, min(n, _TRAINED * lists), replace=False)
    sample = np.ascontiguousarray(vectors[np.sort(chosen)])
    options = {"niter": _ROUNDS, "min_points_per_centroid": 1, "seed": 0}
    found: Any = faiss.Kmeans(d, lists, max_points_per_centroid=_TRAINED, **options)
    found.train(sample)
    nearest: Any = faiss.IndexFlatL2(d)
    nearest.add(found.centroids)
    squares, holder = (column[:, 0] for column in nearest.search(sample, 1))
    sums, counts = np.bincount(holder, squares.clip(0), lists), np.bincount(holder, None, lists)
    return found.centroids, np.sqrt(sums / counts.clip(1))


def _blocks(n: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _BLOCK, n)) for begin in range(0, n, _BLOCK))


def _asking(queries: np.ndarray) -> np.ndarray:
    """Queries, float32 [b, d], that count a centre's spread by their length."""
    return _wide(queries, np.linalg.norm(queries, axis=1))


def _wide(vectors: np.ndarray, one_more: np.ndarray | float = 0.0) -> np.ndarray:
    """Vectors, float32 [n, d], with one number more and zeros up to a multiple of 16."""
    n, d = vectors.shape
    wide = np.zeros((n, -(-(d + 1) // _MULTIPLE) * _MULTIPLE), dtype=np.float32)
    wide[:, :d], wide[:, d] = vectors, one_more
    return wide
