"""The page for everyone: read aloud, by keyboard, in the dark, and when something is wrong."""

from __future__ import annotations

from collections import Counter

import pytest
from browsing import CHROMIUM, PHONE, tab_of

from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium in PATH")

CONTROLS = (
    *("button", "textbox", "searchbox", "combobox", "listbox", "option", "radio", "checkbox"),
    *("spinbutton", "radiogroup", "dialog", "application", "link"),
)
FAILED = "Failed to load resource"  # what the console says of every answer that is an error

# The contrast of each visible text with what is behind it: text, colours, ratio.
_CONTRASTS = """() => {
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = numbers(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    const text = walk.currentNode.data.trim();
    if (!text || node.closest('.unseen, :disabled, noscript, .skip')) continue;
    if (!node.checkVisibility({visibilityProperty: true})) continue;
    const pair = [light(numbers(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    found.push([text, Math.round(100 * ratio) / 100]);
  }
  return found;
}"""


def test_every_control_has_a_name(visit):
    tab = visit()
    tab.choose("a")
    assert {r for r, _ in tab.named(*CONTROLS)} >= {"button", "combobox", "option", "radio"}
    assert [role for role, name in tab.named(*CONTROLS) if not name.strip()] == []
    tab.page.keyboard.press("Escape")
    tab.open_map()
    tab.page.locator("canvas").press("Home")
    tab.page.locator("canvas").press("Enter")
    tab.page.locator(".rows button").nth(9).wait_for()
    assert [(role, name) for role, name in tab.named(*CONTROLS) if not name.strip()] == []


