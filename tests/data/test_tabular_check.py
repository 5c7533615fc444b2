from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from tabular_files import describe, write

from builders import recipe
from fusionrec.data.dataset import Table
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.tabular.cache import cached_tables, read_from_spec
from fusionrec.data.tabular.report import report_on_dataset, report_on_tables
from fusionrec.workspace import Workspace

EVENTS = {"user": "u", "item": "i", "event": "e", "time": "t", "time_unit": "text"}
ITEMS = """
[interactions.events]
buy = 1.0
view = 0.5
[items]
files = "items.csv"
id = "id"
[items.fields.kinds]
kind = "categories"
[items.fields.pages]
kind = "number"
"""


@pytest.fixture
def toml(tmp_path):
    columns = {
        "u": ["a", "a", "b", "B", "b", "c"],
        "i": ["x", "y", "x", "z", "x", "x"],
        "e": ["view", "buy", "view", "view", "buy", "refund"],
        "t": ["2024-05-01", "2024-05-03", "2024-05-02"] + ["2024-05-01"] * 3,
    }
    write(tmp_path / "rows.csv", columns)
    items = {"id": ["x", "y", "silent"], "kinds": ["a|b", "a", ""], "pages": ["7", "9", "none"]}
    write(tmp_path / "items.csv", items)
    return describe(tmp_path, "rows.csv", tables=ITEMS, **EVENTS)


def test_what_more_columns_and_data_would_unlock(toml, tmp_path, monkeypatch):
    found = report_on_tables(cached_tables(toml, tmp_path / "data"))
    assert list(found.unlocks) == ["profiles", "20 people with 3 interactions or more"]
    assert found.unlocks["profiles"] == "lists for newcomers"
    whole = synthetic(seed=1, users=30, items=20, interactions=300)
    assert report_on_dataset(whole).unlocks == {}
    for time in (None, np.zeros(300, dtype=np.int64)):
        assert list(report_on_dataset(replace(whole, time=time)).unlocks) == ["times"]
    nothing = {"title": [""] * 20, "genres": [()] * 20, "year": [float("nan")] * 20}
    silent = replace(whole, items=Table(whole.items.ids, nothing))
    assert list(report_on_dataset(silent).unlocks) == ["attributes of items"]


def test_what_the_files_hold(toml, tmp_path):
    found = report_on_tables(cached_tables(toml, tmp_path / "data"))
    assert (found.rows, found.interactions, found.users, found.items) == (6, 4, 3, 4)
    assert (found.silent_users, found.silent_items) == (0, 1)
    assert found.density == pytest.approx(4 / 12)
    assert found.per_user == {"least": 1, "quarter": 1, "half": 1, "three_quarters": 1.5, "most": 2}
    assert found.ratings == {"0.5": 2, "1": 2}
    assert found.events == {
        "view": {"rows": 3, "weight": 0.5},
        "buy": {"rows": 2, "weight": 1.0},
        "refund": {"rows": 1, "weight": 0.0},
    }
    assert (found.first, found.last) == ("2024-05-01T00:00:00Z", "2024-05-03T00:00:00Z")
    kinds, pages = found.fields
    assert (kinds.known, kinds.missing, kinds.distinct) == (2, 2, 2)
    assert kinds.often == {"a": 2, "b": 1}
    assert (pages.known, pages.often) == (2, {"least": 7, "median": 9, "most": 9})
    assert {one.name for one in found.findings} == {
        "items_pages_unfit", "event_other", "items_strange", "repeated", "users_near",
    }  # fmt: skip
    assert json.loads(json.dumps(asdict(found)))["fields"][0]["name"] == "kinds"


def test_ratings_of_many_values_are_counted_in_steps():
    dataset = synthetic(users=30, items=20, interactions=200)
    object.__setattr__(dataset, "rating", np.linspace(1, 5, 200).astype(np.float32))
    found = report_on_dataset(dataset).ratings
    assert list(found)[::9] == ["1..1.4", "4.6..5"]
    assert sum(found.values()) == 200


