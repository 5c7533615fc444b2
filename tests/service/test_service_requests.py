"""Requests that two readers could take for two different ones; and what answers may not name."""

from __future__ import annotations

import json
import shutil
import socket

import pytest

from fusionrec.service.folders import Folders
from serving import Shop, opened

GET = "GET /v1/recommendations?k=1 HTTP/1.1"
HOST = "Host: 127.0.0.1"
EVENT = {"user": "twice", "item": "3", "kind": "view"}


def sent(shop: Shop, *lines: str, body: bytes = b"") -> tuple[int, str]:
    """The status and the body of the answer to a head of these lines."""
    address = (shop.client.base_url.host, shop.client.base_url.port)
    with socket.create_connection(address, timeout=5) as connection:
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        connection.sendall(head.encode("latin-1") + body)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize(
    "lines",
    [
        (HOST, "Host: evil.example"),
        (HOST, HOST),
        (HOST, "Authorization: Bearer a", "Authorization: Bearer b"),
        (HOST, "Origin: http://127.0.0.1", "Origin: http://evil.example"),
        (HOST, "Content-Type: application/json", "content-type: text/plain"),
        (HOST, "Content-Length: 0", "Content-Length: 0"),
        (HOST, "Content-Length: 0", "Transfer-Encoding: chunked"),
        (HOST, "Transfer-Encoding: gzip, chunked"),
        (HOST, "X-Folded: a\r\n b"),
        ("Host : 127.0.0.1",),
    ],
    ids=lambda lines: lines[-1][:30],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(shop, lines):
    status, body = sent(shop, GET, *lines, body=b"0\r\n\r\n" if "chunked" in lines[-1] else b"")
    assert status == 400
    assert json.loads(body)["code"] == "bad_request"


TEXT = json.dumps(EVENT)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        *[(TEXT.encode(name), "must be UTF-8") for name in ("utf-16", "utf-16-le", "utf-32-be")],
        (TEXT.replace("twice", "é").encode("latin-1"), "must be UTF-8; it is not at byte"),
        (TEXT.replace("{", '{"user": "first", ').encode(), "gives 'user' twice"),
        (b'{"a": [{"b": 1, "b": 1}]}', "gives 'b' twice"),
        (b"[" * 100_000, "too deeply"),
        (b'{"time": ' + b"9" * 5_000 + b"}", "too many digits"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_can_be_read_in_two_ways_is_refused(shop, body, said):
    headers = {"Content-Type": "application/json"}
    answer = shop.client.post("/v1/feedback", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    assert said in answer.json()["detail"]
    assert answer.json()["hint"]
    told = shop.client.post(
        "/v1/feedback", content=b"\xef\xbb\xbf" + TEXT.encode(), headers=headers
    )
    assert told.status_code == 201  # a mark of UTF-8 is none of these


def test_nothing_over_http_names_a_folder_of_the_machine(indexed):
    """Neither an answer's place and notes, nor errors, nor versions, nor why it is not ready."""
    broken = indexed.models / "v7"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    with opened(indexed) as shop:
        answered = shop.client.get("/v1/recommendations?user=10")
        assert answered.json()["place"] == "exact copy of milvus.db"
        said = [answered, shop.client.get("/v1/versions"), shop.client.get("/metrics")]
        path = "/v1/versions/v1/activate"
        said.append(shop.client.post(path, headers=shop.admin))
        assert said[-1].json() == {"version": "v1", "place": "milvus.db"}
        said.append(shop.client.post("/v1/versions/v7/activate", headers=shop.admin))
        assert said[-1].status_code >= 400
    # A store that cannot be opened, and a ledger that is none.
    shutil.rmtree(indexed.milvus)
    (indexed.home / "milvus.db").symlink_to("milvus.db")
    with opened(indexed) as shop:
        said += [shop.client.get("/v1/recommendations?user=10"), shop.client.get("/readyz")]
        assert "milvus.db" in said[-2].json()["notes"][0]
        (indexed.home / "ledger.sqlite").write_bytes(b"no ledger" * 1000)
        said += [shop.client.get(path) for path in ("/readyz", "/v1/versions", "/v1/users/10")]
    for answer in said:
        assert str(indexed.home.parent) not in answer.text, answer.request.url
        assert not any(str(indexed.home) in value for value in answer.headers.values())


def test_folders_are_hidden_and_nothing_else(tmp_path):
    folders = Folders(tmp_path / "shop")
    home = tmp_path / "shop"
    for text, shown in {
        f"{home}/milvus.db is damaged": "milvus.db is damaged",
        f"open '{home}/models/v1/x': no": "open 'models/v1/x': no",
        f"the workspace {home} cannot be written": "the workspace shop cannot be written",
        f"{home}/milvus.db and {home}/x": "milvus.db and x",
        "no item has the id a/shop/b": "no item has the id a/shop/b",
        f"{home}ping is another": f"{home}ping is another",
    }.items():
        assert folders.hide(text) == shown
