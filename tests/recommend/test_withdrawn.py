"""An item that is withdrawn stays so, whatever is told of it, until it is restored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from builders import Ended
from fusionrec.data.item_files import item_of, plain_content
from fusionrec.deploy.build import build_index
from fusionrec.deploy.open import open_version
from fusionrec.ledger import ItemChange, Ledger
from fusionrec.recommend.catalog import Catalog, current, put, restore, withdraw
from fusionrec.registry.tables import write_vectors
from fusionrec.registry.vector_import import publish_vectors
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from serving import Shop, opened

Command = Callable[..., Ended]
DUNE = {"title": "Zebra", "genres": ["Sci-Fi"], "year": 2021.0}


def add(command: Command, workspace: Workspace, folder: Path, *items: object) -> str:
    file = folder / "items.jsonl"
    file.write_text("".join(f"{json.dumps(item)}\n" for item in items))
    ended = command(workspace, "items", "add", str(file))
    assert ended.code == 0, ended.err
    return ended.err


def found(command: Command, workspace: Workspace, *arguments: str) -> list[str]:
    ended = command(workspace, *arguments, "-k", "60", "--json")
    assert ended.code == 0, ended.err
    return [item["id"] for item in json.loads(ended.out)["items"]]


@pytest.mark.parametrize("built", [False, True])
def test_a_file_of_items_brings_no_withdrawn_one_back(workspace, fusionrec, tmp_path, built):
    """One of the version and one that was added; seen exactly, in a collection, and over one."""
    if built:
        build_index(workspace, load(workspace))
    add(fusionrec, workspace, tmp_path, {"id": "new", **DUNE}, {"id": "other", **DUNE})
    assert fusionrec(workspace, "items", "withdraw", "3", "new").code == 0
    said = add(fusionrec, workspace, tmp_path, {"id": "3", "year": 1950}, {"id": "4", "year": 1950})
    assert said == (
        "2 items are new or changed; 1 of them stays withdrawn until: "
        f"fusionrec --home {workspace.home} items restore 3\n"
    )
    everything = [{"id": id, "title": "Zebra II"} for id in ("3", "new", "other")]
    said = add(fusionrec, workspace, tmp_path, *everything)
    assert "3 items are new or changed; 2 of them stay withdrawn until: " in said
    said = add(fusionrec, workspace, tmp_path, *everything)
    assert "0 items are new or changed; 3 were so already; 2 of them stay withdrawn" in said

    def check(gone: set[str]) -> None:
        for arguments in (
            ["recommend", "--user", "10", "--seen"],
            ["recommend", "--user", "10", "--only", "3", "--only", "new", "--only", "other"],
            ["similar", "9"],
            ["similar", "3"],
            ["search", "zebra"],
            ["search", "zebra", "--user", "10"],
        ):
            ids = set(found(fusionrec, workspace, *arguments)) - set(arguments[1:2])
            assert not ids & gone, arguments
            assert {"other", "new"} - gone <= ids, arguments
        file = tmp_path / "vectors.parquet"
        assert fusionrec(workspace, "export", "vectors", "-o", str(file)).code == 0
        import pyarrow.parquet as pq

        assert not gone & set(pq.read_table(file).to_pydict()["id"])

    check({"3", "new"})
    if built:
        build_index(workspace, load(workspace))
        check({"3", "new"})
    assert fusionrec(workspace, "items", "withdraw", "3", "new").err.startswith("0 items are")
    assert "1 item is back" in fusionrec(workspace, "items", "restore", "new").err
    check({"3"})
    assert fusionrec(workspace, "items", "restore", "3", "new").err.startswith("1 item is back")
    assert fusionrec(workspace, "items", "restore", "3", "new").err.startswith("0 items are back")
    check(set())
    now = current(load(workspace), Ledger(workspace.ledger))
    own = load(workspace).items.row(load(workspace).items.positions()["3"])
    wanted = {**own, "title": "Zebra II", "year": 1950.0}
    assert plain_content(now.items.row(now.positions["3"])) == plain_content(wanted)


def test_one_title_of_several_withdrawn_items_says_nothing(workspace, fusionrec, tmp_path):
    add(fusionrec, workspace, tmp_path, {"id": "a", **DUNE}, {"id": "b", **DUNE, "title": "ZEBRA"})
    assert fusionrec(workspace, "items", "withdraw", "a", "b").code == 0
    ended = fusionrec(workspace, "items", "restore", "zebra")
    assert ended.code == 2
    assert ended.err.endswith("\nhint: a, b\n")
    assert Ledger(workspace.ledger).withdrawn(["a", "b"]) == {"a", "b"}


def test_what_another_version_has_is_added_withdrawn_and_can_be_restored(published, tmp_path):
    """An item that was withdrawn under a version that had it, and comes anew under this one."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.change_items({"elsewhere": None})
    schema = published.schema
    assert put(ledger, current(published, ledger), [item_of(schema, "elsewhere", DUNE)]) == 1
    now = current(published, ledger)
    assert not now.available[now.positions["elsewhere"]]
    assert restore(ledger, now, ["elsewhere"]) == 1
    now = current(published, ledger)
    assert now.available[now.positions["elsewhere"]]
    assert now.items.row(now.positions["elsewhere"])["title"] == "Zebra"


