"""The commands on a real Milvus server: index, recommend, activate, prune, doctor."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from milvus_server import MilvusServer

from builders import Ended
from fusionrec.index import MilvusStore, Place
from fusionrec.ledger import Ledger
from fusionrec.workspace import Workspace

Command = Callable[..., Ended]


@pytest.fixture
def database(server: MilvusServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty database, which the commands get by their options."""
    place = Place(f"{server.uri}/commands")
    with MilvusStore(Place(server.uri)) as store:
        if "commands" not in store._call("list_databases"):
            store._call("create_database", "commands")
    monkeypatch.setenv("FUSIONREC_MILVUS_TIMEOUT", "20")
    monkeypatch.setenv("FUSIONREC_MILVUS_TOKEN", "root:swordfish")  # which this server ignores
    return place


def recommended(command: Command, workspace: Workspace, *more: str) -> dict:
    ended = command(workspace, "recommend", "--user", "10", "-k", "5", "--json", *more)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_place_is_named_once(workspace: Workspace, fusionrec: Command, database: Place) -> None:
    exact = recommended(fusionrec, workspace)
    ended = fusionrec(workspace, "index", "--milvus", database.name)
    assert ended.code == 0, ended.err
    assert database.name in ended.err
    assert Ledger(workspace.ledger).active().place == database.name
    answer = recommended(fusionrec, workspace)
    assert answer["place"] == database.name
    assert answer["items"] == exact["items"]
    shown = fusionrec(workspace, "doctor")
    assert shown.code == 0
    for words in (
        f"v1 is active, in {database.name}",
        f"{database.name} is Milvus server 2.3.5, with the alias fusionrec on fusionrec_v1_",
        "40 rows, FLAT, loaded",
    ):
        assert words in shown.out
    assert "swordfish" not in f"{shown} {ended}"
    # A server that is asked beside it, and has no such collection, is left as it is.
    server = database.uri
    beside = recommended(fusionrec, workspace, "--milvus", server)
    assert (beside["place"], beside["items"]) == ("exact", exact["items"])
    assert f"v1 has no index in {server}" in beside["notes"][0]
    assert Ledger(workspace.ledger).active().place == database.name
    with MilvusStore(database) as store:  # our own place is mended
        store._call("drop_alias", "fusionrec")
        store.drop(store.collections()[0].name)
    again = recommended(fusionrec, workspace)
    assert (again["place"], again["items"]) == (database.name, exact["items"])


def test_a_server_that_is_away_is_reported_and_answered_without(
    workspace: Workspace, fusionrec: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(workspace.ledger).activate("v1", "http://127.0.0.1:9")
    monkeypatch.setenv("FUSIONREC_MILVUS_TIMEOUT", "1")
    monkeypatch.setenv("FUSIONREC_MILVUS_TOKEN", "root:swordfish")
    answer = recommended(fusionrec, workspace)
    assert answer["place"] == "exact"
    assert "http://127.0.0.1:9 cannot be reached" in answer["notes"][0]
    shown = fusionrec(workspace, "doctor")
    assert "http://127.0.0.1:9 cannot be reached" in shown.out
    ended = fusionrec(workspace, "index")  # without a place that is named, where the version is
    assert ended.code == 1
    assert "error: http://127.0.0.1:9 cannot be reached" in ended.err
    assert "hint: is the server running" in ended.err
    own = fusionrec(workspace, "index", "--milvus", workspace.milvus)
    assert own.code == 0
    assert Ledger(workspace.ledger).active().place == ""
    assert "swordfish" not in f"{answer} {shown} {ended} {own}"


def test_settings_of_the_workspace_name_the_place(workspace: Workspace, fusionrec: Command) -> None:
    file = Path(workspace.home) / "settings.toml"
    shutil.rmtree(workspace.milvus, ignore_errors=True)
    file.write_text(f'[milvus]\nuri = "{workspace.home}/other.db"\n')
    assert fusionrec(workspace, "index").code == 0
    assert not Path(workspace.milvus).exists()
    assert recommended(fusionrec, workspace)["place"].endswith("other.db")
    file.write_text('[milvus]\nurl = "swordfish"\n')
    ended = fusionrec(workspace, "recommend")
    assert ended.code == 2
    assert "unknown setting 'url'" in ended.err
    assert "swordfish" not in ended.err
    ended = fusionrec(workspace, "recommend", "--connect", "swordfish")
    assert ended.code == 2
    assert "--connect is name=value" in ended.err
    assert "swordfish" not in ended.err


def test_an_index_is_chosen_and_measured(
    workspace: Workspace, fusionrec: Command, database: Place
) -> None:
    ended = fusionrec(workspace, "index", "--milvus", database.name, "--kind", "HNSW", "--measure")
    assert ended.code == 0, ended.err
    header, row = (line.split("\t") for line in ended.out.splitlines())
    assert header == ["Kind", "Items", "Searches", "Recall@10", "p50 ms", "p99 ms"]
    kind, items, searches, recall, p50, p99 = row
    assert (kind, items, recall) == ("HNSW", "40", "1.0000")
    assert int(searches) > 0
    assert 0 < float(p50) <= float(p99)
    # Without a kind, the exact one for so few; Lite has no inverted lists.
    assert "FLAT" in fusionrec(workspace, "index", "--measure").out
    ended = fusionrec(workspace, "index", "--milvus", workspace.milvus, "--kind", "IVF_SQ8")
    assert ended.code == 2
    assert "has no index of type IVF_SQ8" in ended.err
