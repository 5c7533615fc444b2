"""Many people in one request get what each of them would get alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fusionrec.index import MilvusStore
from fusionrec.index.batch import BatchSearch
from fusionrec.registry.versions import load
from fusionrec.service.request_limits import RequestLimits
from fusionrec.service.routes import people
from fusionrec.workspace import Workspace
from serving import Shop, opened

PATH = "/v1/recommendations"


@pytest.fixture(scope="module", params=[None, 0], ids=["copy", "store"])
def shop(request: pytest.FixtureRequest, copy_home: Callable[..., Workspace]) -> Iterator[Shop]:
    with opened(copy_home(), copy=request.param) as made:
        yield made


def _asked(shop: Shop) -> list[dict[str, Any]]:
    users = load(shop.workspace).users.ids
    return [
        *({"user": user, "k": 1 + n % 7} for n, user in enumerate(users[:30])),
        {"user": "nobody", "k": 4},
        {"user": users[3], "k": 5, "where": ["year=1950.."]},
        {"user": users[4], "k": 5, "where": ["year=1950.."], "seen": True, "offset": 2},
        {"profile": {"age": 25}, "liked": ["5"], "explain": True},
        {"history": [{"item": "5", "rating": 4}], "diversity": 0.5},
        {"user": users[5], "k": 100},
    ]


def _without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "answer"}


def test_each_is_answered_as_alone(shop, monkeypatch):
    asked = _asked(shop)
    alone = [shop.client.post(PATH, json=one).json() for one in asked]
    sizes = []
    monkeypatch.setattr(people, "_GROUP", 20)  # more than one
    for kind, name in ((BatchSearch, "search"), (MilvusStore, "search")):
        plain = getattr(kind, name)

        def counting(self, first, *args, plain=plain, **more):
            sizes.append(len(args[0]) if isinstance(first, str) else len(first))
            return plain(self, first, *args, **more)

        monkeypatch.setattr(kind, name, counting)
    response = shop.client.post(PATH, json={"people": asked})
    assert response.status_code == 200, response.text
    answers = response.json()["answers"]
    assert list(map(_without_id, answers)) == list(map(_without_id, alone))
    assert len({one["answer"] for one in answers}) == len(asked)
    # Searches that went together. An embedded Milvus is told in the condition what a user rated,
    # which others seldom share.
    assert max(sizes) >= (15 if "copy" in answers[0]["place"] else 2)


def test_one_that_cannot_be_answered_leaves_the_others(shop):
    wrong = [{"user": "10", "where": ["gnre=x"]}, {"liked": ["5"], "goal": "none"}, {"user": "10"}]
    first, second, good = shop.client.post(PATH, json={"people": wrong}).json()["answers"]
    assert (first["status"], first["code"]) == (400, "invalid_argument")
    assert "gnre" in first["detail"]
    assert second["code"] == "unknown_goal"
    assert len(good["items"]) == 10
    alone = shop.client.post(PATH, json=wrong[0])
    assert (alone.status_code, alone.json()) == (400, first)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ([], "body.people"),
        ([{"user": "1"}] * 1_001, "body.people"),
        ([{"k": 100}] * 201, "body.people"),
        ([{"user": "1"}, {"user": "2", "k": 0}], "body.people.1.k"),
        ([{"usr": "1"}], "body.people.0.usr"),
    ],
)
def test_what_is_malformed_is_refused(shop, given, where):
    refused = shop.client.post(PATH, json={"people": given})
    assert refused.status_code == 422
    assert [one["where"] for one in refused.json()["errors"]] == [where]


def test_what_is_shown_to_many_is_known_of_each(shop):
    users = load(shop.workspace).users.ids[30:33]
    asked = {"people": [{"user": user, "k": 3} for user in users]}
    shown = shop.client.post(PATH, json=asked).json()["answers"]
    shop.state.recorder.perform(lambda: None)
    for user, answer in zip(users, shown, strict=True):
        assert set(shop.state.shown.counts(user, 0)) == {item["id"] for item in answer["items"]}


def test_many_count_as_many(indexed, monkeypatch):
    entered = []
    plain = RequestLimits.several
    monkeypatch.setattr(
        RequestLimits, "several", lambda self, n: entered.append(n) or plain(self, n)
    )
    with opened(indexed, rate=1.0, burst=2) as shop:
        asked = {"people": [{"user": "10"}] * 250}
        assert shop.client.post(PATH, json=asked).status_code == 200
        refused = shop.client.get(PATH)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 200
        assert shop.client.get("/readyz").status_code == 200
    assert entered == [100, 100, 50]
