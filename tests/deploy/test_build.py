"""Building an index beside the one that answers: whatever fails, and whenever, one of them does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fusionrec.deploy.build import activate, build_index, prune
from fusionrec.deploy.open import open_version
from fusionrec.errors import FusionrecError, StoreError, StoreUnavailableError
from fusionrec.index import MilvusStore
from fusionrec.index.layout import ID
from fusionrec.ledger import Activation, Ledger
from fusionrec.recommend.catalog import current, withdraw
from fusionrec.recommend.query import Query
from fusionrec.registry.versions import load, retained_activations
from fusionrec.workspace import Workspace
from swap_stress import exact, queries, second, short


def collections(workspace: Workspace) -> set[str]:
    with MilvusStore(workspace.milvus, create=False) as store:
        return {c.name for c in store.collections()}


def active(workspace: Workspace) -> Activation:
    return Ledger(workspace.ledger).active()


def retained(workspace: Workspace) -> set[str]:
    """The collections that the ledger wants to be kept."""
    activations = Ledger(workspace.ledger).activations()
    return {activation.collection for activation in retained_activations(activations)}


def check(workspace: Workspace, version: str) -> None:
    """That version answers, from Milvus, what NumPy does, without anything having been rebuilt."""
    artifact, said = load(workspace, version), []
    opened = open_version(workspace, log=said.append)
    try:
        wanted = exact(artifact, current(artifact, Ledger(workspace.ledger)))
        for query in queries(artifact)[:4]:
            answer = opened.recommender.recommend(query)
            assert answer.version == version
            assert answer.place != "exact", answer.notes
            assert short(answer) == short(wanted.recommend(query))
    finally:
        opened.close()
    assert not said


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[list[str]]:
    """The write of this number, from 1, fails, to a store or the ledger; gives all writes."""
    writes: list[str] = []
    call, note = MilvusStore._call, Ledger.activate

    def count(name: str) -> None:
        writes.append(name)
        if len(writes) == at:
            raise StoreError(f"write {at}, {name}, failed")

    def calling(store: MilvusStore, method: str, *args, reading: bool = True, **options):
        if not reading:
            count(method)
        return call(store, method, *args, reading=reading, **options)

    def activating(ledger: Ledger, *args) -> None:
        count("ledger")
        note(ledger, *args)

    with monkeypatch.context() as patched:
        patched.setattr(MilvusStore, "_call", calling)
        patched.setattr(Ledger, "activate", activating)
        yield writes


def test_whichever_write_fails_one_version_answers_and_the_next_build_tidies(indexed, monkeypatch):
    """The old one up to the ledger's, from then on the new one."""
    both = {"v1": load(indexed), "v2": second(indexed)}
    build_index(indexed, both["v2"])
    build_index(indexed, both["v1"])
    with failing(monkeypatch, 0) as writes:
        build_index(indexed, both["v2"])
    assert set(writes) == {
        "create_collection", "insert", "flush", "create_index", "ledger", "alter_alias",
        "drop_collection",
    }  # fmt: skip
    ledger = writes.index("ledger")
    for at in range(1, len(writes) + 1):
        before = active(indexed).version
        other = "v1" if before == "v2" else "v2"
        with failing(monkeypatch, at), pytest.raises(StoreError, match=f"write {at}"):
            build_index(indexed, both[other])
        now = before if at <= ledger + 1 else other
        check(indexed, now)
        build_index(indexed, both["v2" if now == "v1" else "v1"])
        assert collections(indexed) == retained(indexed)


KILL = """
import os, sys
from pathlib import Path
from fusionrec.workspace import Workspace
from fusionrec.index import MilvusIndex
from fusionrec.deploy.build import build_index
from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load

workspace, moment = Workspace(Path(sys.argv[1])), sys.argv[2]

def end(*_):
    os._exit(9)

if moment == "after the ledger":
    MilvusIndex.activate = end
if moment == "before the ledger":
    Ledger.activate = end
build_index(workspace, load(workspace, "v2"), progress=end if moment == "in the rows" else None)
"""


