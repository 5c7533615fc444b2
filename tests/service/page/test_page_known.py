"""Known users as people, and the map's ways, marks and zoom."""

from __future__ import annotations

import pytest
from browsing import CHROMIUM

from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load
from serving import Server

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")


@pytest.fixture(scope="module")
def alone(copy_home):
    """A service without keys, and its version."""
    workspace = copy_home()
    started = Server(workspace)
    yield started, load(workspace)
    started.kill()


@pytest.fixture
def look(visit, alone):
    return lambda query="": visit(query, url=alone[0].url)


def test_examples_lead_to_a_person_with_profile_and_ratings(look, alone):
    tab = look()
    panel = tab.page.locator("#known")
    assert panel.locator("summary").inner_text() == "Look as someone else"
    panel.locator("button").nth(5).wait_for()
    before = tab.ids
    user = panel.locator("button").first.inner_text().splitlines()[0].removeprefix("User ")
    panel.locator("button").first.press("Enter")
    tab.changed(before)
    assert f"user={user}" in tab.page.url
    panel.locator(".said li").nth(7).wait_for()
    stored = alone[1].histories.of(alone[1].user_positions[user])
    titles = alone[1].items.columns["title"]
    first = panel.locator(".said li").first.inner_text()
    assert first.startswith(titles[int(stored.items[-1])])
    assert f"{stored.ratings[-1]:g} of 5" in first
    assert panel.locator(".facts dt").first.inner_text()
    panel.get_by_role("button", name="Earlier ones").press("Enter")
    panel.locator(".said li").nth(8).wait_for()
    assert tab.look("document.activeElement.closest('.said') !== null")
    tab.open("?user=never-seen")
    tab.page.wait_for_selector("#known[hidden]", state="attached")


def test_once_there_is_a_key_the_page_shows_nobody_else(visit):
    tab = visit("?user=30")
    assert tab.page.locator("#known").is_hidden()
    tab.open("")
    assert tab.page.locator("#known").is_hidden()
    assert not any("/history" in one or one.endswith("/v1/users") for one in tab.asked)


def test_the_map_is_laid_out_in_two_ways_and_marks_the_list(look):
    tab = look("?user=30")
    tab.open_map()
    ways = tab.page.get_by_role("group", name="Lay out by")
    near = ways.get_by_role("button", name="Neighbourhoods", exact=True)
    near.wait_for()  # it says so while they are being made
    near.press("Enter")
    tab.page.get_by_text("What goes together is near each other").wait_for()
    assert near.get_attribute("aria-pressed") == "true"
    picture = "document.querySelector('canvas').toDataURL()"
    before = tab.look(picture)
    ways.get_by_role("button", name="Main directions").press("Enter")
    tab.page.get_by_text("directions in which they differ most").wait_for()
    assert tab.look(picture) != before
    assert "circled: in your list" in tab.page.locator(".map-marks").inner_text()
    assert int(tab.page.locator("canvas").get_attribute("data-names")) >= 4
    assert tab.page.locator(".legend:not(.ways) button").count() <= 6
    tab.page.get_by_text("As a table").press("Enter")
    rows = tab.page.locator(".map-list tbody tr")
    assert rows.first.inner_text().endswith(("in your list", "yours"))
    table = tab.page.locator(".map-list tbody").inner_text()
    assert "in your list" in table
    assert "yours" in table


def test_the_map_is_zoomed_and_moved_by_keys_buttons_wheel_and_drag(look):
    tab = look("?user=30")
    tab.open_map()
    canvas = tab.page.locator("canvas")
    picture = "document.querySelector('canvas').toDataURL()"
    whole = tab.look(picture)
    seen = [whole]

    def differs():
        now = tab.look(picture)
        assert now not in seen
        seen.append(now)

    tab.page.get_by_role("button", name="Zoom in").press("Enter")
    differs()
    canvas.focus()
    tab.page.keyboard.press("+")
    differs()
    tab.page.keyboard.press("Shift+ArrowRight")
    differs()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.page.mouse.move(x, y)
    tab.page.mouse.wheel(0, -240)
    tab.page.wait_for_timeout(50)
    differs()
    tab.page.mouse.down()
    tab.page.mouse.move(x + 90, y + 40, steps=4)
    tab.page.mouse.up()
    assert tab.page.locator("dialog").count() == 1, "a drag is no click"
    tab.page.mouse.move(2, 2)
    tab.page.wait_for_timeout(50)
    differs()
    canvas.focus()
    tab.page.keyboard.press("0")
    assert tab.look(picture) == whole


def test_a_service_without_neighbourhoods_has_directions_alone(visit, copy_home, serve):
    workspace = copy_home()
    workspace.settings.write_text("[service]\nneighbourhoods = false\n")
    assert not Ledger(workspace.ledger).keys()
    tab = visit("", url=serve(workspace).url)
    tab.open_map()
    assert tab.page.locator(".ways").is_hidden()
    assert not workspace.maps.exists()
