"""The page over data that is not MovieLens': every kind of field, other scales, no ratings."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from browsing import CHROMIUM, PHONE, Tab
from playwright.sync_api import Route
from shop_data import ware

from colliding import NUMBERS, content, title
from fusionrec.workspace import Workspace
from serving import Shop, opened

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")

USER = f"?user={quote('επισκέπτης 7')}"
PLAYER = f"?user={quote('играч 7')}"


@pytest.fixture(scope="module")
def bazaar_url(stalls: Workspace):
    with opened(stalls) as shop:
        yield url_of(shop)


@pytest.fixture
def bazaar(visit, bazaar_url):
    return lambda query="", **look: visit(query, bazaar_url, **look)


@pytest.fixture
def puzzles(visit, riddles: Shop):
    return lambda query="", **look: visit(query, url_of(riddles), **look)


def url_of(shop: Shop) -> str:
    return str(shop.client.base_url).rstrip("/")


def with_scale(tab: Tab, low: float, high: float, step: float) -> None:
    """Has the page show another scale; what it tells the service is answered and not kept."""

    def formed(route: Route) -> None:
        scale = {"low": low, "high": high, "step": step, "like": high}
        route.fulfill(json=route.fetch().json() | {"rating": scale})

    def answered(route: Route) -> None:
        body = route.fetch().json()
        for item in body["items"]:
            item["stars"] = low + 0.875 * (high - low)
        route.fulfill(json=body)

    tab.page.unroute_all()
    tab.page.route("**/v1/schema", formed)
    tab.page.route("**/v1/recommendations", answered)
    tab.page.route("**/v1/feedback", lambda route: route.fulfill(status=201, json={"events": []}))
    tab.reload()


def said(tab: Tab, act) -> dict:
    """What the page tells the service when something is done."""
    asked = tab.page.expect_response("**/v1/recommendations")  # the answer to it, that is drawn
    with tab.page.expect_request("**/v1/feedback") as told, asked:
        act()
    tab.settled()
    body = told.value.post_data_json
    assert "time" not in body  # the browser's clock may be wrong: the service says when it was
    return {name: body[name] for name in ("kind", "rating") if name in body}


def test_where_nothing_is_rated_the_page_speaks_of_no_rating(bazaar):
    tab = bazaar(f"{USER}&profile.town=Town%203")
    before = tab.ids
    first, second, third = (tab.cards.nth(n).locator("h3").inner_text() for n in range(3))
    assert tab.page.get_by_role("radio").count() == tab.page.locator(".bar").count() == 0
    tab.page.get_by_role("button", name=f"I like {first}", exact=True).press("Enter")
    after = tab.changed(before)
    assert before[0] not in after
    assert tab.status.startswith(f"You like “{first}”.")
    tab.page.get_by_role("button", name=f"{second} is not for me", exact=True).click()
    assert before[1] not in tab.changed(after)
    assert f"“{second}” is not for you." in tab.status
    tab.page.get_by_role("button", name=f"Viewed {third}", exact=True).click()
    tab.page.locator("#status", has_text=f"Noted: you viewed “{third}”.").wait_for()
    tab.settled()
    assert before[2] in tab.ids
    tab.page.get_by_text("kept of them: 1 like, 1 hidden ware and 1 view").wait_for()
    tab.open_map()
    words = tab.look("document.body.innerText + document.title")
    assert not re.search(r"\brat(e|ed|ing|ings)\b|\bstars?\b|movie|genre|film", words, re.I)


def test_an_answer_for_nobody_says_how_often_things_were_taken(bazaar):
    tab = bazaar()
    assert re.fullmatch(r"taken \d+ times?", tab.cards.first.locator(".counted").inner_text())


def test_a_card_shows_all_that_is_known_under_its_heading(bazaar):
    tab = bazaar(f"?where={quote('price=2900..')}")
    card = tab.cards.first
    assert card.locator(".numbers").inner_text() == "Price, € 3000 · Made in 1909 · Grams 4700"
    assert card.locator(".categories").inner_text().startswith("Φανάρι")
    assert "Maker 2" in card.locator(".categories").inner_text()
    text = card.locator(".text")
    assert text.inner_text().startswith("A Φανάρι for every day.")
    assert text.bounding_box()["height"] < 50  # a long text is cut


def test_attributes_called_like_words_of_an_answer_are_shown(visit, worded: Shop):
    tab = visit("?user=c3", url_of(worded))
    card = tab.cards.first
    number = int(tab.ids[0].removeprefix("s"))
    known = content(number)
    assert card.locator("h3").inner_text() == title(number)
    numbers = card.locator(".numbers").inner_text()
    assert numbers == " · ".join(f"{name.capitalize()} {known[name]:g}" for name in NUMBERS)
    assert known["reason"] in card.locator(".categories").inner_text()
    assert 1 <= float(card.locator(".figure b").inner_text()) <= 5
    tab.page.get_by_role("button", name=f"More like {title(number)}", exact=True).click()
    tab.page.locator("dialog small", has_text="Score").first.wait_for()


def test_a_profile_of_every_kind(bazaar):
    tab = bazaar()
    before = tab.ids
    for hobby in ("Cooking", "Painting"):
        tab.page.locator(".pill", has_text=hobby).click()
        before = tab.changed(before) if tab.ids == before else tab.ids
    tab.page.get_by_label("Town", exact=True).select_option("Town 3")
    tab.page.get_by_label("In their own words").fill("likes Χαλί")
    tab.page.get_by_label("Age", exact=True).fill("41")
    tab.page.keyboard.press("Enter")
    wanted = "For someone like you: Cooking, Painting, Town 3, likes Χαλί, 41"
    tab.page.get_by_role("heading", name=wanted).wait_for()
    tab.reload()
    assert tab.page.get_by_role("checkbox", name="Painting").is_checked()
    assert tab.page.get_by_label("Age", exact=True).input_value() == "41"
    assert tab.headline == wanted
    tab.page.locator(".pill", has_text="Cooking").click()
    tab.page.get_by_role("heading", name="For someone like you: Painting, Town 3").wait_for()


def test_of_many_values_some_are_found_by_typing(bazaar):
    tab = bazaar(USER)
    assert tab.page.locator(".pill", has_text="tag 1").count() == 0
    box = tab.page.get_by_role("combobox", name="Tagged")
    box.focus()
    tab.page.keyboard.press("ArrowDown")  # asks for the most frequent ones
    tab.page.locator("[role=option]", has_text="handmade").wait_for()
    before = tab.ids
    box.fill("tag 4")
    tab.page.locator("[role=option]", has_text="tag 4").first.wait_for()
    chosen = tab.page.locator("[role=option][aria-selected=true]").inner_text().splitlines()[0]
    tab.page.keyboard.press("Enter")
    shown = tab.changed(before)
    held = [card.locator(".categories").inner_text().split("\n") for card in tab.cards.all()]
    assert all(any(text.strip(" ·") == chosen for text in one) for one in held)
    assert f"where=tag%3D{chosen.replace(' ', '+')}" in tab.page.url
    tab.reload()
    chips = tab.page.get_by_role("list", name="Tagged: chosen")
    chips.get_by_role("button", name=f"Remove {chosen}").press("Enter")
    assert tab.changed(shown) == before
    assert "where" not in tab.page.url


def test_ranges_have_steps_and_plain_numbers(bazaar):
    tab = bazaar(USER)
    price, made = (tab.page.get_by_role("group", name=one) for one in ("Price, €", "Made in"))
    low, high = price.get_by_label("from"), price.get_by_label("to", exact=True)
    assert [one.get_attribute("placeholder") for one in (low, high)] == ["0.5", "3000"]
    assert (low.get_attribute("step"), made.get_by_label("from").get_attribute("step")) == (
        "20",
        "1",
    )
    assert re.fullmatch(r"\d{4}", made.get_by_label("from").get_attribute("placeholder"))
    before = tab.ids
    low.fill("0.75")
    high.fill("9.5")
    tab.page.keyboard.press("Enter")
    tab.changed(before)
    assert "where=price%3D0.75..9.5" in tab.page.url


def test_ids_and_titles_of_any_script(bazaar):
    item = ware(5)
    tab = bazaar(f"?liked={quote(item, safe='')}&user={quote('Δ/? #', safe='')}")
    markup = tab.page.locator(".chips li", has_text="<img src=x")
    markup.wait_for()
    assert "run" not in tab.page.title()
    first = tab.cards.first.locator("h3").inner_text()
    tab.page.get_by_role("button", name=f"More like {first}", exact=True).click()
    tab.page.locator(".rows button").nth(9).wait_for()
    tab.close_dialog()
    before = tab.ids
    markup.get_by_role("button").press("Enter")
    tab.changed(before)


def test_without_any_field_there_are_ids_to_choose(puzzles):
    tab = puzzles()
    assert tab.page.locator("#filters .field").count() == 1  # how the list is put together
    assert tab.page.locator("#you .field").count() == 3  # what one likes, its box, a user's id
    assert tab.cards.first.locator("h3").inner_text().startswith("пъзел ")
    assert tab.cards.first.locator(".categories, .text:visible").count() == 0
    tab.open(PLAYER)
    assert re.fullmatch(r"\d+\.\d of 10", tab.cards.first.locator(".figure").inner_text())
    before = tab.ids
    title = tab.cards.first.locator("h3").inner_text()
    boxes = tab.cards.first.get_by_role("radio")
    assert boxes.count() == 10
    tops = {boxes.nth(n).bounding_box()["y"] for n in range(10)}
    assert len(tops) == 1
    tab.cards.first.locator(".rating label").nth(9).click()
    assert before[0] not in tab.changed(before)
    assert tab.status.startswith(f"You rated “{title}” 10 of 10.")


SCALES = (
    # low, high, step; ratings to choose from; the second one; what 7/8 of the scale reads as
    ((1, 5, 1), 5, 2, "4.5 of 5"),
    ((0.5, 5, 0.5), 10, 1, "4.4 of 5"),
    ((0, 10, 1), 11, 1, "8.8 of 10"),
    ((0, 100, 10), 11, 10, "88 of 100"),
    ((-2, 2, 1), 5, -1, "1.5 on -2 to 2"),
)


def test_scales_are_rated_by_keyboard(puzzles):
    tab = puzzles(PLAYER)
    for scale, count, second, shown in SCALES:
        with_scale(tab, *scale)
        card = tab.cards.first
        assert card.locator(".figure").inner_text() == shown
        assert card.get_by_role("radio").count() == count
        card.get_by_role("radio").first.focus()
        tab.page.keyboard.press("Space")
        tab.page.keyboard.press("ArrowRight")
        card.get_by_role("button", name=f"Rate {second}", exact=True).wait_for()
        told = said(tab, lambda: tab.page.keyboard.press("Enter"))
        assert told == {"kind": "rating", "rating": second}


def test_halves_of_stars_are_half_as_wide(puzzles):
    tab = puzzles(PLAYER)
    with_scale(tab, 0.5, 5, 0.5)
    labels = tab.cards.first.locator(".rating label")
    widths = [labels.nth(n).bounding_box()["width"] for n in range(10)]
    assert max(widths) < 17
    assert said(tab, labels.nth(6).click) == {"kind": "rating", "rating": 3.5}


def test_long_scales_are_sliders(puzzles):
    tab = puzzles(PLAYER)
    for scale, key, rating in (((0, 100, 1), "End", 100), ((-10, 10, 0.25), "ArrowRight", 0.25)):
        with_scale(tab, *scale)
        slider = tab.cards.first.get_by_role("slider")
        slider.focus()
        tab.page.keyboard.press(key)
        tab.cards.first.get_by_role("button", name=f"Rate {rating}", exact=True).wait_for()
        asked = len(tab.asked)
        told = said(tab, lambda: tab.page.keyboard.press("Enter"))
        assert told == {"kind": "rating", "rating": rating}
        assert sum("/v1/feedback" in one for one in tab.asked[:asked]) == (rating != 100)


def test_two_ratings_are_a_like_and_a_dislike(puzzles):
    tab = puzzles(PLAYER)
    with_scale(tab, 1, 5, 4)
    card = tab.cards.first
    title = card.locator("h3").inner_text()
    assert card.locator(".figure").inner_text() == "88% like"
    no = tab.page.get_by_role("button", name=f"{title} is not for me", exact=True)
    assert said(tab, no.click) == {"kind": "rating", "rating": 1}
    tab.page.locator("#status", has_text=f"“{title}” is not for you.").wait_for()
    tab.settled()
    yes = tab.page.get_by_role("button", name=f"I like {title}", exact=True)
    assert said(tab, lambda: yes.press("Enter")) == {"kind": "rating", "rating": 5}
    tab.page.locator("#status", has_text=f"You like “{title}”.").wait_for()


def reasons(tab: Tab, told) -> tuple[str, list[str]]:
    """What stands above the cards and on each where item n's reason is ``told(n)``."""

    def answered(route: Route) -> None:
        body = route.fetch().json()
        for n, item in enumerate(body["items"]):
            item["reason"] = told(n)
        route.fulfill(json=body)

    tab.page.route("**/v1/recommendations", answered)
    tab.reload()
    lead = tab.page.locator("#lead").inner_text()
    return lead, [card.locator(".reason").text_content() for card in tab.cards.all()]