def test_a_build_that_is_killed_leaves_one_that_answers_and_is_cleaned_up(indexed):
    newer = second(indexed)
    for moment in ("in the rows", "before the ledger", "after the ledger"):
        command = [sys.executable, "-c", KILL, str(indexed.home), moment]
        assert subprocess.run(command, check=False).returncode == 9
        check(indexed, "v2" if moment == "after the ledger" else "v1")
    assert len(collections(indexed)) == 4
    build_index(indexed, newer)
    check(indexed, "v2")
    assert collections(indexed) == retained(indexed)
    assert len(collections(indexed)) == 3
    assert not list(indexed.home.glob("milvus.db.damaged-*"))


def test_the_same_version_again_is_built_beside_itself(indexed, monkeypatch):
    [first] = collections(indexed)
    opened = open_version(indexed)
    query, touched = queries(load(indexed))[0], []
    call = MilvusStore._call

    def noted(store: MilvusStore, method: str, *args, reading: bool = True, **options):
        if not reading and args[:1] == (first,):
            touched.append(method)
        return call(store, method, *args, reading=reading, **options)

    monkeypatch.setattr(MilvusStore, "_call", noted)
    build_index(indexed, load(indexed), progress=lambda *_: opened.recommender.recommend(query))
    assert short(opened.recommender.recommend(query))
    assert not touched
    opened.close()
    assert len(collections(indexed)) == 2
    build_index(indexed, load(indexed))
    assert touched == ["drop_collection"]
    assert len(collections(indexed)) == 2
    check(indexed, "v1")


def test_going_back_writes_no_rows_where_the_collection_is_whole(indexed, add_dune, monkeypatch):
    """And what was changed in between is in the answers."""
    build_index(indexed, second(indexed))
    add_dune("new")
    with failing(monkeypatch, 0) as writes:
        activate(indexed, "v1")
    assert writes == ["ledger", "alter_alias"]
    check(indexed, "v1")
    assert ids(indexed) >= {"new"}
    with MilvusStore(indexed.milvus) as store:
        [lost] = [name for name in retained(indexed) if "_v2_" in name]
        assert store.active() != lost
        store.drop(lost)
    with failing(monkeypatch, 0) as writes:
        activate(indexed, "v2")
    assert "insert" in writes
    check(indexed, "v2")


def ids(workspace: Workspace) -> set[str]:
    """All that can be recommended."""
    opened = open_version(workspace)
    try:
        user = opened.recommender.artifact.users.ids[5]
        answer = opened.recommender.recommend(Query(user=user, k=100, seen=True))
        return {item.id for item in answer.items}
    finally:
        opened.close()


def test_two_builds_at_once_are_refused(indexed):
    def again(*_: int) -> None:
        with pytest.raises(StoreUnavailableError, match="another process is building") as caught:
            build_index(indexed, load(indexed))
        assert "wait" in caught.value.hint
        with pytest.raises(StoreUnavailableError, match="another process is building"):
            activate(indexed, "v1")

    build_index(indexed, load(indexed), progress=again)
    assert len(Ledger(indexed.ledger).activations()) == 2
    build_index(indexed, load(indexed))


def test_changes_made_during_a_build_are_in_the_answers_after_it(indexed, add_dune):
    artifact, ledger = load(indexed), Ledger(indexed.ledger)
    gone = artifact.items.ids[4]
    add_dune("before")

    def change(*_: int) -> None:
        add_dune("during")
        withdraw(ledger, current(artifact, ledger), [gone, "before"])

    build_index(indexed, artifact, progress=change)
    check(indexed, "v1")
    assert ids(indexed) == {*artifact.items.ids, "during"} - {gone}


