"""Routes that answer, asked well and badly."""

from __future__ import annotations

import math
from dataclasses import replace

import httpx
import numpy as np
import pytest

from fusionrec.index import AnyOf
from fusionrec.ledger import Ledger
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry.versions import load
from serving import Shop, opened
from swap_stress import eventually, exact

PROBLEM = "application/problem+json"
JSON = {"Content-Type": "application/json"}


def short(answer: dict) -> list[tuple[str, float]]:
    return [(item["id"], item["score"]) for item in answer["items"]]


def wanted(shop: Shop, query: Query) -> list[tuple[str, float]]:
    found = exact(load(shop.workspace)).recommend(query)
    return [(item.id, round(item.score or 0.0, 6)) for item in found.items]


def test_a_known_user_is_answered_as_by_the_command_line(shop):
    user = load(shop.workspace).users.ids[20]
    answer = shop.client.get("/v1/recommendations", params={"user": user, "k": 3})
    body = answer.json()
    assert short(body) == wanted(shop, Query(user=user, k=3))
    assert body["kind"] == answer.headers["fusionrec-kind"] == "user"
    assert body["version"] == answer.headers["fusionrec-version"] == "v1"
    assert answer.headers["fusionrec-index"].startswith("fusionrec_v1_")
    assert answer.headers["content-type"] == "application/json"
    assert (body["offset"], body["more"]) == (0, True)
    assert set(body["items"][0]) >= {"rank", "id", "title", "score", "stars"}


def test_pages_follow_each_other_without_gap_or_repetition(shop):
    user = load(shop.workspace).users.ids[21]
    whole = shop.client.get("/v1/recommendations", params={"user": user, "k": 12}).json()
    pages = [
        shop.client.get("/v1/recommendations", params={"user": user, "k": 4, "offset": at}).json()
        for at in (0, 4, 8)
    ]
    assert [item for page in pages for item in page["items"]] == whole["items"]
    last = shop.client.get(
        "/v1/recommendations", params={"user": user, "k": 100, "offset": 5, "seen": True}
    ).json()
    assert last["more"] is False
    assert len(last["items"]) == len(load(shop.workspace).items) - 5


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_liked_or_told_makes_a_person(shop, method):
    artifact = load(shop.workspace)
    like = artifact.schema.like
    items = artifact.items.ids[5:8]
    if method == "get":
        asked = {"liked": items, "k": 5, "without": items[:1], "where": ["year=1900..2100"]}
        answer = shop.client.get("/v1/recommendations", params=asked)
        query = Query(history=[Rated(item, like) for item in items], k=5)
    else:
        told = [{"item": items[0], "rating": 5}, {"item": items[1], "rating": 2.5, "time": 9.0}]
        answer = shop.client.post("/v1/recommendations", json={"history": told, "k": 5})
        query = Query(history=[Rated(items[0], 5.0), Rated(items[1], 2.5, 9.0)], k=5)
    assert answer.status_code == 200, answer.text
    assert answer.json()["kind"] == "history"
    assert short(answer.json()) == wanted(shop, query)


def test_a_profile_makes_a_person_and_conditions_hold(shop):
    form = shop.client.get("/v1/schema").json()
    field = next(f for f in form["user"] if f["choices"])
    name, value = form["filters"][0]["flag"], form["filters"][0]["choices"][0]["value"]
    body = {"profile": {field["name"]: field["choices"][0]["value"]}, "where": [f"{name}={value}"]}
    answer = shop.client.post("/v1/recommendations", json=body)
    assert answer.json()["kind"] == "profile"
    query = Query(profile=body["profile"], where=[AnyOf(form["filters"][0]["name"], (value,))])
    assert short(answer.json()) == wanted(shop, query)


def test_a_stranger_gets_the_popular_items_and_is_told_so(shop):
    answer = shop.client.get("/v1/recommendations", params={"user": "visitor-nobody", "k": 3})
    assert answer.status_code == 200
    assert answer.json()["kind"] == answer.headers["fusionrec-kind"] == "popular"
    assert any("nothing is known" in note for note in answer.json()["notes"])
    assert len(answer.json()["items"]) == 3
    assert shop.ids("/v1/recommendations", k=3) == [i["id"] for i in answer.json()["items"]]


def test_an_answer_that_the_client_has_is_not_sent_again(own):
    user = load(own.workspace).users.ids[9]
    first = own.client.get("/v1/recommendations", params={"user": user})
    have = {"If-None-Match": first.headers["etag"]}

    def again(**more: int) -> int:
        asked = {"user": user, **more}
        return own.client.get("/v1/recommendations", params=asked, headers=have).status_code

    assert again() == 304
    assert again(k=3) == 200
    own.tell("someone-else", first.json()["items"][0]["id"], "hide")
    assert again() == 304
    own.tell(user, first.json()["items"][0]["id"], "hide")
    assert again() == 200


