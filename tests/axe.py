"""Accessibility as axe-core finds it.

assert violations(page) == []
assert violations_in(chromium, url) == []  # light, dark, forced colours, phone
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

_WIDE, _PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

# How a page may be looked at, as arguments of ``Browser.new_context``.
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": _WIDE, "color_scheme": "light"},
    "dark": {"viewport": _WIDE, "color_scheme": "dark"},
    "forced colours": {"viewport": _WIDE, "forced_colors": "active"},
    "phone": {"viewport": _PHONE, "color_scheme": "light", "has_touch": True},
}


def violations(page: Page) -> list[str]:
    """What axe-core finds on a page as it stands, by WCAG 2 A and AA and its best practices: a line
    for each rule, with the first elements that break it.

    The page's Content-Security-Policy may forbid scripts: this one comes by the browser's protocol.
    Wait first until nothing moves, since a half transparent text has another contrast.
    """
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}: {_elements(one['nodes'])}" for one in found]


def violations_in(
    started: Browser, url: str, ready: Callable[[Page], object] | None = None, **context: Any
) -> list[str]:
    """``violations`` in each of ``LOOKS``, each line beginning with the look.

    Args:
        started: a browser.
        url: of the page.
        ready: waits until the page is complete, or opens a part of it.
        context: more arguments of ``Browser.new_context``, such as ``extra_http_headers``.
    """
    lines = []
    for name, look in LOOKS.items():
        opened = started.new_context(**{"reduced_motion": "reduce"} | look | context)
        page = opened.new_page()
        page.goto(url)
        if ready is not None:
            ready(page)
        lines += [f"{name}: {line}" for line in violations(page)]
        opened.close()
    return lines


def _elements(nodes: list[dict[str, Any]]) -> str:
    shown = "; ".join(f"{' '.join(map(str, n['target']))} {_why(n)}" for n in nodes[:3])
    return f"{shown} and {len(nodes) - 3} more" if len(nodes) > 3 else shown


def _why(node: dict[str, Any]) -> str:
    checks = (*node["any"], *node["all"], *node["none"])
    return f"({checks[0]['message']})" if checks else ""
