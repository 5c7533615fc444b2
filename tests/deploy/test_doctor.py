"""The doctor finds what is wrong, and says how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy.exc

from fusionrec.cli.hints import hint_of
from fusionrec.deploy.doctor import ERROR, OK, WARNING, Check, examine
from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger, database
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


def test_an_indexed_workspace_is_in_order(indexed):
    all_found = list(examine(indexed))
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


def test_a_lost_index_is_rebuilt_and_told(indexed):
    shutil.rmtree(indexed.milvus)
    assert any("rebuilding" in finding.text for finding in findings(indexed, WARNING))
    assert Path(indexed.milvus).exists()


def test_what_a_killed_training_left_is_named(workspace):
    (workspace.models / ".new-abc").mkdir()
    [finding] = [f for f in findings(workspace, WARNING) if ".new-abc" in f.text]
    assert finding.hint.startswith("rm -r")


def test_the_command_exits_1_on_errors_only(workspace, fusionrec, monkeypatch, tmp_path):
    assert fusionrec(workspace, "doctor").code == 0
    monkeypatch.setenv("FUSIONREC_DATA", str(tmp_path / "none"))
    ended = fusionrec(workspace, "doctor")
    assert ended.code == 1
    assert "error    FUSIONREC_DATA names no folder" in ended.out
    monkeypatch.delenv("FUSIONREC_DATA")
    workspace.settings.write_text("[service]\nwait_seconds = -1\n")
    ended = fusionrec(workspace, "doctor")
    assert ended.code == 1
    assert "error    wait_seconds must be 0 or more" in ended.out


def test_a_damaged_collection_beside_the_active_one_is_named(indexed):
    folder = Path(indexed.milvus) / "collections" / "fusionrec_v9_00000000"
    shutil.copytree(next(folder.parent.iterdir()), folder)
    (folder / "schema.json").write_text("?")
    [finding] = [f for f in findings(indexed, WARNING) if "fusionrec_v9" in f.text]
    assert "damaged" in finding.text
    assert hint_of(finding)


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """A workspace whose ledger has more than 90 pages."""
    ledger = Ledger(workspace.ledger)
    ledger.activate("v1", "")
    ledger.record([Event(f"{n}", f"user {n % 7}" * 20, "i", "view") for n in range(2000)])
    ledger.close()
    return workspace


def damage(ledger: Path, page: int, pages: int) -> None:
    with ledger.open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096 * pages)


@pytest.mark.parametrize("page", [30, 50, 80])
@pytest.mark.parametrize("pages", [1, 4])
def test_a_ledger_that_is_damaged_in_the_middle_is_an_error(filled, page, pages):
    workspace = filled
    damage(workspace.ledger, page, pages)
    assert Ledger(workspace.ledger).active().version == "v1", "its first pages are whole"
    content = workspace.ledger.read_bytes()
    [finding] = findings(workspace, ERROR)
    assert "malformed" in finding.text
    assert "copy from before" in finding.hint
    assert workspace.ledger.read_bytes() == content


def test_a_damaged_ledger_on_a_read_only_disk_is_an_error(filled, monkeypatch):
    """As SQLite says where it may not write its log beside the file."""
    refused = sqlalchemy.exc.OperationalError("", {}, sqlite3.OperationalError("readonly"))
    asked = []

    def refuse_once(self, connection, check=database.Database._check_file):
        asked.append(connection)
        if len(asked) == 1:
            raise refused
        check(self, connection)

    monkeypatch.setattr(database.Database, "_check_file", refuse_once)
    Ledger(filled.ledger).check()
    assert len(asked) == 2
    damage(filled.ledger, 60, 4)
    asked.clear()
    with pytest.raises(LedgerError, match="malformed"):
        Ledger(filled.ledger).check()


def orders(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE orders (x); CREATE TABLE prices (y);")


@pytest.mark.parametrize(
    ("write", "said", "hint"),
    [
        (orders, "it holds the tables orders, prices", "FUSIONREC_LEDGER"),
        (lambda path: path.write_bytes(b"some text\n" * 300), "not a database", "move it away"),
    ],
)
def test_a_file_that_is_no_ledger_is_an_error(workspace, write, said, hint):
    write(workspace.ledger)
    [finding] = findings(workspace, ERROR)
    assert said in finding.text
    assert hint in finding.hint


def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def sql(statement: str):
    def done(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(statement)

    return done


def of_another(path: Path) -> None:
    path.unlink()
    Ledger(path).upgrade()


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        (halved, "malformed"),
        (sql("DROP TABLE keys; DROP TABLE profiles"), "lacks keys, profiles"),
        (sql("ALTER TABLE events DROP COLUMN rating"), r"lacks events\.rating"),
        (lambda path: os.truncate(path, 0), "gone or empty"),
        (lambda path: path.unlink(), "gone or empty"),
        (of_another, "not the one that this workspace has used"),
    ],
)
def test_a_ledger_that_is_lost_or_half_one_is_an_error(filled, lose, said):
    Ledger.of(filled).upgrade()
    Ledger.of(filled).close()
    lose(filled.ledger)
    [finding] = findings(filled, ERROR)
    assert re.search(said, finding.text)
    assert "copy from before" in finding.hint


def test_an_empty_file_and_no_ledger_are_in_order(workspace):
    assert not findings(workspace, ERROR)
    workspace.ledger.touch()
    assert not findings(workspace, ERROR)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o777])
def test_a_ledger_that_others_may_read_is_a_warning(indexed, mode):
    indexed.ledger.chmod(mode)
    [finding] = findings(indexed, WARNING)
    assert f"(mode {mode:o})" in finding.text
    assert finding.hint.startswith(f"chmod 600 {indexed.ledger}")
    assert indexed.ledger.stat().st_mode & 0o777 == mode
    indexed.ledger.chmod(0o600)
    assert not findings(indexed, WARNING)
