"""Items that change while it answers: nothing is made anew, and nobody waits for it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from fusionrec.data.dataset import ChangedColumn, Table
from fusionrec.data.item_files import item_of
from fusionrec.deploy.build import build_index
from fusionrec.deploy.hot_reload import LiveRecommender
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import current, put
from fusionrec.recommend.fulltext import FulltextIndex
from fusionrec.registry.versions import load
from fusionrec.service import state as holding
from fusionrec.service.view import VersionView
from serving import Shop, opened
from swap_stress import eventually, second


@pytest.fixture(params=[0, 1_000], ids=["store", "copy"])
def open_shop(request: pytest.FixtureRequest, indexed: Any) -> Iterator[Shop]:
    """A test's own service, from the store or from a copy, that looks at the ledger when told."""
    with opened(indexed, copy=request.param) as shop:
        yield shop


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passes over all items that are made from now on, and the searches for garbage."""
    made: list[str] = []

    def noting(owner: Any, name: str) -> None:
        first = getattr(owner, name)

        def noted(*args: Any, **options: Any) -> Any:
            made.append(name)
            return first(*args, **options)

        monkeypatch.setattr(owner, name, noted)

    noting(FulltextIndex, "__init__")
    noting(Table, "positions")
    noting(Table, "take")
    noting(ChangedColumn, "__iter__")
    noting(holding, "_freeze_for_gc")
    noting(gc, "collect")
    return made


def test_five_changes_and_five_searches_make_nothing_anew(open_shop, passes):
    client, user = open_shop.client, load(open_shop.workspace).users.ids[7]
    where = {"where": ["genres=Drama", "year=1950..2030"]}
    asked = ("/v1/schema", "/v1/map", "/v1/choices?field=genres")
    for path in asked:
        assert client.get(path).status_code == 200
    passes.clear()
    for number in range(5):
        content = {"title": f"Zyzzyva {number}", "year": 2000 + number, "genres": ["Drama"]}
        path = f"/v1/items/{'new' if number < 3 else number}"
        made = client.put(path, json=content, headers=open_shop.admin)
        assert made.status_code == 200, made.text
        assert open_shop.ids("/v1/search", q=f"zyzzyva {number}", **where)
        assert open_shop.ids("/v1/recommendations", user=user, seen=True, **where)
        assert open_shop.ids("/v1/recommendations", liked="new", k=3, explain=True)
        for path in asked:
            assert client.get(path).status_code == 200
    assert passes == []


def test_the_form_and_the_choices_tell_of_what_was_changed(own):
    def held() -> tuple[Any, Any]:
        [year] = [f for f in own.client.get("/v1/schema").json()["item"] if f["name"] == "year"]
        choices = own.client.get("/v1/choices", params={"field": "genres"}).json()["choices"]
        return year["high"], {one["value"]: one["count"] for one in choices}

    _, before = held()
    content = {"title": "Zyzzyva", "year": 2222, "genres": ["Drama"]}
    own.client.put("/v1/items/new", json=content, headers=own.admin)
    assert held() == (2222, before | {"Drama": before["Drama"] + 1})


def test_another_process_change_is_ready_before_it_answers(indexed, monkeypatch):
    """The view is made in the thread that follows the ledger, never at a request."""
    with opened(indexed, copy=1_000) as shop:
        state, artifact = shop.state, load(indexed)
        views = []
        first = VersionView.__init__

        def noted(view: VersionView, *args: Any, **options: Any) -> None:
            first(view, *args, **options)
            views.append(view)

        monkeypatch.setattr(VersionView, "__init__", noted)
        ledger = Ledger(indexed.ledger)
        put(ledger, current(artifact, ledger), [item_of(artifact.schema, "new", {"title": "Zyz"})])
        eventually(lambda: bool(views))
        user = artifact.users.ids[0]
        eventually(lambda: state.answer_at_once(lambda view: view, user) is views[-1])
        assert "new" in views[-1].catalog.positions
        assert views[-1].is_quick
        assert len(views) == 1


def test_garbage_is_searched_for_when_a_version_is_opened(indexed, passes):
    with opened(indexed) as shop:
        passes.clear()
        build_index(indexed, second(indexed))
        shop.state.live.refresh()
        assert passes.count("_freeze_for_gc") == 1
        assert gc.get_freeze_count() > 10_000
        assert shop.state.answer(lambda view: view.artifact.version) == "v2"


def test_the_same_version_opened_again_keeps_its_words(indexed, passes):
    with opened(indexed) as shop:
        passes.clear()
        build_index(indexed, load(indexed))
        shop.state.live.refresh()
        assert "__init__" not in passes
        assert "_freeze_for_gc" not in passes


def test_what_cannot_be_made_ready_leaves_what_answers(indexed, stores):
    said: list[str] = []

    def prepare(recommender: Any, before: Any) -> None:
        if before is not None:
            raise RuntimeError("it cannot be made ready")

    with LiveRecommender(indexed, log=said.append, look=60, prepare=prepare) as live:
        ledger, artifact = Ledger(indexed.ledger), load(indexed)
        put(ledger, current(artifact, ledger), [item_of(artifact.schema, "new", {})])
        live.refresh()
        assert "cannot be made ready" in said[0]
        assert "new" not in live.answer(lambda recommender: recommender.catalog.positions)
    assert stores.open() == 0
