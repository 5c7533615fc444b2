"""What someone said: no stray click says it, and all of it can be seen, changed and taken back."""

from __future__ import annotations

import time

import httpx
import pytest
from browsing import CHROMIUM, PHONE, Tab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")


def said(tab: Tab) -> list[dict]:
    """What is kept of the tab's visitor, the newest first."""
    visitor = tab.look("localStorage['fusionrec.visitor']")
    events: list[dict] = httpx.get(f"{tab.url}/v1/users/{visitor}/feedback").json()["events"]
    return events


def rate(tab: Tab, stars: int, card: int = 0) -> str:
    """Rates a card; gives its title."""
    before = tab.ids
    title = tab.cards.nth(card).locator("h3").inner_text()
    tab.cards.nth(card).locator(".rating label").nth(stars - 1).click()
    tab.changed(before)
    return title


def middle(tab: Tab, card: int) -> tuple[float, float]:
    """The middle of a card's fourth star, once the card has come to rest."""
    tab.page.wait_for_function(
        "() => document.getAnimations().every((one) => one.playState !== 'running')"
    )
    tab.cards.nth(card).scroll_into_view_if_needed()
    box = tab.cards.nth(card).locator(".rating label").nth(3).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("pause", [0.1, 0.65])
def test_a_second_click_at_the_same_point_says_nothing(visit, pause):
    tab = visit(reduced_motion="no-preference")
    before = tab.ids
    point = middle(tab, 1)
    tab.page.mouse.move(*point)
    tab.page.mouse.click(*point)
    time.sleep(pause)
    tab.page.mouse.click(*point)
    after = tab.changed(before)
    tab.page.mouse.click(*point)
    assert len(said(tab)) == 1
    hovered = "[...document.querySelectorAll('.stars label:not(.held *):hover')].length"
    assert tab.look(hovered) == 0
    tab.page.mouse.move(point[0] + 12, point[1] + 12)
    tab.page.mouse.move(*middle(tab, 1))
    tab.page.wait_for_function(f"{hovered} === 1")
    tab.page.mouse.click(*middle(tab, 1))
    tab.changed(after)
    assert len(said(tab)) == 2


def test_a_double_tap_rates_once(visit):
    tab = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    before = tab.ids
    point = middle(tab, 0)
    tab.page.touchscreen.tap(*point)
    tab.changed(before)
    tab.page.touchscreen.tap(*point)
    assert len(said(tab)) == 1


def test_the_keyboard_counts_without_a_pointer_that_moves(visit):
    tab = visit()
    rate(tab, 4)
    before = tab.ids
    tab.cards.first.get_by_role("button", name="Hide").press("Enter")
    tab.changed(before)
    assert [event["kind"] for event in said(tab)] == ["hide", "rating"]


def test_the_message_undoes_what_it_tells(visit):
    tab = visit()
    before = tab.ids
    title = rate(tab, 5)
    assert tab.status.startswith(f"You rated “{title}” 5 of 5.")
    changed = tab.ids
    tab.page.get_by_role("button", name="Undo", exact=True).click()
    assert tab.changed(changed) == before
    assert tab.status == f"Your rating of “{title}” is taken back."
    assert said(tab) == []
    assert tab.look("document.activeElement.textContent") == title
    tab.page.get_by_text("Kept of you: nothing yet").wait_for()


def test_yours_lists_changes_and_takes_back(visit):
    tab = visit()
    start = tab.ids
    rated = rate(tab, 2)
    before = tab.ids
    hidden = tab.cards.first.locator("h3").inner_text()
    tab.cards.first.get_by_role("button", name="Hide").click()
    tab.changed(before)
    tab.page.get_by_role("button", name="Yours").click()
    rows = tab.page.locator(".told li")
    rows.nth(1).wait_for()
    assert hidden in rows.first.inner_text()
    assert "Rated 2 of 5" in rows.nth(1).inner_text()
    assert rows.nth(1).locator("input:checked").get_attribute("value") == "2"
    rows.nth(1).locator(".rating label").nth(4).click()
    tab.page.get_by_text(f"Changed: rated 5 of 5, {rated}.").wait_for()
    assert rows.count() == 3
    assert "changed since" in rows.nth(2).inner_text()
    tab.page.get_by_role("button", name="Undo: rated 5 of 5").click()
    tab.page.get_by_text("is taken back").first.wait_for()
    assert rows.count() == 2
    assert rows.nth(1).locator("input:checked").get_attribute("value") == "2"
    tab.page.get_by_role("button", name="Unhide").click()
    tab.page.get_by_role("button", name="Undo: rated 2 of 5").press("Enter")
    tab.page.get_by_text("Nothing yet. What").wait_for()
    tab.settled()
    tab.close_dialog()
    assert tab.ids == start


def test_search_shows_the_rating_that_was_given(visit):
    tab = visit()
    title = rate(tab, 4)
    before = tab.ids
    tab.page.locator("#words").fill(title)
    tab.page.keyboard.press("Enter")
    tab.changed(before)
    tab.reload()
    card = tab.cards.filter(has=tab.page.get_by_text(title, exact=True)).first
    card.get_by_text("You: rated 4 of 5").wait_for()
    assert card.locator("input:checked").get_attribute("value") == "4"
    card.get_by_role("button", name="Undo").press("Enter")
    card.locator(".given").get_by_text("You").wait_for(state="detached")
    assert card.locator("input:checked").count() == 0
    assert said(tab) == []


def test_two_tabs_that_undo_one_another(visit):
    tab = visit()
    title = rate(tab, 4)
    tab.page.locator("#undo").focus()  # so that the message stays, however long the rest takes
    other = Tab(tab.page.context.new_page(), tab.url).open()
    other.page.get_by_role("button", name="Yours").click()
    other.page.get_by_role("button", name="Undo").click()
    other.page.get_by_text("Nothing yet. What").wait_for()
    undo = tab.page.locator("#undo")
    undo.click()
    tab.page.get_by_text(f"Your rating of “{title}” is taken back.").wait_for()
    again = rate(tab, 5)
    httpx.delete(f"{tab.url}/v1/users/{tab.look('localStorage[`fusionrec.visitor`]')}")
    undo.click()
    tab.page.get_by_text(f"Nothing is kept of you about “{again}” any more").wait_for()
    tab.settled()
    tab.forgive("404")
    assert other.complaints == []
