"""Ids in paths: any character, percent-encoded; a key opens one resource however it is written."""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import quote

import pytest

from fusionrec.service.paths import route_path
from serving import Shop


def ask(shop: Shop, method: str, path: str, body: object = None, **headers: str):
    """The status and body of an answer to a path that is sent as it stands."""
    url = shop.client.base_url
    connection = http.client.HTTPConnection(url.host, url.port, timeout=60)
    try:
        content = None if body is None else json.dumps(body)
        about = {"Content-Type": "application/json", **shop.admin, **headers}
        connection.request(method, path, content, about)
        answer = connection.getresponse()
        held = answer.read()
        return answer.status, json.loads(held) if held[:1] in (b"{", b"[") else held
    finally:
        connection.close()


IDS = [
    "a/b", "3/similar", "3/restore", "similar", "/similar", "/", "a/", "/a", "a//b", "../x",
    "../users/x", "..", ".", "./", "%2F", "%", "%25", "%zz", "3%2Fsimilar", "?k=1", "#x",
    "a?b#c&d=e;f+g", " 3", "3 ", "\u00a03", "3\u3000", "３", "e\u0301", "\u00e9", "👩\u200d🚀",
    "x" * 500, "茶" * 500,
]  # fmt: skip


@pytest.mark.parametrize("id", IDS)
def test_every_id_is_an_item_of_its_own(shelf, id):
    at = f"/v1/items/{quote(id, safe='')}"
    assert ask(shelf, "GET", at)[0] == 404
    _, third = ask(shelf, "GET", "/v1/items/3")
    status, made = ask(shelf, "PUT", at, {"title": "Zebra"})
    assert (status, made["id"], made["title"]) == (200, id, "Zebra")
    assert ask(shelf, "GET", at) == (200, made)
    assert ask(shelf, "HEAD", at)[0] == 200
    status, similar = ask(shelf, "GET", f"{at}/similar")
    assert (status, similar["kind"]) == (200, "similar")
    assert ask(shelf, "DELETE", at)[1] == made | {"available": False}
    assert ask(shelf, "POST", f"{at}/restore") == (200, made)
    # Nothing else was changed.
    assert ask(shelf, "GET", "/v1/items/3") == (200, third)
    changes = shelf.ledger.item_changes()
    assert [change.item for change in changes[-3:]] == [id] * 3


@pytest.mark.parametrize("id", [*IDS, "ann/feedback", "feedback", "a/feedback/feedback"])
def test_every_id_is_a_user_of_its_own(shelf, id):
    at = f"/v1/users/{quote(id, safe='')}"
    event = {"user": id, "item": "3", "kind": "like"}
    assert ask(shelf, "POST", "/v1/feedback", event)[0] == 201
    about = {"id": id, "profile": {"age": "25"}, "events": {"like": 1}, "known": False}
    assert ask(shelf, "PUT", at, {"age": "25"}) == (200, about)
    assert ask(shelf, "GET", at) == (200, about)
    said = ask(shelf, "GET", f"{at}/feedback")[1]["events"]
    assert [one["item"] for one in said] == ["3"]
    assert ask(shelf, "DELETE", at)[0] == 204
    assert ask(shelf, "GET", at)[1]["events"] == {}


def test_slashes_in_ids_may_be_written_out_where_they_mean_no_other_route(shelf):
    for id in ("p/q", "p/q/r", "p//q", "../q", "p/feedback", "p/similars"):
        status, made = ask(shelf, "PUT", f"/v1/items/{id}", {"title": "Zebra"})
        assert (status, made["id"]) == (200, id)
        assert ask(shelf, "GET", f"/v1/items/{quote(id, safe='')}") == (200, made)
        assert ask(shelf, "GET", f"/v1/items/{id}/similar")[1]["kind"] == "similar"
    # What would be another route's is that route's alone, by any method.
    before = shelf.ledger.stamp()
    for method, path in (
        ("PUT", "/v1/items/3/similar"),
        ("DELETE", "/v1/items/3/similar"),
        ("GET", "/v1/items/3/restore"),
        ("PUT", "/v1/items/3/restore"),
        ("PUT", "/v1/users/ann/feedback"),
        ("DELETE", "/v1/users/ann/feedback"),
    ):
        body = {} if method == "PUT" else None
        assert ask(shelf, method, path, body)[0] == 405, path
    assert shelf.ledger.stamp() == before
    assert shelf.ledger.profile("ann/feedback") is None