def test_ids_are_unique_and_references_lead_somewhere(visit):
    tab = visit()
    ids = tab.look("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert [id for id, count in Counter(ids).items() if count > 1] == []
    for name in ("for", "aria-controls", "aria-labelledby"):
        read = f"[...document.querySelectorAll('[{name}]')].map((n) => n.getAttribute('{name}'))"
        assert set(tab.look(read)) <= set(ids)
    assert tab.look("document.documentElement.lang") == "en"


def test_all_is_reached_by_tab_and_the_focus_is_seen(visit):
    tab = visit()
    reached = []
    for _ in range(14):
        tab.page.keyboard.press("Tab")
        reached.append(tab.look("document.activeElement.id || document.activeElement.textContent"))
        seen = tab.look("""(() => {
          const here = document.activeElement;
          return [here, here.nextElementSibling].filter(Boolean)
            .some((node) => getComputedStyle(node).outlineStyle === 'solid');
        })()""")
        assert seen, reached
    assert reached[:4] == ["To the answer", "words", "Search", "open-yours"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_in_light_and_dark(visit, scheme):
    tab = visit("?profile.age=25&where=year%3D1950..", color_scheme=scheme)
    paper = tab.look("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(250, 248, 243)", "dark": "rgb(23, 22, 20)"}[scheme]
    tab.page.locator(".rating label").first.click()
    tab.page.locator("#status", has_text="of 5. ").wait_for()
    tab.settled()
    read = tab.look(_CONTRASTS)
    assert len(read) > 60
    assert [(text, ratio) for text, ratio in read if ratio < 4.5] == []


@pytest.mark.parametrize("look", [{}, {"viewport": PHONE}], ids=["wide", "phone"])
def test_nothing_jumps(visit, look):
    tab = visit(**look)
    tab.page.get_by_text("Nothing is kept of you").wait_for(state="attached")
    assert tab.look("seen.shift") < 0.03


def test_less_motion_is_respected(visit):
    tab = visit()
    before = tab.ids
    tab.cards.first.get_by_role("button", name="Hide").click()
    tab.changed(before)
    assert tab.look("seen.moves") == []


def test_a_service_that_is_away_keeps_the_last_answer(visit):
    tab = visit()
    before = tab.ids
    tab.page.context.set_offline(True)
    tab.cards.first.locator(".rating label").last.click()
    notice = tab.page.get_by_role("alert", name="Trouble")
    notice.get_by_text("The service does not answer.").wait_for()
    assert "What you see is its last answer." in notice.inner_text()
    assert tab.ids == before
    assert tab.page.locator(".leaving").count() == 0
    tab.page.context.set_offline(False)  # what failed is done again
    assert before[0] not in tab.changed(before)
    assert " 5 of 5." in tab.status
    assert not notice.is_visible()
    tab.forgive("ERR_INTERNET_DISCONNECTED")


def test_too_many_questions(visit):
    tab = visit()
    before = tab.ids
    told = {"title": "Too Many Requests", "status": 429, "detail": "more than 200 requests/s"}
    tab.page.route("**/v1/recommendations", lambda route: route.fulfill(
        status=429, json=told, headers={"Retry-After": "3"}))  # fmt: skip
    tab.page.get_by_label("Age", exact=True).select_option("25-34")
    notice = tab.page.get_by_role("alert", name="Trouble")
    notice.get_by_text("Try again in 3 seconds.").wait_for()
    assert tab.ids == before
    tab.page.unroute("**/v1/recommendations")
    notice.get_by_role("button", name="Try again").press("Enter")
    tab.changed(before)
    tab.forgive(FAILED)


def test_a_key_is_asked_for_and_kept_for_the_tab_alone(visit, server):
    tab = visit()
    bearing = []

    def guarded(route) -> None:
        bearing.append(route.request.headers.get("authorization"))
        if bearing[-1]:
            route.continue_()
        else:
            route.fulfill(status=401, json={"status": 401, "detail": "this needs a key"})

    tab.page.route("**/v1/**", guarded)
    tab.page.reload()
    tab.page.get_by_text("The service asks for a key: this needs a key.").wait_for()
    tab.page.get_by_label("Key").fill(server.key)
    tab.page.get_by_role("button", name="Use it").click()
    tab.settled()
    assert tab.cards.count() == 12
    assert bearing[:2] == [None, None]
    assert set(bearing[2:]) == {f"Bearer {server.key}"}
    assert tab.look("[localStorage.length, sessionStorage.length]") == [0, 1]
    tab.forgive(FAILED)


def test_a_key_for_reading_alone_shows_answers_without_reasons(chromium, indexed, serve):
    ledger, user = Ledger(indexed.ledger), load(indexed).users.ids[4]
    reader, both = ledger.add_key("reader", ["read"]), ledger.add_key("both", ["read", "feedback"])
    url = serve(indexed, "--host", "0.0.0.0").url.replace("0.0.0.0", "127.0.0.1")
    context, tab = tab_of(chromium, url)

    def reasons() -> str:
        return "".join(tab.page.locator("#lead, .card .reason").all_text_contents())

    def give(key: str) -> None:
        tab.page.get_by_label("Key").fill(key)
        tab.page.get_by_role("button", name="Use it").click()

    tab.page.goto(f"{url}/?user={user}")
    give(reader)
    tab.settled()
    tab.forgive(FAILED)
    assert tab.headline == f"For user {user}"
    assert tab.cards.count() == 12
    assert reasons() == ""
    tab.page.get_by_text("The key in use does not open what is kept of people.").wait_for()
    assert tab.complaints == []  # nothing was asked that this key does not open
    # What it does not open is said, and another key opens it.
    before = tab.ids
    tab.cards.first.get_by_role("button", name="Hide").click()
    tab.page.get_by_text("the key 'reader' does not open 'feedback'").wait_for()
    give(both)
    tab.changed(before)
    tab.forgive(FAILED)
    assert reasons() != ""
    tab.page.get_by_text(f"User {user} is known here").wait_for()
    assert tab.complaints == []
    context.close()


def test_what_the_service_refuses_is_told_as_text(visit):
    tab = visit()
    tab.page.goto(f"{tab.url}/?where=%3Cimg%20src%3Dx%3E%3D1")
    notice = tab.page.get_by_role("alert", name="Trouble")
    notice.get_by_text("cannot be filtered by '<img src'").wait_for()
    tab.page.keyboard.press("Tab")
    notice.get_by_role("button", name="Dismiss").press("Escape")
    assert not notice.is_visible()
    tab.forgive(FAILED)
