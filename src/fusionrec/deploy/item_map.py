"""Neighbourhoods of a version's items in two dimensions, by t-SNE; a file that may be remade."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fusionrec.errors import Log
from fusionrec.registry import Artifact
from fusionrec.registry.versions import checksums
from fusionrec.workspace import Workspace, make_folder, move_in

MOST = 4_000  # items that are embedded, the best known ones
LEAST = 12  # items, below which there is nothing to embed
WORTH_WAITING = 1_000  # items from which the map is made with the index: else it takes a moment
_PERPLEXITY = 20.0  # about how many neighbours an item keeps near
_ROUNDS = (75, 150)  # with and without exaggeration; more keep no more neighbours
_NEAR, _SHARPNESS = 10, 20.0  # embedded items by which others are placed, and how much the nearest
_NAMED = 16  # characters of checksums in a file's name
_BLOCK = 1_000  # items compared at once


@dataclass(frozen=True)
class Neighbourhoods:
    """Where the best known items of a version are, those that go together near each other.

    Attributes:
        rows: int64 [m], positions of the items that were embedded.
        places: float64 [m, 2], within -1 and 1.
        vectors: float32 [m, dim], of length 1, of the same items; see ``Artifact.likeness``.
    """

    rows: np.ndarray
    places: np.ndarray
    vectors: np.ndarray

    @cached_property
    def _at(self) -> dict[int, int]:
        return {row: at for at, row in enumerate(self.rows.tolist())}

    def near(self, vectors: np.ndarray) -> np.ndarray:
        """Where other items and people belong, float64 [n, 2]: at the mean of the embedded items
        most like them, the nearest of which weigh most.

        Args:
            vectors: float [n, dim], as of ``Artifact.likeness``.
        """
        found = np.zeros((len(vectors), 2))
        for begin in range(0, len(vectors), _BLOCK):
            part = _unit(vectors[begin : begin + _BLOCK]) @ self.vectors.T
            nearest = np.argpartition(-part, min(_NEAR, part.shape[1]) - 1, axis=1)[:, :_NEAR]
            like = np.take_along_axis(part, nearest, axis=1).astype(np.float64)
            weight = np.exp(_SHARPNESS * (like - like.max(axis=1, keepdims=True)))
            weight /= weight.sum(axis=1, keepdims=True)
            found[begin : begin + _BLOCK] = (self.places[nearest] * weight[:, :, None]).sum(axis=1)
        return found

    def of(self, rows: np.ndarray, changed: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Where items are, float64 [n, 2].

        Args:
            rows: int64 [n], their positions.
            changed: bool [n], which of them are not as they were when this was made.
            vectors: float [n, dim], as of ``Artifact.likeness``.
        """
        at = np.array([self._at.get(row, -1) for row in rows.tolist()], dtype=np.int64)
        at[changed] = -1
        found = self.places[at] if len(at) else np.zeros((0, 2))
        found[at < 0] = self.near(vectors[at < 0])
        return found


def open_map(workspace: Workspace, artifact: Artifact) -> Neighbourhoods | None:
    """The neighbourhoods of a version's items; None where they were not made, or are damaged. The
    file is read only if its SHA-256 is that in its name, and never as pickled objects.
    """
    for file in sorted(workspace.maps.glob(f"{artifact.checksum[:_NAMED]}-*.npy")):
        with suppress(OSError, ValueError):
            held = file.read_bytes()
            if file.stem.partition("-")[2] != _digest(held):
                continue
            table = np.load(io.BytesIO(held), allow_pickle=False)
            if _fits(table, artifact):
                return _made(artifact, table[:, 0].astype(np.int64), table[:, 1:])
    return None


def make_map(workspace: Workspace, artifact: Artifact, log: Log) -> Neighbourhoods | None:
    """The neighbourhoods of a version's items, embedded and kept; None of fewer than ``LEAST``.
    4,000 items take 6 to 10 seconds of one core. Where the workspace cannot be written, they are
    in memory alone. The same vectors give the same map on the same machine.

    Args:
        workspace: where they are kept.
        artifact: the version.
        log: takes why they could not be kept.
    """
    counts = artifact.item_counts
    rows = np.lexsort((np.arange(len(counts)), -counts))[:MOST]
    if len(rows) < LEAST:
        return None
    made = _made(artifact, rows, np.zeros((len(rows), 2)))
    made = _made(artifact, rows, embedded(made.vectors))
    table = np.column_stack([made.rows.astype(np.float64), made.places])
    try:
        _save(workspace, artifact, table)
    except OSError as error:
        log(f"{artifact.version}: the map's neighbourhoods are in memory alone: {error}")
    return made


