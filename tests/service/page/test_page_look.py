"""What stands above the list, how it is put together, and how it looks on a phone."""

from __future__ import annotations

import pytest
from browsing import CHROMIUM, PHONE

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")
NARROWED = "?user=30&where=genre%3DComedy&where=year%3D1950..1990&diversity=0.5"


def boxes(tab, selector):
    return [one.bounding_box() for one in tab.page.locator(selector).all()]


def test_filters_stand_as_chips_above_the_list(visit):
    tab = visit(NARROWED)
    chips = tab.page.get_by_role("list", name="Filters in use").get_by_role("listitem")
    said = [text.split("\n")[0] for text in chips.all_inner_texts()]
    assert said == ["Comedy", "Year 1950 to 1990", "More variety: 50%"]
    assert tab.page.locator("#filters summary").inner_text() == "Filters (3)"
    before = tab.ids
    tab.page.locator("#chosen").get_by_role("button", name="Remove Comedy").press("Enter")
    tab.changed(before)
    assert "genre" not in tab.page.url
    assert (
        tab.look("document.activeElement.getAttribute('aria-label')") == "Remove Year 1950 to 1990"
    )
    before = tab.ids
    tab.page.get_by_role("button", name="Clear all").click()
    tab.changed(before)
    assert tab.page.url.endswith("/?user=30")
    assert not tab.page.locator("#chosen").is_visible()
    assert tab.page.locator("#filters summary").inner_text() == "Filters"
    assert tab.look("document.activeElement.id") == "headline"


def test_conditions_from_an_address_are_chips_too(visit):
    tab = visit("?where=genre%2B%3DComedy&where=year%3D1950..&diversity=7&calibration=x")
    chips = tab.page.locator("#chosen li span")
    assert chips.all_inner_texts() == ["genre+=Comedy", "Year from 1950"]


def test_variety_is_a_slider_whose_place_stands_in_the_address(visit):
    tab = visit("?user=30")
    before = tab.ids
    slider = tab.page.get_by_role("slider", name="More variety")
    slider.focus()
    tab.page.keyboard.press("End")
    after = tab.changed(before)
    assert "diversity=1" in tab.page.url
    assert slider.get_attribute("aria-valuetext") == "100%"
    tab.reload()
    assert tab.ids == after
    assert slider.input_value() == "1"
    shown = tab.page.get_by_role("checkbox", name="Less of what I have been shown")
    with tab.page.expect_request("**/v1/recommendations") as asked:
        shown.check()
    assert asked.value.post_data_json["fresh"] is True
    assert asked.value.post_data_json["diversity"] == 1
    tab.settled()
    tab.open("?q=a&diversity=1")
    assert not slider.is_visible()
    assert not tab.page.locator("#chosen").is_visible()


def test_three_cards_fit_on_a_phone(visit):
    tab = visit("?user=30", viewport=PHONE)
    cards = boxes(tab, ".card")
    tallest = max(
        third["y"] + third["height"] - first["y"]
        for first, third in zip(cards, cards[2:], strict=False)
    )
    assert tallest <= PHONE["height"]
    assert tab.look("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("look", [{}, {"viewport": PHONE}], ids=["wide", "phone"])
def test_the_message_covers_no_card(visit, look):
    tab = visit(**look)
    before = tab.ids
    tab.cards.nth(2).get_by_role("button", name="Hide").click()
    tab.changed(before)
    tab.page.locator("#status", has_text="is hidden.").wait_for()
    (message,) = boxes(tab, "#message")
    if look:  # the window ends above it, and whatever has the focus stands there
        assert (message["x"], message["width"]) == (0, PHONE["width"])
        assert message["y"] + message["height"] == PHONE["height"]
        for _ in range(8):
            tab.page.keyboard.press("Tab")
            here = tab.look("document.activeElement.getBoundingClientRect().bottom")
            assert here <= message["y"]
        tab.look("scrollTo(0, document.body.scrollHeight)")
        assert boxes(tab, "#end")[0]["y"] < message["y"]
    else:
        assert message["x"] + message["width"] <= boxes(tab, ".card")[0]["x"]


def test_a_cover_is_drawn_of_title_and_category(visit):
    tab = visit("?q=Zanzibar")
    cover = tab.cards.first.locator(".cover")
    assert cover.locator("text").text_content() == "ZI"  # of markup the letters alone
    assert cover.get_attribute("aria-hidden") == "true"
    first = cover.get_attribute("class")
    tab.reload()
    assert cover.get_attribute("class") == first