def test_the_command_tells_it(toml, fusionrec, tmp_path):
    ended = fusionrec(Workspace(tmp_path), "check", str(toml.parent))
    assert ended.code == 0
    rows = dict(line.split("\t")[:2] for line in ended.out.splitlines())
    assert rows["interactions"] == "4 of 6 rows"
    assert rows["items"] == "4, 1 of them without an interaction"
    assert rows["event refund"] == "1 rows, left out"
    assert "weight 0.5" in rows
    assert "rating" not in ended.out
    assert "note: rows left out for an event that is none of buy, view: 1" in ended.err
    ended = fusionrec(Workspace(tmp_path), "check", str(toml), "--json")
    assert json.loads(ended.out)["interactions"] == 4


def test_kinds_of_events_that_nobody_expected_are_shown_harmlessly(toml, fusionrec, tmp_path):
    kinds = ["buy", "\x1b[2J", *(f"kind {n}" for n in range(1_100)), "k" * 9_999]
    many = [str(n) for n in range(len(kinds))]
    write(toml.parent / "rows.csv", {"u": many, "i": many, "e": kinds, "t": ["2024-01-01"] * 1_103})
    found = report_on_tables(cached_tables(toml, tmp_path / "data"))
    assert len(found.events) == 1_000
    said = fusionrec(Workspace(tmp_path), "check", str(toml)).out
    assert "\x1b" not in said
    assert "event '\\x1b[2J'\t1 rows, left out" in said
    assert "other events\t980 kinds" in said


def test_the_command_takes_what_data_takes(fusionrec, tmp_path):
    ended = fusionrec(Workspace(tmp_path), "check", "synthetic", "--json")
    assert json.loads(ended.out)["rows"] is None
    ended = fusionrec(Workspace(tmp_path), "check", str(tmp_path / "none"))
    assert (ended.code, "no such file or folder" in ended.err) == (2, True)


def test_the_command_refuses_what_cannot_be_trained_on(toml, fusionrec, tmp_path):
    write(toml.parent / "rows.csv", {"u": ["a"], "i": ["x"], "e": ["refund"], "t": ["2024"]})
    ended = fusionrec(Workspace(tmp_path), "check", str(toml))
    assert ended.code == 1
    assert "none of 1 interactions can be used" in ended.err
    columns = {"u": ["a", "b"], "i": ["x", "x"], "e": ["buy", "buy"], "t": ["2024-01-01"] * 2}
    write(toml.parent / "rows.csv", columns)
    ended = fusionrec(Workspace(tmp_path), "check", str(toml), "--json")
    assert ended.code == 1
    assert "a single item" in json.loads(ended.out)["obstacle"]
    assert "cannot be trained on" in ended.err


@pytest.mark.parametrize(
    ("users", "items", "ratings"),
    [("aaaa", "wxyz", "1234"), ("abcd", "xxxx", "1234"), ("abcd", "wxyz", "3333"), ("a", "x", "3")],
)
def test_little_data_can_be_trained_on(tmp_path, users, items, ratings):
    from fusionrec.training.train import train

    write(tmp_path / "rows.csv", {"u": users, "i": items, "r": ratings})
    dataset = read_from_spec(describe(tmp_path, "rows.csv"), tmp_path / "data")
    artifact = train(dataset, recipe(epochs=1), Workspace(tmp_path))
    assert np.isfinite(artifact.item_vectors).all()
    assert len(artifact.item_vectors) == len(dataset.items)


def test_files_that_nobody_named_are_reported(toml, tmp_path, fusionrec):
    before = report_on_tables(cached_tables(toml, tmp_path / "data")).findings
    assert "file_unread" not in {one.name for one in before}
    write(tmp_path / "rows-2.csv.gz", {"u": ["a"], "i": ["z"], "e": ["buy"], "t": ["2024-05-01"]})
    (tmp_path / "notes.txt").write_text("no table")
    ended = fusionrec(Workspace(tmp_path / "home"), "check", str(tmp_path))
    assert ended.code == 0
    finding = "note: files beside fusionrec.toml that it does not name: 1 (rows-2.csv.gz)"
    assert finding in ended.err.splitlines()
