"""Items and versions that change while it answers, and a store that fails."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fusionrec.deploy import build
from fusionrec.errors import ArtifactError, StoreError, StoreUnavailableError
from fusionrec.index import MilvusIndex, MilvusStore
from fusionrec.ledger import Ledger
from fusionrec.recommend.query import Query
from fusionrec.registry.versions import load
from fusionrec.service.server import _greeting
from fusionrec.service.state import ServiceState
from fusionrec.service.view import VersionView
from fusionrec.workspace import Workspace
from serving import Shop, opened
from swap_stress import eventually, exact, second


@pytest.fixture
def own(indexed: Workspace) -> Iterator[Shop]:
    """A test's own service, which searches the store itself."""
    with opened(indexed, copy=0) as made:
        yield made


@pytest.fixture
def as_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the service take the embedded store for a server."""
    asks = property(lambda view: not (view._in_memory or view.failed))
    monkeypatch.setattr(VersionView, "asks_server", asks)


def test_an_item_is_added_changed_withdrawn_and_brought_back(own):
    client, admin = own.client, own.admin

    def found() -> bool:
        return "new" in own.ids("/v1/search", q="Zyzzyva")

    made = client.put("/v1/items/new", json={"title": "Zyzzyva", "year": 1999}, headers=admin)
    assert made.status_code == 200, made.text
    assert '"year":1999,' in made.text.replace("}", ",")  # as answers have it: not 1999.0
    assert found()
    changed = client.put("/v1/items/new", json={"year": 2001}, headers=admin).json()
    assert (changed["title"], changed["content"]["year"]) == ("Zyzzyva", 2001)
    gone = client.delete("/v1/items/new", headers=admin)
    assert gone.json()["available"] is False
    assert not found()
    assert client.get("/v1/items/new").json()["available"] is False
    assert client.post("/v1/items/new/restore", headers=admin).json()["available"] is True
    assert found()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/items/x", {"colour": "red"}, 400),
        ("PUT", "/v1/items/x", {"year": "soon"}, 400),
        ("PUT", "/v1/items/x", {"title": {"a": 1}}, 422),
        ("PUT", "/v1/items/x", [], 422),
        ("PUT", "/v1/items/%00", {}, 422),
        ("PUT", "/v1/items/a%1Bb", {}, 400),
        ("DELETE", "/v1/items/nowhere", None, 404),
        ("POST", "/v1/items/nowhere/restore", None, 404),
        ("POST", "/v1/versions/v9/activate", None, 404),
        ("POST", "/v1/versions/..%2F..%2Fetc/activate", None, 404),
        ("POST", "/v1/versions/rollback", None, 404),
    ],
)
def test_what_cannot_be_changed_is_a_problem(shop, method, path, body, status):
    answer = shop.client.request(method, path, json=body, headers=shop.admin)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert shop.ledger.item_changes() == []


def test_versions_go_forward_and_back(own):
    second(own.workspace)
    names = [one["name"] for one in own.client.get("/v1/versions").json()["versions"]]
    assert names == ["v1", "v2"]
    user = load(own.workspace).users.ids[7]
    for path, version in (("v2/activate", "v2"), ("rollback", "v1"), ("rollback", "v2")):
        answer = own.client.post(f"/v1/versions/{path}", headers=own.admin)
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == version
        found = own.client.get("/v1/recommendations", params={"user": user, "k": 3}).json()
        wanted = exact(load(own.workspace, version)).recommend(Query(user=user, k=3))
        assert found["version"] == version
        assert [item["id"] for item in found["items"]] == [item.id for item in wanted.items]


def test_a_swap_under_requests_fails_none(own):
    workspace = own.workspace
    both = {"v1": load(workspace, "v1"), "v2": second(workspace)}
    users = both["v1"].users.ids[5:25]
    wanted = {
        (name, user): [i.id for i in exact(one).recommend(Query(user=user, k=3)).items]
        for name, one in both.items()
        for user in users
    }
    ended, seen = threading.Event(), []

    def ask(number: int) -> None:
        turn = number
        while not ended.is_set():
            user = users[turn % len(users)]
            answer = own.client.get("/v1/recommendations", params={"user": user, "k": 3})
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert [item["id"] for item in body["items"]] == wanted[body["version"], user]
            assert body["notes"] == []
            assert answer.headers["fusionrec-index"].startswith(f"fusionrec_{body['version']}_")
            seen.append(body["version"])
            turn += 1

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask, number) for number in range(4)]
        try:
            for version in ("v2", "v1", "v2"):
                build.activate(workspace, version)
                eventually(lambda version=version: seen[-1:] == [version])
        finally:
            ended.set()
        for one in running:
            one.result()


@pytest.mark.parametrize("server", [False, True])
def test_a_store_that_fails_is_stood_in_for_until_it_is_back(own, monkeypatch, request, server):
    if server:
        request.getfixturevalue("as_server")
    user = load(own.workspace).users.ids[11]

    def ask() -> dict:
        answer = own.client.get("/v1/recommendations", params={"user": user, "k": 3})
        assert answer.status_code == 200, answer.text
        return answer.json() | {"index": answer.headers["fusionrec-index"]}

    healthy = ask()
    assert own.client.get("/readyz").status_code == 200

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the store is away", hint="start it")

    with monkeypatch.context() as patch:
        patch.setattr(MilvusIndex, "search", fail)
        patch.setattr(MilvusIndex, "open", fail)
        own.state.live._retry = 0.1
        for _ in range(3):
            stood_in = ask()
            assert stood_in["items"] == healthy["items"]
            assert stood_in["place"] == stood_in["index"] == "exact"
            assert "the store is away" in stood_in["notes"][0]
        for path in (
            f"/v1/items/{healthy['items'][0]['id']}/similar",
            "/v1/search?q=a&user=" + user,
        ):
            assert own.client.get(path).status_code == 200
        ready = own.client.get("/readyz")
        assert ready.status_code == 503
        assert "the store is away" in ready.json()["reasons"][0]
    eventually(lambda: own.client.get("/readyz").status_code == 200)
    assert ask()["index"] == healthy["index"]
    assert ask()["notes"] == []
    assert b"fusionrec_reserve_answers_total" in own.client.get("/metrics").content


def test_all_who_wait_for_a_store_that_fails_are_answered(own, monkeypatch):
    user, many = load(own.workspace).users.ids[11], 4
    wanted = own.ids("/v1/recommendations", user=user, k=3)
    inside = threading.Barrier(many, timeout=10)

    def fail(*_: object, **__: object) -> None:
        inside.wait()
        raise StoreUnavailableError("the store is away", hint="start it")

    monkeypatch.setattr(MilvusIndex, "search", fail)
    own.state.live._retry = 60.0
    told = {"user": user, "k": 3}  # each in a thread of its own
    with ThreadPoolExecutor(many) as pool:
        asked = [
            pool.submit(own.client.post, "/v1/recommendations", json=told) for _ in range(many)
        ]
        for one in asked:
            assert [item["id"] for item in one.result().json()["items"]] == wanted


def test_a_hung_store_is_waited_for_once(own, monkeypatch):
    asked = []

    def fail(*_: object, **__: object) -> None:
        asked.append(1)
        raise StoreUnavailableError("the store does not answer", hint="wait")

    monkeypatch.setattr(MilvusIndex, "search", fail)
    own.state.live._retry = 60.0
    for _ in range(5):
        assert own.client.get("/v1/recommendations", params={"liked": "5"}).status_code == 200
    assert len(asked) == 1


def test_where_the_store_is_left_to_another_process_the_answers_are_the_same(own, tmp_path):
    user = load(own.workspace).users.ids[11]
    asked = {"user": user, "k": 3}
    first = own.client.get("/v1/recommendations", params=asked).json()
    state = ServiceState(own.workspace, "", own.state.settings, lambda _: None, exact=True)
    try:
        answer = state.answer(lambda view: view.recommend(Query(user=user, k=3))).to_json()
        assert answer["items"] == first["items"]
        assert answer["notes"] == []
        assert state.troubles() == []
    finally:
        state.close()


def test_what_is_closed_does_not_answer(indexed):
    with opened(indexed) as shop:
        state = shop.state
    with pytest.raises(StoreError, match="closed"):
        state.answer(lambda view: view.form)
    state.close()


def test_figures_tell_of_answers_events_and_versions(own: Shop):
    own.client.get("/v1/recommendations", params={"user": "m", "k": 2})
    own.tell("m", "3", "like", id="m1")
    own.tell("m", "3", "like", id="m1")
    text = own.client.get("/metrics").text
    for line in (
        'fusionrec_answers_total{kind="popular"} 1.0',
        'fusionrec_events_total{outcome="new"} 1.0',
        'fusionrec_events_total{outcome="known"} 1.0',
        'fusionrec_requests_total{method="GET",route="/v1/recommendations",status="200"} 1.0',
        'stage="search"',
        'stage="person"',
        'fusionrec_version_info{index="fusionrec_v1_',
    ):
        assert line in text


def test_what_was_refused_is_counted_by_its_route(own: Shop):
    own.client.post("/v1/items/3/restore")
    own.client.put("/v1/items/3", json={})
    own.client.get("/v1/items/3/similar", headers={"Authorization": "Bearer frk_wrong"})
    own.client.get("/nowhere", headers={"Authorization": "Bearer frk_wrong"})
    text = own.client.get("/metrics").text
    for method, route in (
        ("POST", "/v1/items/{id}/restore"),
        ("PUT", "/v1/items/{id}"),
        ("GET", "/v1/items/{id}/similar"),
        ("GET", "none"),
    ):
        assert f'_requests_total{{method="{method}",route="{route}",status="401"}} 1.0' in text


def test_readiness_tells_of_a_ledger_that_fails(own, monkeypatch):
    from fusionrec.errors import LedgerError

    def fail(_: Ledger) -> None:
        raise LedgerError("the ledger is away")

    for name in ("active", "revision"):
        monkeypatch.setattr(Ledger, name, fail)
    answer = own.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["the ledger is away"]}
    asked = own.client.get("/v1/recommendations", params={"user": "v"})
    assert asked.json()["notes"][0].startswith("without the latest feedback")
    assert own.client.get("/healthz").status_code == 200


def test_a_part_of_the_model_that_cannot_be_read_is_no_defect(own, monkeypatch):
    """Some are read at the first answer that needs them."""

    def cut(*_: Any, **__: Any) -> Any:
        raise ArtifactError("v1/user_tower.safetensors is damaged")

    with monkeypatch.context() as damaged:
        damaged.setattr(VersionView, "recommend", cut)
        refused = own.client.get("/v1/recommendations", params={"k": 3, "user": "10"})
        assert (refused.status_code, refused.json()["code"]) == (503, "invalid_artifact")
        [reason] = own.client.get("/readyz").json()["reasons"]
        assert "is damaged" in reason
    assert own.client.get("/v1/recommendations", params={"k": 3}).status_code == 200


def test_a_copy_in_memory_answers_as_the_store_does(indexed):
    users = load(indexed).users.ids

    def answers(shop: Shop) -> list[dict]:
        asked = [{"user": user, "k": 7, "where": "year=1950.."} for user in users]
        return [shop.client.get("/v1/recommendations", params=one).json() for one in asked]

    with opened(indexed, copy=0) as shop:
        stored = answers(shop)
        assert shop.state.live.answer(lambda live: live.index.place).endswith("milvus.db")
    with opened(indexed) as shop:
        copied = answers(shop)
        assert 'place="exact copy of milvus.db"' in shop.client.get("/metrics").text
    with opened(indexed, copy=1) as shop:  # too small for these items
        assert answers(shop)[0]["place"] == stored[0]["place"]
        said = _greeting(shop.state, shop.state.settings, "http://here")
        assert said.endswith("no copy in memory: 40 items are more than 1")
    assert [one["items"] for one in copied] == [one["items"] for one in stored]
    assert copied[0]["place"] == f"exact copy of {stored[0]['place']}"
    assert all(one["notes"] == [] for one in copied)


def test_a_process_without_the_store_hands_an_activation_over(own):
    second(own.workspace)
    for version in ("v2", "v1"):
        build.activate(own.workspace, version)
    eventually(lambda: own.client.get("/v1/schema").json()["version"] == "v1")
    other = ServiceState(own.workspace, "", own.state.settings, lambda _: None, exact=True)
    try:
        own.state.reserve = True  # as the route sees it in the other process
        answer = own.client.post("/v1/versions/v2/activate", headers=own.admin)
        assert (answer.status_code, answer.json()["version"]) == (200, "v2"), answer.text
        eventually(lambda: other.answer(lambda view: view.artifact.version) == "v2")
        eventually(lambda: own.client.get("/v1/schema").json()["version"] == "v2")
        user = load(own.workspace).users.ids[7]
        found = own.client.get("/v1/recommendations", params={"user": user}).json()
        assert found["place"].endswith("milvus.db")
    finally:
        other.close()


def test_what_was_viewed_was_not_shown_in_vain(own):
    user = load(own.workspace).users.ids[7]
    asked = {"user": user, "k": 4, "fresh": True}
    first = own.ids("/v1/recommendations", **asked)
    assert own.tell(user, first[0], "view").status_code == 201
    for _ in range(6):
        own.state.recorder.perform(lambda: None)
        last = own.ids("/v1/recommendations", **asked)
    assert last[0] == first[0]  # it was looked at
    assert set(first[1:]) != set(last[1:])  # these were not, and make room


@pytest.mark.parametrize("copied", [True, False])
def test_only_an_answer_that_waits_for_nothing_is_made_in_the_event_loop(
    indexed, copied, monkeypatch
):
    user = load(indexed).users.ids[7]
    with opened(indexed, copy=1_000 if copied else 0) as shop:
        shop.ids("/v1/recommendations", user=user)
        handed, answer = [], ServiceState.answer
        monkeypatch.setattr(ServiceState, "answer", lambda *a: handed.append(1) or answer(*a))
        plain = shop.ids("/v1/recommendations", user=user)
        assert bool(handed) != copied
        assert shop.ids("/v1/recommendations", user=user, explain=True) == plain
        assert handed  # reasons are looked for in a thread
        text = shop.client.get("/metrics").text
        count = re.search(r'fusionrec_stage_seconds_count{stage="answer"} (\S+)', text)
        assert float(count[1]) == 3  # each answer once, wherever it was made


def test_while_a_server_searches_the_event_loop_makes_the_answers(own, monkeypatch, request):
    users = load(own.workspace).users.ids[5:25]
    plain = [own.ids("/v1/recommendations", user=user) for user in users]
    request.getfixturevalue("as_server")
    handed, answer = [], ServiceState.answer
    monkeypatch.setattr(ServiceState, "answer", lambda *a: handed.append(1) or answer(*a))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda user: own.ids("/v1/recommendations", user=user), users))
    assert found == plain
    assert not handed
    own.ids("/v1/recommendations", user=users[0], where="year=1900..2000")
    assert handed  # few items may be left, which are then searched here


def test_searches_of_an_embedded_store_take_turns(own, monkeypatch):
    users, inside, most = load(own.workspace).users.ids[5:25], [], []
    search = MilvusStore.search

    def slow(self, *args, **options):
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.01)
        found = search(self, *args, **options)
        inside.pop()
        return found

    monkeypatch.setattr(MilvusStore, "search", slow)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda user: own.ids("/v1/recommendations", user=user), users))
    assert len(most) >= len(users)
    assert max(most) == 1
