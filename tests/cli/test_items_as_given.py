"""Ids on the command line and in Python are taken exactly as they are given; no control character
reaches a terminal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import Ended
from fusionrec import Recommender
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import current
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

Command = Callable[..., Ended]
# All but tabs and line ends.
CODES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
ALIKE = [" 5", "5 ", "\u00a05", "5\u2003", "５", "e\u0301", "\u00e9", "a=b"]


def add(command: Command, workspace: Workspace, folder: Path, *items: object) -> Ended:
    file = folder / "items.jsonl"
    file.write_text("".join(f"{json.dumps(item)}\n" for item in items))
    return command(workspace, "items", "add", str(file))


@pytest.fixture
def alike(workspace: Workspace, fusionrec: Command, tmp_path: Path) -> Workspace:
    """A workspace with items whose ids are nearly those of others."""
    items = [{"id": id, "title": f"Zebra {n}"} for n, id in enumerate(ALIKE)]
    assert add(fusionrec, workspace, tmp_path, *items).code == 0
    return workspace


def titles(workspace: Workspace) -> dict[str, str]:
    now = current(load(workspace), Ledger(workspace.ledger))
    return dict(zip(now.items.ids, now.items.columns["title"], strict=True))


@pytest.mark.parametrize("id", ALIKE)
def test_the_item_that_is_named_changes_and_no_other(alike, fusionrec, tmp_path, id):
    before = titles(alike)
    assert len(before) == 48
    assert add(fusionrec, alike, tmp_path, {"id": id, "title": "Other"}).code == 0
    assert titles(alike) == before | {id: "Other"}
    assert fusionrec(alike, "items", "withdraw", id).err.startswith("1 item is withdrawn")
    rows = json.loads(fusionrec(alike, "items", "--json").out)
    listed = {row["id"]: row["state"] for row in rows}
    assert listed == {one: "withdrawn" if one == id else "added" for one in ALIKE}
    assert fusionrec(alike, "items", "restore", id).err.startswith("1 item is back")


@pytest.mark.parametrize("id", ALIKE)
def test_the_item_that_is_asked_for_is_meant_and_no_other(alike, fusionrec, id):
    def ids(*arguments: str) -> list[str]:
        ended = fusionrec(alike, *arguments, "-k", "50", "--json")
        assert ended.code == 0, ended.err
        return [item["id"] for item in json.loads(ended.out)["items"]]

    everything = {*load(alike).items.ids, *ALIKE}
    assert set(ids("similar", id)) == everything - {id}
    assert set(ids("recommend", "--liked", id)) == everything - {id}
    assert set(ids("recommend", "--rated", f"{id}=5")) == everything - {id}
    assert ids("recommend", "--user", "10", "--only", id) == [id]
    assert set(ids("recommend", "--user", "10", "--seen", "--without", id)) == everything - {id}
    with Recommender(alike.home) as opened:
        for answer in (opened.similar(id, k=50), opened.recommend(liked=[id], k=50)):
            assert {item.id for item in answer.items} == everything - {id}


@pytest.mark.parametrize("user", [" 10", "10 ", "\u00a010", "１０"])
def test_a_user_is_nobody_else(workspace, fusionrec, user):
    ended = fusionrec(workspace, "recommend", "--user", user)
    assert ended.code == 2
    assert "10" in ended.err


def test_what_is_no_id_is_refused_with_the_line(workspace, fusionrec, tmp_path):
    ended = add(fusionrec, workspace, tmp_path, {"id": "good"}, {"id": "\x1b[31m", "title": "X"})
    assert ended.code == 1
    assert "line 2: an item's id must be 1 to 500 characters" in ended.err
    assert not CODES.search(ended.err)
    assert Ledger(workspace.ledger).stamp() == (0, 0)


WILD = "\x1b]0;owned\x07\x1b[31m Zebra \x9b2J\u2028\x7f \u202egnp\u2066 tea\r"


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("old", [False, True])
def test_no_control_character_is_shown(workspace, fusionrec, tmp_path, monkeypatch, terminal, old):
    """Neither of a new item, nor of an old one that an earlier version stored as it was."""
    if old:
        content = {"title": WILD, "genres": ["Drama"], "year": 2021.0}
        Ledger(workspace.ledger).change_items(
            {"esc": content, "\x1b[2J": content, "a\u202eb": content}
        )
    else:
        assert add(fusionrec, workspace, tmp_path, {"id": "esc", "title": WILD}).code == 0
        assert "\x1b" not in Ledger(workspace.ledger).item_changes()[0].content["title"]
    if terminal:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("NO_COLOR", "1")
    for arguments in (
        ["items"],
        ["items", "--json"],
        ["recommend", "--user", "10", "--only", "esc"],
        ["recommend", "--liked", "5", "-k", "50", "--explain", "--json"],
        ["similar", "5", "-k", "50"],
        ["search", "zebra"],
    ):
        ended = fusionrec(workspace, *arguments)
        assert ended.code == 0, ended.err
        assert "Zebra" in ended.out
        assert "owned" in ended.out
        style = r"\x1b\[[0-9;]*m" if terminal else ""  # rich's own
        assert not CODES.search(re.sub(style, "", ended.out.replace("\x1b[31m", "\x00"))), arguments
        assert not CODES.search(ended.err)
    refused = fusionrec(workspace, "similar", "\x1b[31mno such film")
    assert refused.code == 2
    assert not CODES.search(refused.err)
