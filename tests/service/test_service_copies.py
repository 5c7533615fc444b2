"""A compressed copy answers in place of many vectors: made once, verified, and it says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fusionrec.deploy import build, copies
from fusionrec.index import compressed
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry.versions import load
from fusionrec.service.settings import ServiceSettings
from fusionrec.service.state import ServiceState
from fusionrec.workspace import Workspace
from serving import Shop, opened
from swap_stress import eventually, second


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The few items of the tests count as many, of which all lists may be read."""
    monkeypatch.setattr(compressed, "EXACT_NUMBERS", 0)
    monkeypatch.setattr(compressed, "_MOST_READ", 1.0)
    monkeypatch.setattr(copies, "_SAMPLE", 20)


def place(state: ServiceState) -> str:
    return state.folders.hide(state.answer(lambda view: view.place))


def is_approximate(shop: Shop) -> bool:
    return place(shop.state).startswith("approximate copy of milvus.db, recall ")


def files(workspace: Workspace) -> tuple[Path, Path]:
    [lists] = workspace.copies.glob("*/lists.faiss")
    return lists, lists.with_name("manifest.json")


def answers(shop: Shop) -> list[dict]:
    users = load(shop.workspace).users.ids[:20]
    asked = [{"user": user, "k": 7, "where": "year=1950.."} for user in users]
    found = [shop.client.get("/v1/recommendations", params=one).json() for one in asked]
    return [{name: value for name, value in one.items() if name != "answer"} for one in found]


def test_it_is_made_while_the_store_answers_and_then_takes_its_place(indexed):
    with opened(indexed, copy=0) as shop:
        stored = answers(shop)
    with opened(indexed) as shop:
        assert all(one["items"] for one in answers(shop))
        eventually(lambda: is_approximate(shop))
        found = answers(shop)
        assert 'place="approximate copy of milvus.db, recall ' in shop.client.get("/metrics").text
        added = shop.client.put("/v1/items/new", json={"title": "Zyzzyva"}, headers=shop.admin)
        assert added.status_code == 200
        assert is_approximate(shop)
        near = shop.client.get("/v1/items/new/similar", params={"k": 100}).json()
        assert len(near["items"]) > 10
        shop.client.delete(f"/v1/items/{near['items'][0]['id']}", headers=shop.admin)
        again = shop.client.get("/v1/items/new/similar", params={"k": 100}).json()
        assert again["items"][0]["id"] == near["items"][1]["id"]
    same, wanted = 0, sum(len(one["items"]) for one in stored)
    for one, other in zip(stored, found, strict=True):
        scores = {item["id"]: item["score"] for item in one["items"]}
        there = {item["id"]: item["score"] for item in other["items"]}
        assert len(there) == len(scores)
        assert all(scores[id] == there[id] for id in scores.keys() & there.keys())
        assert "recall" in other["place"]
        same += len(scores.keys() & there.keys())
    assert same >= 0.95 * wanted


def test_it_is_kept_in_a_file_and_made_again_where_that_is_damaged(indexed):
    with opened(indexed) as shop:
        eventually(lambda: is_approximate(shop))
        first = answers(shop)
    lists, manifest = files(indexed)
    inode = lists.stat().st_ino
    with opened(indexed) as shop:  # at once, from the file
        assert is_approximate(shop)
        assert answers(shop) == first
    assert lists.stat().st_ino == inode
    whole, said = lists.read_bytes(), json.loads(manifest.read_text())

    def cut() -> None:
        lists.write_bytes(whole[:-1])

    def altered() -> None:
        lists.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])

    def of_others() -> None:
        manifest.write_text(json.dumps(said | {"vectors": "0" * 64}))

    def nonsense() -> None:
        manifest.write_text('{"kind": [')

    def too_many() -> None:
        manifest.write_text(json.dumps(said | {"probes": {"10": -1}}))

    artifact = load(indexed)
    recommender = Recommender(Catalog.of(artifact), None)
    for damage in (cut, altered, of_others, nonsense, too_many, lists.unlink):
        damage()
        assert copies.open_compressed(indexed, artifact) is None, damage
        assert copies.make_compressed(indexed, recommender, print).probes
        assert copies.open_compressed(indexed, artifact) is not None
    assert [path.name for path in indexed.copies.iterdir() if path.name.startswith(".new")] == []


def test_a_process_without_the_store_searches_the_same_file(indexed):
    with opened(indexed) as shop:
        eventually(lambda: is_approximate(shop))
        other = ServiceState(indexed, "", shop.state.settings, print, exact=True)
        try:
            assert place(other).startswith("approximate copy of the model's vectors, recall ")
        finally:
            other.close()


def test_a_new_version_gets_a_copy_of_its_own_and_pruning_removes_it(indexed):
    second(indexed)
    with opened(indexed) as shop:
        for version in ("v2", "v1"):
            build.activate(indexed, version)
            eventually(
                lambda version=version: (
                    shop.client.get("/v1/schema").json()["version"] == version
                    and is_approximate(shop)
                )
            )
    kept = {folder.name for folder in indexed.copies.glob("*/")}
    assert load(indexed, "v1").checksum[:16] in kept
    gone = indexed.copies / "0123456789abcdef"
    gone.mkdir()
    build.prune(indexed, 1)
    assert {folder.name for folder in indexed.copies.glob("*/")} == kept


@pytest.mark.parametrize("lacking", ["faiss", "recall", "disk"])
def test_where_it_cannot_be_searched_all_is_compared_and_said(indexed, monkeypatch, lacking):
    said: list[str] = []
    if lacking == "faiss":
        monkeypatch.setitem(sys.modules, "faiss", None)
        state_of, expected = "exact copy", "faiss cannot be imported"
    elif lacking == "recall":
        monkeypatch.setattr(compressed._Trial, "recall", lambda *_: 0.5)
        state_of, expected = "exact copy", "of the exact ten best, less than"
    else:
        indexed.copies.write_text("a file where a folder belongs")
        state_of, expected = "approximate copy", "the compressed copy is in memory alone"
    state = ServiceState(indexed, "", ServiceSettings(), said.append, exact=lacking == "faiss")
    try:
        if lacking == "faiss":
            assert place(state) == "exact"
        else:
            eventually(lambda: place(state).startswith(state_of))
    finally:
        state.close()
    assert any(expected in line for line in said), said
