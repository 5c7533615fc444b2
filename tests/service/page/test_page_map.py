"""From one item to others: those like it, and the map of all."""

from __future__ import annotations

import pytest
from browsing import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")


def test_more_like_this(visit):
    tab = visit()
    first = tab.cards.first.locator("h3").inner_text()
    tab.page.get_by_role("button", name=f"More like {first}", exact=True).press("Enter")
    dialog = tab.page.get_by_role("dialog", name=f"More like {first}")
    rows = dialog.locator(".rows button")
    rows.nth(9).wait_for()
    second = rows.first.locator("span").inner_text()
    rows.first.press("Enter")
    tab.page.get_by_role("dialog", name=f"More like {second}").wait_for()
    tab.close_dialog()
    assert tab.look("document.activeElement.textContent") == "More like this"
    before = tab.ids
    tab.page.get_by_role("button", name=f"More like {first}", exact=True).click()
    tab.page.get_by_role("button", name="I like this").click()
    tab.changed(before)
    assert tab.page.locator("#you .chips").inner_text().startswith(first)


def test_going_back_closes_what_lies_above_the_page(visit):
    tab = visit()
    tab.open("?where=year=1950..")
    tab.page.get_by_role("button", name="Clear filters").click()
    tab.page.wait_for_function("!location.search.includes('1950')")
    tab.page.get_by_role("button", name="Map").click()
    tab.page.wait_for_selector("dialog[open]")
    tab.page.go_back()
    tab.page.wait_for_selector("dialog[open]", state="detached")
    assert "1950" in tab.page.url


# How many pixels of the map are a point's, and how many the ring's.
_PIXELS = """() => {
  const c = document.querySelector('canvas');
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let drawn = 0, ring = 0;
  for (let i = 0; i < d.length; i += 4) {
    drawn += d[i + 3] > 0;
    ring += d[i] === 15 && d[i + 1] === 107 && d[i + 2] === 98 && d[i + 3] === 255;
  }
  return [drawn, ring];
}"""


def test_the_map_draws_the_items_and_the_person(visit):
    tab = visit()
    assert not any("/v1/map" in one for one in tab.asked)
    tab.open_map()
    assert tab.page.locator("canvas").get_attribute("data-drawn") == "41"
    drawn, ring = tab.look(_PIXELS)
    assert drawn > 41 * 10
    assert ring == 0
    assert "you are not on it" in tab.page.locator(".map-note").inner_text()
    tab.close_dialog()
    tab.open("?user=30")
    tab.open_map()
    assert tab.look(_PIXELS)[1] > 50
    assert "The ring is where you are." in tab.page.locator(".map-note").inner_text()


def test_the_map_is_read_by_keyboard_and_by_pointer(visit):
    tab = visit("?user=30")
    tab.open_map()
    canvas, told = tab.page.locator("canvas"), tab.page.locator(".map-note")
    canvas.focus()
    tab.page.keyboard.press("Home")
    near = told.inner_text()
    tab.page.keyboard.press("ArrowRight")
    beside = told.inner_text()
    assert beside != near
    tip = tab.page.locator(".tip")
    assert tip.inner_text() == beside
    tab.page.keyboard.press("Enter")
    title = beside.split(" · ")[0]
    tab.page.get_by_role("dialog", name=f"More like {title}").wait_for()
    tab.close_dialog()
    group = tab.page.locator(".legend:not(.ways) button").first
    picture = "document.querySelector('canvas').toDataURL()"
    before = tab.look(picture)
    group.click()
    assert group.get_attribute("aria-pressed") == "true"
    assert tab.look(picture) != before
    group.click()
    box = canvas.bounding_box()
    for step in range(0, int(box["width"]), 6):  # somewhere on that line is a point
        tab.page.mouse.move(box["x"] + step, box["y"] + box["height"] * 0.63)
        tab.look("new Promise(requestAnimationFrame)")  # until then the page has seen no move
        if tip.is_visible():
            break
    assert tip.is_visible()
    title = tip.inner_text().split(" · ")[0]
    tab.page.mouse.down()
    tab.page.mouse.up()
    tab.page.get_by_role("dialog", name=f"More like {title}").wait_for()