BAD = ["", "%20", "%C2%A0", "a%0Ab", "a%0A", "%09", "a%00", "%1B%5B31m", "a%C2%9B", "%E2%80%A8",
       "x" * 501, "%F0%9F%98%80" * 501]  # fmt: skip


@pytest.mark.parametrize("id", BAD)
def test_what_is_no_id_is_refused_and_writes_nothing(shelf, id):
    before = shelf.ledger.stamp()
    for method, path, body, refused in (
        ("GET", f"/v1/items/{id}", None, (404, 422)),
        ("PUT", f"/v1/items/{id}", {"title": "X"}, (400, 422)),
        ("DELETE", f"/v1/items/{id}", None, (404, 422)),
        ("POST", f"/v1/items/{id}/restore", None, (404, 422)),
        ("GET", f"/v1/items/{id}/similar", None, (404, 422)),
    ):
        status, told = ask(shelf, method, path, body)
        assert status in refused, (method, path)
        if status == 400:
            assert "an item's id must be 1 to 500 characters" in told["detail"]
    assert shelf.ledger.stamp() == before


@pytest.mark.parametrize("id", ["%FF", "a%C3", "%ED%A0%80", "%C0%AF", "a/%FFb"])
def test_a_path_that_is_not_utf8_is_refused(shelf, id):
    for method, path in (
        ("GET", f"/v1/items/{id}"),
        ("PUT", f"/v1/items/{id}"),
        ("DELETE", f"/v1/users/{id}"),
        ("POST", f"/v1/versions/{id}/activate"),
        ("GET", f"/{id}"),
    ):
        body = {} if method == "PUT" else None
        status, told = ask(shelf, method, path, body)
        assert (status, told["detail"]) == (400, "the path is not UTF-8")
    assert all("\ufffd" not in change.item for change in shelf.ledger.item_changes())


@pytest.mark.parametrize(
    ("raw", "statuses"), [("caf\u00e9".encode(), {200, 400}), (b"caf\xe9", {400}), (b"a b", {400})]
)
def test_bytes_that_are_not_encoded_break_nothing(shelf, raw, statuses):
    ask(shelf, "PUT", "/v1/items/caf%C3%A9", {"title": "Zebra"})
    url = shelf.client.base_url
    with socket.create_connection((url.host, url.port), timeout=60) as connection:
        head = b"Host: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(b"GET /v1/items/" + raw + b" HTTP/1.1\r\n" + head)
        said = connection.makefile("rb").read()
    assert int(said.split(b" ", 2)[1]) in statuses, said
    assert b"\xef\xbf\xbd" not in said


def test_an_item_with_outer_spaces_is_not_the_one_without(shelf):
    put = {id: ask(shelf, "PUT", f"/v1/items/{quote(id)}", {"title": id})[1]["title"]
           for id in ("o1", "o2")}  # fmt: skip
    status, made = ask(shelf, "PUT", "/v1/items/%20o1", {"title": "Other"})
    assert (status, made["id"], made["title"]) == (200, " o1", "Other")
    assert ask(shelf, "PUT", "/v1/items/o2%20", {"title": "Oops"})[1]["id"] == "o2 "
    for id, title in put.items():
        assert ask(shelf, "GET", f"/v1/items/{id}")[1]["title"] == title


def test_texts_of_a_changed_item_are_cleaned(shelf):
    body = {"title": " \x1b]0;owned\x07Zebra\x9b\n", "genres": ["Drama\t"]}
    _, made = ask(shelf, "PUT", "/v1/items/esc", body)
    assert made["title"] == "]0;owned Zebra"
    assert made["content"]["genres"] == ["Drama"]


