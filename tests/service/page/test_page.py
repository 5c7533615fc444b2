"""The page, in a browser, against a service that runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote
from zipfile import ZipFile

import httpx
import pytest
from browsing import CHROMIUM, PHONE
from playwright.sync_api import Route

from fusionrec.service.ui.assets import STATIC

ROOT = Path(__file__).parents[3]
UNMET = "year%3D1800..1801"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")


def test_answers_appear(visit):
    tab = visit()
    assert tab.headline == "Popular with everyone, since nothing is known of you yet"
    assert tab.cards.count() == 12
    first = tab.cards.first
    assert first.locator("h3").inner_text()
    assert first.locator(".categories li").count() >= 1
    assert first.get_by_role("radio").count() == 5
    tab.page.get_by_text("How was this made?").click()
    assert "version v1" in tab.page.locator("#made").inner_text()
    assert tab.look("localStorage.length") == 0


def test_more_shows_the_next_ones(visit):
    tab = visit()
    before = tab.ids
    tab.page.get_by_role("button", name="More", exact=True).click()
    after = tab.changed(before)
    assert after[:12] == before
    assert len(set(after)) == len(after) == 24
    assert tab.look("document.activeElement.closest('.card').dataset.id") == after[12]


def test_a_known_user_sees_stars_as_text_and_as_a_bar(visit):
    tab = visit("?user=30")
    assert tab.headline == "For user 30"
    stars = float(tab.cards.first.locator(".figure b").inner_text())
    assert 1 <= stars <= 5
    full, filled = (tab.cards.first.locator(one).bounding_box() for one in (".bar", ".filled"))
    assert filled["width"] / full["width"] == pytest.approx((stars - 1) / 4, abs=0.03)
    tab.page.get_by_label("A user's id").fill("<b>nobody</b>")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_text("Nobody is known here as <b>nobody</b>").wait_for()
    tab.page.get_by_role("heading", name="nothing is known of user <b>nobody</b> yet").wait_for()


def test_a_profile_changes_the_list_and_stands_in_the_address(visit):
    tab = visit()
    before = tab.ids
    tab.page.get_by_label("Age", exact=True).select_option("25-34")
    after = tab.changed(before)
    assert tab.headline == "For someone like you: 25-34"
    assert "profile.age=25" in tab.page.url
    tab.reload()
    assert tab.ids == after
    tab.page.go_back()
    tab.changed(after)
    assert tab.ids == before


def test_suggestions_are_chosen_by_keyboard(visit):
    tab = visit()
    before = tab.ids
    wanted = tab.cards.nth(3).locator("h3").inner_text()
    tab.choose(wanted[:-2])
    box = tab.page.get_by_role("combobox", name="Movies you like")
    assert box.get_attribute("aria-expanded") == "true"
    tab.page.keyboard.press("Escape")
    assert tab.page.locator("[role=option]:visible").count() == 0
    tab.choose(wanted)
    options = tab.page.locator("[role=option]")
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("ArrowUp")
    chosen = tab.page.locator("[role=option][aria-selected=true]")
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    assert options.first.get_attribute("aria-selected") == "true"
    tab.page.keyboard.press("Enter")
    after = tab.changed(before)
    assert tab.headline == "For you, by what you like"
    assert "liked=" in tab.page.url
    tab.page.reload()
    tab.page.get_by_role("button", name=f"Remove {wanted}").press("Enter")
    assert tab.changed(after) == before


def test_enter_before_there_is_a_suggestion_takes_the_first_one(visit):
    tab = visit()
    before = tab.ids
    wanted = tab.cards.nth(3).locator("h3").inner_text()
    box = tab.page.get_by_role("combobox", name="Movies you like")
    box.fill(wanted)
    tab.page.keyboard.press("Enter")
    tab.changed(before)
    assert tab.page.get_by_role("button", name=f"Remove {wanted}").is_visible()
    assert box.input_value() == ""


def test_enter_waits_for_what_was_typed_last(visit):
    tab = visit()
    before = tab.ids
    stale, wanted = (tab.cards.nth(n).locator("h3").inner_text() for n in (2, 3))
    tab.choose(stale)
    tab.page.get_by_role("combobox", name="Movies you like").fill(wanted)
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("Tab")
    tab.changed(before)
    assert tab.page.get_by_role("button", name="Remove").count() == 1
    assert tab.page.get_by_role("button", name=f"Remove {wanted}").is_visible()


def test_what_is_rated_goes_and_changes_the_list(visit):
    tab = visit(reduced_motion="no-preference")
    rated = []
    for stars in (5, 4, 1):
        before = tab.ids
        card = tab.cards.nth(1)
        title = card.locator("h3").inner_text()
        rated.append(before[1])
        card.locator(".rating label").nth(stars - 1).click()
        after = tab.changed(before)
        assert not set(rated) & set(after)
        assert len(after) == 12
        assert tab.status.startswith(f"You rated “{title}” {stars} of 5. New here: “")
    assert tab.headline == "For you, by what you rated"
    assert any(move.startswith("translate(") for move in tab.look("seen.moves"))
    tab.page.get_by_text("Kept of you: 3 ratings").wait_for()
    visitor = tab.look("localStorage['fusionrec.visitor']")
    assert len(visitor) == len("visitor-") + 32
    assert visitor not in tab.page.url
    tab.reload()
    assert tab.ids == after


def test_a_rating_by_keyboard_waits_for_enter(visit):
    tab = visit()
    before = tab.ids
    tab.cards.first.get_by_role("radio").first.focus()
    for key in ("Space", "ArrowRight", "ArrowRight"):
        tab.page.keyboard.press(key)
    assert tab.cards.first.get_by_role("button", name="Rate 3").is_visible()
    assert not any("/v1/feedback" in one for one in tab.asked)
    tab.page.keyboard.press("Enter")
    after = tab.changed(before)
    assert " 3 of 5." in tab.status
    # The next card has the focus, wherever it is now; else the card in its place.
    next_one = before[1] if before[1] in after else after[1]
    assert tab.look("document.activeElement.closest('.card').dataset.id") == next_one
    assert before[0] not in after
    assert sum("/v1/feedback" in one for one in tab.asked) == 1


def test_what_is_hidden_goes_until_the_visitor_is_forgotten(visit):
    tab = visit("?profile.gender=F")  # what is popular depends on what the others here take
    before = tab.ids
    title = tab.cards.first.locator("h3").inner_text()
    tab.page.get_by_role("button", name=f"Hide {title}", exact=True).click()
    assert before[0] not in tab.changed(before)
    assert f"“{title}” is hidden." in tab.status
    visitor = tab.look("localStorage['fusionrec.visitor']")
    assert httpx.get(f"{tab.url}/v1/users/{visitor}").json()["events"] == {"hide": 1}
    gone = tab.ids
    tab.page.get_by_role("button", name="Forget me").click()
    tab.changed(gone)  # what was said of them is taken back as well
    assert tab.look("localStorage.length") == 0
    assert tab.open("?profile.gender=F").ids == before
    assert httpx.get(f"{tab.url}/v1/users/{visitor}").json()["events"] == {}


def test_filters(visit):
    tab = visit("?user=30")
    before = tab.ids
    tab.page.locator(".pill", has_text="Comedy").click()
    comedies = tab.changed(before)
    genres = [card.locator(".categories").inner_text() for card in tab.cards.all()]
    assert all("Comedy" in one for one in genres)
    tab.page.get_by_label("from").fill("1970")
    tab.page.get_by_label("to", exact=True).fill("1985")
    tab.page.keyboard.press("Enter")
    tab.changed(comedies)
    numbers = tab.page.locator(".card .numbers").all_inner_texts()
    years = [int(text.removeprefix("Year ")) for text in numbers]
    assert all(1970 <= year <= 1985 for year in years)
    assert "where=genre%3DComedy&where=year%3D1970..1985" in tab.page.url
    tab.reload()
    assert tab.page.get_by_role("checkbox", name="Comedy").is_checked()
    assert tab.page.get_by_label("from").input_value() == "1970"
    shown = tab.ids
    tab.page.get_by_role("button", name="Clear filters").click()
    assert tab.changed(shown) == before


def test_a_reversed_range_is_told_and_the_list_stays(visit):
    tab = visit("?user=30")
    before, asked = tab.ids, len(tab.asked)
    tab.page.get_by_label("from").fill("1985")
    tab.page.get_by_label("to", exact=True).fill("1970")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_text("must not be above").wait_for()
    assert (tab.ids, len(tab.asked)) == (before, asked)
    tab.page.locator(".pill", has_text="Comedy").click()
    comedies = tab.changed(before)
    assert "year" not in tab.page.url
    assert tab.page.get_by_label("from").input_value() == "1985"
    assert tab.page.get_by_text("must not be above").is_visible()
    tab.page.get_by_role("button", name="Clear filters").click()
    assert tab.changed(comedies) == before
    assert tab.page.get_by_label("from").input_value() == ""
    assert not tab.page.get_by_text("must not be above").is_visible()


def test_an_end_alone_is_asked_once_the_focus_leaves_the_range(visit):
    tab = visit("?user=30")
    before = tab.ids
    tab.page.get_by_label("from").fill("1985")
    tab.page.get_by_label("to", exact=True).focus()
    assert "year" not in tab.page.url
    tab.page.get_by_role("button", name="Start over").focus()
    tab.changed(before)
    assert "where=year%3D1985.." in tab.page.url


@pytest.mark.parametrize("where", ["genre%3DNope", "year%3D1999..1990", UNMET])
def test_filters_that_are_refused_or_met_by_nothing_can_be_cleared(visit, where):
    tab = visit(f"?where={where}")
    assert tab.cards.locator("h3").count() == 0
    unmet = where == UNMET
    assert (tab.headline == "No answer yet") is not unmet
    assert tab.page.get_by_text("No movies fit.").is_visible() is unmet
    tab.page.locator("#nothing").get_by_role("button", name="Clear filters").click()
    assert len(tab.changed([])) > 0
    assert "where" not in tab.page.url
    assert not tab.page.locator("#nothing").is_visible()
    assert not tab.page.get_by_role("alert", name="Trouble").is_visible()
    if not unmet:
        tab.forgive("Failed to load resource")


def test_search_finds_words_and_shows_markup_as_text(visit, hostile):
    tab = visit()
    before = tab.ids
    tab.page.get_by_role("searchbox", name="Search by words").fill("zanzibar")
    tab.page.keyboard.press("Enter")
    tab.changed(before)
    assert tab.headline == "Movies for “zanzibar”"
    assert tab.cards.first.locator("h3").inner_text() == hostile
    assert tab.page.locator(".card img, .card script").count() == 0
    tab.cards.first.locator(".rating label").nth(3).click()
    tab.page.locator("#status", has_text="The movies and their order are the same.").wait_for()
    assert tab.cards.first.get_by_role("radio", name="4 of 5").is_checked()
    tab.page.get_by_role("button", name="More like").first.click()
    tab.page.locator(".rows button").first.wait_for()
    tab.close_dialog()
    tab.choose("zanz")
    tab.page.keyboard.press("Enter")
    tab.page.locator(".chips", has_text=hostile).wait_for()
    tab.settled()
    tab.page.reload()
    tab.page.locator(".chips", has_text=hostile).wait_for()
    tab.settled()
    assert "run" not in tab.page.title()
    shown = tab.ids
    tab.page.get_by_role("button", name="Start over").click()
    assert len(tab.changed(shown)) == 12
    assert "?" not in tab.page.url


def test_a_misspelt_search_links_to_what_was_meant(visit, hostile):
    typed = "zanzibra img src x onerror document title run script document title run script"
    tab = visit(f"?q={quote(typed)}&where=genre%3DComedy")
    link = tab.page.get_by_role("link", name=hostile)
    link.wait_for()
    assert tab.page.locator("#meant").inner_text() == f"Did you mean {hostile}?"
    assert tab.page.locator("#meant img, #meant script").count() == 0
    link.focus()
    tab.page.keyboard.press("Enter")
    tab.page.locator("#meant").wait_for(state="hidden")
    assert tab.page.get_by_role("searchbox", name="Search by words").input_value() == hostile
    assert "where=genre%3DComedy" in tab.page.url
    assert tab.cards.first.locator("h3").inner_text() == hostile


def test_reasons_and_notes_are_shown_as_text(visit, hostile):
    def answered(route: Route) -> None:
        assert route.request.post_data_json["explain"] is True
        body = route.fetch().json()
        body["items"][0]["reason"] = {"kind": "near", "text": f"like {hostile}", "items": []}
        route.fulfill(json=body | {"notes": [hostile]})

    tab = visit()
    tab.page.route("**/v1/recommendations", answered)
    tab.reload()
    assert tab.cards.first.locator(".reason").inner_text() == f"like {hostile}"
    assert hostile in tab.page.locator("#made").text_content()


def test_titles_are_as_people_say_them(visit):
    stored = ["Quiet Harbour, The", "Étranger, L'", "Who, The (Live)", "Lost, and The", "The End"]
    shown = ["The Quiet Harbour", "L'Étranger", "The Who (Live)", "Lost, and The", "The End"]

    def answered(route):
        body = route.fetch().json()
        for item, title in zip(body["items"], stored, strict=False):
            named = [{"id": "1", "title": stored[0]}]
            item |= {"title": title, "reason": {"kind": "near", "text": f"like {stored[0]}"}}
            item["reason"]["items"] = named
        route.fulfill(json=body)

    tab = visit()
    tab.page.route("**/v1/recommendations", answered)
    tab.reload()
    assert tab.page.locator(".card h3").all_inner_texts()[:5] == shown
    assert tab.cards.first.locator(".reason").inner_text() == f"like {shown[0]}"


def test_the_wheel_holds_the_page(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(ZipFile(wheel).namelist())
    parts = {f"fusionrec/service/static/{one.name}" for one in STATIC.iterdir() if one.is_file()}
    assert "fusionrec/service/static/index.html" in parts
    assert parts <= packed


def test_phone(visit):
    tab = visit("?user=30", viewport=PHONE, has_touch=True)
    assert not tab.page.get_by_label("Age", exact=True).is_visible()
    for panel in ("You", "Filters"):
        tab.page.locator("summary", has_text=panel).tap()
    assert tab.page.get_by_label("Age", exact=True).is_visible()
    assert tab.look("document.documentElement.scrollWidth") == PHONE["width"]
    tab.page.get_by_role("button", name="Map").tap()
    tab.page.wait_for_selector("canvas[data-drawn]")
    assert tab.look("document.querySelector('dialog').scrollWidth") <= PHONE["width"]
    assert tab.look("document.documentElement.scrollWidth") == PHONE["width"]