def test_a_collection_holds_what_artifact_and_ledger_say(indexed, add_dune):
    artifact, ledger = load(indexed), Ledger(indexed.ledger)
    gone = list(artifact.items.ids[4:6])
    add_dune("a", "b", "c")
    withdraw(ledger, current(artifact, ledger), [*gone, "b"])
    build_index(indexed, artifact)
    name = active(indexed).collection
    with MilvusStore(indexed.milvus) as store:
        store.load(name)
        held = {row[ID] for row in store.query(name, "", [ID])}
        assert held == {*artifact.items.ids, "a", "c"} - set(gone)
        assert store.count(name) == 40
    check(indexed, "v1")
    # A row too few is noticed, and mended.
    with MilvusStore(indexed.milvus) as store:
        store._call("delete", name, filter=f'{ID} == "c"')
        store._call("flush", name)
    said: list[str] = []
    open_version(indexed, log=said.append).close()
    assert "rebuilding it from v1" in said[0]
    check(indexed, "v1")


def test_all_items_withdrawn_is_an_empty_answer_not_an_error(indexed):
    artifact, ledger = load(indexed), Ledger(indexed.ledger)
    withdraw(ledger, current(artifact, ledger), artifact.items.ids)
    assert ids(indexed) == set()
    with pytest.raises(FusionrecError, match="at least one item"):
        build_index(indexed, artifact)
    with MilvusStore(indexed.milvus) as store:
        store._call("drop_alias", "fusionrec")
        store._call("drop_collection", ledger.active().collection)
    assert ids(indexed) == set()


def test_a_damaged_version_beside_hinders_neither_build_nor_prune(indexed):
    second(indexed)
    (indexed.models / "v2" / "manifest.json").write_text("{")
    for _ in range(2):
        build_index(indexed, load(indexed))
    check(indexed, "v1")
    assert len(collections(indexed)) == 2
    assert prune(indexed, 1) == []


def test_what_an_older_model_of_the_same_name_left_is_dropped(indexed):
    [old] = collections(indexed)
    newer = second(indexed)
    shutil.rmtree(indexed.models / "v1")
    newer.folder.rename(indexed.models / "v1")
    for _ in range(3):
        build_index(indexed, load(indexed, "v1"))
    assert old not in collections(indexed)
    assert len(collections(indexed)) == 2


def test_each_place_has_its_own_collection(indexed, tmp_path):
    beside = str(tmp_path / "beside.db")
    [own] = collections(indexed)
    build_index(indexed, load(indexed), beside)
    for place, name in ((indexed.milvus, own), (beside, active(indexed).collection)):
        opened = open_version(indexed, place=place)
        assert opened.base.index.name == name
        opened.close()
    activate(indexed, "v1", indexed.milvus)
    assert (active(indexed).collection, active(indexed).place) == (own, "")


def test_without_a_place_it_is_built_where_the_active_version_is(indexed, tmp_path):
    beside = str(tmp_path / "beside.db")
    artifact, own = load(indexed), collections(indexed)
    assert build_index(indexed, artifact, beside) == beside
    first = active(indexed).collection
    assert activate(indexed, "v1") == beside, "nothing is built, and nothing elsewhere"
    assert active(indexed).collection == first
    assert build_index(indexed, artifact) == beside
    assert active(indexed).collection != first
    assert collections(indexed) == own
    with MilvusStore(beside, create=False) as store:
        assert len(store.collections()) == 2


def test_a_workspace_that_cannot_be_written_is_said_and_still_answers(indexed):
    """A folder in the lock's place stands for a read-only workspace, which root can write."""
    lock = indexed.home / "index.lock"
    lock.unlink()
    lock.mkdir()
    with pytest.raises(StoreUnavailableError) as caught:
        build_index(indexed, load(indexed))
    assert caught.value.code == "workspace_not_writable"
    with MilvusStore(indexed.milvus) as store:
        [name] = [c.name for c in store.collections()]
        store._call("drop_alias", "fusionrec")
        store.drop(name)
    opened = open_version(indexed)
    try:
        answer = opened.recommender.recommend(queries(load(indexed))[0])
        assert answer.place == "exact"
        assert any("cannot be written" in note for note in answer.notes)
    finally:
        opened.close()