def test_an_item_and_those_like_it(shop):
    artifact = load(shop.workspace)
    id = artifact.items.ids[4]
    item = shop.client.get(f"/v1/items/{id}").json()
    assert item["id"] == id
    assert item["title"] == artifact.items.columns["title"][4]
    assert item["available"] is True
    assert set(item["content"]) == {f.name for f in artifact.schema.attributes("item")}
    like = shop.client.get(f"/v1/items/{id}/similar", params={"k": 4, "offset": 1}).json()
    found = exact(artifact).similar(id, 5)
    assert [i["id"] for i in like["items"]] == [i.id for i in found.items[1:]]
    assert like["kind"] == "similar"
    for path in ("/v1/items/nowhere", "/v1/items/nowhere/similar"):
        answer = shop.client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["hint"]


def test_search_by_words_by_their_beginning_and_by_taste(shop):
    artifact = load(shop.workspace)
    word = artifact.items.columns["title"][3].split()[0]
    plain = shop.client.get("/v1/search", params={"q": word}).json()
    found = exact(artifact).search(word)
    assert [i["id"] for i in plain["items"]] == [i.id for i in found.items]
    begun = shop.client.get("/v1/search", params={"q": word[:3], "prefix": True, "k": 100}).json()
    assert {i["id"] for i in plain["items"]} <= {i["id"] for i in begun["items"]}
    user = artifact.users.ids[30]
    taste = shop.client.get("/v1/search", params={"q": word, "user": user}).json()
    query = Query(user=user, seen=True)
    found = exact(artifact).search(word, query)
    assert [i["id"] for i in taste["items"]] == [i.id for i in found.items]
    assert shop.client.get("/v1/search", params={"q": "..."}).status_code == 400
    assert shop.client.get("/v1/search").status_code == 422


def test_the_map_shows_where_items_and_the_user_are(shop):
    artifact = load(shop.workspace)
    found = shop.client.get("/v1/map", params={"user": artifact.users.ids[8]}).json()
    assert len(found["points"]) == len(artifact.items)
    assert 0 < sum(found["axes"]) <= 1
    assert found["axes"][0] >= found["axes"][1]
    assert all(g is None or 0 <= g < len(found["groups"]) for _, _, _, _, g, *_ in found["points"])
    places = np.array([point[2:4] for point in found["points"]])
    assert np.allclose(places.mean(axis=0), 0, atol=1e-3)
    # Distances on the map are shorter than those of the vectors, and not by much more than said.
    spread = artifact.item_vectors - artifact.item_vectors.mean(axis=0)
    share = (places**2).sum() / (spread**2).sum()
    assert share == pytest.approx(sum(found["axes"]), abs=1e-2)
    assert len(found["you"]) == 2
    assert all(map(math.isfinite, found["you"]))
    assert "you" not in shop.client.get("/v1/map").json()
    told = shop.client.post("/v1/map", json={"liked": [artifact.items.ids[4]]}).json()
    at = next(p for p in told["points"] if p[0] == artifact.items.ids[4])
    assert told["you"] == pytest.approx(at[2:4], abs=1e-3)


