"""Versions: which one answers, and that an answer comes whatever happened to the index."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fusionrec.cli.hints import hint_of
from fusionrec.deploy import build as module
from fusionrec.deploy.build import _alone, build_index, prune
from fusionrec.deploy.open import open_version
from fusionrec.errors import (
    ArtifactError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from fusionrec.index import ExactIndex, MilvusStore
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.folder_locks import leftovers, unfinished_folder
from fusionrec.registry.manifest import sha256
from fusionrec.registry.versions import load, versions
from fusionrec.workspace import Workspace

QUERY = Query(user="10", k=5)


def add(workspace: Workspace, name: str) -> Artifact:
    """One more version: the first one's, with other item vectors, so with another collection."""
    folder = Path(shutil.copytree(workspace.models / "v1", workspace.models / name))
    vectors = np.load(folder / "item_vectors.npy", allow_pickle=False)
    turned = np.roll(vectors, int(name[1:]), axis=1)
    np.save(folder / "item_vectors.npy", turned, allow_pickle=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["item_vectors.npy"] = sha256(folder / "item_vectors.npy")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Artifact.load(folder)


@contextmanager
def opened(workspace: Workspace, **options: object) -> Iterator[Recommender]:
    """A recommender whose store is closed afterwards."""
    recommender = open_version(workspace, **options).recommender
    try:
        yield recommender
    finally:
        getattr(recommender.index, "close", lambda: None)()


@pytest.fixture
def indexed(workspace: Workspace) -> Workspace:
    """A workspace whose first version is indexed and active."""
    build_index(workspace, load(workspace))
    return workspace


def collections(workspace: Workspace) -> list[str]:
    with MilvusStore(workspace.milvus, create=False) as store:
        return [c.name for c in store.collections()]


def test_a_workspace_without_a_model_says_how_to_get_one(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        open_version(Workspace(tmp_path / "none"))
    assert caught.value.code == "no_model"
    assert "fusionrec train" in hint_of(caught.value)
    assert versions(Workspace(tmp_path / "none")) == []
    assert not (tmp_path / "none").exists()


def test_without_an_index_the_answer_is_exact_and_says_so(workspace):
    with opened(workspace) as recommender:
        answer = recommender.recommend(QUERY)
    assert answer.place == "exact"
    assert len(answer.items) == 5
    [note] = answer.notes
    assert "exactly" in note
    assert "v1 has no index" in note
    assert not Path(workspace.milvus).exists()


def test_an_indexed_version_answers_from_milvus(indexed):
    with opened(indexed) as recommender:
        answer = recommender.recommend(QUERY)
    assert (answer.version, answer.place) == ("v1", str(Path(indexed.milvus).resolve()))
    assert not answer.notes
    assert Ledger(indexed.ledger).active().version == "v1"
    [shown] = versions(indexed)
    assert (shown.name, shown.active, shown.problem) == ("v1", True, "")
    assert shown.validation > 0
    assert shown.measure == "error in stars"


def test_a_newer_version_without_an_index_does_not_answer_yet(indexed):
    add(indexed, "v2")
    with opened(indexed) as recommender:
        assert recommender.recommend(QUERY).version == "v1"
        assert not recommender.notes
    with opened(indexed, version="v2") as asked_for:
        answer = asked_for.recommend(QUERY)
    assert (answer.version, answer.place) == ("v2", "exact")
    assert "v2 has no index" in answer.notes[0]
    assert Ledger(indexed.ledger).active().version == "v1"


def test_an_unknown_version_is_an_error_that_lists_those_there_are(workspace):
    with pytest.raises(UsageError, match="no version 'v7'; there are v1"):
        load(workspace, "v7")


def test_two_versions_before_the_last_are_dropped_from_the_store(indexed):
    first = collections(indexed)
    second = build_index(indexed, add(indexed, "v2")) and collections(indexed)
    assert set(first) < set(second)
    build_index(indexed, add(indexed, "v3"))
    third = collections(indexed)
    assert len(third) == 2
    assert not set(first) & set(third)
    assert set(second) - set(first) <= set(third)
    assert [v.active for v in versions(indexed)] == [False, False, True]


HOLD = """
import sys
from milvus_lite.db import MilvusLite
store = MilvusLite(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_an_index_locked_by_another_process_is_answered_exactly_and_left_alone(indexed):
    with opened(indexed) as recommender:
        wanted = recommender.recommend(QUERY).items
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, indexed.milvus],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "open\n"
        with opened(indexed) as recommender:
            answer = recommender.recommend(QUERY)
        assert (answer.place, answer.items) == ("exact", wanted)
        assert "in use by another process" in answer.notes[0]
        with pytest.raises(StoreUnavailableError, match="in use by another process"):
            build_index(indexed, load(indexed))
    finally:
        holder.communicate()
    with opened(indexed) as recommender:
        assert recommender.index.place != "exact"


def _file_in_its_place(store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("what an old Milvus Lite wrote")


def _garbled(store: Path) -> None:
    for path in [p for p in store.rglob("*") if p.is_file() and p.name != "LOCK"]:
        path.write_bytes(b"\xff garbage")


def _vectors_gone(store: Path) -> None:
    for path in store.rglob("*.parquet"):
        path.unlink()


def _gone(store: Path) -> None:
    shutil.rmtree(store)


def _collection_gone(store: Path) -> None:
    [collection] = (store / "collections").iterdir()
    shutil.rmtree(collection)


@pytest.mark.parametrize(
    "damage", [_file_in_its_place, _garbled, _vectors_gone, _gone, _collection_gone]
)
def test_a_damaged_or_missing_index_is_rebuilt_and_answers_as_before(indexed, damage):
    with opened(indexed) as recommender:
        wanted = recommender.recommend(QUERY).items
    damage(Path(indexed.milvus))
    said: list[str] = []
    with opened(indexed, log=said.append) as recommender:
        answer = recommender.recommend(QUERY)
    assert answer.items == wanted
    assert answer.place != "exact"
    assert "rebuilding it from v1" in said[0]
    with opened(indexed, log=said.append) as recommender:
        assert recommender.recommend(QUERY).items == wanted
    assert len(said) == 1, "it was rebuilt once"


def test_a_damaged_store_is_moved_aside_not_deleted(indexed):
    _file_in_its_place(Path(indexed.milvus))
    with opened(indexed):
        pass
    [kept] = indexed.home.glob("milvus.db.damaged-*")
    assert kept.read_text() == "what an old Milvus Lite wrote"


def _full(*_args: object, **_options: object) -> None:
    raise StoreError("the disk is full")


def test_an_index_that_does_not_answer_as_numpy_is_not_made_active(indexed, monkeypatch):
    def wrong(*_args: object, **_options: object) -> None:
        raise StoreDamagedError("its answer is not the exact one")

    second = add(indexed, "v2")
    with monkeypatch.context() as patched:
        patched.setattr(module.MilvusIndex, "activate", _full)
        patched.setattr("fusionrec.index.verify.check_answers", wrong)
        with pytest.raises(StoreDamagedError, match="not the exact one"):
            build_index(indexed, second)
    assert Ledger(indexed.ledger).active().version == "v1"


def test_if_the_index_cannot_be_rebuilt_the_answer_is_exact(indexed, monkeypatch):
    _gone(Path(indexed.milvus))
    monkeypatch.setattr(MilvusStore, "insert", _full)
    with opened(indexed) as recommender:
        answer = recommender.recommend(QUERY)
    assert answer.place == "exact"
    assert "full" in answer.notes[0]
    assert len(answer.items) == 5


def test_a_version_that_was_damaged_is_listed_with_its_problem(workspace):
    add(workspace, "v2")
    (workspace.models / "v2" / "manifest.json").write_text("{")
    first, second = versions(workspace)
    assert first.problem == ""
    assert "manifest" in second.problem


def test_a_model_under_the_same_name_with_other_vectors_does_not_answer_from_the_old_index(indexed):
    add(indexed, "v2")
    shutil.rmtree(indexed.models / "v1")
    (indexed.models / "v2").rename(indexed.models / "v1")
    said: list[str] = []
    with opened(indexed, log=said.append) as recommender:
        got = recommender.recommend(QUERY).items
    artifact = load(indexed)
    exact = ExactIndex(artifact.schema, artifact.items, artifact.item_vectors)
    assert got == Recommender(Catalog.of(artifact), exact).recommend(QUERY).items
    assert "checksum" in said[0]
    assert "rebuilding" in said[0]


@pytest.mark.parametrize(("keep", "left"), [(1, "v1 v2 v5"), (3, "v1 v2 v3 v4 v5"), (9, None)])
def test_prune_keeps_the_newest_the_active_and_the_one_before(
    workspace, keep: int, left: str | None
):
    for name in ("v2", "v3", "v4", "v5"):
        add(workspace, name)
    for name in ("v3", "v1", "v2"):
        Ledger(workspace.ledger).activate(name, workspace.milvus)
    gone = prune(workspace, keep)
    names = [v.name for v in versions(workspace)]
    assert names == (left.split() if left else ["v1", "v2", "v3", "v4", "v5"])
    assert set(gone) == {"v1", "v2", "v3", "v4", "v5"} - set(names)
    assert not [path for path in workspace.models.iterdir() if path.name.startswith(".")]


def test_prune_leaves_what_is_read_and_removes_what_killed_processes_left(workspace):
    for name in ("v2", "v3"):
        add(workspace, name)
    Ledger(workspace.ledger).activate("v3", workspace.milvus)
    for left in (".new-killed", ".gone-v9"):
        (workspace.models / left / "deep").mkdir(parents=True)
    code = (
        "from pathlib import Path; from fusionrec.registry import Artifact; "
        f"held = Artifact.load(Path({str(workspace.models / 'v1')!r})); print(held.version, "
        "flush=True); input()"
    )
    said: list[str] = []
    with (
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other,
        unfinished_folder(workspace.models) as written,
    ):
        assert other.stdout.readline() == b"v1\n"
        assert [path.name for path in leftovers(workspace.models)] == [".new-killed", ".gone-v9"]
        assert prune(workspace, 1, log=said.append) == ["v2"]
        assert said == ["v1 stays: another process reads it"]
        there = {path.name for path in workspace.models.iterdir()}
        assert there == {"v1", "v3", written.name}
        other.communicate(b"\n")
    assert prune(workspace, 1) == ["v1"]
    assert [path.name for path in workspace.models.iterdir()] == ["v3"]


def test_prune_waits_for_no_build(workspace):
    with _alone(workspace), pytest.raises(StoreUnavailableError, match="building an index"):
        prune(workspace, 1)


def test_prune_keeps_at_least_one(workspace):
    with pytest.raises(UsageError, match="1 or more"):
        prune(workspace, 0)


def test_the_active_version_can_be_gone(workspace):
    Ledger(workspace.ledger).activate("v9", workspace.milvus)
    with opened(workspace) as recommender:
        assert recommender.recommend(QUERY).version == "v1"
        assert recommender.notes


def test_progress_counts_all_items(workspace):
    seen: list[tuple[str, int, int]] = []
    build_index(workspace, load(workspace), progress=lambda *report: seen.append(report))
    assert seen == [("writing", 40, 40), ("indexing", 40, 40)]


@pytest.mark.parametrize("there", [False, True])
def test_a_place_beside_the_active_ones_is_read_and_never_written(indexed, tmp_path, there):
    beside = tmp_path / "beside" / "milvus.db"
    if there:
        with MilvusStore(str(beside)):
            pass
    before = Ledger(indexed.ledger).activations()
    said: list[str] = []
    with opened(indexed, place=str(beside), log=said.append) as recommender:
        answer = recommender.recommend(QUERY)
    assert answer.place == "exact"
    assert len(answer.items) == 5
    assert f"v1 has no index in {beside}" in answer.notes[0]
    assert not said
    assert beside.exists() == there
    assert Ledger(indexed.ledger).activations() == before
    with opened(indexed) as recommender:
        assert recommender.index.place == str(Path(indexed.milvus).resolve())


def test_a_damaged_place_beside_the_active_ones_is_not_mended(indexed, tmp_path):
    beside = tmp_path / "milvus.db"
    beside.write_text("of another program")
    with opened(indexed, place=str(beside)) as recommender:
        assert "is damaged" in recommender.notes[0]
    assert beside.read_text() == "of another program"
    # The recorded place is mended under whatever name it is given.
    _gone(Path(indexed.milvus))
    with opened(indexed, place=f"{indexed.home}/../{indexed.home.name}/milvus.db") as recommender:
        assert recommender.index.place == str(Path(indexed.milvus).resolve())
