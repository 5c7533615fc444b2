"""The plots and the reference in a browser: in every look, and without a complaint."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from axe import violations_in
from fusionrec.ledger import Event, Traffic

sys.path.append(str(Path(__file__).parents[1] / "page"))
from browsing import browser, tab_of


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


def test_the_desk_plots_have_no_fault_in_any_look(shop, chromium: Browser):
    now = time.time()
    begin = int(now) // 60 * 60 - 300
    sums = [Traffic(begin + 60 * n, 60, "/v1/map", 60, n, n, n, {20 + n: 50}) for n in range(5)]
    shop.ledger.add_traffic(sums, now, {"xyz": 3})
    kinds = ("like", "view", "hide")
    shop.ledger.record([Event(f"plot-{k}", "p", "1", k, None, now) for k in kinds])
    kept, shop.ledger.keys = shop.ledger.keys, list
    try:
        url = str(shop.client.base_url).rstrip("/")

        def opened(page):
            for one in page.locator("details").all():
                one.locator("summary").click()
            width = "document.documentElement.scrollWidth <= innerWidth"
            assert page.evaluate(width), "only tables scroll sideways"

        for path in ("/ops/traffic", "/ops/activity"):
            assert violations_in(chromium, f"{url}{path}", opened) == []
    finally:
        shop.ledger.keys = kept


def test_the_reference_works_with_and_without_a_key(shop, public, chromium: Browser):
    url = str(shop.client.base_url).rstrip("/")
    context, tab = tab_of(chromium, url)
    tab.page.goto(f"{url}/docs")
    tab.page.get_by_role("button", name="GET /healthz Whether the process is alive").click()
    tab.page.get_by_role("button", name="Try it out").click()
    tab.page.get_by_role("button", name="Execute").click()
    tab.page.wait_for_selector(".live-responses-table")
    assert not tab.page.locator("#access").is_visible()
    assert tab.complaints == []
    assert tab.look("seen.csp") == []
    assert [one for one in tab.asked if f" {url}/" not in one] == []
    context.close()

    url = str(public.client.base_url).rstrip("/")
    context, tab = tab_of(chromium, url)
    tab.page.goto(f"{url}/docs")
    tab.page.get_by_label("Key that opens read").fill(public.admin["Authorization"].split()[1])
    tab.page.get_by_role("button", name="Use it").click()
    tab.page.wait_for_selector(".opblock")
    assert not tab.page.locator("#access").is_visible()
    context.close()
