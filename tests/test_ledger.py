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
