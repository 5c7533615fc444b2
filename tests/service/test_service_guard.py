"""Who may ask, from where, how often, how much and how slowly."""

from __future__ import annotations

import contextlib
import re
import socket
import time

import pytest

from fusionrec.errors import ConfigError, LedgerError
from fusionrec.ledger import Ledger
from fusionrec.service.app import create_app
from fusionrec.service.rate_limits import TokenBuckets
from fusionrec.service.request_limits import scope_of
from fusionrec.service.settings import ServiceSettings
from serving import Shop, opened


def bearing(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/", None),
        ("GET", "/static/page.js", None),
        ("GET", "/staticx", "read"),
        ("GET", "/v1/recommendations", "read"),
        ("POST", "/v1/recommendations", "read"),
        ("POST", "/v1/map", "read"),
        ("GET", "/v1/items/1", "read"),
        ("PUT", "/v1/items/1", "admin"),
        ("DELETE", "/v1/items/1", "admin"),
        ("POST", "/v1/items/1/restore", "admin"),
        ("POST", "/v1/versions/v1/activate", "admin"),
        ("POST", "/v1/feedback", "feedback"),
        ("GET", "/v1/users/1", "feedback"),
        ("DELETE", "/v1/users/1", "feedback"),
        ("GET", "/metrics", "read"),
        ("POST", "/anything/else", "admin"),
    ],
)
def test_what_a_request_needs(method, path, needed):
    assert scope_of(method, path) == needed


def test_behind_a_proxy_everyone_needs_a_key(indexed):
    """At a loopback address too: whoever comes through the proxy is from elsewhere."""
    settings = ServiceSettings(port=0, proxies=("127.0.0.1",))
    with pytest.raises(LedgerError, match="others can reach the service through a proxy"):
        create_app(indexed, settings=settings)
    with opened(indexed, proxies=("127.0.0.1",), hosts=("shop.example",)) as shop:
        far = {"Host": "shop.example", "X-Forwarded-For": "203.0.113.5"}
        event = {"user": "g", "item": "3", "kind": "like"}
        for headers in (far, {"Host": "shop.example"}):
            asked = shop.client.get("/v1/recommendations?user=10&explain=true", headers=headers)
            told = shop.client.post("/v1/feedback", json=event, headers=headers)
            assert (asked.status_code, told.status_code) == (401, 401)
        assert shop.client.get("/v1/schema", headers=far | shop.admin).status_code == 200


def test_on_loopback_only_admin_needs_a_key(shop):
    assert shop.client.get("/v1/schema").status_code == 200
    assert shop.tell("g", "3", "view").status_code == 201
    for method, path in (("PUT", "/v1/items/x"), ("DELETE", "/v1/items/3"),
                         ("POST", "/v1/versions/rollback")):  # fmt: skip
        answer = shop.client.request(method, path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    for method, path, status in (("POST", "/v1/nothing", 404), ("POST", "/v1/schema", 405)):
        assert shop.client.request(method, path).status_code == status
    # A key that is none is told so, though none is needed.
    assert shop.client.get("/v1/schema", headers=bearing("frk_wrong")).status_code == 401


@pytest.mark.parametrize("scope", ["admin", "read"])
def test_on_loopback_a_key_takes_nothing_away(own, scope):
    bears = bearing(own.ledger.add_key(scope, [scope]))
    event = {"user": "g", "item": "3", "kind": "view"}
    assert own.client.get("/v1/schema", headers=bears).status_code == 200
    assert own.client.post("/v1/feedback", json=event, headers=bears).status_code == 201
    withdrawn = own.client.delete("/v1/items/3", headers=bears)
    assert withdrawn.status_code == (200 if scope == "admin" else 403)


def test_elsewhere_everything_but_the_page_needs_a_key(public):
    ledger = public.ledger
    keys = {s: bearing(ledger.add_key(s, [s])) for s in ("read", "feedback", "admin")}
    routes = {
        "read": ("GET", "/v1/schema"),
        "feedback": ("GET", "/v1/users/1"),
        "admin": ("DELETE", "/v1/items/3"),
    }
    assert public.client.get("/").status_code == 200
    assert public.client.get("/static/page.css").status_code == 200
    assert public.client.head("/").status_code == 200
    assert public.client.get("/healthz").json() == {"status": "alive"}
    assert public.client.get("/readyz").json() == {"ready": True, "reasons": []}
    for path in ("/metrics", "/v1/openapi.json"):
        assert public.client.get(path).status_code == 401
        assert public.client.get(path, headers=keys["read"]).status_code == 200
    for needed, (method, path) in routes.items():
        assert public.client.request(method, path).status_code == 401
        wrong = public.client.request(method, path, headers=bearing("frk_" + "x" * 43))
        assert wrong.status_code == 401
        for scope, headers in keys.items():
            answer = public.client.request(method, path, headers=headers)
            assert answer.status_code == (200 if scope == needed else 403), (needed, scope)
    for scope, status in (("read", 404), ("feedback", 403)):  # who may not read learns of no route
        answer = public.client.post("/v1/nothing", headers=keys[scope])
        assert answer.status_code == status
    assert public.client.post("/v1/nothing").status_code == 401
    ledger.remove_key("read")
    assert public.client.get("/v1/schema", headers=keys["read"]).status_code == 401


def test_without_any_key_it_does_not_start_where_others_can_reach_it(indexed):
    for host in ("0.0.0.0", "192.0.2.1", "::", "shop.example"):
        with pytest.raises(LedgerError, match="no key"):
            create_app(indexed, settings=ServiceSettings(host=host))
    assert Ledger(indexed.ledger).keys() == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", ""]
)
def test_a_name_that_was_made_to_lead_here_is_refused(shop, host):
    answer = shop.client.get("/v1/schema", headers={"Host": host})
    assert answer.status_code == 403
    assert shop.client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:80", "127.9.9.9"])