def test_a_user_with_any_character_can_be_forgotten(shelf):
    told = {"user": "o\tld", "item": "3", "kind": "like"}
    assert ask(shelf, "POST", "/v1/feedback", told)[0] == 201
    assert ask(shelf, "GET", "/v1/users/o%09ld")[1]["events"] == {"like": 1}
    assert ask(shelf, "DELETE", "/v1/users/o%09ld")[0] == 204
    assert shelf.ledger.user_state("o\tld").events == ()


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("/v1/users/ann", "feedback"),
        ("/v1/%75sers/ann", "feedback"),
        ("/%761/users/ann", "feedback"),
        ("/v1/%75%73%65%72%73/ann", "feedback"),
        ("/v1/user%73/ann/feedbac%6B", "feedback"),
        ("/v1/users/..%2Fitems%2F3", "feedback"),
        ("/v1/users/../items/3", "feedback"),
        ("/v1/items/3", "read"),
        ("/v1/items/..%2Fusers%2Fann", "read"),  # an item, which is not there
        ("/v1/items/../users/ann", "read"),
        ("/v1/items/%2E%2E/users/ann", "read"),
        ("/v1%2Fusers/ann", "read"),  # nothing
        ("/v1/Users/ann", "read"),
        ("//v1/users/ann", "read"),
        ("/v1//users/ann", "read"),
        ("/static/..%2Fv1%2Fusers%2Fann", None),
        ("/static/../v1/users/ann", None),
    ],
)
def test_no_way_of_writing_a_path_gets_around_a_key(public, path, needed):
    for scope in ("read", "feedback", "admin"):
        bears = {"Authorization": f"Bearer {public.ledger.add_key(f'{scope} {path}', [scope])}"}
        for method in ("GET", "HEAD"):
            status, held = ask(public, method, path, **bears)
            assert (status == 403) == (needed is not None and scope != needed), (scope, method)
            # Whatever is found is of the kind that the key opens.
            if status == 200 and method == "GET":
                assert ("available" in held) == (needed == "read")
    status, _ = ask(public, "GET", path, Authorization="")
    assert status == (401 if needed else 404)


@pytest.mark.parametrize(
    ("path", "needed", "reader"),
    [("/v1/%72ecommendations", "read", 200), ("/v1/items/recommendations", "admin", 405),
     ("/v1/map%2F", "admin", 404), ("/v1/items/..%2Frecommendations/restore", "admin", 403),
     ("/v1/%66eedback", "feedback", 403)],
)  # fmt: skip
def test_nor_when_it_writes(public, path, needed, reader):
    for scope in ("read", "feedback", "admin"):
        secret = public.ledger.add_key(f"{scope} for {path}", [scope])
        status, _ = ask(public, "POST", path, {}, Authorization=f"Bearer {secret}")
        if scope == "read":  # who may learn which routes there are
            assert status == reader
        else:
            assert (status == 403) == (scope != needed), scope


def test_one_resource_has_one_path():
    for raw in (b"/v1/users/ann", b"/v1/%75sers/%61nn", b"/%76%31/users/ann"):
        assert route_path(raw) == "/v1/users/ann"
    assert route_path(b"/v1/items/a%2fb/c%2E%252F") == "/v1/items/a%2Fb/c.%252F"
    assert route_path(b"/v1/items/a:b@c") == route_path(b"/v1/items/a%3Ab%40c")
    assert route_path(b"//a/../.") == "//a/../."
    assert route_path("/é".encode()) == route_path(b"/%C3%A9") == "/%C3%A9"


def test_metrics_name_the_route_and_not_the_id(shelf):
    ask(shelf, "GET", "/v1/items/m1%2Fsimilar")
    ask(shelf, "GET", "/v1/items/m2/similar")
    ask(shelf, "GET", "/v1/users/m3%2Ffeedback")
    ask(shelf, "DELETE", "/v1/items/m4", Authorization="Bearer frk_none")
    _, text = ask(shelf, "GET", "/metrics")
    routes = {
        line.partition('route="')[2].partition('"')[0]
        for line in text.decode().splitlines()
        if line.startswith("fusionrec_requests_total")
    }
    assert {"/v1/items/{id}", "/v1/items/{id}/similar", "/v1/users/{id}"} <= routes
    assert not any("m1" in route or "m3" in route for route in routes)
