"""How many of the ten best items an index of a version's vectors finds, for each goal.

    python benchmarks/recall.py --home .fusionrec --milvus http://127.0.0.1:19530
    python benchmarks/recall.py --home .fusionrec --milvus URI --ef 64 128 256 512

The version must be made of parts, so that it answers for several goals. Known users are asked as
answers ask, with what they took left out and without; the right ten are NumPy's. Prints one JSON
object for each kind of index, ef, goal and way: recall@10, the share of users of whom all ten were
found, and p50 and p99 of a search in milliseconds, by this client and beside whatever runs.
``--ef`` replaces the least ef of a search, ``--m`` and ``--ef-construction`` those that a graph is
built with. ``store_time.py`` tells how to start a server. The collections are dropped in the end.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from unittest import mock

import numpy as np

from fusionrec.index import ExactIndex, MilvusIndex, milvus_store, server_info
from fusionrec.index.index_types import KINDS, IndexType, build_params, search_params
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from shared import asked

K = 10
Asked = dict[str, tuple[np.ndarray, list[np.ndarray]]]  # goal -> vectors, and rows to leave out


def main() -> None:
    """Builds an index of each kind and measures in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".fusionrec"))
    parser.add_argument("--version", help="the active one by default")
    parser.add_argument("--milvus", required=True, help="a path or an address")
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=["HNSW"])
    parser.add_argument("--m", type=int)
    parser.add_argument("--ef-construction", type=int)
    parser.add_argument("--ef", type=int, nargs="+", default=[None])
    given = parser.parse_args()
    artifact = load(Workspace(given.home), given.version)
    questions = {goal: asked(artifact, goal, given.users) for goal in artifact.goals}
    built = {"M": given.m, "efConstruction": given.ef_construction}
    built = {name: value for name, value in built.items() if value is not None}
    for kind in given.kind:
        parameters = build_params(kind, len(artifact.items)) | (built if kind == "HNSW" else {})
        with mock.patch.object(milvus_store, "build_params", return_value=parameters):
            index = built_index(given.milvus, artifact, kind)
        with index:
            about = {"kind": kind, "items": len(artifact.items), **parameters}
            for ef in given.ef if kind == "HNSW" else [None]:
                measure(index, artifact, questions, about, ef)
            index.store.drop(index.name)


def built_index(place: str, artifact: Artifact, kind: IndexType) -> MilvusIndex:
    """A collection of the version's vectors under a name of its own."""
    content = artifact.schema, artifact.items, artifact.item_vectors
    return MilvusIndex.build(place, *content, "fusionrec_vrecall", artifact.checksum, kind=kind)


def measure(
    index: MilvusIndex,
    artifact: Artifact,
    questions: Asked,
    about: dict[str, object],
    ef: int | None,
) -> None:
    """Prints the figures of every goal; ``ef`` is the least of a search, or the default."""
    exact = ExactIndex(artifact.schema, artifact.items, artifact.item_vectors)

    def given_ef(kind: IndexType, limit: int, n: int) -> dict[str, int]:
        return search_params(kind, limit, n) if ef is None else {"ef": max(ef, 2 * limit)}

    with mock.patch.object(server_info, "search_params", given_ef):
        for goal, (vectors, taken) in questions.items():
            for way, left_out in (("all", [vectors[0, :0]] * len(taken)), ("not taken", taken)):
                shares, spans = [], []
                for vector, rows in zip(vectors, left_out, strict=True):
                    began = time.perf_counter()
                    found = index.search(vector, K, (), rows).rows
                    spans.append(1000 * (time.perf_counter() - began))
                    right = exact.search(vector, K, (), rows).rows
                    shares.append(len(np.intersect1d(found, right)) / len(right))
                p50, p99 = np.percentile(spans, [50, 99]).round(2).tolist()
                figures = {
                    "recall@10": round(float(np.mean(shares)), 4),
                    "whole": round(float(np.mean(np.array(shares) == 1.0)), 4),
                    "p50_ms": p50,
                    "p99_ms": p99,
                }
                line = about | {"ef": ef or "default", "goal": goal, "of": way, "users": len(taken)}
                print(json.dumps(line | figures), flush=True)


if __name__ == "__main__":
    main()
