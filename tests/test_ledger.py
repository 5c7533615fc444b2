"""The ledger: what was written is there for every process after, in order."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import pytest

from builders import python
from fusionrec.errors import LedgerError
from fusionrec.ledger import Ledger


def test_before_the_first_write_nothing_is_active_and_nothing_is_made(tmp_path):
    ledger = Ledger(tmp_path / "home" / "ledger.sqlite")
    assert ledger.active() is None
    assert ledger.activations() == []
    assert list(tmp_path.iterdir()) == []


def test_activations_come_back_in_order_in_another_process(tmp_path):
    path = tmp_path / "home" / "ledger.sqlite"
    for version in ("v1", "v3", "v1"):
        Ledger(path).activate(version, f"/somewhere/{version}.db")
    code = (
        "import sys, pathlib; from fusionrec.ledger import Ledger\n"
        "for a in Ledger(pathlib.Path(sys.argv[1])).activations(): print(a.version, a.place)"
    )
    said = python(code, path).splitlines()
    assert said == [f"{v} /somewhere/{v}.db" for v in ("v1", "v3", "v1")]
    active = Ledger(path).active()
    assert active.version == "v1"
    assert datetime.fromisoformat(active.at).tzinfo is not None


def test_a_write_is_there_after_the_process_is_killed(tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = (
        "import os, signal, sys, pathlib; from fusionrec.ledger import Ledger\n"
        "Ledger(pathlib.Path(sys.argv[1])).activate('v7', 'here')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with pytest.raises(AssertionError):
        python(code, path)
    assert Ledger(path).active().version == "v7"


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at " * 40])
def test_an_unreadable_file_is_a_ledger_error_and_stays_as_it_was(tmp_path, content):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    for use in (Ledger(path).active, lambda: Ledger(path).activate("v1", "here")):
        with pytest.raises(LedgerError, match=r"ledger\.sqlite cannot be used") as caught:
            use()
        assert caught.value.hint
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_a_ledger_error(tmp_path):
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerError):
        Ledger(tmp_path / "ledger.sqlite").active()


def test_two_writers_wait_for_each_other(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(path).activate("v1", "here")
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert Ledger(path).active().version == "v1"
        other.execute("COMMIT")
    other.close()
    Ledger(path).activate("v2", "here")
    assert [a.version for a in Ledger(path).activations()] == ["v1", "v2"]


def test_changes_of_items_come_back_in_order(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert ledger.item_changes() == []
    assert ledger.change_items({"a": {"year": 1.0}, "ბ": {"title": "x\n\"'"}}) == 2
    assert ledger.change_items({"a": None}) == 1
    found = ledger.item_changes()
    assert [(c.item, c.content) for c in found] == [
        ("a", {"year": 1.0}),
        ("ბ", {"title": "x\n\"'"}),
        ("a", None),
    ]
    assert [c.number for c in found] == sorted({c.number for c in found})
    assert ledger.item_changes(found[1].number) == found[2:]


def test_a_change_that_changes_nothing_is_not_written(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for wanted in (2, 0):
        assert ledger.change_items({"a": {"x": 1, "y": 2}, "b": None}) == wanted
    assert ledger.change_items({"a": {"y": 2, "x": 1}, "b": {}}) == 1
    assert len(ledger.item_changes()) == 3


def test_all_changes_are_written_or_none(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises((LedgerError, TypeError)):
        ledger.change_items({"a": {}, "b": {"x": object()}})
    assert ledger.item_changes() == []


def test_a_ledger_of_an_older_program_knows_no_changes_and_takes_them(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE activations (number INTEGER PRIMARY KEY, version TEXT NOT NULL, "
            "place TEXT NOT NULL, at TEXT NOT NULL)"
        )
        connection.execute("INSERT INTO activations VALUES (1, 'v2', '', '2026-01-01T00:00:00')")
    connection.close()
    ledger = Ledger(path)
    assert ledger.item_changes() == []
    assert (ledger.active().version, ledger.active().changes) == ("v2", 0)
    ledger.change_items({"a": {}})
    ledger.activate("v3", "", 1)
    assert [a.changes for a in ledger.activations()] == [0, 1]


def test_a_stamp_moves_with_every_write_that_matters(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    stamps = [ledger.stamp()]
    ledger.change_items({"a": {}})
    stamps.append(ledger.stamp())
    ledger.activate("v1", "")
    stamps.append(ledger.stamp())
    ledger.activate("v1", "")
    stamps.append(ledger.stamp())
    ledger.change_items({"a": {}})
    assert len(set(stamps)) == 4
    assert ledger.stamp() == stamps[-1], "nothing was changed"
