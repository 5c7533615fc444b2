"""What a key for reading tells of people whose feedback is stored: nothing that names an item."""

from __future__ import annotations

import pytest

from fusionrec.registry.versions import load
from swap_stress import eventually

TELLING = ("explain", "only", "seen", "fresh")


@pytest.fixture(scope="module")
def bears(public):
    """Headers by the scopes that their key opens."""
    scopes = (("read",), ("read", "admin"), ("read", "feedback"))
    return {
        "+".join(one): {"Authorization": f"Bearer {public.ledger.add_key('+'.join(one), one)}"}
        for one in scopes
    }


def wish(name: str) -> dict:
    return {name: ["3", "5"] if name == "only" else True}


@pytest.mark.parametrize("user", ["known", "visitor", "nobody"])
@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_tells_of_a_history_needs_a_key_for_feedback(public, bears, method, name, user):
    if user == "known":
        user = load(public.workspace).users.ids[3]
    if user == "visitor":
        event = {"user": user, "item": "3", "kind": "like", "id": f"{method}-{name}"}
        told = public.client.post("/v1/feedback", json=event, headers=bears["read+feedback"])
        assert told.status_code == 201
    asked = {"user": user, "k": 3, **wish(name)}
    sent = {"params" if method == "GET" else "json": asked}
    for scopes in ("read", "read+admin"):
        answer = public.client.request(method, "/v1/recommendations", headers=bears[scopes], **sent)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert f"'{name}'" in told["detail"]
        assert "'feedback'" in told["detail"]
        # Without it the same is answered, and what the caller says is the caller's own.
        plain = {part: {"user": user, "k": 3} for part in sent}
        path = "/v1/recommendations"
        assert (
            public.client.request(method, path, headers=bears[scopes], **plain).status_code == 200
        )
        own = {part: {"liked": ["3"], "k": 3, **wish(name)} for part in sent}
        assert public.client.request(method, path, headers=bears[scopes], **own).status_code == 200
    bearing = bears["read+feedback"]
    answer = public.client.request(method, "/v1/recommendations", headers=bearing, **sent)
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_is_refused_before_anything_is_computed(public, bears, method):
    asked = {"user": "v", "seen": True, "where": ["nothing=1"]}  # what would be a 400
    sent = {"params" if method == "GET" else "json": asked}
    answer = public.client.request(method, "/v1/recommendations", headers=bears["read"], **sent)
    assert answer.status_code == 403


def test_all_that_is_too_much_is_named(public, bears):
    asked = {"user": "v", "explain": True, "seen": True, "fresh": False}
    answer = public.client.get("/v1/recommendations", params=asked, headers=bears["read"])
    assert answer.status_code == 403
    assert "'explain' and 'seen'" in answer.json()["detail"]
    assert "'fresh'" not in answer.json()["detail"]


@pytest.mark.parametrize("name", TELLING)
def test_on_the_same_machine_nothing_changes(shop, name):
    asked = {"user": "v-open", **wish(name)}
    assert shop.client.get("/v1/recommendations", params=asked).status_code == 200
    secret = shop.ledger.add_key(f"reader of {name}", ["read"])
    bearing = {"Authorization": f"Bearer {secret}"}
    answer = shop.client.get("/v1/recommendations", params=asked, headers=bearing)
    assert answer.status_code == 200


def test_a_search_shows_what_is_hidden_to_keys_without_feedback(public, bears):
    title = load(public.workspace).items.columns["title"][3]
    item = load(public.workspace).items.ids[3]
    asked = {"q": title, "user": "hider", "k": 100}
    hid = public.client.post("/v1/feedback", json={"user": "hider", "item": item, "kind": "hide"},
                           headers=bears["read+feedback"])  # fmt: skip
    assert hid.status_code == 201

    def found(scopes, headers=None):
        return public.client.get(
            "/v1/search", params=asked, headers=bears[scopes] | (headers or {})
        )

    closed, open_ = found("read"), found("read+feedback")
    ids = [one["id"] for one in closed.json()["items"]]
    assert item in ids
    assert item not in [one["id"] for one in open_.json()["items"]]
    # Neither answer passes for the other.
    for scopes, other in (("read", open_), ("read+feedback", closed)):
        assert found(scopes, {"If-None-Match": other.headers["etag"]}).status_code == 200
    assert found("read", {"If-None-Match": closed.headers["etag"]}).status_code == 304


def test_views_do_not_show_in_anything_that_a_key_for_reading_asks(public, bears):
    """Whoever was only looking is answered as before, by every route that takes a user."""
    user, read = load(public.workspace).users.ids[7], bears["read"]

    def answers():
        asked = {"user": user, "k": 5}
        posed = [("GET", "/v1/recommendations", asked), ("GET", "/v1/map", {"user": user}),
                 ("GET", "/v1/search", {"q": "the", **asked}),
                 ("GET", "/v1/recommendations", {**asked, "diversity": 0.5})]  # fmt: skip
        told = [public.client.request(m, p, params=a, headers=read).json() for m, p, a in posed]
        return [{n: v for n, v in one.items() if n != "answer"} for one in told]

    before = answers()
    eventually(lambda: len(public.ledger.impression_counts(user)) >= 5)
    viewed = before[0]["items"][0]["id"]
    event = {"user": user, "item": viewed, "kind": "view"}
    told = public.client.post("/v1/feedback", json=event, headers=bears["read+feedback"])
    assert told.status_code == 201
    assert answers() == before


def test_the_form_says_what_is_open(public, bears, shop):
    for scopes, headers in bears.items():
        form = public.client.get("/v1/schema", headers=headers).json()
        assert form["open"] == sorted(scopes.split("+"))
    assert shop.client.get("/v1/schema").json()["open"] == ["feedback", "read"]
    form = shop.client.get("/v1/schema", headers=shop.admin).json()
    assert form["open"] == ["admin", "feedback", "read"]


def test_what_needs_feedback_is_documented(shop):
    described = shop.client.get("/v1/openapi.json").json()
    route = described["paths"]["/v1/recommendations"]
    said = {one["name"]: one["description"] for one in route["get"]["parameters"]}
    for name in TELLING:
        assert "needs a key that opens `feedback`" in said[name]
        properties = described["components"]["schemas"]["PersonRequest"]["properties"]
        assert "needs a key that opens `feedback`" in properties[name]["description"]
    for method in ("get", "post"):
        assert "feedback" in route[method]["responses"]["403"]["description"]
