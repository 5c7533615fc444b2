"""Compressed copies of versions' item vectors: files of the workspace, made once, verified."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fusionrec.errors import Log, StoreDamagedError
from fusionrec.index.compressed import CompressedVectors, Sample
from fusionrec.index.inverted_lists import InvertedLists
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.manifest import sha256
from fusionrec.registry.versions import checksums
from fusionrec.workspace import Workspace, make_folder, move_in

_KIND, _FORMAT = "compressed vectors", 1
_MANIFEST, _LISTS, _UNFINISHED = "manifest.json", "lists.faiss", ".new-"
_NAMED = 16  # characters of the vectors' checksum that name a copy's folder
_SAMPLE = 300  # users, or items, with whom the recall is measured for each goal


def open_compressed(workspace: Workspace, artifact: Artifact) -> CompressedVectors | None:
    """The compressed copy of a version's item vectors; None where there is none, or it is damaged.

    The file is mapped, so processes share its memory. It is read only if its SHA-256 is the one in
    its manifest, and the manifest names these vectors.
    """
    folder = _folder(workspace, artifact)
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if (manifest["kind"], manifest["format"]) != (_KIND, _FORMAT):
            return None
        if manifest["vectors"] != artifact.checksum:
            return None
        probes = {int(depth): int(count) for depth, count in manifest["probes"].items()}
        recall = float(manifest["recall"])
        if sha256(folder / _LISTS) != manifest["lists"]:
            return None
        lists = InvertedLists.read(folder / _LISTS, *artifact.item_vectors.shape)
        if not all(1 <= count <= lists.count for count in probes.values()):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StoreDamagedError):
        return None
    return CompressedVectors(lists, probes, recall)


def make_compressed(workspace: Workspace, recommender: Recommender, log: Log) -> CompressedVectors:
    """The compressed copy of a version's item vectors, made if no other process has meanwhile.

    A million vectors of 128 numbers take minutes of one core. Where the workspace cannot
    be written, the copy is in memory alone.

    Args:
        workspace: where it is kept.
        recommender: of the version, which has more than one item; needs no index.
        log: takes why it could not be kept.

    Raises:
        ImportError: faiss cannot be imported.
    """
    artifact = recommender.artifact
    try:
        with _alone(workspace):
            found = open_compressed(workspace, artifact)
            if found is None:
                found = _build(recommender)
                _save(found, _folder(workspace, artifact), artifact)
                found = open_compressed(workspace, artifact) or found  # mapped
            return found
    except OSError as error:
        log(f"{artifact.version}: the compressed copy is in memory alone: {error}")
        return _build(recommender)


def prune_copies(workspace: Workspace) -> None:
    """Deletes the copies of versions that are gone."""
    kept = {checksum[:_NAMED] for checksum in checksums(workspace).values()}
    for folder in workspace.copies.glob("*/"):
        if folder.name not in kept and not folder.name.startswith(_UNFINISHED):
            shutil.rmtree(folder, ignore_errors=True)


def _folder(workspace: Workspace, artifact: Artifact) -> Path:
    return workspace.copies / artifact.checksum[:_NAMED]


def _build(recommender: Recommender) -> CompressedVectors:
    """Compresses the vectors, and measures the recall of what will be asked for."""
    artifact, rng = recommender.artifact, np.random.default_rng(0)
    vectors, users = artifact.item_vectors, artifact.users.ids if artifact.has_towers else ()
    samples = []
    if len(users) >= _SAMPLE:
        chosen = rng.choice(len(users), _SAMPLE, replace=False).tolist()
        for goal in artifact.goals or (None,):
            queries = [Query(user=users[user], goal=goal) for user in chosen]
            samples.append(_of_users(recommender, queries))
    if not samples or not artifact.has_parts:  # whose similar items are not searched for
        items = rng.choice(len(vectors), min(len(vectors), _SAMPLE), replace=False)
        samples.append(Sample(vectors[items], list(items[:, None])))
    return CompressedVectors.build(vectors, samples)


def _of_users(recommender: Recommender, queries: Sequence[Query]) -> Sample:
    """Users' vectors, and what they may not be recommended, without what is new since training."""
    people, own = [recommender.person(query) for query in queries], len(recommender.artifact.items)
    known = [person for person in people if person.vector is not None]
    seen = [recommender.keeps_seen(query) for query in queries]
    taken = [one.rated[one.rated < own] for one in known]
    none = np.empty(0, dtype=np.int64)
    return Sample(
        np.stack([np.asarray(one.vector, dtype=np.float32) for one in known]),
        [none if keeps else rows for keeps, rows in zip(seen, taken, strict=True)],
    )


def _save(copy: CompressedVectors, folder: Path, artifact: Artifact) -> None:
    """Writes a copy in one step in the place of one that is damaged; raises an OSError where that
    fails.
    """
    fresh = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent))
    try:
        copy.lists.write(fresh / _LISTS)
        manifest = {
            "kind": _KIND,
            "format": _FORMAT,
            "version": artifact.version,
            "vectors": artifact.checksum,
            "lists": sha256(fresh / _LISTS),
            "probes": copy.probes,
            "recall": copy.recall,
        }
        (fresh / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        move_in(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Waits until no other process makes a copy, and removes what killed ones left; raises an
    OSError where the workspace cannot be written.
    """
    make_folder(workspace.copies)
    descriptor = os.open(workspace.copies / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left in workspace.copies.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)
