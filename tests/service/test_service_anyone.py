"""The service over data that is not MovieLens': every kind of field, events, other scales, ids of
any script.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import numpy as np
import pytest
from shop_data import KINDS, ware

from colliding import content, title
from fusionrec.recommend.catalog import Catalog
from fusionrec.registry.versions import load
from fusionrec.service.ui import projection
from fusionrec.service.ui.form import step_of

VISITOR = "επισκέπτης 7"


def test_the_form_tells_every_kind_of_field(market):
    form = market.client.get("/v1/schema").json()
    assert (form["items"], form["events"], form["rating"]) == ("wares", True, None)
    assert form["predicts_ratings"] is False
    said = {one["name"]: one for one in form["user"]}
    assert [(name, one["kind"], one["label"]) for name, one in said.items()] == [
        ("membership", "category", "Membership"),
        ("hobbies", "categories", "Hobbies"),
        ("town", "category", "Town"),
        ("about", "text", "In their own words"),
        ("age", "number", "Age"),
    ]
    assert said["hobbies"]["choices"][0] == {"value": "cook", "label": "Cooking"}
    assert said["town"]["count"] == 7  # a value of one user alone is not told
    assert "only" not in json.dumps(said)
    assert said["age"]["low"] is None
    asked = {one["flag"]: one for one in form["filters"]}
    assert {flag: one["label"] for flag, one in asked.items()} == {
        "kind": "Kind of thing",
        "tag": "Tagged",
        "price": "Price, €",
        "made": "Made in",
    }
    assert [asked["price"][name] for name in ("low", "high", "step")] == [0.5, 3000, 20]
    assert asked["made"]["step"] == 1
    assert asked["tag"]["count"] > 50
    assert "name" not in {one["name"] for one in form["item"]}
    assert {"maker", "description", "grams"} <= {one["name"] for one in form["item"]}


def test_a_form_without_any_field(riddles):
    form = riddles.client.get("/v1/schema").json()
    assert form["user"] == form["item"] == form["filters"] == []
    assert form["rating"] == {"low": 1.0, "high": 10.0, "like": 7.0, "step": 1.0}
    assert form["title_field"] == ""
    refused = riddles.client.get("/v1/recommendations", params={"where": "kind=x"})
    assert (refused.status_code, refused.json()["hint"]) == (400, "filters are: none")


@pytest.mark.parametrize(
    ("ratings", "low", "high", "step"),
    [
        ([1, 2, 5], 1, 5, 1), ([0.5, 3.5, 5], 0.5, 5, 0.5), ([1, 7, 10], 1, 10, 1),
        ([3, 71, 100], 0, 100, 1), (range(0, 101, 10), 0, 100, 10),
        ([20, 50], 0, 100, 1),  # all are tens, but few of the tens are in use
        ([0, 1], 0, 1, 1), ([-1, 1], -1, 1, 2), ([1, 5], 1, 5, 4), ([1], 0, 1, 0.5), ([], 1, 5, 1),
        ([], 0, 100, 1), ([-9.66, 3.17], -10, 10, 0.2),
    ],
)  # fmt: skip
def test_the_steps_of_a_scale_are_those_in_use(ratings, low, high, step):
    assert step_of(np.array(list(ratings), dtype=np.float64), low, high) == pytest.approx(step)


def test_values_are_found_by_some_letters(market):
    def found(**asked):
        answer = market.client.get("/v1/choices", params=asked)
        assert answer.status_code == 200, answer.text
        return [one["value"] for one in answer.json()["choices"]], answer.json()["more"]

    assert found(field="tags", k=1) == (["handmade"], True)
    tags, more = found(field="tags", q="TAG 4", k=100)
    assert all(one.startswith("tag 4") for one in tags)
    assert len(tags) > 5
    assert not more
    assert found(field="tags", q="made") == (["handmade"], False)
    first, second = (found(field="tags", q="tag", k=3, offset=at)[0] for at in (0, 3))
    assert not set(first) & set(second)
    assert found(field="membership", q="pl") == (["p"], False)
    assert found(field="town", q="only") == ([], False)
    assert found(field="kind", q="τσα") == (["Τσαγιέρα"], False)


def test_what_holds_no_values_is_not_there(market):
    answer = market.client.get("/v1/choices", params={"field": "price"})
    assert answer.status_code == 404
    assert answer.json()["hint"] == "categories are: membership, hobbies, town, kind, tags, maker"


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (["kind=Χαλί"], lambda item: item["kind"] == "Χαλί"),
        (["tag=tag 3", "tag=tag 9"], lambda item: {"tag 3", "tag 9"} & set(item["tags"])),
        (["price=2..9.5"], lambda item: 2 <= item["price"] <= 9.5),
        (["made=..1950", "kind!=Χαλί"], lambda i: i["made"] <= 1950 and i["kind"] != "Χαλί"),
    ],
)
def test_conditions_of_every_kind_hold(market, where, holds):
    asked = {"user": VISITOR, "k": 100, "where": where, "seen": True}
    items = market.client.get("/v1/recommendations", params=asked).json()["items"]
    assert items
    assert all(holds(item["content"]) for item in items)


@pytest.mark.parametrize(
    "profile",
    [
        {"membership": "plus"},
        {"hobbies": "Cooking,paint"},
        {"town": "Town 3"},
        {"about": "likes Χαλί"},
        {"age": 33},
        {"membership": "b", "hobbies": "cook", "town": "nowhere", "about": "", "age": "70.5"},
    ],
)
def test_a_profile_of_every_kind_makes_a_person(market, profile):
    answer = market.client.post("/v1/recommendations", json={"profile": profile, "k": 3})
    assert answer.status_code == 200, answer.text
    assert answer.json()["kind"] == "profile"
    assert len(answer.json()["items"]) == 3


def test_ids_of_any_script_with_slashes_and_quotes(market):
    item, user = ware(4), "Δ/\"'? #& 😀"
    path = f"/v1/items/{quote(item, safe='')}"
    assert market.client.get(path).json()["id"] == item
    assert market.client.get(f"{path}/similar", params={"k": 3}).json()["kind"] == "similar"
    assert market.tell(user, item, "like").json()["events"][0]["outcome"] == "new"
    at = f"/v1/users/{quote(user, safe='')}"
    assert market.client.get(f"{at}/feedback").json()["events"][0]["item"] == item
    answer = market.client.get("/v1/recommendations", params={"user": user, "without": ware(8)})
    assert answer.json()["kind"] == "history"
    assert not {item, ware(8)} & {one["id"] for one in answer.json()["items"]}
    assert market.client.delete(at).status_code == 204


def test_ratings_are_refused_where_people_take_things(market):
    taken = {"user": "rater", "item": ware(1), "kind": "like"}
    rated = {"user": "rater", "item": ware(2), "kind": "rating", "rating": 1}
    answer = market.client.post("/v1/feedback", json={"events": [taken, rated]})
    assert answer.status_code == 422
    assert answer.json()["code"] == "ratings_mean_nothing"
    assert "send kind 'like'" in answer.json()["hint"]
    assert [one["where"] for one in answer.json()["errors"]] == ["events.1.kind"]
    assert market.client.get("/v1/users/rater").json()["events"] == {}
    history = [{"item": ware(1)}, {"item": ware(2), "rating": 1}]
    answer = market.client.post("/v1/recommendations", json={"history": history})
    assert answer.status_code == 422
    assert [one["where"] for one in answer.json()["errors"]] == ["body.history.1.rating"]
    assert market.client.post("/v1/map", json={"history": history}).status_code == 422
    answer = market.client.post("/v1/recommendations", json={"history": history[:1]})
    assert answer.json()["kind"] == "history"


def test_events_count_by_what_they_are(market):
    def shown():
        return market.ids("/v1/recommendations", user="eve", k=100)

    first = shown()
    liked, looked, refused, hidden = first[:4]
    assert market.tell("eve", looked, "view").status_code == 201
    assert shown() == first
    market.tell("eve", liked, "like")
    after = market.client.get("/v1/recommendations", params={"user": "eve", "k": 100}).json()
    assert after["kind"] == "history"
    assert liked not in [item["id"] for item in after["items"]]
    market.tell("eve", refused, "dislike")
    market.tell("eve", hidden, "hide")
    assert not {liked, refused, hidden} & set(shown())
    assert looked in shown()
    market.tell("eve", liked, "dislike")  # takes the like back
    kind = market.client.get("/v1/recommendations", params={"user": "eve"}).json()["kind"]
    assert kind == "popular"
    events = market.client.get("/v1/users/eve").json()["events"]
    assert events == {"view": 1, "like": 1, "dislike": 2, "hide": 1}


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/v1/recommendations", {"user": VISITOR, "explain": True, "k": 40}),
        ("GET", "/v1/recommendations", {"liked": [ware(3), ware(6)], "explain": True, "k": 40}),
        ("GET", "/v1/recommendations", {"explain": True, "k": 40}),
        ("POST", "/v1/recommendations", {"profile": {"town": "Town 2"}, "explain": True}),
        ("POST", "/v1/recommendations", {"user": VISITOR, "diversity": 0.4, "explain": True}),
        ("GET", f"/v1/items/{quote(ware(3), safe='')}/similar", {}),
        ("GET", "/v1/search", {"q": "Χαλί", "user": VISITOR}),
        ("GET", "/v1/map", {"user": VISITOR}),
    ],
)
def test_nothing_is_rated_and_no_rating_is_predicted(market, method, path, asked):
    told = {"params": asked} if method == "GET" else {"json": asked}
    answer = market.client.request(method, path, **told)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    # ``ratings`` counts those who took an item, in the words of every answer.
    assert not re.search(r"\brat(ed|es?|ing)\b|\bstars?\b", json.dumps(body, ensure_ascii=False))
    if "items" in body:
        assert body["items"]
    else:
        assert body["groups"] == sorted(KINDS)
        assert len(body["you"]) == 2


def test_ratings_of_another_scale(riddles):
    item = "пъзел 3"
    assert riddles.tell("игра", item, "rating", rating=10).status_code == 201
    refused = riddles.tell("игра", "пъзел 5", "rating", rating=11)
    assert (refused.status_code, "a rating is 1 to 10 here" in refused.text) == (400, True)
    answer = riddles.client.get("/v1/recommendations", params={"user": "играч 8"}).json()
    assert all(1 <= one["stars"] <= 10 for one in answer["items"])
    assert all(one["title"] == one["id"] for one in answer["items"])
    answer = riddles.client.get("/v1/search", params={"q": "пъзел"})
    assert answer.status_code == 200
    assert riddles.client.get("/v1/map").json()["groups"] == []


def test_who_is_not_known_and_names_what_is_not_there_hears_of_both(market, riddles):
    for shop in (market, riddles):
        asked = {"user": "nobody at all", "liked": "nothing at all"}
        answer = shop.client.get("/v1/recommendations", params=asked).json()
        assert answer["kind"] == "popular"
        assert answer["items"]
        notes = " ".join(answer["notes"])
        assert "user nobody at all is not in v1" in notes
        assert "not in v1: nothing at all" in notes


def test_the_map_has_as_many_groups_as_colours(market, monkeypatch):
    monkeypatch.setattr(projection, "_MOST_GROUPS", 2)
    catalog = Catalog.of(load(market.workspace))
    found = projection.chart_of(catalog)
    assert len(found.groups) == 2
    groups = {point[4] for point in found.drawn(catalog)["points"]}
    assert groups == {0, 1, None}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/recommendations", {"user": "c3", "explain": True}),
        ("/v1/recommendations", {"explain": True}),
        ("/v1/items/s3/similar", {}),
        ("/v1/search", {"q": "amber", "user": "c3"}),
    ],
)
def test_attributes_called_like_words_of_an_answer_stand_apart(worded, path, asked):
    answer = worded.client.get(path, params=asked | {"where": "score=2..", "k": 3}).json()
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
    for item in answer["items"]:
        number = int(item["id"].removeprefix("s"))
        assert item["title"] == title(number)
        assert item["content"] == content(number)
        known = "rank", "id", "title", "score", "stars", "ratings", "reason", "content"
        assert set(item) <= set(known)


def test_one_item_has_its_attributes_under_the_same_name(worded):
    found = worded.client.get("/v1/items/s3").json()
    known = content(3) | {"id": title(3)}
    assert found == {"id": "s3", "title": title(3), "available": True, "content": known}
