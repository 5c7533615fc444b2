"""What users say, and what becomes of it."""

from __future__ import annotations

import pytest

from fusionrec.errors import LedgerError
from fusionrec.ledger import Event
from fusionrec.registry.versions import load
from serving import Shop
from swap_stress import eventually


def events_of(shop: Shop, user: str) -> list[Event]:
    """A user's events in the ledger, the oldest first."""
    return [event for _, event in shop.ledger.user_state(user).events]


def test_feedback_changes_the_next_answer(shop):
    popular = shop.ids("/v1/recommendations", user="visitor-a", k=5)
    for item, kind in zip(popular, ("like", "hide", "dislike", "view"), strict=False):
        assert shop.tell("visitor-a", item, kind).status_code == 201
    answer = shop.client.get("/v1/recommendations", params={"user": "visitor-a", "k": 40}).json()
    shown = [item["id"] for item in answer["items"]]
    assert answer["kind"] == "history"
    assert not {popular[0], popular[1], popular[2]} & set(shown)
    assert popular[3] in shown
    seen = shop.ids("/v1/recommendations", user="visitor-a", k=40, seen=True)
    assert {popular[0], popular[2]} <= set(seen)
    assert popular[1] not in seen


def test_a_known_user_is_still_known(shop):
    user = load(shop.workspace).users.ids[25]
    before = shop.ids("/v1/recommendations", user=user, k=3)
    shop.tell(user, before[0], "rating", rating=5)
    answer = shop.client.get("/v1/recommendations", params={"user": user, "k": 3}).json()
    assert answer["kind"] == "mixed"
    assert before[0] not in [item["id"] for item in answer["items"]]


def test_events_are_told_once(shop):
    told = {"user": "visitor-b", "item": "3", "kind": "rating", "rating": 4, "id": "b1"}
    outcomes = [shop.client.post("/v1/feedback", json=told).json()["events"] for _ in range(2)]
    assert outcomes == [[{"id": "b1", "outcome": "new"}], [{"id": "b1", "outcome": "known"}]]
    other = told | {"rating": 5}
    answer = shop.client.post("/v1/feedback", json={"events": [told, other, other | {"id": "b2"}]})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["where"] for one in answer.json()["errors"]] == ["events.1.id"]
    assert [event.id for event in events_of(shop, "visitor-b")] == ["b1", "b2"]
    named = shop.tell("visitor-b", "4", "view").json()["events"][0]
    assert len(named["id"]) == 32


def test_what_is_taken_back_counts_no_more(shop):
    popular = shop.ids("/v1/recommendations", user="visitor-r", k=40)
    rating = {"user": "visitor-r", "item": popular[0], "kind": "rating"}
    first, second = ({**rating, "rating": n, "id": f"r/{n}", "time": 1e9 + n} for n in (5, 1))
    for told in (first, second):
        assert shop.client.post("/v1/feedback", json=told).status_code == 201
    changed = shop.client.get("/v1/recommendations", params={"user": "visitor-r"})
    own = "/v1/users/visitor-r/feedback"
    for _ in range(2):
        assert shop.client.delete(f"{own}/r%2F1").status_code == 204
    assert shop.client.get("/v1/recommendations", params={"user": "visitor-r"}).headers[
        "etag"] != changed.headers["etag"]  # fmt: skip
    listed = shop.client.get(own).json()["events"]
    assert [(one["id"], one["rating"]) for one in listed] == [("r/5", 5.0)]
    assert shop.client.get("/v1/users/visitor-r").json()["events"] == {"rating": 1}
    again = shop.client.post("/v1/feedback", json={"events": [first, second]})
    assert again.status_code == 409
    assert again.json()["errors"] == [{"where": "events.1.id", "message": "'r/1' was taken back"}]
    assert shop.client.delete(f"{own}/r%2F5").status_code == 204
    assert shop.ids("/v1/recommendations", user="visitor-r", k=40) == popular
    assert shop.client.get("/v1/users/visitor-r").json()["events"] == {}


def test_only_ones_own_can_be_taken_back(shop):
    shop.tell("visitor-s", "3", "like", id="s1")
    for path in ("visitor-s/feedback/unknown", "another/feedback/s1"):
        answer = shop.client.delete(f"/v1/users/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (
        "visitor-s/feedback" in shop.client.delete("/v1/users/visitor-s/feedback/x").json()["hint"]
    )
    assert shop.client.delete("/v1/users/visitor-s/feedback/").status_code in (404, 405)
    assert [event.id for event in events_of(shop, "visitor-s")] == ["s1"], "nobody was forgotten"


