"""Fixtures for the tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from browsing import Tab, browser, tab_of
from playwright.sync_api import Browser

from fusionrec.ledger import Ledger
from fusionrec.workspace import Workspace
from serving import Server

HOSTILE = (
    "Zanzibar <img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
)


@dataclass(frozen=True)
class Site:
    """A service that runs: its address, and a key that opens everything."""

    url: str
    key: str


@pytest.fixture
def hostile() -> str:
    """The title of item 9001."""
    return HOSTILE


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def server(copy_home: Callable[..., Workspace]) -> Iterator[Site]:
    """A service whose items include one with a title that is markup."""
    workspace = copy_home()
    key = Ledger(workspace.ledger).add_key("admin", ["admin", "read", "feedback"])
    started = Server(workspace)
    try:
        item = {"title": HOSTILE, "genres": ["Comedy"], "year": 1999}
        bearing = {"Authorization": f"Bearer {key}"}
        told = httpx.put(f"{started.url}/v1/items/9001", json=item, headers=bearing)
        assert told.status_code == 200, told.text
        yield Site(started.url, key)
    finally:
        started.kill()


@pytest.fixture
def visit(chromium: Browser, server: Site) -> Iterator[Callable[..., Tab]]:
    """Opens the page as a new visitor; afterwards nothing may have been complained about."""
    opened = []

    def visited(query: str = "", url: str = server.url, **look: Any) -> Tab:
        context, tab = tab_of(chromium, url, **look)
        opened.append((context, tab))
        return tab.open(query)

    yield visited
    for context, tab in opened:
        assert tab.complaints == []
        assert tab.look("seen.csp") == []
        assert [one for one in tab.asked if f" {tab.url}/" not in one] == []
        context.close()