def test_the_form_says_all_that_a_page_needs(shop):
    form, schema = shop.client.get("/v1/schema").json(), load(shop.workspace).schema
    assert form["name"] == schema.name
    assert form["title_field"] == schema.title
    assert form["rating"] == {"low": 1.0, "high": 5.0, "like": 4.0, "step": 1.0}
    assert form["events"] is form["repeats"] is False
    assert [f["name"] for f in form["user"]] == [f.name for f in schema.attributes("user")]
    assert [f["flag"] for f in form["filters"]] == [f.flag for f in schema.filters()]
    number = next(f for f in form["filters"] if f["kind"] == "number")
    assert number["low"] < number["high"]
    assert form["version"] == "v1"
    assert form["reads_history"] is False
    assert form["predicts_ratings"] is True


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"k": 0}, 422), ({"k": 10**9}, 422), ({"offset": -1}, 422), ({"offset": 1001}, 422),
        ({"user": ""}, 422), ({"user": "u" * 501}, 422), ({"user": "a\0b"}, 422),
        ({"where": ["year=1990..2000"] * 51}, 422), ({"liked": ["1"] * 1001}, 422),
        ({"where": "colour=red"}, 400), ({"where": "year=2000..1990"}, 400),
        ({"where": "no condition"}, 400), ({"where": "' OR 1=1 --"}, 400),
        ({"where": 'genre=") or _row >= 0 or ("'}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_a_problem(shop, asked, status):
    answer = shop.client.get("/v1/recommendations", params=asked)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert set(body) <= {"type", "title", "status", "code", "detail", "hint", "errors"}
    assert body["status"] == status


@pytest.mark.parametrize(
    "body",
    [
        b'{"user": true}', b'{"k": 2.5}', b'{"liked": "5"}', b'{"where": {"year": 1990}}',
        b'{"liked": [%s]}' % b",".join([b'"1"'] * 1001),
        b'{"history": [{"rating": 5}]}', b'{"history": [{"item": "1", "rating": "5"}]}',
        b'{"history": [%s]}' % b",".join([b'{"item": "1"}'] * 1001),
        b'{"profile": {"age": true}}', b'{"profile": {"age": [25]}}', b'{"profile": ["age"]}',
        b'"text"', b"null", b"{", b'{"user": "\\ud800"}',
        b'{"profile": {"\\udfff": "1"}}', b'{"user": "a\\u0000b"}',
        b'{"history": [{"item": "1", "rating": NaN}]}',
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_a_body_of_another_form_is_refused(shop, body):
    answer = shop.client.post("/v1/recommendations", content=body, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"k": ' + b"9" * 5000 + b"}", b"\xff\xfe"], ids=len
)
def test_a_body_that_the_parser_gives_up_is_refused(shop, body):
    answer = shop.client.post("/v1/recommendations", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    ("path", "body", "headers", "told"),
    [
        ("recommendations", b'{"k": "5"}', JSON, {"body.k": "Input should be a valid integer"}),
        ("recommendations", b'{"k": 101}', JSON,
         {"body.k": "Input should be less than or equal to 100"}),
        ("recommendations", b'{"nothing": 1}', JSON,
         {"body.nothing": "Extra inputs are not permitted"}),
        ("recommendations", b'{"liked": [5]}', JSON,
         {"body.liked.0": "Input should be a valid string"}),
        ("recommendations", b'{"seen": 1}', JSON, {"body.seen": "Input should be a valid boolean"}),
        ("recommendations", b"[]", JSON, {"body": "Input should be a valid dictionary"}),
        ("recommendations", b"", JSON, {"body": "Field required"}),
        ("recommendations", b'{"k": 1}', {}, {"body": "the body must be JSON"}),
        ("recommendations", b'{"k": 1,}', JSON, {"body": "JSON decode error: "}),
        ("feedback", b'{"user": "a"}', JSON,
         {"body.item": "Field required", "body.kind": "Field required"}),
        ("feedback", b'{"user": "a", "item": "3", "kind": "love"}', JSON,
         {"body.kind": "Input should be 'rating', 'like', 'dislike', 'view' or 'hide'"}),
        ("feedback", b'{"events": [{"user": "a", "item": "3", "kind": "love"}]}', JSON,
         {"body.events.0.kind": "Input should be 'rating', 'like', 'dislike', 'view' or 'hide'"}),
        ("feedback", b'{"events": []}', JSON,
         {"body.events": "List should have at least 1 item"}),
        ("feedback", b'{"user": "a", "item": "3", "kind": "view"}', {},
         {"body": "the body must be JSON"}),
    ],
)  # fmt: skip
def test_faults_are_told_in_plain_words(shop, path, body, headers, told):
    answer = shop.client.post(f"/v1/{path}", content=body, headers=headers)
    assert answer.status_code == 422
    errors = {one["where"]: one["message"] for one in answer.json()["errors"]}
    assert errors.keys() == told.keys()
    for where, message in told.items():
        assert errors[where].startswith(message)
    typed = "Content-Type: application/json" in answer.json().get("hint", "")
    assert typed == (not headers)


def test_a_head_is_that_of_the_answer(shop):
    for path in ("/healthz", "/v1/recommendations?user=30", "/v1/items/nothing"):
        head, whole = httpx.head(shop.client.base_url.join(path)), shop.client.get(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]


def test_a_plus_that_an_address_made_a_blank_is_not_taken_for_another_condition(shop):
    lost = shop.client.get("/v1/recommendations?user=30&where=genre+=Drama")
    assert lost.status_code == 400
    assert "%2B" in lost.json()["hint"]
    for meant in ("genre%2B=Drama", "genre%20=%20Drama"):
        assert shop.client.get(f"/v1/recommendations?user=30&where={meant}").status_code == 200


def test_faults_of_an_address_and_of_an_item_are_told_in_plain_words(shop):
    found = shop.client.get("/v1/recommendations", params={"k": "many"}).json()["errors"]
    message = "Input should be a valid integer, unable to parse string as an integer"
    assert found == [{"where": "query.k", "message": message}]
    answer = shop.client.put("/v1/items/x", json={"title": {"a": 1}}, headers=shop.admin)
    kinds = ("valid string", "valid number", "valid list")
    message = "; or: ".join(f"Input should be a {kind}" for kind in kinds)
    assert answer.json()["errors"] == [{"where": "body.title", "message": message}]


@pytest.mark.parametrize(
    ("path", "body", "where", "near"),
    [
        ("recommendations?usr=1", None, "query.usr", "user"),
        ("search?q=a&prefx=1", None, "query.prefx", "prefix"),
        ("recommendations", {"history": [{"item": "1", "ratng": 3}]}, "body.history.0.ratng",
         "rating"),
        ("feedback", {"user": "a", "item": "3", "kind": "view", "tme": 1}, "body.tme", "time"),
    ],
)  # fmt: skip
def test_an_unknown_name_gets_the_nearest_known_one(shop, path, body, where, near):
    method = "GET" if body is None else "POST"
    (fault,) = shop.client.request(method, f"/v1/{path}", json=body).json()["errors"]
    assert fault["where"] == where
    assert f"did you mean '{near}'" in fault["message"]


def test_a_search_for_an_unknown_user_says_so(shop):
    for user, said in (("searcher", True), (load(shop.workspace).users.ids[3], False)):
        answer = shop.client.get("/v1/search", params={"q": "iron", "user": user}).json()
        assert ("nothing is known of the person" in str(answer["notes"])) is said


def test_numbers_of_a_profile_are_their_texts(shop):
    def items(age: object) -> object:
        answer = shop.client.post("/v1/recommendations", json={"profile": {"age": age}})
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    assert items(25) == items(25.0) == items("25") != items("1")


@pytest.mark.parametrize("profile", [{"nothing": "1"}, {"age": "older than that"}])
def test_a_profile_that_is_none_is_refused(shop, profile):
    answer = shop.client.post("/v1/recommendations", json={"profile": profile})
    assert answer.status_code == 400
    assert shop.client.put("/v1/users/p1", json=profile).status_code == 400


@pytest.mark.parametrize(
    "id",
    ["'; DROP TABLE events; --", '") or 1=1 or ("', "../../etc/passwd", "%2e%2e",
     "\x01\x02\x1b[31m", "ს" * 500, "<script>alert(1)</script>", "{{7*7}}"],
)  # fmt: skip
def test_hostile_ids_are_ids(shop, id):
    answer = shop.client.get("/v1/recommendations", params={"user": id, "k": 2})
    assert answer.status_code == 200
    assert answer.json()["kind"] == "popular"
    named = {"only": id, "liked": id, "k": 2}
    assert shop.client.get("/v1/recommendations", params=named).json()["items"] == []
    without = shop.client.post("/v1/recommendations", json={"without": [id], "k": 2})
    assert len(without.json()["items"]) == 2
    told = shop.tell(id, id, "like", id="x" + id[:60])
    assert told.status_code == 201, told.text
    shown = shop.client.get("/v1/search", params={"q": id, "user": id})
    assert shown.status_code in (200, 400)


def test_vectors_alone_answer_whoever_asks_and_say_what_they_lack(copy_home, tmp_path):
    """Such a version knows no users; a visitor's feedback still counts."""
    from fusionrec.deploy.build import build_index
    from fusionrec.registry.tables import write_vectors
    from fusionrec.registry.vector_import import publish_vectors

    workspace, file = copy_home(), tmp_path / "vectors.parquet"
    old = load(workspace)
    write_vectors(file, old.schema, old.items, old.item_vectors)
    build_index(workspace, publish_vectors(workspace.models, file, lambda _: None))
    Ledger(workspace.ledger).set_profile("v", {"age": "25"})
    with opened(workspace) as shop:

        def ask(**asked: object) -> dict:
            answer = shop.client.get("/v1/recommendations", params=asked)
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert shop.client.get("/v1/schema").json()["user"] == []
        for user in ("v", old.users.ids[3]):
            assert ask(user=user)["kind"] == "popular"
        shop.tell("v", old.items.ids[4], "like")
        answer = ask(user="v")
        assert (answer["kind"], len(answer["items"])) == ("history", 10)
        answer = ask(user="nobody", liked="nothing")
        assert answer["kind"] == "popular"
        assert "say what the person likes" in answer["notes"][-1]
        refused = shop.client.post("/v1/recommendations", json={"profile": {"age": "25"}})
        assert (refused.status_code, refused.json()["code"]) == (400, "no_towers")
        assert "`liked`" in refused.json()["hint"]
        refused = shop.client.put("/v1/items/new", json={}, headers=shop.admin)
        assert (refused.status_code, refused.json()["code"]) == (400, "no_item_towers")


def test_reasons_come_where_they_are_asked_for(shop):
    user = load(shop.workspace).users.ids[22]
    asked = {"user": user, "k": 8, "seen": True}
    plain = shop.client.get("/v1/recommendations", params=asked).json()["items"]
    told = shop.client.get("/v1/recommendations", params=asked | {"explain": True}).json()["items"]
    query = Query(user=user, k=8, seen=True, explain=True)
    assert told == exact(load(shop.workspace)).recommend(query).to_json()["items"]
    assert any("reason" in item for item in told)
    assert plain == [{n: v for n, v in item.items() if n != "reason"} for item in told]


@pytest.mark.parametrize("wish", [{"diversity": 0.8}, {"calibration": 0.8}])
def test_wishes_reach_the_recommender_and_pages_keep_their_order(shop, wish):
    user = load(shop.workspace).users.ids[22]
    asked = {"user": user, "k": 4, "seen": True, **wish}
    pages = [shop.ids("/v1/recommendations", **asked, offset=at) for at in (0, 4)]
    query = Query(user=user, k=5, seen=True, **wish)
    wanted = [
        [i.id for i in exact(load(shop.workspace)).recommend(replace(query, offset=at)).items[:4]]
        for at in (0, 4)
    ]
    assert pages == wanted
    plain = shop.ids("/v1/recommendations", user=user, k=8, seen=True)
    assert pages[0] + pages[1] != plain
    for wrong in (-0.1, 1.1, "nan"):
        answer = shop.client.get("/v1/recommendations", params={next(iter(wish)): wrong})
        assert answer.status_code == 422


def test_what_was_shown_in_vain_steps_back(own):
    user = load(own.workspace).users.ids[20]
    asked = {"user": user, "k": 3, "seen": True}
    first = own.client.get("/v1/recommendations", params=asked | {"fresh": True})
    for _ in range(5):
        own.client.get("/v1/recommendations", params=asked)
    eventually(lambda: len(own.ledger.impressions()) == 6)
    have = {"If-None-Match": first.headers["etag"]}
    later = own.client.get("/v1/recommendations", params=asked | {"fresh": True}, headers=have)
    assert later.status_code == 200
    ids = [item["id"] for item in first.json()["items"]]
    assert [item["id"] for item in later.json()["items"]] != ids
    # What the first page has shown changes nothing of the pages behind it.
    pages = [item["id"] for item in later.json()["items"]]
    eventually(lambda: len(own.ledger.impressions()) == 7)
    for offset in (3, 6, 9):
        pages += own.ids("/v1/recommendations", **asked, fresh=True, offset=offset)
    assert len(set(pages)) == len(pages) == 12
    assert own.ids("/v1/recommendations", **asked) == ids


def test_what_can_be_meant_once_is_not_given_twice(shop):
    asked = "/v1/recommendations?user=10&user=11"
    answer = shop.client.get(asked)
    assert answer.status_code == 400
    assert "'user' is given 2 times" in answer.json()["detail"]
    several = "/v1/recommendations?user=10&without=1&without=2"
    assert shop.client.get(several).status_code == 200


def test_an_answer_that_the_client_still_has_is_shown_once_more(own):
    asked = {"user": "returning", "k": 3}

    def ask(tag: str = "") -> httpx.Response:
        headers = {"If-None-Match": tag} if tag else {}
        return own.client.get("/v1/recommendations", params=asked, headers=headers)

    first = ask()
    ids = [item["id"] for item in first.json()["items"]]
    for count in (2, 3):
        assert ask(first.headers["etag"]).status_code == 304
        own.state.recorder.perform(lambda: None)
        assert own.ledger.impression_counts("returning") == dict.fromkeys(ids, count)
    answers = {one.answer for _, one in own.ledger.impressions()}
    assert answers == {first.json()["answer"]}
    # A process that does not know any more what is in it makes it anew.
    own.state.shown._answers.clear()
    anew = ask(first.headers["etag"])
    assert (anew.status_code, anew.headers["etag"]) == (200, first.headers["etag"])
    own.state.recorder.perform(lambda: None)
    assert own.ledger.impression_counts("returning") == dict.fromkeys(ids, 4)
    assert own.client.delete("/v1/users/returning").status_code == 204
    assert not own.state.shown._answers
    assert own.ledger.impression_counts("returning") == {}
