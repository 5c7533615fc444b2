"""The doctor finds what is wrong, and says how to mend it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy.exc

from fusionrec.cli.hints import hint_of
from fusionrec.deploy.build import build_index
from fusionrec.deploy.doctor import ERROR, OK, WARNING, Check, examine
from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger, database
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


def findings(workspace: Workspace, level: int) -> list[Check]:
    return [finding for finding in examine(workspace) if finding.level == level]


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch):
    monkeypatch.delenv("FUSIONREC_DATA", raising=False)


def test_a_new_workspace_has_warnings_that_say_what_to_do_and_is_not_made(tmp_path):
    workspace = Workspace(tmp_path / "new")
    hints = [hint_of(check) or "" for check in findings(workspace, WARNING)]
    assert any("fusionrec train" in hint for hint in hints)
    assert any("fusionrec index" in hint for hint in hints)
    assert not findings(workspace, ERROR)
    assert not workspace.home.exists()


def test_an_indexed_workspace_is_in_order(workspace):
    build_index(workspace, load(workspace))
    all_found = list(examine(workspace))
    assert {finding.level for finding in all_found} == {OK}
    said = "\n".join(finding.text for finding in all_found)
    assert "v1 is whole: 40 items" in said
    assert "v1 answers from" in said
    assert "is Milvus Lite" in said
    assert "the alias fusionrec on fusionrec_v1_" in said
    assert "40 rows, FLAT, loaded when it is opened" in said
    assert "one process at a time" in said
    assert "whatever the index type" in said


def test_a_damaged_version_is_an_error(workspace):
    (workspace.models / "v1" / "encoder.json").write_text("{}")
    [finding] = findings(workspace, ERROR)
    assert "encoder.json is not what was saved" in finding.text
    assert hint_of(finding)


def test_a_lost_index_is_rebuilt_and_told(workspace):
    build_index(workspace, load(workspace))
    shutil.rmtree(workspace.milvus)
    assert any("rebuilding" in finding.text for finding in findings(workspace, WARNING))
    assert Path(workspace.milvus).exists()


def test_what_a_killed_training_left_is_named(workspace):
    (workspace.models / ".new-abc").mkdir()
    [finding] = [f for f in findings(workspace, WARNING) if ".new-abc" in f.text]
    assert finding.hint.startswith("rm -r")


def test_an_unreadable_ledger_is_an_error(workspace):
    workspace.ledger.write_bytes(b"no database at all" * 100)
    assert any("ledger" in finding.text for finding in findings(workspace, ERROR))


def test_a_data_folder_that_is_none_is_an_error(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONREC_DATA", str(tmp_path / "none"))
    [finding] = findings(workspace, ERROR)
    assert "FUSIONREC_DATA" in finding.text


def test_the_command_exits_1_on_errors_only(workspace, fusionrec, monkeypatch, tmp_path):
    assert fusionrec(workspace, "doctor").code == 0
    monkeypatch.setenv("FUSIONREC_DATA", str(tmp_path / "none"))
    ended = fusionrec(workspace, "doctor")
    assert ended.code == 1
    assert "error    FUSIONREC_DATA names no folder" in ended.out


def test_a_damaged_collection_beside_the_active_one_is_named(workspace):
    build_index(workspace, load(workspace))
    folder = Path(workspace.milvus) / "collections" / "fusionrec_v9_00000000"
    shutil.copytree(next(folder.parent.iterdir()), folder)
    (folder / "schema.json").write_text("?")
    [finding] = [f for f in findings(workspace, WARNING) if "fusionrec_v9" in f.text]
    assert "damaged" in finding.text
    assert hint_of(finding)


def _filled(path: Path) -> None:
    """A ledger of many pages."""
    ledger = Ledger(path)
    ledger.activate("v1", "")
    ledger.record([Event(f"{n}", f"user {n % 7}" * 20, "i", "view") for n in range(2000)])
    ledger.close()


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("pages", [1, 4])
def test_a_ledger_that_is_damaged_in_the_middle_is_an_error(workspace, share, pages):
    _filled(workspace.ledger)
    size = workspace.ledger.stat().st_size
    assert size > 90 * 4096
    with workspace.ledger.open("r+b") as file:
        file.seek(int(size * share) // 4096 * 4096)
        file.write(b"\xa5" * 4096 * pages)
    assert Ledger(workspace.ledger).active().version == "v1", "its first pages are whole"
    content = workspace.ledger.read_bytes()
    [finding] = findings(workspace, ERROR)
    assert "malformed" in finding.text
    assert "copy from before" in finding.hint
    assert workspace.ledger.read_bytes() == content


def test_a_damaged_ledger_on_a_read_only_disk_is_an_error(workspace, monkeypatch):
    """As SQLite says where it may not write its log beside the file."""
    _filled(workspace.ledger)
    refused = sqlalchemy.exc.OperationalError("", {}, sqlite3.OperationalError("readonly"))
    examine_it, asked = database._check_file, []

    def once(engine, file):
        asked.append(engine)
        if len(asked) == 1:
            raise refused
        examine_it(engine, file)

    monkeypatch.setattr(database, "_check_file", once)
    Ledger(workspace.ledger).check()
    assert len(asked) == 2
    with workspace.ledger.open("r+b") as file:
        file.seek(60 * 4096)
        file.write(b"\xa5" * 4096 * 4)
    asked.clear()
    with pytest.raises(LedgerError, match="malformed"):
        Ledger(workspace.ledger).check()


def test_another_programs_database_is_told_as_such(workspace):
    with closing(sqlite3.connect(workspace.ledger)) as connection:
        connection.executescript("CREATE TABLE orders (x); CREATE TABLE prices (y);")
    [finding] = findings(workspace, ERROR)
    assert "no ledger of fusionrec: it holds the tables orders, prices" in finding.text
    assert "FUSIONREC_LEDGER" in finding.hint


def test_a_file_that_is_no_database_is_told_as_such(workspace):
    workspace.ledger.write_bytes(b"some text of a person\n" * 300)
    [finding] = findings(workspace, ERROR)
    assert "not a database" in finding.text
    assert "move it away" in finding.hint


def test_an_empty_file_and_no_ledger_are_in_order(workspace):
    assert not findings(workspace, ERROR)
    workspace.ledger.touch()
    assert not findings(workspace, ERROR)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o777])
def test_a_ledger_that_others_may_read_is_a_warning(workspace, mode):
    build_index(workspace, load(workspace))
    workspace.ledger.chmod(mode)
    [finding] = findings(workspace, WARNING)
    assert f"(mode {mode:o})" in finding.text
    assert finding.hint.startswith(f"chmod 600 {workspace.ledger}")
    assert workspace.ledger.stat().st_mode & 0o777 == mode
    workspace.ledger.chmod(0o600)
    assert not findings(workspace, WARNING)