def test_content_of_a_withdrawn_item_moves_its_vector(published):
    id = published.items.ids[5]
    content = {**published.items.row(5), "genres": ["War"], "year": 1950.0}
    changes = [ItemChange(1, id, None), ItemChange(2, id, content, withdrawn=True)]
    gone = Catalog.of(published, changes)
    assert not gone.available[5]
    assert gone.changed_since(1).tolist() == [5]
    assert gone.items.row(5)["genres"] == ("War",)
    back = Catalog.of(published, [*changes, ItemChange(3, id, content)])
    assert back.available.all()
    assert np.array_equal(back.vectors, gone.vectors)


def test_a_restore_keeps_what_came_since_the_catalog_was_read(published, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    id = published.items.ids[5]
    withdraw(ledger, current(published, ledger), [id])
    before = current(published, ledger)
    put(ledger, before, [item_of(published.schema, id, {"year": 1950})])
    assert put(ledger, before, [item_of(published.schema, id, {"title": "Zebra"})]) == 1
    assert restore(ledger, before, [id]) == 1
    now = current(published, ledger)
    assert now.available[5]
    wanted = {**published.items.row(5), "year": 1950.0, "title": "Zebra"}
    assert plain_content(now.items.row(5)) == plain_content(wanted)


def test_a_version_of_vectors_alone_keeps_withdrawn_what_the_ledger_says(workspace, tmp_path):
    """Items are changed under a version with towers; then one without answers."""
    ledger, old = Ledger(workspace.ledger), load(workspace)
    first, second = old.items.ids[:2]
    put(ledger, current(old, ledger), [item_of(old.schema, "new", DUNE)])
    withdraw(ledger, current(old, ledger), [first, second, "new"])
    changed = [item_of(old.schema, id, {"title": "Zebra"}) for id in (first, "new")]
    put(ledger, current(old, ledger), changed)
    file = tmp_path / "vectors.parquet"
    write_vectors(file, old.schema, old.items, old.item_vectors)
    made = publish_vectors(workspace.models, file, lambda _: None)
    now = current(made, ledger)
    assert now.skipped == {}
    assert np.flatnonzero(~now.available).tolist() == [0, 1]
    build_index(workspace, made)
    for gone in ({first, second}, {second}):
        with open_version(workspace, log=lambda _: None).recommender as recommender:
            ids = {item.id for item in recommender.similar(old.items.ids[7], 60).items}
            assert set(old.items.ids) - ids == gone | {old.items.ids[7]}
        restore(ledger, current(made, ledger), [first])


@pytest.fixture
def shop(workspace: Workspace) -> Iterator[Shop]:
    build_index(workspace, load(workspace))
    with opened(workspace) as made:
        yield made


def test_over_http_it_stays_withdrawn_until_it_is_restored(shop):
    def change(method: str, path: str = "/v1/items/3", **body: object) -> dict:
        told = {"json": body} if method == "PUT" else {}
        answer = shop.client.request(method, path, headers=shop.admin, **told)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert change("PUT", title="Zebra")["available"] is True
    assert change("DELETE")["available"] is False
    assert change("DELETE")["available"] is False
    stamp = shop.ledger.stamp()
    made = change("PUT", year=1950)
    assert (made["available"], made["content"]["year"]) == (False, 1950)
    assert change("PUT", year=1950)["available"] is False
    assert shop.ledger.stamp()[1] == stamp[1] + 1
    assert shop.ids("/v1/search", q="zebra") == []
    assert "3" not in shop.ids("/v1/recommendations", user="10", seen=True, k=60)
    assert "3" not in shop.ids("/v1/items/9/similar", k=60)
    back = change("POST", "/v1/items/3/restore")
    assert back == {**made, "available": True}
    assert change("POST", "/v1/items/3/restore") == back
    assert shop.ids("/v1/search", q="zebra") == ["3"]
    assert change("PUT", year=1951)["available"] is True


def test_changes_at_the_same_moment_lose_nothing(shop):
    """Of two attributes, and of a withdrawal: whoever comes first."""

    def ask(method: str, body: dict | None) -> int:
        told = {} if body is None else {"json": body}
        return shop.client.request(method, "/v1/items/3", headers=shop.admin, **told).status_code

    bodies = [{"title": "Zebra"}, {"year": 1950}, None, {"genres": ["War"]}]
    with ThreadPoolExecutor(4) as pool:
        methods = ["PUT", "PUT", "DELETE", "PUT"]
        assert list(pool.map(ask, methods, bodies)) == [200] * 4
    made = shop.client.get("/v1/items/3").json()
    assert made["available"] is False
    assert made["content"] == {"title": "Zebra", "genres": ["War"], "year": 1950}


def test_a_change_is_no_404_where_answers_could_not_take_it_in(shop, monkeypatch):
    """Another version may have become active at that moment, or the ledger be away for reading."""
    monkeypatch.setattr(shop.state.live, "refresh", lambda *_: True)
    answer = shop.client.put("/v1/items/zebra", json={"title": "Zebra"}, headers=shop.admin)
    assert answer.status_code == 200
    assert answer.json()["title"] == "Zebra"
    assert shop.ledger.item_changes()[-1].item == "zebra"