def test_what_most_cards_share_is_said_once(bazaar):
    often = {"kind": "popular", "text": "often taken", "items": []}
    lead, texts = reasons(bazaar(), lambda _: often)
    assert (lead, set(texts)) == ("Often taken.", {""})
    new = {"kind": "new", "text": "not taken yet", "items": []}
    lead, texts = reasons(bazaar(), lambda n: new if n == 3 else often)
    assert lead == "Most of these: often taken."
    assert [text for text in texts if text] == ["not taken yet"]


def test_no_item_is_named_on_every_card(bazaar):
    def told(n: int) -> dict:
        items = [{"id": "a", "title": "Alpha"}, {"id": f"{n}", "title": f"Other {n // 2}"}]
        text = f"because you took Alpha and Other {n // 2}"
        return {"kind": "liked", "text": text, "items": items}

    lead, texts = reasons(bazaar(), told)
    assert lead == ""
    assert texts[:2] == ["because you took Alpha and Other 0"] * 2
    assert sum("Alpha" in text for text in texts) == 3
    assert texts[3:] == [f"because of Other {n // 2}" for n in range(3, 12)]


def test_nothing_is_cut_off_at_the_side(bazaar):
    chosen = "&".join(f"liked={quote(ware(n), safe='')}" for n in range(3))
    tab = bazaar(f"?{chosen}&where=tag%3Dhandmade")
    tab.page.locator(".chips li").nth(3).wait_for()
    for width in (390, 640, 900, 1024, 1280, 1600):
        tab.page.set_viewport_size({"width": width, "height": 700})
        assert cut_off(tab) == [], width
        panels = "document.querySelector('.panels')"
        assert tab.look(f"{panels}.scrollWidth <= {panels}.clientWidth"), width
        assert tab.look("document.documentElement.scrollWidth") == width


