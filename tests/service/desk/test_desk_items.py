"""Items and users at the desk, whatever they are called; and the log."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs, urlsplit

import pytest
from desk_visits import Visit

from fusionrec.errors import StoreError

ODD = {
    "markup": "<script>alert(1)</script> & \"x\"",
    "emoji": "\U0001f3ac \U0001f1e7\U0001f1ea",
    "right to left": "\u05d4\u05de\u05d8\u05e8\u05d9\u05e7\u05e1 \u202e",
    "long": "x" * 500,
    "none": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def visit(shelf):
    with Visit(shelf, "desk") as made:
        yield made


def user_of(shelf, n=7):
    return shelf.state.answer(lambda view: view.artifact.users.ids[n])


@pytest.mark.parametrize("title", ODD.values(), ids=ODD)
def test_an_item_may_be_called_anything(shelf, visit, title):
    id = f"odd/{title[:20]}?&"
    added = visit.fill("/ops/item/change", **{"id": id, "field-title": title, "field-year": "1999"})
    assert added.status_code == 303
    told = visit.get(added.headers["location"])
    assert told.status_code == 200
    assert "The item is changed" in told.text
    for text in (title, id):
        assert "<script>alert" not in told.text
        assert escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in told.text
    listed = visit.get("/ops/items", params={"q": id}).text
    assert listed.count("available") == 1


def test_only_what_was_edited_changes_so_two_tabs_do_not_undo_one_another(shelf, visit):
    before = shelf.client.get("/v1/items/5").json()["content"]
    form = {"id": "5"}
    for name in ("title", "year"):
        form |= {f"field-{name}": str(before[name]), f"was-{name}": str(before[name])}
    assert visit.fill("/ops/item/change", **form | {"field-title": "One tab"}).status_code == 303
    assert visit.fill("/ops/item/change", **form | {"field-year": "1950"}).status_code == 303
    now = shelf.client.get("/v1/items/5").json()["content"]
    assert (now["title"], now["year"]) == ("One tab", 1950)
    wrong = visit.fill("/ops/item/change", **form | {"field-year": "soon"})
    assert wrong.status_code == 400
    assert "must be a number" in wrong.text
    last = shelf.ledger.log_entries(2)
    assert [(e.who, e.action, e.object) for e in last] == [("desk", "change item", "5")] * 2


def test_an_item_is_withdrawn_and_comes_back(shelf, visit):
    user = user_of(shelf)
    first = shelf.ids("/v1/recommendations", user=user)[0]
    gone = visit.fill("/ops/item/withdraw", id=first)
    assert "is in no answer any more" in visit.get(gone.headers["location"]).text
    assert first not in shelf.ids("/v1/recommendations", user=user)
    told = visit.get("/ops/item", params={"id": first, "user": user}).text
    assert "It is withdrawn, so it is in nobody&#39;s list; else it would have rank 1 of" in told
    assert f"id={first}" in visit.get("/ops/items").text
    assert visit.fill("/ops/item/restore", id=first).status_code == 303
    assert first in shelf.ids("/v1/recommendations", user=user)
    log = visit.get("/ops/log").text
    assert log.index("restore item") < log.index("withdraw item")
    over_http = shelf.client.delete(f"/v1/items/{first}", headers=shelf.admin)
    assert over_http.status_code == 200
    entry = shelf.ledger.log_entries(1)[0]
    assert (entry.who[:5], entry.action, entry.object) == ("admin", "withdraw item", first)
    shelf.client.post(f"/v1/items/{first}/restore", headers=shelf.admin)


def test_why_not_is_found_by_words_and_told_over_http_too(shelf, visit):
    user = user_of(shelf, 8)
    item = shelf.ids("/v1/recommendations", user=user, k=30)[-1]
    title = shelf.client.get(f"/v1/items/{item}").json()["title"]
    sent = visit.get("/ops/why", params={"item": title, "user": user, "where": "year=1800..2100"})
    assert parse_qs(urlsplit(sent.headers["location"]).query) == {
        "id": [item], "user": [user], "where": ["year=1800..2100"],
    }  # fmt: skip
    page = visit.get(sent.headers["location"]).text
    asked = {"user": user, "where": "year=1800..2100"}
    told = shelf.client.get(f"/v1/items/{item}/why-not", params=asked).json()
    assert told["status"] == "ranked"
    assert f"rank {told['rank']} of {told['of']}" in page
    filtered = shelf.client.get(f"/v1/items/{item}/why-not?user={user}&where=year=1800..1801")
    assert filtered.json()["failed"] == ["year=1800..1801"]
    wrong = visit.get("/ops/item", params={"id": item, "user": user, "where": "nothing=1"})
    assert wrong.status_code == 400
    assert shelf.client.get("/v1/items/no/why-not?user=1").status_code == 404
    assert visit.get("/ops/item?id=no").status_code == 404


def test_why_not_needs_a_key_for_feedback(public):
    reader = {"Authorization": f"Bearer {public.ledger.add_key('why-reader', ['read', 'admin'])}"}
    assert public.client.get("/v1/items/3/why-not?user=7", headers=reader).status_code == 403
    assert public.client.get("/v1/items/why-not", headers=reader).status_code == 404
    assert public.client.get("/v1/items/3/why-not?user=7", headers=public.admin).status_code == 200


def test_a_user_is_shown_with_their_list_and_forgotten_with_a_confirmation(shelf, visit):
    user = user_of(shelf, 9)
    item = shelf.ids("/v1/recommendations", user=user)[0]
    assert shelf.tell(user, item, "like").status_code == 201
    told = visit.get("/ops/user", params={"id": user}).text
    for part in ("Training knows them", "1 × like", "Their list now", "The last in the training"):
        assert part in told
    assert (
        visit.get("/ops/users", params={"id": user}).headers["location"] == f"/ops/user?id={user}"
    )
    assert "1 events" in visit.get("/ops/user/forget", params={"id": user}).text
    assert visit.fill("/ops/user/forget", id=user).status_code == 400
    assert not shelf.ledger.is_forgotten(user)
    done = visit.fill("/ops/user/forget", id=user, sure="yes")
    assert done.headers["location"] == "/ops/users?done=forgotten"
    assert shelf.ledger.is_forgotten(user)
    entry = shelf.ledger.log_entries(1)[0]
    assert (entry.who, entry.action, entry.object) == ("desk", "forget user", "")
    assert "They were forgotten" in visit.get("/ops/user", params={"id": user}).text


@pytest.mark.parametrize("id", ["<b>nobody</b>", "\u05d0" * 500, "a/b?c&d", "\U0001f600"])
def test_a_user_may_be_called_anything(visit, id):
    told = visit.get("/ops/user", params={"id": id})
    assert told.status_code == 200
    assert "Training does not know them" in told.text
    assert "<b>" not in told.text
    assert visit.get("/ops/user/forget", params={"id": id}).status_code == 200


@pytest.mark.parametrize("id", ["", "x" * 501, "a\0b"])
def test_an_id_that_nobody_can_have_is_refused(visit, id):
    assert visit.get("/ops/user", params={"id": id}).status_code == 400
    assert visit.get("/ops/item", params={"id": "3", "user": id or "\n"}).status_code == 400


def test_a_store_that_fails_under_the_desk_is_told_on_the_page(shelf, visit, monkeypatch):
    def failing(*_, **__):
        raise StoreError(f"{shelf.workspace.home}/milvus.db is gone")

    view = shelf.state.answer(lambda view: view)
    monkeypatch.setattr(view._recommender, "_index", type("Gone", (), {"search": failing})())
    monkeypatch.setattr(view, "failed", "")
    user = user_of(shelf, 10)
    told = visit.get("/ops/user", params={"id": user})
    assert told.status_code == 200
    assert "milvus.db is gone" in told.text
    assert str(shelf.workspace.home) not in told.text
    assert "The store has failed" in visit.get("/ops").text
    found = visit.get("/ops/item", params={"id": "3", "user": user})
    assert found.status_code == 200


def test_troubles_are_told_on_every_page(shelf, visit, monkeypatch):
    monkeypatch.setattr(shelf.state, "troubles", lambda: ["the disk <is> full"])
    for path in ("/ops", "/ops/items", "/ops/users", "/ops/log", "/ops/versions"):
        told = visit.get(path).text
        assert "Something is amiss" in told
        assert "the disk &lt;is&gt; full" in told