def test_what_was_said_of_some_items(shop):
    for item in ("3", "4", "5"):
        shop.tell("visitor-t", item, "like", id=f"t{item}")
    asked = [("item", "3"), ("item", "5"), ("item", "no such item")]
    listed = shop.client.get("/v1/users/visitor-t/feedback", params=asked).json()
    assert [one["id"] for one in listed["events"]] == ["t5", "t3"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"kind": "love"}, 422),
        ({"item": 3}, 422),
        ({"user": ""}, 422),
        ({"id": "x" * 65}, 422),
        ({"time": -1}, 422),
        ({"time": "now"}, 422),
        ({"more": 1}, 422),
        ({"rating": 6}, 400),
        ({"rating": 0.5}, 400),
        ({"rating": None}, 400),
        ({"kind": "like"}, 400),
    ],
)
def test_an_event_that_is_none_is_refused_and_so_are_those_beside_it(shop, change, status):
    good = {"user": "visitor-c", "item": "3", "kind": "rating", "rating": 4, "id": "c1"}
    for body in (good | change, {"events": [good, good | change]}):
        answer = shop.client.post("/v1/feedback", json=body)
        assert answer.status_code == status, answer.text
    assert events_of(shop, "visitor-c") == []


@pytest.fixture
def noon(monkeypatch):
    """The present, which stays."""
    at = 1_700_000_000.0
    monkeypatch.setattr("time.time", lambda: at)
    return at


def test_feedback_of_the_future_is_refused(shop, noon):
    good = {"user": "visitor-late", "item": "3", "kind": "like", "id": "late1"}
    for late in (noon + 300.5, noon + 86_400, 4e9, 1e300, 10**400):
        bad = good | {"time": late}
        for body in (bad, {"events": [good, bad]}):
            answer = shop.client.post("/v1/feedback", json=body)
            assert answer.status_code == 422, answer.text
            (fault,) = answer.json()["errors"]
            assert fault["where"].endswith(".time")
            assert late > 1e308 or "not later than 5 minutes from now" in fault["message"]
    assert events_of(shop, "visitor-late") == []
    assert shop.client.post("/v1/feedback", json=good | {"time": noon + 300}).status_code == 201
    told = shop.tell("visitor-late", "4", "view")
    assert told.status_code == 201
    times = [event.time for event in events_of(shop, "visitor-late")]
    assert times == [noon, noon], "what is ahead does not win over what is told in a moment"


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/map"])
def test_a_history_of_the_future_is_refused(shop, noon, path):
    for ahead, status in ((300, 200), (301, 422)):
        told = [{"item": "3", "rating": 4, "time": 5}, {"item": "4", "time": noon + ahead}]
        answer = shop.client.post(path, json={"history": told})
        assert answer.status_code == status
    (fault,) = answer.json()["errors"]
    assert fault["where"] == "body.history.1.time"
    assert "not later than 5 minutes from now" in fault["message"]


def test_how_late_a_time_may_be_is_documented(shop):
    schemas = shop.client.get("/v1/openapi.json").json()["components"]["schemas"]
    for name in ("EventRequest", "RatedItem"):
        assert "not later than 5 minutes from now" in str(schemas[name]["properties"]["time"])


def test_too_many_events_or_none(shop):
    event = {"user": "visitor-d", "item": "3", "kind": "view"}
    for events in ([], [event] * 1001):
        assert shop.client.post("/v1/feedback", json={"events": events}).status_code == 422
    answer = shop.client.post("/v1/feedback", json={"events": [event] * 1000})
    assert answer.status_code == 201
    assert len(answer.json()["events"]) == len(events_of(shop, "visitor-d")) == 1000


def test_a_user_can_look_at_what_they_said(shop):
    title = load(shop.workspace).items.columns["title"][3]
    id = load(shop.workspace).items.ids[3]
    for number in range(5):
        shop.tell("visitor-e", id, "rating", rating=number + 1, time=100 + number, id=f"e{number}")
    listed = shop.client.get("/v1/users/visitor-e/feedback", params={"k": 2, "offset": 1}).json()
    assert [one["id"] for one in listed["events"]] == ["e3", "e2"]
    assert listed["events"][0] == {
        "id": "e3", "item": id, "title": title, "kind": "rating", "rating": 4.0, "time": 103.0,
    }  # fmt: skip
    assert listed["more"] is True
    about = shop.client.get("/v1/users/visitor-e").json()
    assert about == {"id": "visitor-e", "profile": {}, "events": {"rating": 5}, "known": False}


