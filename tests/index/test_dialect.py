"""What Milvus Lite and a server do differently: each difference shown, where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from index_data import films
from milvus_server import MilvusServer

from fusionrec.errors import StoreError, UsageError
from fusionrec.index import MilvusIndex, MilvusStore, Place, collection_name
from fusionrec.index.index_types import build_params, kind_for, search_params
from fusionrec.index.server_info import MAX_LIMIT, ServerInfo

LITE, SERVER = ServerInfo("milvus_lite-3.2.2"), ServerInfo("v2.3.5-lite")
FILMS = films(64, seed=3)


@pytest.fixture(scope="module")
def on_lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusIndex]:
    uri = str(tmp_path_factory.mktemp("lite") / "milvus.db")
    with MilvusIndex.build(
        uri, *FILMS, collection_name("apart", "0" * 8), "0" * 8, kind="HNSW"
    ) as index:
        yield index


@pytest.fixture(scope="module")
def on_server(server: MilvusServer) -> Iterator[MilvusIndex]:
    with MilvusIndex.build(
        Place(server.uri), *FILMS, collection_name("apart", "0" * 8), "0" * 8, kind="HNSW"
    ) as index:
        yield index


@pytest.fixture(params=["on_lite", "on_server"])
def index(request: pytest.FixtureRequest) -> MilvusIndex:
    found: MilvusIndex = request.getfixturevalue(request.param)
    return found


def test_each_is_known_by_its_version(on_lite: MilvusIndex, on_server: MilvusIndex) -> None:
    assert on_lite.store.server.lite
    assert not on_server.store.server.lite
    assert on_lite.store.server.title.startswith("Milvus Lite ")
    assert on_server.store.server.title == "Milvus server 2.3.5"
    assert not on_server.store.server.limitations
    assert len(on_lite.store.server.limitations) > len(
        LITE.limitations
    )  # LITE stands behind an address


def test_the_note_is_kept_where_it_lasts(index: MilvusIndex) -> None:
    assert index.store.note(index.name)["checksum"] == "0" * 8
    described = index.store._call("describe_collection", index.name)
    lite = index.store.server.lite
    assert bool(described.get("description")) != lite
    assert bool(described.get("properties", {}).get("fusionrec")) == lite


@pytest.mark.parametrize("described", [{}, {"description": "?"}, {"description": "[1]"}])
def test_a_note_of_someone_else_is_none(described: dict[str, Any]) -> None:
    assert LITE.read_note(described) == SERVER.read_note(described) == {}


def test_the_effort_of_a_graph_is_above_the_limit(on_server: MilvusIndex) -> None:
    assert LITE.search_options("FLAT", 10, 64, settled=True)["search_params"]["params"] == {}
    assert SERVER.search_options("HNSW", 10, 64, settled=True)["search_params"]["params"] == {
        "ef": 128
    }
    assert (
        SERVER.search_options("HNSW", 5_000, 64, settled=True)["search_params"]["params"]["ef"]
        > 5_000
    )
    assert (
        SERVER.search_options("HNSW", MAX_LIMIT, 64, settled=True)["search_params"]["params"]["ef"]
        <= 32_768
    )
    with pytest.raises(StoreError, match="16384"):
        on_server.store.search(on_server.name, [FILMS[2][0]], MAX_LIMIT + 1, "", "HNSW", 64)
    assert len(on_server.search(FILMS[2][0], MAX_LIMIT + 1)) == 64


def test_a_search_sends_rows_and_scores_alone(index: MilvusIndex) -> None:
    options = index.store.server.search_options("FLAT", 3, 64, settled=True)
    hits = index.store._call("search", index.name, [FILMS[2][5]], limit=3, **options)[0]
    assert next(iter(hits.ids)) == 5
    for hit in hits:
        assert set(hit["entity"]) <= {"row"}


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


def test_names_are_ascii_everywhere() -> None:
    with pytest.raises(UsageError):
        collection_name("ü", "0" * 8)


def test_index_types_are_known_before_anything_is_written(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="FLAT, HNSW, IVF_SQ8, DISKANN, got ''"):
        MilvusIndex.build(f"{tmp_path}/m.db", *FILMS, collection_name(1, "0" * 8), "0" * 8, kind="")  # type: ignore[arg-type]
    assert not (tmp_path / "m.db").exists()


def test_lite_compares_all_items_and_knows_two_types(tmp_path: Any) -> None:
    assert LITE.choose_type(None, 1_000_000) == "FLAT"
    assert LITE.choose_type("HNSW", 10) == "HNSW"
    with pytest.raises(UsageError, match=r"Milvus Lite 3\.2\.2 has no index of type IVF_SQ8"):
        MilvusIndex.build(
            f"{tmp_path}/m.db", *FILMS, collection_name(1, "0" * 8), "0" * 8, kind="IVF_SQ8"
        )


def test_a_server_takes_what_suits_the_number_of_items() -> None:
    sizes = (10, 100_000, 50_000_000)
    assert [SERVER.choose_type(None, n) for n in sizes] == ["FLAT", "HNSW", "IVF_SQ8"]
    assert [kind_for(n) for n in sizes] == ["FLAT", "HNSW", "IVF_SQ8"]
    assert SERVER.choose_type("DISKANN", 10) == "DISKANN"


def test_alias_and_names_are_reported_alike(index: MilvusIndex) -> None:
    store: MilvusStore = index.store
    assert index.name in [c.name for c in store.collections()]
    assert store.has(index.name)
    index.activate()
    assert store.active() == index.name
    assert store.state(index.name) == "Loaded"
    assert store.index_type(index.name) == "HNSW"
    store._call("drop_alias", "fusionrec")
    assert store.active() is None


def test_inverted_lists_fit_a_segment() -> None:
    for n in (1, 100, 3_000, 1_000_000, 1_000_000_000):
        lists, looked = build_params("IVF_SQ8", n)["nlist"], search_params("IVF_SQ8", 40, n)
        assert 16 <= lists <= 4_096
        assert 1 <= looked["nprobe"] <= lists
    assert build_params("FLAT", 10) == build_params("DISKANN", 10) == {}
    assert search_params("DISKANN", 400, 10)["search_list"] >= 400
