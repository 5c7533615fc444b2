"""A version that is kept open on a real Milvus server: swapped under readers, away and back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from milvus_server import MilvusServer
from proxy import Mode, Proxy

from fusionrec.deploy.build import build_index
from fusionrec.deploy.hot_reload import LiveRecommender
from fusionrec.index import MilvusStore, Place
from fusionrec.recommend.query import Query
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from serving import opened
from swap_stress import Stores, eventually, exact, queries, short, swaps


@pytest.fixture
def database(server: MilvusServer) -> Place:
    """An empty database."""
    with MilvusStore(Place(server.uri)) as store:
        if "live" not in store._call("list_databases"):
            store._call("create_database", "live")
    place = Place(f"{server.uri}/live", timeout=20.0)
    with MilvusStore(place) as store:
        if store.active():
            store._call("drop_alias", "fusionrec")
        for collection in store.collections():
            store.drop(collection.name)
    return place


def test_a_swap_under_four_readers(workspace: Workspace, database: Place, stores: Stores) -> None:
    swaps(workspace, database, stores, 1)


def test_a_server_that_hangs_is_answered_exactly_and_comes_back(
    workspace: Workspace, server: MilvusServer, database: Place
) -> None:
    artifact = load(workspace)
    query = queries(artifact)[0]
    wanted = short(exact(artifact).recommend(query))
    build_index(workspace, artifact, database)
    brief = replace(database, timeout=1.0)
    with server.hung():
        live = LiveRecommender(workspace, brief, look=0.05, retry=0.2)
        answer = live.answer(lambda recommender: recommender.recommend(query))
        assert (answer.place, short(answer)) == ("exact", wanted)
        assert database.name in answer.notes[0]
    eventually(lambda: live.answer(lambda r: r.recommend(query)).place == database.name, 60)
    answer = live.answer(lambda recommender: recommender.recommend(query))
    assert (short(answer), answer.notes) == (wanted, ())
    live.close()


def test_a_service_asked_by_many_at_once_answers_each_as_if_alone(
    workspace: Workspace, database: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = load(workspace)
    build_index(workspace, artifact, database)
    users = artifact.users.ids[:40]
    wanted = {user: exact(artifact).recommend(Query(user=user, k=7)) for user in users}
    sizes: list[int] = []
    search = MilvusStore.search

    def counted(self: MilvusStore, name: str, vectors: Any, *args: Any, **options: Any) -> Any:
        sizes.append(len(vectors))
        return search(self, name, vectors, *args, **options)

    with opened(workspace) as shop, ThreadPoolExecutor(8) as pool:
        monkeypatch.setattr(MilvusStore, "search", counted)
        found = pool.map(lambda user: shop.ids("/v1/recommendations", user=user, k=7), users)
        for user, ids in zip(users, found, strict=True):
            assert ids == [item.id for item in wanted[user].items]
    assert max(sizes) > 1


def test_a_service_behind_a_proxy_that_is_slow_stalls_or_breaks(
    workspace: Workspace, server: MilvusServer, database: Place
) -> None:
    artifact = load(workspace)
    user, limit = artifact.users.ids[9], 0.8
    wanted = [item.id for item in exact(artifact).recommend(Query(user=user, k=5)).items]
    with Proxy(int(server.uri.rpartition(":")[2])) as proxy:
        place = replace(database, uri=proxy.uri, timeout=20.0, search_timeout=limit)
        build_index(workspace, artifact, place)
        with opened(workspace, place) as shop:
            shop.state.live._retry = 0.2

            def ask() -> tuple[str, list[str], float]:
                start = time.monotonic()
                answer = shop.client.get("/v1/recommendations", params={"user": user, "k": 5})
                took, made = time.monotonic() - start, answer.json()
                assert [item["id"] for item in made["items"]] == wanted
                return made["place"], made["notes"], took

            def is_back() -> bool:
                ready = shop.client.get("/readyz").status_code == 200
                return ready and ask()[:2] == (place.name, [])

            assert is_back()
            proxy.mode = "slow"
            assert ask()[:2] == (place.name, [])
            modes: tuple[Mode, ...] = ("stalls", "resets")
            for mode in modes:
                proxy.mode = mode
                at, notes, took = ask()
                assert (at, len(notes)) == ("exact", 1)
                assert place.name in notes[0]
                assert took < limit + 1.0
                assert ask()[2] < 0.5  # it is not waited for again
                assert shop.client.get("/readyz").status_code == 503
                proxy.mode = "passes"
                eventually(is_back, 60)