def test_a_profile_is_kept_and_used(shop):
    profile = {"age": "25", "gender": "F"}
    assert shop.client.put("/v1/users/visitor-f", json=profile).json()["profile"] == profile
    assert shop.client.get("/v1/users/visitor-f").json()["profile"] == profile
    kept = shop.client.get("/v1/recommendations", params={"user": "visitor-f"}).json()
    told = shop.client.post("/v1/recommendations", json={"profile": profile}).json()
    assert kept["kind"] == "profile"
    assert kept["items"] == told["items"]
    changed = shop.client.put("/v1/users/visitor-f", json={"age": 18})
    assert changed.json()["profile"] == {"age": "18"}


def test_an_age_counts_as_the_group_that_holds_it(shop):
    group = shop.client.post("/v1/recommendations", json={"profile": {"age": 25}}).json()
    told = shop.client.post("/v1/recommendations", json={"profile": {"age": 30}}).json()
    assert shop.client.put("/v1/users/visitor-age", json={"age": 30}).status_code == 200
    kept = shop.client.get("/v1/recommendations", params={"user": "visitor-age"}).json()
    assert told["items"] == kept["items"] == group["items"]
    for answer in (told, kept):
        assert "age 30 counts as 25-34 (25)" in answer["notes"]


def test_a_profile_within_another_gets_a_hint(shop):
    answer = shop.client.put("/v1/users/visitor-g", json={"profile": {"age": "25"}})
    assert answer.status_code == 422
    assert "the body is the profile itself" in answer.json()["hint"]
    assert shop.client.get("/v1/users/visitor-g").json()["profile"] == {}


def test_an_event_on_an_item_that_is_not_there_is_kept_with_a_note(shop):
    told = [{"user": "visitor-h", "item": item, "kind": "view"} for item in ("3", "not-yet")]
    answer = shop.client.post("/v1/feedback", json={"events": told})
    assert answer.status_code == 201
    notes = [one.get("note") for one in answer.json()["events"]]
    assert notes == [None, "no item of v1 has this id"]
    assert len(events_of(shop, "visitor-h")) == 2


def test_who_is_forgotten_is_a_stranger(own):
    user = load(own.workspace).users.ids[20]
    known = own.ids("/v1/recommendations", user=user)
    own.tell(user, known[0], "like")
    own.client.put(f"/v1/users/{user}", json={"age": "25"})
    eventually(lambda: len(own.ledger.impressions()) == 1)
    answer = own.client.delete(f"/v1/users/{user}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert own.ledger.events() == own.ledger.impressions() == []
    about = own.client.get(f"/v1/users/{user}").json()
    assert about == {"id": user, "profile": {}, "events": {}, "known": False}
    answer = own.client.get("/v1/recommendations", params={"user": user}).json()
    assert answer["kind"] == "popular"
    assert own.client.delete("/v1/users/never-seen").status_code == 204


def test_what_was_shown_is_noted(own):
    answer = own.client.get("/v1/recommendations", params={"user": "v", "k": 3}).json()
    own.client.get("/v1/recommendations", params={"k": 3})
    own.client.get("/v1/search", params={"q": "the", "user": "v"})
    eventually(lambda: len(own.ledger.impressions()) == 1)
    _, shown = own.ledger.impressions()[0]
    assert shown.answer == answer["answer"]
    assert shown.items == tuple(item["id"] for item in answer["items"])
    assert (shown.user, shown.kind, shown.version) == ("v", "popular", "v1")


def test_a_ledger_that_fails_acknowledges_nothing(own, monkeypatch):
    def fail(_: object) -> None:
        raise LedgerError("the disk is full", hint="free some space")

    with monkeypatch.context() as patch:
        patch.setattr(own.ledger, "record", fail)
        patch.setattr(own.ledger, "record_impressions", fail)
        answer = own.tell("v", "3", "like", id="f1")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["detail"] == "the disk is full"
        assert own.client.get("/v1/recommendations", params={"user": "v"}).status_code == 200
    assert len(own.ledger.events()) == 0
    assert own.tell("v", "3", "like", id="f1").json()["events"][0]["outcome"] == "new"
