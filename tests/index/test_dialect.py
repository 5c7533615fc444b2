"""What differs between Milvus Lite and a server, and what is the same on both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from index_data import build, films, reopen, shop
from milvus_server import MilvusServer

from fusionrec.errors import StoreDamagedError, StoreError, StoreMissingError, UsageError
from fusionrec.index import MilvusIndex, Place, collection_name
from fusionrec.index.index_types import build_params, search_params
from fusionrec.index.server_info import MAX_LIMIT, ServerInfo

LITE, SERVER = ServerInfo("milvus_lite-3.2.2"), ServerInfo("v2.3.5-lite")  # behind an address
FILMS = films(64, seed=3)


@pytest.fixture(scope="module")
def on_lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusIndex]:
    with build(tmp_path_factory.mktemp("lite") / "milvus.db", FILMS, "apart", kind="HNSW") as index:
        yield index


@pytest.fixture(scope="module")
def on_server(server: MilvusServer) -> Iterator[MilvusIndex]:
    with build(Place(server.uri), FILMS, "apart", kind="HNSW") as index:
        yield index


@pytest.fixture(params=["on_lite", "on_server"])
def index(request: pytest.FixtureRequest) -> MilvusIndex:
    found: MilvusIndex = request.getfixturevalue(request.param)
    return found


def test_each_is_known_by_its_version(on_lite: MilvusIndex, on_server: MilvusIndex) -> None:
    lite, server = on_lite.store.server, on_server.store.server
    assert (lite.lite, server.lite) == (True, False)
    assert lite.title.startswith("Milvus Lite ")
    assert server.title == "Milvus server 2.3.5"
    assert not server.limitations
    assert len(lite.limitations) > len(LITE.limitations)


def test_the_note_is_kept_where_it_lasts(index: MilvusIndex) -> None:
    assert index.store.note(index.name)["checksum"] == "00ff00ff"
    described = index.store._call("describe_collection", index.name)
    lite = index.store.server.lite
    assert bool(described.get("description")) != lite
    assert bool(described.get("properties", {}).get("fusionrec")) == lite


@pytest.mark.parametrize("described", [{}, {"description": "?"}, {"description": "[1]"}])
def test_a_note_of_someone_else_is_none(described: dict[str, Any]) -> None:
    assert LITE.read_note(described) == SERVER.read_note(described) == {}


def test_another_artifact_is_noticed(index: MilvusIndex) -> None:
    place, (schema, items, vectors) = index.store.place, FILMS
    fewer = (schema, items.take(np.arange(50)), vectors[:50])
    for data, checksum, said in (
        (FILMS, "00ff00ff99", "checksum"),
        ((schema, items, np.roll(vectors, 1, axis=0)), "00ff00ff", "row"),
        ((schema, items, vectors[:, :8] / np.linalg.norm(vectors[:, :8], axis=1, keepdims=True)),
         "00ff00ff", "its d is 24, the model's 8"),
        (fewer, "00ff00ff", "rows is 64"),
        ((*shop(64)[:2], vectors), "00ff00ff", "layout"),
    ):  # fmt: skip
        with pytest.raises(StoreDamagedError, match=said):
            reopen(place, data, "apart", checksum)
    with pytest.raises(StoreMissingError):
        reopen(place, FILMS, "others")


def test_the_effort_of_a_graph_is_above_the_limit(on_server: MilvusIndex) -> None:
    def effort(kind: Any, limit: int) -> Any:
        options = SERVER.search_options(kind, limit, 64, settled=True)
        return options["search_params"]["params"]

    assert effort("FLAT", 10) == {}
    assert effort("HNSW", 10) == {"ef": 128}
    assert effort("HNSW", 5_000)["ef"] > 5_000
    assert effort("HNSW", MAX_LIMIT)["ef"] <= 32_768
    with pytest.raises(StoreError, match="16384"):
        on_server.store.search(on_server.name, [FILMS[2][0]], MAX_LIMIT + 1, "", "HNSW", 64)
    assert len(on_server.search(FILMS[2][0], MAX_LIMIT + 1)) == 64


def test_a_search_sends_rows_and_scores_alone(
    index: MilvusIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, sent = index.store._client._get_connection()._stub, []
    search = stub.Search
    monkeypatch.setattr(stub, "Search", lambda *a, **o: sent.append(search(*a, **o)) or sent[-1])
    [(rows, scores)] = index.store.search(index.name, [FILMS[2][5]], 3, "", "FLAT", 64)
    assert rows[0] == 5
    assert len(rows) == len(scores) == 3
    assert {field.field_name for field in sent[0].results.fields_data} <= {"row"}


def test_an_embedded_store_that_is_busy_has_minutes_to_take_rows(
    index: MilvusIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, waits = index.store._client, []
    insert = client.insert
    monkeypatch.setattr(client, "insert", lambda *a, **o: waits.append(o["timeout"]) or insert(*a))
    [stored] = index.store.query(index.name, "row == 9", ["*"])
    index.store._call("delete", index.name, ids=[stored["id"]])
    index.store.insert(index.name, [stored])
    assert waits == [600 if index.store.server.lite else 30.0]


@pytest.mark.parametrize(("settled", "seconds"), [(True, 5.0), (False, 30.0)])
def test_a_build_waits_longer_for_a_search_than_an_answer(
    index: MilvusIndex, monkeypatch: pytest.MonkeyPatch, settled: bool, seconds: float
) -> None:
    stub, waits = index.store._client._get_connection()._stub, []
    search = stub.Search
    monkeypatch.setattr(
        stub, "Search", lambda *a, **o: waits.append(o["timeout"]) or search(*a, **o)
    )
    index.store.search(index.name, [FILMS[2][5]], 3, "", "FLAT", 64, settled=settled)
    assert waits == [seconds]


def test_a_write_is_seen_at_once(index: MilvusIndex) -> None:
    store, (_, items, vectors) = index.store, FILMS
    [stored] = store.query(index.name, "row == 9", ["*"])
    turned = np.roll(vectors[9], 7)
    store._call("upsert", index.name, [stored | {"vector": turned, "id": items.ids[9]}])
    [(rows, scores)] = store.search(index.name, [turned], 1, "", "HNSW", 64, settled=False)
    assert rows.tolist() == [9]
    assert scores[0] == pytest.approx(1.0, abs=1e-5)
    assert store.count(index.name) == 64  # an insert of an id that is there would double it
    store._call("upsert", index.name, [stored | {"vector": vectors[9]}])
    [(rows, _)] = store.search(index.name, [vectors[9]], 1, "", "HNSW", 64, settled=False)
    assert rows.tolist() == [9]


def test_the_length_of_a_text_is_in_bytes(index: MilvusIndex) -> None:
    [stored] = index.store.query(index.name, "row == 3", ["*"])
    title = "ÿ" * 512  # 1,024 bytes, what the column holds
    index.store._call("upsert", index.name, [stored | {"title": title}])
    [again] = index.store.query(index.name, "row == 3", ["title"])
    assert again["title"] == title


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ANNOY", "FLAT, HNSW, IVF_SQ8, DISKANN, got 'ANNOY'"),
        ("IVF_SQ8", r"Milvus Lite .* has no index of type IVF_SQ8"),
    ],
)
def test_an_unknown_index_type_is_refused_before_anything_is_written(
    on_lite: MilvusIndex, kind: Any, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        build(on_lite.store.place, FILMS, "unknown", kind=kind)
    assert not on_lite.store.has(collection_name("unknown", "00ff00ff"))


def test_the_index_type_suits_the_number_of_items() -> None:
    sizes = (10, 100_000, 50_000_000)
    assert [SERVER.choose_type(None, n) for n in sizes] == ["FLAT", "HNSW", "IVF_SQ8"]
    assert SERVER.choose_type("DISKANN", 10) == "DISKANN"
    assert [LITE.choose_type(None, n) for n in sizes] == ["FLAT"] * 3  # it compares all items
    assert LITE.choose_type("HNSW", 10) == "HNSW"


def test_alias_and_drop(index: MilvusIndex) -> None:
    store, first = index.store, index.name
    second = collection_name("second", "00ff00ff")
    build(store.place, FILMS, "second", kind="HNSW").close()
    assert store.active() is None
    assert (store.state(first), store.index_type(first)) == ("Loaded", "HNSW")
    index.activate()
    store.activate(second)
    listed = {c.name: (c.active, c.rows) for c in store.collections()}
    assert (listed[first][0], listed[second]) == (False, (True, 64))
    for name in (second, "fusionrec"):  # active, and not a collection of the project
        with pytest.raises(UsageError):
            store.drop(name)
    for use in (store.drop, store.activate):
        with pytest.raises(StoreMissingError):
            use("fusionrec_v9_00000000")
    build(store.place, FILMS, "second").close()  # a server refuses to drop what the alias names
    assert store.active() == second
    store.activate(first)
    store.drop(second)
    assert store.active() == first
    assert not store.has(second)
    store._call("drop_alias", "fusionrec")
    assert store.active() is None


def test_inverted_lists_fit_a_segment() -> None:
    for n in (1, 100, 3_000, 1_000_000, 1_000_000_000):
        lists, looked = build_params("IVF_SQ8", n)["nlist"], search_params("IVF_SQ8", 40, n)
        assert 16 <= lists <= 4_096
        assert 1 <= looked["nprobe"] <= lists
    assert build_params("FLAT", 10) == build_params("DISKANN", 10) == {}
    assert search_params("DISKANN", 400, 10)["search_list"] >= 400
