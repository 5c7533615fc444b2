"""A browser that looks at the page, and all that it complained about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from quick import leave_out

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# What a page does that no test could see afterwards.
_WATCH = """
window.seen = {moves: [], shift: 0, csp: []};
const animate = Element.prototype.animate;
Element.prototype.animate = function (frames, timing) {
  if (this.classList.contains('card')) seen.moves.push(frames[0].transform ?? '');
  return animate.call(this, frames, timing);
};
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) seen.shift += one.value;
}).observe({type: 'layout-shift', buffered: true});
document.addEventListener('securitypolicyviolation', (one) => seen.csp.push(one.violatedDirective));
"""


@dataclass
class Tab:
    """A tab that shows the page of a service.

    Attributes:
        page: the tab.
        url: of the service.
        complaints: what the console and uncaught errors said.
        asked: methods and addresses of all requests.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(60_000)  # on a busy machine, too
        self.page.add_init_script(_WATCH)
        self.page.on("console", lambda said: self._console(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request", lambda request: self.asked.append(f"{request.method} {request.url}")
        )

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def open(self, query: str = "") -> Tab:
        """Goes to the page and waits for the answer."""
        self.page.goto(f"{self.url}/{query}")
        self.settled()
        return self

    def settled(self) -> None:
        """Waits until no answer is under way and no card is about to leave."""
        self.page.wait_for_selector(".card h3, #nothing:not([hidden])")
        self.page.wait_for_selector("#cards[aria-busy=false]", state="attached")
        self.page.wait_for_selector(".leaving", state="detached")

    def reload(self) -> None:
        """Loads the address again and waits for the answer."""
        self.page.reload()
        self.settled()

    def open_map(self) -> None:
        """Opens the map and waits until it is drawn."""
        self.page.get_by_role("button", name="Map").click()
        self.page.wait_for_selector("canvas[data-drawn]")

    def forgive(self, text: str) -> None:
        """Takes back the complaints that hold a text; there must be one."""
        left = [one for one in self.complaints if text not in one]
        assert len(left) < len(self.complaints)
        self.complaints = left

    @property
    def cards(self) -> Locator:
        return self.page.locator(".card")

    @property
    def headline(self) -> str:
        return self.page.locator("#headline").inner_text()

    @property
    def status(self) -> str:
        return self.page.locator("#status").text_content() or ""

    @property
    def ids(self) -> list[str]:
        """Ids of the items shown, the first one first."""
        found: list[str] = self.page.eval_on_selector_all(
            ".card", "all => all.map(c => c.dataset.id)"
        )
        return found

    def look(self, code: str) -> Any:
        """What a piece of JavaScript gives."""
        return self.page.evaluate(code)

    def changed(self, before: list[str]) -> list[str]:
        """Waits for another answer than the one before; gives its ids."""
        self.page.wait_for_function(
            "before => [...document.querySelectorAll('.card')].map(c => c.dataset.id)"
            ".join() !== before && document.querySelector('#cards').ariaBusy === 'false'",
            arg=",".join(before),
        )
        self.settled()
        return self.ids

    def close_dialog(self) -> None:
        """Closes the uppermost one, and waits until it is gone and gave the focus back."""
        before = self.page.locator("dialog").count()
        self.page.keyboard.press("Escape")
        fewer = "before => document.querySelectorAll('dialog').length < before"
        self.page.wait_for_function(fewer, arg=before)

    def choose(self, text: str, label: str = "Movies you like") -> None:
        """Types into a box that suggests items, and waits for what it suggests."""
        self.page.get_by_role("combobox", name=label).fill(text)
        self.page.wait_for_selector("[role=option]")

    def named(self, *roles: str) -> list[tuple[str, str]]:
        """Role and name of all controls of these roles, as the browser tells them to a reader."""
        session = self.page.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        found = [(n["role"]["value"], n.get("name", {}).get("value", ""))
                 for n in nodes if not n["ignored"]]  # fmt: skip
        return [(role, name) for role, name in found if role in roles]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    leave_out("a browser")
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def tab_of(started: Browser, url: str, **look: Any) -> tuple[BrowserContext, Tab]:
    """A new visitor's tab: without anything kept; ``look`` as of ``Browser.new_context``."""
    context = started.new_context(**{"viewport": WIDE, "reduced_motion": "reduce"} | look)
    return context, Tab(context.new_page(), url)
