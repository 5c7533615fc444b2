"""Pictures on the page, the cover where there is none, and odd titles beside them."""

from __future__ import annotations

import re

import picture_data
import pytest
from browsing import CHROMIUM, PHONE, tab_of

from axe import violations
from builders import recipe
from fusionrec.deploy.build import build_index
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from serving import opened

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")
SHOWN = ("0", "1", "2", "3", "4", "5", "9")  # items whose picture can be shown


@pytest.fixture(scope="module")
def hung(tmp_path_factory):
    base = tmp_path_factory.mktemp("hung")
    made = Workspace(base / "home")
    data = picture_data.gallery(base / "data", len(picture_data.TITLES))
    build_index(made, train(data, recipe(epochs=1), made))
    picture_data.pictures(made.home / "pictures")
    with opened(made, images="pictures", image_hosts=("img.example.org",)) as shop:
        yield shop


@pytest.fixture
def look(chromium, hung):
    """Opens the page over the gallery, with its other host; gives the tab."""
    contexts = []

    def looked(query="", key="", **given):
        context, tab = tab_of(chromium, str(hung.client.base_url).rstrip("/"), **given)
        contexts.append((context, tab))
        if key:
            context.add_init_script(f"sessionStorage.setItem('fusionrec.key', {key!r})")
        picture = {"body": picture_data.png(), "content_type": "image/png"}
        context.route("https://img.example.org/**", lambda route: route.fulfill(**picture))
        return tab.open(query)

    yield looked
    for context, tab in contexts:
        assert tab.look("seen.csp") == []
        foreign = {one.split(" ")[1] for one in tab.asked if f" {tab.url}/" not in one}
        assert {one for one in foreign if not one.startswith("blob:")} <= {picture_data.ADDRESS}
        assert tab.look("document.title") != "run"
        context.close()


def cover(tab, id):
    return tab.page.locator(f".card[data-id='{id}'] .cover")


def all_shown(tab):
    """Scrolls every card into view until what can be shown is."""
    for card in tab.cards.all():
        card.scroll_into_view_if_needed()
    for id in SHOWN:
        tab.page.locator(f".card[data-id='{id}'] img.cover").wait_for()


def contrast(*colours):
    """The ratio of two colours as WCAG has it."""
    lights = []
    for colour in colours:
        parts = [int(one) / 255 for one in re.findall(r"\d+", colour)[:3]]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(lights) / min(lights)


def test_pictures_are_shown_and_covers_drawn_where_they_cannot_be(look):
    tab = look()
    assert len(tab.ids) == len(picture_data.TITLES)
    before = tab.look("seen.shift")
    all_shown(tab)
    tab.page.wait_for_load_state("networkidle")
    for id in tab.ids:
        tag = cover(tab, id).evaluate("node => node.tagName.toLowerCase()")
        assert (id, tag) == (id, "img" if id in SHOWN else "svg")
    image = cover(tab, "9")
    assert image.get_attribute("src") == picture_data.ADDRESS
    assert image.get_attribute("alt") == ""
    assert not any("other.example" in one for one in tab.asked)
    assert tab.look("seen.shift") == before
    assert "gone.png" not in tab.page.locator(".card[data-id='6']").inner_text()
    tab.page.get_by_role("button", name="More like Calm sea").click()
    tab.page.locator("dialog img.cover").first.wait_for()
    assert tab.page.locator("dialog .row .cover").count() == 10
    names = [name for _, name in tab.named("button") if name.startswith("By address")]
    assert names
    assert all("png" not in name for name in names)
    # A browser tells of pictures that are not there, and nobody can keep it from that.
    assert [one for one in tab.complaints if "404" not in one] == []


def test_on_a_phone_pictures_come_when_they_are_near_in_rows_too(look):
    tab = look(viewport=PHONE)
    last = tab.cards.last.get_attribute("data-id")
    assert cover(tab, last).evaluate("node => node.tagName") == "svg"
    all_shown(tab)
    assert tab.look("document.documentElement.scrollWidth") == PHONE["width"]
    tab.page.get_by_role("button", name="Rows", exact=True).click()
    tab.page.locator(".strip img.cover").first.wait_for()


def test_with_a_key_files_are_asked_for_by_it(look, hung):
    tab = look(key=hung.admin["Authorization"].removeprefix("Bearer "))
    all_shown(tab)
    assert cover(tab, "0").get_attribute("src").startswith("blob:")
    assert cover(tab, "0").evaluate("node => node.naturalWidth") == 8


def test_covers_and_odd_titles_can_be_read_in_every_look(look):
    tab = look()
    all_shown(tab)
    for name in ("light", "dark", "forced colours"):
        given = {"color_scheme": "dark" if name == "dark" else "light"}
        forced = "active" if name == "forced colours" else "none"
        tab.page.emulate_media(forced_colors=forced, reduced_motion="reduce", **given)
        paint = "[...node.children].map(one => getComputedStyle(one).fill)"
        plate, letters = cover(tab, "10").evaluate(f"node => {paint}")
        assert contrast(plate, letters) >= 4.5, name
        # What stands outside of the cards is for other tests.
        assert [one for one in violations(tab.page) if not one.startswith("region")] == [], name
    for card in tab.cards.all():
        assert card.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    assert tab.page.locator(".card[data-id='4']").bounding_box()["height"] < 400
