"""Versions that are swapped while others read, and what their answers are measured by."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fusionrec.deploy.build import activate, build_index
from fusionrec.deploy.hot_reload import LiveRecommender
from fusionrec.index import ExactIndex, MilvusStore, Place
from fusionrec.recommend.answer import Answer
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.manifest import sha256
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


def second(workspace: Workspace) -> Artifact:
    """One more version, with other item vectors, so with other answers."""
    folder = Path(shutil.copytree(workspace.models / "v1", workspace.models / "v2"))
    vectors = np.load(folder / "item_vectors.npy", allow_pickle=False)
    np.save(folder / "item_vectors.npy", np.roll(vectors, 3, axis=1), allow_pickle=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["item_vectors.npy"] = sha256(folder / "item_vectors.npy")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Artifact.load(folder)


def queries(artifact: Artifact) -> list[Query]:
    return [Query(user=user, k=7) for user in artifact.users.ids[5:25]]


def exact(artifact: Artifact, catalog: Catalog | None = None) -> Recommender:
    """What every answer is measured by: the same version, searched with NumPy."""
    now = catalog or Catalog.of(artifact)
    return Recommender(now, ExactIndex(artifact.schema, now.items, now.matrix, "", now.available))


def eventually(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it has not come true"
        time.sleep(0.02)


@dataclass
class Stores:
    """The connections to stores that are open, and how many there were."""

    opened: list[MilvusStore] = field(default_factory=list)

    def open(self) -> int:
        return sum(store._client is not None for store in self.opened)


@contextmanager
def readers(
    live: LiveRecommender, wanted: dict[str, list[list[tuple[str, float]]]]
) -> Iterator[list[str]]:
    """Four threads that ask all the while, and compare what they are told with NumPy's answer of
    the version that it names; gives the versions of the answers.
    """
    ended, seen = threading.Event(), []

    def read(number: int) -> None:
        asked = queries(load(live._workspace, "v1"))
        turn = number
        while not ended.is_set():
            row = turn % len(asked)
            answer = live.answer(lambda recommender, row=row: recommender.recommend(asked[row]))
            assert short(answer) == wanted[answer.version][row]
            assert answer.place != "exact", answer.notes
            seen.append(answer.version)
            turn += 1
            ended.wait(0.01)  # so that the builds get a turn too

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(read, number) for number in range(4)]
        try:
            yield seen
        finally:
            ended.set()
        for one in running:
            one.result()


def ids(answer: Answer) -> list[str]:
    return [item.id for item in answer.items]


def short(answer: Answer) -> list[tuple[str, float | None]]:
    return [(item.id, item.score) for item in answer.items]


def swaps(workspace: Workspace, place: Place | str, stores: Stores, times: int) -> None:
    both = {"v1": load(workspace, "v1"), "v2": second(workspace)}
    wanted = {
        name: [short(exact(one).recommend(query)) for query in queries(one)]
        for name, one in both.items()
    }
    assert wanted["v1"] != wanted["v2"]
    build_index(workspace, both["v1"], place)
    said: list[str] = []
    with LiveRecommender(workspace, log=said.append, look=0.05) as live:
        with readers(live, wanted) as seen:
            for turn in range(times):
                name = ("v2", "v1")[turn % 2]
                if turn % 3 == 2:
                    activate(workspace, name, place)
                else:
                    build_index(workspace, both[name], place)
                if turn % 2 or turn == times - 1:  # every other one follows at once
                    eventually(lambda name=name: seen[-1:] == [name])
        assert {"v1", "v2"} == set(seen)
        eventually(lambda: stores.open() == 1)  # those before are closed
    assert stores.open() == 0
    assert not said