def cut_off(tab: Tab) -> list[str]:
    """What stands out of its panel or card at the side."""
    return tab.look("""[...document.querySelectorAll(
      '.panels li, .panels input:not([type=checkbox]), .panels select, .pill span, .card button')]
      .filter((node) => {
        const box = node.getBoundingClientRect();
        const around = node.closest('.inside, .card').getBoundingClientRect();
        return box.right > around.right + .5 || box.left < around.left - .5;
      }).map((node) => node.textContent || node.placeholder)""")


@pytest.mark.parametrize("look", [{}, {"viewport": PHONE}], ids=["wide", "phone"])
def test_nothing_lies_on_the_map(bazaar, look):
    tab = bazaar(f"{USER}&where=kind%3D%CE%A7%CE%B1%CE%BB%CE%AF", **look)
    tab.cards.first.get_by_role("button", name=re.compile("^Viewed")).click()
    tab.page.locator("#status", has_text="Noted").wait_for()
    tab.open_map()
    tab.settled()
    assert "the same" in tab.status
    assert not tab.page.locator("#status").is_visible()
    canvas = tab.page.locator("canvas")
    canvas.focus()
    for key in ("Home", *["ArrowUp"] * 12):  # up to the points at the upper edge
        tab.page.keyboard.press(key)
        tip = tab.page.locator(".tip").bounding_box()
        place = tab.look("document.querySelector('.tip').dataset.at").split(",")
        box = canvas.bounding_box()
        x, y = (box[side] + float(at) for side, at in zip("xy", place, strict=True))
        within = tip["x"] <= x <= tip["x"] + tip["width"]
        assert not (within and tip["y"] <= y <= tip["y"] + tip["height"])