def test_names_of_this_machine_are_taken(shop, host):
    assert shop.client.get("/v1/schema", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://", "http://localhost"]
)
def test_pages_of_other_origins_are_refused(shop, origin):
    for method, path in (("GET", "/v1/schema"), ("POST", "/v1/feedback")):
        answer = shop.client.request(method, path, headers={"Origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    own = str(shop.client.base_url).rstrip("/")
    assert shop.client.get("/v1/schema", headers={"Origin": own}).status_code == 200


def test_hosts_and_origins_can_be_listed(indexed):
    page = "https://shop.example"
    with opened(indexed, hosts=("api.example",), origins=(page,)) as shop:
        asked = {"Host": "api.example", "Origin": page}
        answer = shop.client.get("/v1/schema", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == page
        preflight = asked | {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = shop.client.options("/v1/feedback", headers=preflight)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == page
        other = shop.client.get("/v1/schema", headers=asked | {"Origin": "https://evil.example"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


def test_every_answer_bears_what_a_browser_needs_to_know(shop):
    for path in ("/", "/static/page.css", "/v1/schema", "/v1/nothing", "/v1/recommendations?k=0"):
        headers = shop.client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
    assert shop.client.get("/v1/schema").headers["cache-control"] == "no-store"


def test_the_page_holds_nothing_that_its_own_policy_forbids(shop):
    page = shop.client.get("/").text
    assert "<style" not in page
    assert " style=" not in page
    assert all(" src=" in tag for tag in re.findall("<script[^>]*>", page))


def test_who_asks_too_often_has_to_wait(indexed):
    with opened(indexed, rate=0.5, burst=5) as shop:
        answers = [shop.client.get("/v1/schema") for _ in range(8)]
        codes = [answer.status_code for answer in answers]
        assert codes[:5] == [200] * 5
        assert codes[-1] == 429
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
        # A key has a limit of its own.
        assert shop.client.get("/v1/schema", headers=shop.admin).status_code == 200


def test_tokens_come_back_with_time():
    now = [0.0]
    buckets = TokenBuckets(2.0, 3, lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    now[0] = 0.5
    assert buckets.take("a") == 0
    assert buckets.take("a") == pytest.approx(0.5)
    now[0] = 100.0
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert TokenBuckets(0.0, 1).take("a") == 0


def test_a_million_addresses_are_not_remembered():
    buckets = TokenBuckets(1.0, 1)
    for number in range(20_000):
        buckets.take(str(number))
    assert len(buckets._buckets) == 10_000


def raw(shop: Shop, *parts: bytes, wait: float = 0.0, seconds: float = 20.0) -> bytes:
    """What the server says to some bytes, until it closes the connection."""
    with socket.create_connection((shop.client.base_url.host, shop.client.base_url.port)) as line:
        line.settimeout(seconds)
        said = b""
        try:
            for part in parts:
                line.sendall(part)
                time.sleep(wait)
            while got := line.recv(65_536):
                said += got
        except (ConnectionResetError, BrokenPipeError):
            pass
        return said


HEAD = b"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shop):
    said = raw(shop, HEAD + b"Content-Length: 1000001\r\nConnection: close\r\n\r\n")
    assert b" 413 " in said.splitlines()[0]
    chunk = b"%x\r\n%s\r\n" % (250_000, b"x" * 250_000)
    head = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert b" 413 " in raw(shop, head, chunk * 5).splitlines()[0]
    assert b" 400 " in raw(shop, HEAD + b"Content-Length: -1\r\n\r\n").splitlines()[0]
    assert shop.client.get("/healthz").status_code == 200


def test_who_is_slow_is_dropped_while_others_are_answered(indexed):
    with opened(indexed, head_seconds=0.6, body_seconds=0.6) as shop:
        address = (shop.client.base_url.host, shop.client.base_url.port)
        slow = [socket.create_connection(address) for _ in range(50)]
        for number, line in enumerate(slow):
            line.settimeout(15)
            begun = (b"", b"GET /v1/schema HTTP/1.1\r\nHost: loc", b"\r\n")[number % 3]
            line.sendall(begun)
        assert shop.client.get("/v1/schema").status_code == 200
        began = time.monotonic()
        for line in slow:
            with contextlib.suppress(ConnectionResetError):
                assert line.recv(100) == b""
            line.close()
        assert time.monotonic() - began < 10
        body = HEAD + b"Content-Length: 100\r\n\r\n{"
        assert b" 408 " in raw(shop, body).splitlines()[0]
        # One byte at a time is no way out.
        drip = [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "] + [b"x"] * 40
        assert raw(shop, *drip, wait=0.05) == b""


def test_a_head_that_is_too_large_is_refused(shop):
    address = b"GET /?q=" + b"a" * 70_000
    for said in (address, address + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        answer = raw(shop, said)
        assert b" 431 " in answer.splitlines()[0]
        assert b"content-type: application/problem+json" in answer
    assert b" 400 " in raw(shop, b"this is no HTTP\r\n\r\n").splitlines()[0]
    many = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(70))
    assert b" 431 " in raw(shop, b"GET / HTTP/1.1\r\n", many).splitlines()[0]


def test_one_connection_asks_again_and_again(shop):
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    said = raw(shop, (one + b"\r\n") * 3 + one + b"Connection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 OK") == 4


@pytest.mark.parametrize(
    "settings",
    [
        {"port": 70_000},
        {"workers": 0},
        {"rate": -1.0},
        {"host": ""},
        {"origins": ("shop.example",)},
        {"head_seconds": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError):
        ServiceSettings(**settings)


@pytest.mark.parametrize(("copy", "embedded", "server"), [(None, 50_000, 0), (0, 0, 0), (7, 7, 7)])
def test_how_many_items_are_searched_in_a_copy(copy, embedded, server):
    settings = ServiceSettings(copy=copy)
    for most, kind in ((embedded, False), (server, True)):
        assert settings.copies(most, server=kind) or not most
        assert not settings.copies(most + 1, server=kind)
    assert "Milvus" in settings.searched


def test_settings_come_from_the_workspace(indexed):
    indexed.settings.write_text('[service]\nport = 9000\nhosts = ["api.example"]\n')
    settings = ServiceSettings.of(indexed)
    assert (settings.port, settings.hosts, settings.workers) == (9000, ("api.example",), 1)
    indexed.settings.write_text("[service]\ncopy = 'all'\n")
    with pytest.raises(ConfigError, match="copy must be a whole number"):
        ServiceSettings.of(indexed)
    indexed.settings.write_text("[service]\nprot = 9000\n")
    with pytest.raises(ConfigError, match=r"service\.prot"):
        ServiceSettings.of(indexed)
