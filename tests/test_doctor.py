"""The doctor finds what is wrong, and says how to mend it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fusionrec.config import Workspace
from fusionrec.doctor import ERROR, OK, WARNING, Finding, examine
from fusionrec.indexing import build_index
from fusionrec.versions import load


def findings(workspace: Workspace, level: int) -> list[Finding]:
    return [finding for finding in examine(workspace) if finding.level == level]


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch):
    monkeypatch.delenv("FUSIONREC_DATA", raising=False)


def test_a_new_workspace_has_warnings_that_say_what_to_do_and_is_not_made(tmp_path):
    workspace = Workspace(tmp_path / "new")
    hints = [finding.hint for finding in findings(workspace, WARNING)]
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
    assert finding.hint


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
    assert finding.hint
