"""Too much at once: connections, requests of one client, and answers that would wait too long."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest

from fusionrec.errors import ConfigError
from fusionrec.recommend.recommender import Recommender
from fusionrec.service.admission import Admission
from fusionrec.service.settings import ServiceSettings
from serving import Shop, opened

BEGUN = b"POST /v1/recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"


@contextmanager
def lines(shop: Shop, count: int, source: str, said: bytes = b"") -> Iterator[None]:
    """Connections that stay open, from an address of this machine."""
    address = (shop.client.base_url.host, shop.client.base_url.port)
    with ExitStack() as stack:
        for _ in range(count):
            line = stack.enter_context(socket.create_connection(address, 5, (source, 0)))
            line.sendall(said)
        yield


def get(shop: Shop, path: str, source: str = "127.0.0.1", **headers: str) -> httpx.Response:
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(transport=transport, base_url=shop.client.base_url, timeout=5) as client:
        return client.get(path, headers={"Host": "localhost", **headers})


def check_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("said", [b"", b"GET /v1/sch", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_connections_without_a_request_keep_nobody_out(indexed, said):
    """Also those whose request was answered long ago; neither of one address, nor of many."""
    with opened(indexed, connections=60, connections_per_address=20, idle_seconds=60) as shop:
        with ExitStack() as stack:
            for number in range(5):
                stack.enter_context(lines(shop, 30, f"127.0.0.{2 + number}", said))
            for source in ("127.0.0.1", "127.0.0.2"):
                for path in ("/healthz", "/readyz", "/v1/schema"):
                    assert get(shop, path, source).status_code == 200
        assert get(shop, "/v1/schema").status_code == 200


def test_idle_connections_give_way_also_where_the_most_are_busy(indexed):
    settings = {"connections": 30, "connections_per_address": 25, "body_seconds": 30}
    with (
        opened(indexed, idle_seconds=60, **settings) as shop,
        lines(shop, 20, "127.0.0.2", BEGUN),
        lines(shop, 15, "127.0.0.3"),
    ):
        assert get(shop, "/v1/schema").status_code == 200


def test_who_has_too_many_requests_is_refused_alone(indexed):
    with opened(indexed, connections=60, connections_per_address=10, body_seconds=30) as shop:
        with lines(shop, 15, "127.0.0.2", BEGUN):
            check_problem(get(shop, "/v1/schema", "127.0.0.2"), 503)
            assert get(shop, "/healthz", "127.0.0.2").status_code == 200
            assert get(shop, "/v1/schema").status_code == 200
        assert get(shop, "/v1/schema", "127.0.0.2").status_code == 200


def test_probes_are_answered_when_no_connection_is_left(indexed):
    few = {"connections": 12, "connections_per_address": 10, "body_seconds": 30}
    with (
        opened(indexed, **few) as shop,
        lines(shop, 8, "127.0.0.2", BEGUN),
        lines(shop, 8, "127.0.0.3", BEGUN),
    ):
        refused = get(shop, "/v1/schema")
        check_problem(refused, 503)
        assert refused.headers["connection"] == "close"
        assert [get(shop, path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_connection_that_sends_without_reading_is_refused(indexed, caplog):
    """Whoever sends hundreds of requests in one go holds up nobody, and leaves no word behind."""
    many = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400
    with opened(indexed) as shop, lines(shop, 40, "127.0.0.2", many):
        assert get(shop, "/healthz").status_code == 200
        address = (shop.client.base_url.host, shop.client.base_url.port)
        with socket.create_connection(address) as line, suppress(ConnectionError):
            line.settimeout(20)
            line.sendall(many)
            said = b"".join(iter(lambda: line.recv(65_536), b""))
            assert b"HTTP/1.1 429 " in said
    assert "defect" not in caplog.text


def test_behind_a_proxy_the_limit_is_the_clients(indexed):
    settings = {"proxies": ("127.0.0.0/24",), "hosts": ("localhost",), "body_seconds": 30}
    with opened(indexed, connections=60, connections_per_address=5, **settings) as shop:
        of = {"Authorization": shop.admin["Authorization"]}
        begun = BEGUN.replace(b"Content-", b"X-Forwarded-For: 203.0.113.5\r\nContent-", 1)
        begun = begun.replace(
            b"Content-", f"Authorization: {of['Authorization']}\r\nContent-".encode(), 1
        )
        with lines(shop, 5, "127.0.0.1", begun):
            check_problem(get(shop, "/v1/schema", **of, **{"X-Forwarded-For": "203.0.113.5"}), 429)
            for _ in range(6):
                other = get(shop, "/v1/schema", **of, **{"X-Forwarded-For": "203.0.113.6"})
                assert other.status_code == 200


def test_answers_that_would_wait_too_long_are_refused_at_once(indexed, monkeypatch):
    similar = Recommender.similar

    def slow(self, *asked):
        time.sleep(0.2)  # eight at once: 40 a second
        return similar(self, *asked)

    monkeypatch.setattr(Recommender, "similar", slow)
    with opened(indexed, wait_seconds=0.4) as shop:
        statuses: Counter[int] = Counter()

        async def ask(client: httpx.AsyncClient, number: int) -> None:
            await asyncio.sleep(number / 100)
            path = "/healthz" if number % 20 == 0 else "/v1/items/3/similar?k=1"
            answer = await client.get(path)
            if answer.status_code == 503:
                check_problem(answer, 503)
                assert answer.json()["code"] == "overloaded"
            if number % 20 == 0:
                assert answer.status_code == 200
            else:
                statuses[answer.status_code] += 1

        async def flood() -> None:
            limits = httpx.Limits(max_connections=200)
            async with httpx.AsyncClient(base_url=shop.client.base_url, limits=limits) as client:
                await asyncio.gather(*(ask(client, number) for number in range(200)))

        asyncio.run(flood())
        assert set(statuses) == {200, 503}
        assert min(statuses.values()) > 20
        assert shop.client.get("/v1/items/3/similar").status_code == 200
        assert shop.state.metrics.text().count(b'status="503"') >= 1


def test_the_wait_is_what_is_under_way_at_the_pace_of_late():
    now = [0.0]
    admission = Admission(0.25, lambda: now[0])
    for _ in range(3):  # some seconds of pairs, each done after 20 ms
        for _ in range(100):
            assert admission.enter()
            assert admission.enter()
            now[0] += 0.02
            admission.leave()
            admission.leave()
        now[0] += 60.0  # a pause does not count
    taken = 0
    while admission.enter():
        taken += 1
    assert 24 <= taken <= 27  # 10 ms each
    assert admission.wait() == pytest.approx(0.26, abs=0.02)
    for _ in range(taken):
        admission.leave()
    assert admission.enter()


def test_few_answers_at_once_are_admitted_however_slow():
    now = [0.0]
    admission = Admission(0.25, lambda: now[0])
    for _ in range(10):
        admission.enter()
        now[0] += 3.0
        admission.leave()
    assert [admission.enter() for _ in range(5)] == [True, True, True, True, False]
    assert all(Admission(0.0, lambda: now[0]).enter() for _ in range(10_000))


@pytest.mark.parametrize("proxies", [("shop.example",), ("*",)])
def test_a_proxy_is_an_address(proxies):
    with pytest.raises(ConfigError, match="a proxy is an address"):
        ServiceSettings(proxies=proxies)
    assert ServiceSettings(proxies=("10.0.0.0/8", "::1")).is_proxy("10.2.3.4")
    assert not ServiceSettings(proxies=("10.0.0.2",)).is_proxy("10.2.3.4")