def prune_maps(workspace: Workspace) -> None:
    """Deletes the maps of versions that are gone."""
    kept = {checksum[:_NAMED] for checksum in checksums(workspace).values()}
    for file in workspace.maps.glob("*.npy"):
        if file.stem.partition("-")[0] not in kept:
            file.unlink(missing_ok=True)


def embedded(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Vectors of length 1, float [n, dim], in two dimensions: float64 [n, 2] within -1 and 1."""
    # Imported here: this takes a second or more.
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    count = len(vectors)
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    nearest, distances = _neighbours(vectors, min(int(3 * perplexity), count - 1))
    found = PrecomputedNeighbors(nearest, distances)
    affinities = PerplexityBasedNN(knn_index=found, perplexity=perplexity, n_jobs=1)
    made = TSNEEmbedding(
        _begun(vectors, seed),
        affinities,
        negative_gradient_method="bh",
        n_jobs=1,
        random_state=seed,
    )
    early, late = _ROUNDS
    made.optimize(early, exaggeration=12, momentum=0.5, inplace=True)
    made.optimize(late, momentum=0.8, inplace=True)
    places = np.asarray(made, dtype=np.float64)
    places = places - places.mean(axis=0)
    scaled: np.ndarray = places / max(float(np.abs(places).max()), 1e-12)
    return scaled


def _begun(vectors: np.ndarray, seed: int) -> np.ndarray:
    """From where the items move: the two main directions, close together; alike ones apart."""
    spread = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(spread.T @ spread)
    found = np.zeros((len(vectors), 2))
    axes = directions[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    found[:, : axes.shape[1]] = spread @ axes
    found /= max(float(found[:, 0].std()), 1e-12)
    return 1e-4 * (found + np.random.default_rng(seed).normal(0, 0.01, found.shape))


def _neighbours(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k other items that are nearest to each, int64 [n, k], and how far: float64 [n, k]."""
    nearest = np.empty((len(vectors), k), dtype=np.int64)
    likeness = np.empty((len(vectors), k))
    for begin in range(0, len(vectors), _BLOCK):
        part = vectors[begin : begin + _BLOCK] @ vectors.T
        own = np.arange(len(part))
        part[own, begin + own] = -np.inf
        found = np.argpartition(-part, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(part, found, axis=1), axis=1, kind="stable")
        found = np.take_along_axis(found, order, axis=1)
        nearest[begin : begin + _BLOCK] = found
        likeness[begin : begin + _BLOCK] = np.take_along_axis(part, found, axis=1)
    return nearest, np.sqrt(np.maximum(2.0 - 2.0 * likeness, 0.0))


def _made(artifact: Artifact, rows: np.ndarray, places: np.ndarray) -> Neighbourhoods:
    vectors = _unit(artifact.likeness(np.asarray(artifact.item_vectors[rows])))
    return Neighbourhoods(rows, places, vectors)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: np.ndarray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return found


def _fits(table: np.ndarray, artifact: Artifact) -> bool:
    """Whether an array says where items of a version are."""
    if table.dtype != np.float64 or table.ndim != 2 or table.shape[1] != 3:
        return False
    rows = table[:, 0]
    here = (rows >= 0) & (rows < len(artifact.items)) & (rows == np.rint(rows))
    return len(table) >= LEAST and bool(here.all() and np.isfinite(table).all())


def _digest(held: bytes) -> str:
    return hashlib.sha256(held).hexdigest()


def _save(workspace: Workspace, artifact: Artifact, table: np.ndarray) -> None:
    """Keeps a map in the place of others of these vectors; raises an OSError where that fails."""
    written = io.BytesIO()
    np.save(written, table, allow_pickle=False)
    held, named = written.getvalue(), artifact.checksum[:_NAMED]
    make_folder(workspace.maps)
    file = workspace.maps / f"{named}-{_digest(held)}.npy"
    fresh = _fresh(file)
    try:
        fresh.write_bytes(held)
        move_in(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)
    for other in workspace.maps.glob(f"{named}-*.npy"):
        if other != file:
            other.unlink(missing_ok=True)


def _fresh(file: Path) -> Path:
    return file.with_name(f".{file.name}.new")
