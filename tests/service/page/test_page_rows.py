"""The answer in rows: what rows there are, when each is asked for, and how they are read."""

from __future__ import annotations

import numpy as np
import pytest
from browsing import CHROMIUM, PHONE

from fusionrec.service.ui.newest import _least

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")


def in_rows(tab):
    """The rows' headings, once the first row has its cards."""
    tab.page.get_by_role("button", name="Rows").click()
    tab.page.locator(".strip .card h3").first.wait_for()
    return tab.page.locator(".strip h2").all_inner_texts()


def test_each_row_is_asked_for_when_it_comes_into_view(visit):
    tab = visit("?user=30", viewport=PHONE | {"height": 300})
    asked = len(tab.asked)
    headings = in_rows(tab)
    assert (headings[0], headings[-1]) == ("For you", "Popular with everyone")
    assert "New here" in headings
    assert not tab.cards.last.is_visible()  # the list
    strips = tab.page.locator(".strip")
    assert strips.last.locator("h3").count() == 0
    before = len(tab.asked)
    assert before - asked < strips.count()
    strips.last.scroll_into_view_if_needed()
    strips.last.locator("h3").first.wait_for()
    assert len(tab.asked) > before
    assert tab.look("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_choice_is_kept_and_the_list_is_one_click_away(visit):
    tab = visit()
    before = tab.ids
    assert in_rows(tab) == ["Popular with everyone", "New here"]
    tab.reload()
    assert tab.page.get_by_role("button", name="Rows").get_attribute("aria-pressed") == "true"
    tab.page.get_by_role("button", name="List").click()
    assert tab.page.locator(".strip").count() == 0
    assert tab.ids == before
    assert tab.look("localStorage.length") == 0
    tab.open("?q=a")
    assert not tab.page.get_by_role("button", name="Rows").is_visible()


def test_rows_follow_a_profile_and_what_was_liked(visit):
    tab = visit("?profile.age=25")
    assert in_rows(tab)[-1] == "Popular with people like you"
    card = tab.page.locator(".strip .card").nth(1)
    title = card.locator("h3").inner_text()
    card.locator(".rating label").last.click()
    tab.page.get_by_role("heading", name=f"Because you liked {title}").wait_for()
    tab.page.locator("#status", has_text="5 of 5. ").wait_for()
    titles = tab.page.locator(".strip").first.locator("h3").all_inner_texts()
    assert title not in titles


def test_a_row_is_scrolled_by_keyboard(visit):
    tab = visit("?user=30")
    in_rows(tab)
    row = tab.page.get_by_role("list", name="For you")
    row.focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function("() => document.activeElement.scrollLeft > 0")


@pytest.mark.parametrize(
    ("numbers", "least"),
    [
        (np.arange(1950, 2001), 1976),  # years: the latest two dozen
        (np.arange(1000) + 1.7e9 - 1e8, 1.6e9 + 949),  # seconds: one in twenty
        (np.arange(100), None),
        (np.arange(1950, 2001) + 0.5, None),
        (np.arange(1990, 1995), None),
        (np.full(50, 1999), None),
    ],
)
def test_the_latest_are_told_by_years_and_times(numbers, least):
    assert _least(np.sort(numbers)[::-1].astype(float)) == least
