"""Who may use the desk: keys, sessions, and forms of other pages."""

from __future__ import annotations

import pytest
from desk_visits import Visit
from starlette.requests import Request
from starlette.responses import Response

from fusionrec.errors import LedgerError
from fusionrec.service.desk import access, shell
from fusionrec.service.rate_limits import TokenBuckets
from serving import Shop


@pytest.fixture
def keyless(shop, monkeypatch) -> Shop:
    """The same service while its ledger holds no key."""
    monkeypatch.setattr(shop.ledger, "keys", list)
    return shop


@pytest.fixture(autouse=True)
def _attempts(monkeypatch):
    monkeypatch.setattr(shell, "_attempts", TokenBuckets(0.001, 10))


def test_without_a_key_the_desk_is_open_to_this_machine_alone(keyless):
    with Visit(keyless) as visit:
        first = visit.get("/ops")
        assert first.status_code == 200
        assert "no key" in first.text
        cookie = first.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/ops", "Max-Age=43200"):
            assert part in cookie
        assert "Secure" not in cookie
        assert "set-cookie" not in visit.get("/ops").headers
        assert visit.fill("/ops/item/withdraw", id="nothing").status_code == 404
        assert visit.post("/ops/item/withdraw", data={"id": "3"}).status_code == 403


def test_its_cookie_is_secure_behind_https():
    response = Response()
    scope = {"type": "http", "scheme": "https", "server": ("x", 443), "path": "/", "headers": []}
    access.set_cookie(Request(scope), response, "x")
    assert "Secure" in response.headers["set-cookie"]


def test_where_there_is_a_key_it_asks_for_one(shop):
    with Visit(shop) as visit:
        sent = visit.get("/ops/versions?x=1")
        assert sent.status_code == 303
        assert sent.headers["location"] == "/ops/login?next=%2Fops%2Fversions%3Fx%3D1"
        form = visit.get(sent.headers["location"])
        assert 'value="/ops/versions?x=1"' in form.text
        policy = form.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert form.headers["cache-control"] == "no-store"
        assert visit.get("/ops/static/desk.css").status_code == 200


@pytest.mark.parametrize("key", ["", "frk_x", "frk_" + "x" * 43, "x" * 10_000, "\U0001f600"])
def test_an_unknown_key_opens_nothing(shop, key):
    with Visit(shop) as visit:
        told = visit.post("/ops/login", data={"key": key})
        assert told.status_code == 401
        assert "set-cookie" not in told.headers
        assert "scope admin" in told.text


def test_a_key_without_the_scope_admin_opens_nothing(shop):
    secret = shop.ledger.add_key("only reads", ["read", "feedback"])
    with Visit(shop) as visit:
        assert visit.post("/ops/login", data={"key": secret}).status_code == 401


def test_attempts_are_limited(shop):
    with Visit(shop) as visit:
        told = [visit.post("/ops/login", data={"key": "no"}).status_code for _ in range(12)]
    assert told == [401] * 10 + [429] * 2


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("/ops/versions?a=1", "/ops/versions?a=1"),
        ("https://evil.example/ops", "/ops"),
        ("//evil.example/ops", "/ops"),
        ("/ops\\evil", "/ops"),
        ("/opsx", "/ops"),
        ("/ops/logout", "/ops"),
        ("/ops/a\r\nX: y", "/ops"),
    ],
)
def test_the_login_leads_to_the_desk_and_nowhere_else(wanted, got):
    assert shell._back(wanted) == got


def test_a_session_ends_by_logging_out(shop):
    with Visit(shop, "goes away") as visit:
        cookie = visit.cookies[access.COOKIE]
        assert visit.get("/ops/login").headers["location"] == "/ops"
        assert "goes away" in visit.get("/ops").text
        told = visit.fill("/ops/logout")
        assert told.headers["location"] == "/ops/login?done=logged-out"
        visit.cookies.set(access.COOKIE, cookie, path="/ops")  # someone had copied it
        assert visit.get("/ops").status_code == 303


def test_a_session_ends_with_its_time(shop, monkeypatch):
    with Visit(shop, "sleeps") as visit:
        kept = {"Cookie": f"{access.COOKIE}={visit.cookies[access.COOKIE]}"}  # past its age, too
        visit.cookies.clear()
        now = access.time.time()
        monkeypatch.setattr(access.time, "time", lambda: now + access.SECONDS + 1)
        assert visit.get("/ops", headers=kept).headers["location"] == "/ops/login?ended=1"


def test_a_key_that_is_withdrawn_while_the_page_is_open_leads_to_the_login(shop):
    with Visit(shop, "withdrawn") as visit:
        form = {"token": visit.token(), "id": "3"}
        shop.ledger.remove_key("withdrawn")
        for sent in (visit.get("/ops/items?q=3"), visit.post("/ops/item/withdraw", data=form)):
            assert sent.status_code == 303
            assert sent.headers["location"].startswith("/ops/login?ended=1")
        said = visit.get(sent.headers["location"])
        assert "its key was withdrawn" in said.text
        assert shop.state.answer(lambda view: view.catalog.available.all())


HEADERS = [
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Content-Type": "text/plain"}, 400),
    ({"Content-Type": "application/json"}, 400),
]


@pytest.mark.parametrize(("headers", "status"), HEADERS)
def test_a_form_of_another_page_changes_nothing(shop, headers, status):
    with Visit(shop, f"meant {headers}") as visit:
        content = f"token={visit.token()}&id=3"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = visit.post("/ops/item/withdraw", content=content, headers=kind | headers)
        assert sent.status_code == status
        assert visit.post("/ops/login", content="key=x", headers=kind | headers).status_code in (
            400, 403,
        )  # fmt: skip
        assert shop.state.answer(lambda view: view.catalog.available.all())


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "é"])
def test_a_form_without_the_sessions_token_changes_nothing(shop, token):
    with Visit(shop, f"token {token!r}") as visit, Visit(shop, f"other {token!r}") as other:
        for wrong in (token, other.token()):
            sent = visit.post("/ops/item/withdraw", data={"id": "3", "token": wrong})
            assert sent.status_code == 403
            assert "session that has ended" in sent.text
        assert shop.state.answer(lambda view: view.catalog.available.all())


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff=1", b"&".join([b"a=1"] * 300), b"a" * 500_000])
def test_what_is_no_form_is_refused_by_a_page(shop, body):
    with Visit(shop) as visit:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = visit.post("/ops/login", content=body, headers=kind)
        assert sent.status_code == 400
        assert sent.headers["content-type"].startswith("text/html")


def test_a_ledger_that_is_away_is_told_by_a_page(shop, monkeypatch):
    with Visit(shop, "waits") as visit:
        monkeypatch.setattr(shop.ledger, "session_key", _away)
        told = visit.get("/ops/versions")
        assert told.status_code == 503
        assert "the ledger is away" in told.text


def _away(*_):
    raise LedgerError("the ledger is away")


def test_what_is_not_there_is_a_page_too(shop):
    with Visit(shop, "looks around") as visit:
        assert visit.get("/ops/").headers["location"] == "/ops"
        told = visit.get("/ops/nothing")
        assert told.status_code == 404
        assert "has no page" in told.text
        assert visit.get("/ops/item?id=a&id=b").status_code == 400
