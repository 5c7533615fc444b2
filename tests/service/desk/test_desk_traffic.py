"""The traffic, what people do, and the reference: counted, kept, told and shown."""

from __future__ import annotations

import time

import httpx
import pytest

from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger, Traffic
from fusionrec.service.tally import EDGES, Tally, quantile
from fusionrec.service.traffic import TrafficWriter
from fusionrec.service.traffic_report import traffic_report
from serving import opened


class Clock:
    now = 1_000_000_020.0  # a full minute

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(shop):
    """A browser that is logged in at the desk."""
    name = f"desk-{time.monotonic_ns()}"
    with httpx.Client(base_url=shop.client.base_url) as client:
        client.post("/ops/login", data={"key": shop.ledger.add_key(name, ["admin"])})
        yield client
    shop.ledger.remove_key(name)


def test_requests_are_told_apart_and_summed_by_minute(clock):
    tally = Tally(clock)
    for status, shed in ((200, False), (304, False), (500, False), (503, False), (503, True),
                         (429, True), (401, True), (404, False)):  # fmt: skip
        tally.request("/r", status, 0.002, shed=shed)
    clock.now += 60
    tally.request("/r", 200, 1e9, shed=False)
    first, second = tally.take()[0]
    assert first == Traffic(1_000_000_020, 60, "/r", 8, 2, 2, 2, {14: 2})
    assert (second.start, second.latency) == (1_000_000_080, {len(EDGES): 1})
    assert tally.take() == ([], {})


def test_what_could_not_be_written_is_written_later_unless_it_is_old(clock):
    tally = Tally(clock)
    tally.request("/r", 200, 0.1, shed=False)
    tally.missed("x", "a")
    taken = tally.take()
    tally.give_back(*taken)
    assert tally.take() == taken
    clock.now += 2 * 3_600
    tally.give_back(*taken)
    assert tally.take() == ([], {"x": 1})


@pytest.mark.parametrize("seconds", [0.00005, 0.0021, 0.3, 9.0])
def test_quantiles_are_within_a_range_of_the_exact_ones(clock, seconds):
    tally = Tally(clock)
    for n in range(101):
        tally.request("/r", 200, seconds * (1 + n / 100), shed=False)
    latency = tally.take()[0][0].latency
    for share in (0.5, 0.99):
        assert quantile(latency, share) == pytest.approx(seconds * (1 + share), rel=0.26, abs=1e-4)
    assert quantile({}, 0.5) is None


def test_searches_are_counted_once_for_each_who_asks_by_their_words(clock):
    tally = Tally(clock)
    for text, asker in (("Dune, Part", "a"), ("dune part", "a"), ("DUNE part!", "b"), ("...", "a")):
        tally.missed(text, asker)
    for n in range(2_000):
        tally.missed(f"w{n} " + "x" * 200, "a")
    missed = tally.take()[1]
    assert missed["dune part"] == 2
    assert len(missed) == 1_000
    assert max(map(len, missed)) == 100


def test_a_ledger_that_fails_keeps_no_answer_and_loses_no_minute(shop):
    tally = Tally()
    writer = TrafficWriter(tally, shop.state.recorder, shop.ledger)
    kept = shop.ledger.add_traffic

    def failing(*_: object) -> None:
        raise LedgerError("no room")

    shop.ledger.add_traffic = failing
    try:
        tally.request("/failing", 200, 0.1, shed=False)
        writer.flush()
        shop.state.recorder.perform(lambda: None)
        assert shop.client.get("/v1/search", params={"q": "a"}).status_code == 200
    finally:
        shop.ledger.add_traffic = kept
    writer.close()
    shop.state.recorder.perform(lambda: None)
    assert [one.requests for one in shop.ledger.traffic(60, 0) if one.route == "/failing"] == [1]


