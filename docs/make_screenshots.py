"""Takes the pictures of docs/service.md from a service that runs.

    fusionrec serve &
    python docs/make_screenshots.py http://127.0.0.1:8000

It asks as a visitor of its own, rates one item, and has the visitor forgotten at the end.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
MOST = 200_000  # bytes of a picture
WIDE, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 780}


def main(url: str) -> None:
    """Takes all pictures."""
    chromium = shutil.which("chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        save(opened(browser, f"{url}/?user=42"), "page-user.png")
        visitor = rated(opened(browser, url, color_scheme="dark"))
        save(visitor, "page-visitor.png")
        visitor.get_by_role("button", name="Forget me").click()
        visitor.get_by_text("You are forgotten").wait_for()
        save(mapped(opened(browser, f"{url}/?user=42")), "page-map.png")
        save(
            opened(browser, f"{url}/?user=42&where=genre=Comedy", viewport=PHONE), "page-phone.png"
        )
        browser.close()


def opened(browser: Browser, url: str, **look: Any) -> Page:
    """The page, once its answer is there."""
    page = browser.new_page(**{"viewport": WIDE, "reduced_motion": "reduce"} | look)
    page.goto(url)
    page.wait_for_selector(".card h3")
    return page


def rated(page: Page) -> Page:
    """The page of someone who said who they are, named an item, and rated another."""
    page.get_by_label("Age", exact=True).select_option("25")
    page.get_by_role("combobox").last.fill("blade run")
    page.wait_for_selector("[role=option]")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="For you").wait_for()
    page.wait_for_selector("#cards[aria-busy=false]")
    page.locator(".card").nth(1).locator(".rating label").nth(4).click()
    page.locator("#status", has_text="New here").wait_for()
    page.mouse.move(1, 1)
    return page


def mapped(page: Page) -> Page:
    """The map, one of its points in focus."""
    page.get_by_role("button", name="Map").click()
    page.wait_for_selector("canvas[data-drawn]")
    page.mouse.move(820, 330)
    return page


def save(page: Page, name: str) -> None:
    """Writes what is seen of a page, or its dialog alone."""
    page.wait_for_timeout(500)  # until what fades has faded
    dialogs = page.locator("dialog").all()
    seen = dialogs[0].screenshot() if dialogs else page.screenshot()
    picture = Image.open(io.BytesIO(seen)).convert("RGB")
    if dialogs:  # the map's points make it large
        picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE)
    picture.save(HERE / name, optimize=True)
    size = (HERE / name).stat().st_size
    print(f"{name}: {size:,} bytes", file=sys.stderr)
    if size > MOST:
        raise SystemExit(f"{name} is larger than {MOST:,} bytes: take it smaller")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
