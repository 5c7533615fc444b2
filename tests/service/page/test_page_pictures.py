"""Pictures on the page, the cover where there is none, and odd titles beside them."""

from __future__ import annotations

import picture_data
import pytest
from browsing import CHROMIUM, PHONE, tab_of

from axe import LOOKS, violations
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
    tab.page.wait_for_load_state("networkidle")


def forgive(tab):
    """Takes back what a browser says of pictures that are not there."""
    tab.complaints = [one for one in tab.complaints if "404" not in one]


def test_pictures_are_shown_and_covers_drawn_where_they_cannot_be(look):
    tab = look()
    assert len(tab.ids) == len(picture_data.TITLES)
    before = tab.look("seen.shift")
    all_shown(tab)
    for id in tab.ids:
        tag = cover(tab, id).evaluate("node => node.tagName.toLowerCase()")
        assert (id, tag) == (id, "img" if id in SHOWN else "svg")
    image = cover(tab, "9")
    assert image.get_attribute("src") == picture_data.ADDRESS
    assert image.get_attribute("alt") == ""
    assert not any("other.example" in one for one in tab.asked)
    assert tab.look("seen.shift") == before
    forgive(tab)
    assert tab.complaints == []
    text = tab.page.locator(".card[data-id='6']").inner_text()
    assert "gone.png" not in text


def test_a_picture_is_asked_for_when_it_comes_near(look):
    tab = look(viewport=PHONE)
    near = [one for one in tab.asked if "/v1/images/" in one or "img.example" in one]
    last = tab.cards.last
    assert cover(tab, last.get_attribute("data-id")).evaluate("node => node.tagName") == "svg"
    all_shown(tab)
    assert len([one for one in tab.asked if "/v1/images/" in one]) >= len(near)
    assert tab.look("document.documentElement.scrollWidth") == PHONE["width"]


def test_similar_items_have_pictures_too(look):
    tab = look()
    tab.page.get_by_role("button", name="More like Calm sea").click()
    tab.page.locator("dialog img.cover").first.wait_for()
    assert tab.page.locator("dialog .row .cover").count() == 10
    names = [name for role, name in tab.named("button") if name.startswith("By address")]
    assert names
    assert all("png" not in name for name in names)


def test_with_a_key_files_are_asked_for_by_it(look, hung):
    tab = look(key=hung.admin["Authorization"].removeprefix("Bearer "))
    with tab.page.expect_request("**/v1/images/**") as asked:
        tab.reload()
    assert asked.value.headers["authorization"] == hung.admin["Authorization"]
    all_shown(tab)
    source = cover(tab, "0").get_attribute("src")
    assert source.startswith("blob:")
    assert cover(tab, "0").evaluate("node => node.naturalWidth") == 8


@pytest.mark.parametrize("name", LOOKS)
def test_nothing_is_wrong_in_any_look(look, name):
    tab = look(**LOOKS[name])
    all_shown(tab)
    assert violations(tab.page) == []
    drawn = tab.page.locator(".card[data-id='10'] .cover")
    paint = "[...node.children].map(one => getComputedStyle(one).fill)"
    plate, letters = drawn.evaluate(f"node => {paint}")
    assert plate != letters
    for card in tab.cards.all():
        assert card.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