def test_a_restart_forgets_nothing(indexed):
    with opened(indexed) as own:
        own.client.get("/v1/search", params={"q": "qqqq qqqq"})
        own.client.get("/healthz")
        own.client.get("/v1/nothing", headers=own.admin)
    sums = {one.route: one for one in Ledger(indexed.ledger).traffic(60, 0)}
    assert sums.keys() == {"/v1/search", "none"}
    assert (sums["none"].requests, sums["none"].refused) == (1, 1)
    [missed] = Ledger(indexed.ledger).missed_searches(0, 1, 9)
    assert (missed.words, missed.asked) == ("qqqq qqqq", 1)
    with opened(indexed) as own:
        begin = int(time.time()) // 60 * 60 - 60
        own.ledger.add_traffic([Traffic(begin, 60, "/v1/map", 30, latency={20: 30})], time.time())
        told = own.client.get("/v1/traffic", headers=own.admin).json()
        assert told["total"]["requests"] >= 30
        assert len(told["points"]) == 60
        one = own.client.get("/v1/traffic", params={"route": "/v1/map"}, headers=own.admin).json()
        assert one["total"]["requests"] == 30
        assert one["total"]["p50"] == pytest.approx(EDGES[20], rel=0.26)
        for span, points in (("day", 96), ("month", 240)):
            report = traffic_report(own.ledger, span, time.time())
            assert len(report.points) == points
            assert sum(one.requests for _, one in report.points) == report.total.requests >= 30
        assert own.client.get("/v1/traffic").status_code == 401
        assert own.client.get("/v1/traffic?span=x", headers=own.admin).status_code == 422


def test_the_desk_shows_the_traffic_with_a_table_beside_each_plot(shop, desk):
    begin = int(time.time()) // 60 * 60 - 120
    shop.ledger.add_traffic([Traffic(begin, 60, "/v1/map", 600, 1, 2, 3, {20: 594})], time.time())
    for query in ("", "?span=day", "?span=month", "?route=/v1/map", "?route=<b>"):
        page = desk.get(f"/ops/traffic{query}")
        assert page.status_code == 200
        assert page.text.count('<svg class="plot') == page.text.count("As a table<")
        assert "style=" not in page.text
        assert "<b>" not in page.text
    for part in ("Version", "Store", "Ledger", "Workers", "Disk"):
        assert f"<dt>{part}</dt>" in page.text
    assert "/v1/map" in page.text
    assert str(shop.workspace.home.parent) not in page.text


def test_the_desk_shows_what_people_do(shop, desk):
    now = time.time()
    shop.ledger.record([Event(f"desk-{n}", f"new-{n}", "1", "like", None, now) for n in range(3)])
    missed = {"asked twice <b>": 2, "asked once": 1}
    shop.ledger.add_traffic([], now, missed)
    page = desk.get("/ops/activity")
    assert page.status_code == 200
    assert "asked twice &lt;b&gt;" in page.text
    assert "asked once" not in page.text
    assert "Never shown" in page.text or "Nobody with an id" in page.text
    assert '<svg class="plot' in page.text
    assert "new-1" not in page.text


def test_a_ledger_that_cannot_be_read_is_told_on_a_page_that_answers(shop, desk, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise LedgerError("the ledger is away")

    for name in ("traffic", "events_by_day"):
        monkeypatch.setattr(shop.ledger, name, away)
    monkeypatch.setattr("fusionrec.service.desk.activity_figures._KEPT", -1.0)
    for path in ("/ops/traffic", "/ops/activity"):
        page = desk.get(path)
        assert page.status_code == 200
        assert "the ledger is away" in page.text
    assert "<dt>Disk</dt>" in desk.get("/ops/traffic").text


def test_the_reference_is_of_files_of_this_machine_under_a_strict_policy(shop):
    page = shop.client.get("/docs")
    assert page.status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "http" not in page.text
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "reference.js", "reference.css"):
        assert f"docs/{name}" in page.text
        assert shop.client.get(f"/docs/{name}").status_code == 200
    for name in ("redoc.standalone.js", "..%2f..%2fapp.py", "index.html"):
        assert shop.client.get(f"/docs/{name}").status_code == 404
