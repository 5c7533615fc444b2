"""Known users over HTTP: their profile and ratings, some to look at, and who may read them."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from fusionrec.registry.versions import load
from fusionrec.service.people_access import is_own
from serving import opened

OWN = f"visitor-{'0a' * 16}"  # as the page makes ids


@pytest.fixture(scope="module")
def fresh(copy_home):
    """A service of the same machine without any key."""
    with opened(copy_home()) as made:
        without_keys(made)
        yield made


def without_keys(shop):
    keys = shop.ledger.keys()
    for key in keys:
        shop.ledger.remove_key(key.name)


def rated_of(workspace, row):
    """Ids, ratings and times of what training knew of a user, the newest first."""
    artifact = load(workspace)
    stored = artifact.histories.of(row)
    return [
        (artifact.items.ids[item], float(rating), float(time))
        for item, rating, time in zip(stored.items, stored.ratings, stored.times, strict=True)
    ][::-1]


def test_a_history_is_that_of_training_the_newest_first(fresh):
    artifact = load(fresh.workspace)
    user, expected = artifact.users.ids[30], rated_of(fresh.workspace, 30)
    found = fresh.client.get(f"/v1/users/{user}/history", params={"k": 4}).json()
    assert found["known"]
    assert found["profile"]["age"] == artifact.users.columns["age"][30]
    assert found["trained"] == len(expected)
    assert [(o["item"], o["rating"], o["time"]) for o in found["history"]] == expected[:4]
    assert not any(one["since"] for one in found["history"])
    row = artifact.items.ids.index(expected[0][0])
    assert found["history"][0]["title"] == artifact.items.columns["title"][row]
    assert found["more"]
    rest = {"k": 100, "offset": 4}
    found = fresh.client.get(f"/v1/users/{user}/history", params=rest).json()
    assert [one["item"] for one in found["history"]] == [one[0] for one in expected[4:]]
    assert (found["offset"], found["more"]) == (4, False)


def test_what_was_told_since_stands_before_it_and_wins(fresh):
    user = load(fresh.workspace).users.ids[31]
    fresh.tell(user, "5", "rating", rating=2)
    fresh.tell(user, "6", "hide")
    fresh.tell(user, "gone", "view")
    assert fresh.client.put(f"/v1/users/{user}", json={"age": "56"}).status_code == 200
    found = fresh.client.get(f"/v1/users/{user}/history", params={"k": 5}).json()
    assert [(one["item"], one["kind"], one["since"]) for one in found["history"][:3]] == [
        ("gone", "view", True), ("6", "hide", True), ("5", "rating", True),
    ]  # fmt: skip
    assert found["history"][0]["title"] == "gone"
    assert found["history"][2]["rating"] == 2
    assert not found["history"][3]["since"]
    assert found["events"] == {"hide": 1, "rating": 1, "view": 1}
    assert found["profile"]["age"] == "56"
    pages = [
        fresh.client.get(f"/v1/users/{user}/history", params={"k": 2, "offset": 2 * page}).json()
        for page in range(3)
    ]
    joined = [one["item"] for page in pages for one in page["history"]]
    assert joined[:5] == [one["item"] for one in found["history"]]


def test_what_a_training_took_in_is_not_shown_twice(fresh):
    user = load(fresh.workspace).users.ids[32]
    item, rating, time = rated_of(fresh.workspace, 32)[0]
    fresh.tell(user, item, "rating", rating=rating, time=time)
    found = fresh.client.get(f"/v1/users/{user}/history", params={"k": 100}).json()["history"]
    assert [one["since"] for one in found if one["item"] == item] == [True]


def test_of_a_stranger_nothing_is_known(fresh):
    found = fresh.client.get("/v1/users/nobody/history").json()
    assert (found["known"], found["profile"], found["history"]) == (False, {}, [])


def test_who_is_forgotten_shows_nothing(fresh):
    user = fresh.client.get("/v1/users", params={"k": 1}).json()["people"][0]["id"]
    fresh.tell(user, "5", "like")
    assert fresh.client.get(f"/v1/users/{user}/history").json()["history"]
    assert fresh.client.delete(f"/v1/users/{user}").status_code == 204
    found = fresh.client.get(f"/v1/users/{user}/history").json()
    assert found == {"id": user, "known": False, "profile": {}, "trained": 0, "events": {},
                     "history": [], "offset": 0, "more": False}  # fmt: skip
    people = fresh.client.get("/v1/users", params={"k": 100}).json()["people"]
    assert people
    assert user not in [one["id"] for one in people]


def test_examples_differ_and_stay_the_same(fresh):
    asked = {"k": 6, "offset": 1}
    first, second = (fresh.client.get("/v1/users", params=asked).json() for _ in range(2))
    assert first == second
    people = first["people"]
    assert len({one["id"] for one in people}) == len(people) == 6
    for one in people:
        assert one["count"] == len(
            rated_of(fresh.workspace, load(fresh.workspace).user_positions[one["id"]])
        )
        assert one["favourite"]
    assert len({tuple(one["likes"]) for one in people}) > 3


@pytest.mark.parametrize(
    ("bears", "status"),
    [
        ((), 403),
        (("read",), 403),
        (("admin",), 403),
        (("read", "admin"), 403),
        (("feedback",), 200),
        (("read", "feedback", "admin"), 200),
    ],
)
def test_once_there_are_keys_others_need_one_for_feedback_on_the_same_machine_too(
    shop, bears, status
):
    user = load(shop.workspace).users.ids[33]
    headers = {}
    if bears:
        name = f"histories-{'-'.join(bears)}"
        headers = {"Authorization": f"Bearer {shop.ledger.add_key(name, bears)}"}
    for path in (f"/v1/users/{user}/history", "/v1/users", "/v1/users/visitor-anna/history"):
        answer = shop.client.get(path, headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "forbidden"
            assert "'feedback'" in answer.json()["hint"]
    assert shop.client.get(f"/v1/users/{OWN}/history", headers=headers).status_code == 200
    form = shop.client.get("/v1/schema", headers=headers)
    assert form.json()["people"] == (status == 200)


@pytest.mark.parametrize(
    ("bears", "status"),
    [((), 401), (("read",), 403), (("admin",), 403), (("read", "feedback"), 200)],
)
def test_where_others_can_ask_a_key_opens_it_and_nothing_else(public, bears, status):
    user = load(public.workspace).users.ids[33]
    headers = {}
    if bears:
        name = f"histories-{'-'.join(bears)}"
        headers = {"Authorization": f"Bearer {public.ledger.add_key(name, bears)}"}
    for path in (f"/v1/users/{user}/history", "/v1/users"):
        assert public.client.get(path, headers=headers).status_code == status


def test_a_proxy_before_the_same_machine_opens_nothing(copy_home):
    with opened(copy_home(), proxies=("10.0.0.2",)) as made:
        without_keys(made)
        assert made.client.get("/v1/users").status_code == 401


@pytest.mark.parametrize(
    ("user", "own"),
    [(OWN, True), (OWN[:-1], False), (f"{OWN}0", False), (OWN.upper(), False), ("42", False)],
)
def test_an_id_is_ones_own_if_it_cannot_be_guessed(user, own):
    assert is_own(user) == own


def test_where_things_are_taken_there_is_no_rating(market):
    people = market.client.get("/v1/users", headers=market.admin).json()["people"]
    assert people[0]["favourite"]
    path = f"/v1/users/{quote(people[0]['id'], safe='')}/history"
    found = market.client.get(path, headers=market.admin).json()
    assert {one["kind"] for one in found["history"]} == {"taken"}
    assert not any("rating" in one for one in found["history"])


def test_without_categories_examples_are_told_by_what_they_like_most(riddles):
    people = riddles.client.get("/v1/users", headers=riddles.admin).json()["people"]
    assert len(people) == 10
    assert all(one["likes"] == [] and one["favourite"] for one in people)
