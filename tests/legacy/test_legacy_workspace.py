"""A workspace that fusionrec 0.1.0 wrote goes on, whatever is changed since.

``make_workspace.py`` made it. What answers are compared by is ids, kinds and scores.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from fusionrec.api import Recommender, read_data
from fusionrec.data.leakage import check_fingerprint
from fusionrec.data.splits import leave_last_out
from fusionrec.deploy.build import activate
from fusionrec.errors import UsageError
from fusionrec.evaluation.report.holdout import find_holdout
from fusionrec.ledger import Event, Ledger
from fusionrec.ledger.schema import SCHEMA
from fusionrec.recommend import catalog
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from legacy.contents import ASKED, PACKED, rows

# What each schema added to the one before, taken away again.
BEFORE = {
    4: "",
    3: "DROP INDEX events_time;",
    2: "DROP INDEX profiles_number; ALTER TABLE profiles DROP COLUMN number;"
    "ALTER TABLE ledger_schema DROP COLUMN removals;",
    1: "DROP TABLE ledger_schema; DROP TABLE events; DROP TABLE impressions; DROP TABLE profiles;"
    "DROP TABLE forgotten; DROP TABLE keys;",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The workspace's folder; beside it the data, and what it is expected to answer."""
    with tarfile.open(PACKED) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "home"


