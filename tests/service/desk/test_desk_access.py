"""Who may use the desk: keys, sessions, and forms of other pages."""

from __future__ import annotations

import re

import httpx
import pytest


@pytest.fixture
def keyless(shop):
    """The same service while its ledger holds no key."""
    kept = shop.ledger.keys
    shop.ledger.keys = list
    yield shop
    shop.ledger.keys = kept


def visit(shop) -> httpx.Client:
    """A browser's connection: it keeps cookies, and follows no redirect."""
    return httpx.Client(base_url=shop.client.base_url)


def token(answer: httpx.Response) -> str:
    return re.search(r'name="token" value="(\w+)"', answer.text)[1]


def logged_in(shop, name: str) -> httpx.Client:
    secret = shop.ledger.add_key(name, ["admin"])
    client = visit(shop)
    told = client.post("/ops/login", data={"key": secret})
    assert told.status_code == 303, told.text
    assert told.headers["location"] == "/ops"
    return client


def test_without_a_key_the_desk_is_open_to_this_machine_alone(keyless):
    with visit(keyless) as client:
        first = client.get("/ops")
        assert first.status_code == 200
        assert "no key" in first.text
        cookie = first.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/ops"):
            assert part in cookie
        assert "set-cookie" not in client.get("/ops").headers


def test_where_there_is_a_key_it_asks_for_one(shop):
    with visit(shop) as client:
        sent = client.get("/ops/versions?x=1")
        assert sent.status_code == 303
        assert sent.headers["location"] == "/ops/login?next=%2Fops%2Fversions%3Fx%3D1"
        form = client.get(sent.headers["location"])
        assert 'value="/ops/versions?x=1"' in form.text


@pytest.mark.parametrize("key", ["", "frk_x", "frk_" + "x" * 43, "x" * 10_000, "\ud7ff\U0001f600"])
def test_an_unknown_key_opens_nothing(shop, key):
    with visit(shop) as client:
        told = client.post("/ops/login", data={"key": key})
        assert told.status_code in (401, 429)
        assert "set-cookie" not in told.headers
