"""Numbers that JSON, a float or the store cannot hold: refused with what is wrong before anything
is kept, or answered; never a defect, on any route.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from fusionrec.registry.versions import load

LONG = "9" * 400  # a whole number that no float holds
LONGER = "9" * 5_000  # one that Python does not read
BEYOND = ("1e400", "-1e400", LONG, f"-{LONG}", LONGER, "NaN", "Infinity", "-Infinity")
LARGE = ("1e20", "1" + "0" * 30, "-1e20", "18446744073709551616", "1e308", "-1e308")

BODIES = [
    ("PUT", "/v1/items/3", '{"year": %s}'),
    ("PUT", "/v1/items/3", '{"title": %s}'),
    ("PUT", "/v1/items/3", '{"genres": [%s]}'),
    ("PUT", "/v1/items/new", '{"year": %s}'),
    ("PUT", "/v1/users/u", '{"age": %s}'),
    ("PUT", "/v1/users/u", "%s"),
    *(
        ("POST", path, f'{{"{name}": %s}}')
        for path in ("/v1/recommendations", "/v1/map")
        for name in ("k", "offset", "diversity", "calibration", "user", "seen")
    ),
    ("POST", "/v1/recommendations", '{"profile": {"age": %s}}'),
    ("POST", "/v1/recommendations", '{"liked": [%s]}'),
    ("POST", "/v1/recommendations", '{"history": [{"item": "3", "rating": %s}]}'),
    ("POST", "/v1/recommendations", '{"history": [{"item": "3", "rating": 4, "time": %s}]}'),
    *(
        ("POST", "/v1/feedback", '{"user": "u", "item": "3", "kind": "rating", ' + part)
        for part in ('"rating": %s}', '"rating": 4, "time": %s}', '"rating": 4, "id": %s}')
    ),
    ("POST", "/v1/feedback", '{"events": [{"user": %s, "item": "3", "kind": "like"}]}'),
]
NAMED = [
    ("/v1/recommendations", ("k", "offset", "diversity", "calibration")),
    ("/v1/search", ("k", "offset")),
    ("/v1/items/3/similar", ("k", "offset")),
    ("/v1/choices", ("k", "offset")),
    ("/v1/users/u/feedback", ("k", "offset")),
]
MORE = {"/v1/search": {"q": "iron"}, "/v1/choices": {"field": "genres"}}


def refused(answer) -> bool:
    told = answer.json()
    return answer.status_code in (400, 422) and bool(told["detail"])


def told(own, numbers):
    """The answers to every body with every number, and what was asked."""
    headers = {"Content-Type": "application/json", **own.admin}
    for method, path, body in BODIES:
        for number in numbers:
            answer = own.client.request(method, path, content=body % number, headers=headers)
            yield answer, (method, path, body, number[:30], answer.status_code, answer.text)


def test_a_body_with_a_number_that_nothing_holds_is_refused(own):
    for answer, asked in told(own, BEYOND):
        assert refused(answer), asked
    assert own.client.get("/v1/users/u").json()["profile"] == {}
    assert own.client.get("/v1/users/u").json()["events"] == {}
    assert own.client.get("/v1/items/new").status_code == 404
    assert own.ledger.item_changes() == []


def test_a_body_with_a_large_number_is_no_defect(own):
    for answer, asked in told(own, LARGE):
        assert answer.status_code < 300 or refused(answer), asked
    for path in ("/v1/items/3", "/v1/users/u", "/v1/recommendations?k=100&user=5", "/v1/schema"):
        assert own.client.get(path).status_code == 200


@pytest.mark.parametrize(("path", "names"), NAMED)
def test_a_parameter_that_nothing_holds_is_refused(shop, path, names):
    for name in names:
        for number in (*BEYOND, *LARGE):
            asked = MORE.get(path, {}) | {name: number}
            answer = shop.client.get(f"{path}?{urlencode(asked)}")
            assert refused(answer), (name, number[:30], answer.status_code, answer.text)


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/search", "/v1/items/3/similar"])
def test_a_range_that_ends_beyond_all_numbers_is_refused(shop, path):
    more = MORE.get(path, {})
    for end in ("1e999", "-1e400", LONG, "nan", "inf"):
        for condition in (f"year=1990..{end}", f"year={end}..", f"year={end}"):
            answer = shop.client.get(f"{path}?{urlencode(more | {'where': condition})}")
            assert refused(answer), (condition[:40], answer.text)
    for where in ("year=..1e20", "year=-1e308..1e308"):
        asked = urlencode(more | {"where": where})
        assert shop.client.get(f"{path}?{asked}").status_code == 200


@pytest.mark.parametrize(("number", "known"), [("1e20", 1e20), ("-1e308", -1e308), ("9e15", 9e15)])
def test_a_large_number_of_an_item_is_answered(own, number, known):
    body = f'{{"year": {number}}}'
    headers = {"Content-Type": "application/json", **own.admin}
    for _ in range(2):
        answer = own.client.put("/v1/items/3", content=body, headers=headers)
        assert answer.json()["content"]["year"] == known
    asked = ("/v1/items/3", "/v1/items/4/similar?k=100", "/v1/recommendations?k=100")
    for answer in map(own.client.get, asked):
        assert answer.status_code == 200
    title = load(own.workspace).items.columns["title"][2]
    found = own.client.get("/v1/search", params={"q": title, "k": 100}).json()["items"]
    assert [i["content"]["year"] for i in found if i["id"] == "3"] == [known]
    assert json.loads(answer.text)


def test_what_an_earlier_version_kept_is_answered(own):
    """A number that was kept and could not be answered then."""
    own.ledger.change_items({"3": {"title": "Kept", "genres": [], "year": 1e20}})
    own.state.live.refresh()
    assert own.client.get("/v1/items/3").json()["content"]["year"] == 1e20
    assert own.client.get("/v1/search", params={"q": "kept"}).status_code == 200