@pytest.fixture
def expected(home: Path) -> Any:
    return json.loads((home.parent / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("answers", ["answers", "gone"])
def test_it_answers_as_it_did(home, expected, answers, version):
    """In ``gone`` are versions of presets that are gone: v1 with a rating head, v2 without ids."""
    folder = home if answers == "answers" else home.parent / "gone"
    with Recommender(folder, version=version) as recommender:
        for name, (verb, given) in ASKED.items():
            wanted = expected[answers][version][name]
            answer = getattr(recommender, verb)(**given)
            ids = [item.id for item in answer.items]
            assert answer.kind == wanted["kind"], name
            assert not {"f7", "f9"} & set(ids), "they are withdrawn"
            if verb == "search":  # as well as it knew then: it has learned to read words since
                assert set(wanted["ids"][:3]) & set(ids[:3]), name
                continue
            if answer.kind == "popular":  # by what they are ordered is not promised
                assert set(ids) >= set(wanted["ids"])
                continue
            assert ids == wanted["ids"], name
            scores = [item.score for item in answer.items]
            assert scores == pytest.approx(wanted["scores"], abs=1e-4), name
            stars = [item.stars for item in answer.items]
            assert stars == pytest.approx(wanted["stars"], abs=1e-4), name


def test_the_index_is_used_as_it_was_left(home, expected):
    said: list[str] = []
    with Recommender(home, log=said.append) as recommender:
        answer = recommender.recommend("v0")
        assert recommender.version == "v2"
    assert said == []
    assert answer.notes == ()
    assert answer.place == str(home / "milvus.db")
    assert [item.id for item in answer.items] == expected["answers"]["v2"]["known user"]["ids"]


def test_it_takes_feedback_which_counts(home, expected):
    wanted = expected["answers"]["v2"]["known user"]
    first, ledger = wanted["ids"][0], Ledger(home / "ledger.sqlite")
    assert ledger.record([Event("e1", "v1", "f12", "rating", 1.0)]) == ["known"]
    assert ledger.record([Event("new", "v0", first, "rating", 1.0, time.time())]) == ["new"]
    with Recommender(home) as recommender:
        answer = recommender.recommend("v0")
    assert first not in {item.id for item in answer.items}
    left = dict(zip(wanted["ids"], wanted["scores"], strict=True))
    moved = [abs(item.score - left[item.id]) for item in answer.items if item.id in left]
    assert max(moved) > 1e-3, "the user's vector is the same"


def test_items_are_withdrawn_and_brought_back(home, expected):
    wanted = expected["answers"]["v2"]["known user"]["ids"]
    ledger, version = Ledger(home / "ledger.sqlite"), load(Workspace(home))
    for change, shown in ((catalog.withdraw, False), (catalog.restore, True)):
        assert change(ledger, catalog.current(version, ledger), [wanted[0], "new1"]) == 2
        with Recommender(home) as recommender:
            ids = [item.id for item in recommender.recommend("v0").items]
            assert (wanted[0] in ids, "new1" in ids) == (shown, shown)
            # Not their order: the two new items have one score, but for its last bits.
            assert (set(ids) == set(wanted)) == shown
    assert catalog.restore(ledger, catalog.current(version, ledger), ["f9"]) == 1


def test_the_version_before_is_activated_with_its_index(home, expected):
    workspace = Workspace(home)
    activate(workspace, "v1")
    first, *_, last = Ledger(workspace.ledger).activations()
    assert (last.version, last.collection) == ("v1", first.collection)
    with Recommender(home) as recommender:
        answer = recommender.recommend("v0")
        assert (recommender.version, answer.place) == ("v1", str(home / "milvus.db"))
    assert [item.id for item in answer.items] == expected["answers"]["v1"]["known user"]["ids"]


def test_its_keys_open_and_its_users_are_known_or_forgotten(home, expected):
    ledger = Ledger(home / "ledger.sqlite")
    for key in expected["keys"]:
        found = ledger.key_of(key["secret"])
        assert (found.name, found.scopes) == (key["name"], set(key["scopes"]))
    assert ledger.key_of("frk_another") is None
    assert ledger.profiles() == {"v8": {"town": "Riga"}, "visitor": {"town": "Oslo"}}
    assert ledger.forgotten(["v0", "v9", "v10"]) == {"v10"}


def test_the_stopped_training_goes_on(home, expected, fusionrec):
    workspace, data = Workspace(home), str(home.parent / "data")
    [state] = workspace.checkpoints.glob("*/state.safetensors")
    with safe_open(state, "numpy") as file:
        trained = json.loads(file.metadata()["progress"])["epochs"]
    ended = fusionrec(
        workspace, "train", "--data", data, "--model", "fusion", *expected["stopped"], "--resume"
    )
    assert (ended.code, ended.out) == (0, "v3\n"), ended.err
    assert "going on from the checkpoint" in ended.err
    assert not list(workspace.checkpoints.iterdir())
    epochs = load(workspace, "v3").manifest["training"]["epochs"]
    assert [epoch["number"] for epoch in epochs] == [1, 2, 3]
    assert epochs[: len(trained)] == trained != []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_its_versions_know_the_rows_that_they_were_trained_on(home, version):
    workspace = Workspace(home)
    data = read_data(home.parent / "data", home)
    artifact = load(workspace, version)
    parted = find_holdout(artifact, data)
    assert 0 < len(parted.rows) < len(parted.trained) < len(data)
    split = leave_last_out(data)
    with pytest.raises(UsageError, match="on all 330 rows"):
        check_fingerprint(data, split, artifact.manifest["rows"])


def older(file: Path, schema: int) -> dict[str, list[dict[str, Any]]]:
    """Takes a ledger back to an earlier schema; gives its rows."""
    with closing(sqlite3.connect(file)) as connection:
        for number in sorted(BEFORE, reverse=True):
            if number >= schema:
                connection.executescript(BEFORE[number])
        if schema > 1:
            connection.execute("UPDATE ledger_schema SET number = ?", [schema])
        connection.commit()
    return rows(file)


def holds(file: Path, before: dict[str, list[dict[str, Any]]]) -> None:
    """Checks that a ledger is sound, up to date, and has all rows of before, column by column."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    now = rows(file)
    assert now["ledger_schema"][0]["number"] == SCHEMA
    for name, held in before.items():
        assert held, name
        columns = set(held[0]) - ({"number"} if name == "ledger_schema" else set())
        assert len(now[name]) == len(held), name
        for row, old in zip(now[name], held, strict=True):
            assert {c: row[c] for c in columns} == {c: old[c] for c in columns}, name


@pytest.mark.parametrize("schema", list(BEFORE))
def test_its_ledger_is_brought_up_to_date_with_all_rows(home, expected, schema):
    file = home / "ledger.sqlite"
    before = older(file, schema)
    if schema == max(BEFORE):
        assert before == expected["ledger"]
    asked = Ledger(file)
    found = asked.item_changes(), asked.events(), asked.profiles(), asked.activations()
    assert rows(file) == before, "it was only read"
    asked.upgrade()
    assert found == (asked.item_changes(), asked.events(), asked.profiles(), asked.activations())
    asked.close()
    holds(file, before)


@pytest.mark.parametrize("schema", list(BEFORE))
def test_a_kill_at_any_statement_of_the_migration_loses_nothing(home, tmp_path, schema):
    file = home / "ledger.sqlite"
    before = older(file, schema)
    (tmp_path / "killed").mkdir()
    script = Path(__file__).with_name("killed.py")
    ran = subprocess.run(
        [sys.executable, script, file, tmp_path / "killed"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    killed = sorted((tmp_path / "killed").iterdir())
    assert len(killed) == int(ran.stdout)
    assert len(killed) > 3, "begin, look, commit"
    for folder in killed:
        ledger = Ledger(folder / file.name)
        ledger.upgrade()
        assert len(ledger.item_changes()) == len(before["item_changes"])
        ledger.close()
        holds(folder / file.name, before)
