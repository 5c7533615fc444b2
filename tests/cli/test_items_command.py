"""Single items on the command line: added, changed, withdrawn, listed; seen in every answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from builders import Ended
from fusionrec.index import ExactIndex
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import current
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry.rating_head import RatingHead
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

Command = Callable[..., Ended]
FILMS = [
    {"id": "new1", "title": "Zebrafish Rising", "genres": ["Sci-Fi", "Drama"], "year": 2021},
    {"id": 9001, "title": "Quokka's Return", "genres": "Comedy|Drama", "year": 1975},
]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    file = tmp_path / "films.jsonl"
    file.write_text("".join(f"{json.dumps(film)}\n" for film in FILMS))
    return file


def found(command: Command, workspace: Workspace, *arguments: str) -> list[str]:
    """The ids of an answer."""
    ended = command(workspace, *arguments, "--json")
    assert ended.code == 0, ended.err
    return [item["id"] for item in json.loads(ended.out)["items"]]


def listed(command: Command, workspace: Workspace) -> dict[str, str]:
    ended = command(workspace, "items", "--json")
    assert ended.code == 0, ended.err
    return {row["id"]: row["state"] for row in json.loads(ended.out)}


def done(ended: Ended) -> str:
    assert ended.code == 0, ended.err
    return ended.err


@pytest.mark.parametrize("indexed", [False, True])
def test_a_new_film_is_in_every_answer_at_once_and_after_the_next_build(
    workspace, fusionrec, films, indexed
):
    if indexed:
        done(fusionrec(workspace, "index"))
    ids = partial(found, fusionrec, workspace)
    assert "2 items are new or changed" in done(fusionrec(workspace, "items", "add", str(films)))
    for again in (False, True):
        if again:
            assert "42 items are in" in done(fusionrec(workspace, "index"))
        only = ["--only", "new1", "--only", "9001"]
        assert set(ids("recommend", "--user", "10", *only)) == {"new1", "9001"}
        liked = ids("recommend", "--liked", "Zebrafish Rising", "-k", "50")
        assert "new1" not in liked
        assert "9001" in liked
        assert "9001" in ids("similar", "new1", "-k", "50")
        assert "new1" in ids("similar", "5", "-k", "50", "--year", "2021")
        assert ids("search", "zebrafish") == ["new1"]
        assert ids("search", "quokka", "--user", "10") == ["9001"]
        assert ids("search", "quokka", "--year", "2021") == []


def test_what_is_withdrawn_is_in_no_answer(workspace, fusionrec, films):
    done(fusionrec(workspace, "index"))
    done(fusionrec(workspace, "items", "add", str(films)))
    popular = found(fusionrec, workspace, "recommend")[0]
    assert "2 items are withdrawn" in done(
        fusionrec(workspace, "items", "withdraw", popular, "new1")
    )
    for again in (False, True):
        if again:
            assert "40 items are in" in done(fusionrec(workspace, "index"))
        for asked in (
            "recommend -k 50",
            "recommend --user 10 --seen -k 50",
            f"recommend --user 10 --only new1 --only {popular}",
            "recommend --liked 9001 -k 50",
            "similar 9001 -k 50",
            f"similar {popular} -k 50",
            "search zebrafish drama -k 50",
            "search zebrafish drama -k 50 --user 10",
        ):
            assert not {popular, "new1"} & set(found(fusionrec, workspace, *asked.split())), asked
    again_said = done(fusionrec(workspace, "items", "withdraw", popular, "new1"))
    assert "0 items are withdrawn" in again_said
    done(fusionrec(workspace, "items", "restore", "new1"))
    assert found(fusionrec, workspace, "search", "zebrafish") == ["new1"]


def test_adding_and_withdrawing_again_changes_nothing(workspace, fusionrec, films):
    assert listed(fusionrec, workspace) == {}
    assert "no item was changed" in done(fusionrec(workspace, "items"))
    done(fusionrec(workspace, "items", "add", str(films)))
    stamp = Ledger(workspace.ledger).stamp()
    said = done(fusionrec(workspace, "items", "add", str(films)))
    assert "0 items are new or changed; 2 were so already" in said
    assert Ledger(workspace.ledger).stamp() == stamp
    changed = films.with_name("changed.csv")
    changed.write_text("id,title,genres,year\n3,Other,Drama|Comedy,\n9001,Quokka II,,1976\n")
    done(fusionrec(workspace, "items", "add", str(changed)))
    done(fusionrec(workspace, "items", "withdraw", "new1", "5", "5"))
    assert listed(fusionrec, workspace) == {
        "3": "changed", "9001": "added", "new1": "withdrawn", "5": "withdrawn",
    }  # fmt: skip
    shown = fusionrec(workspace, "items")
    assert "Quokka II" in shown.out
    assert found(fusionrec, workspace, "search", "other") == ["3"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", '{"id": "ok"}\n\n{"title": "x"}\n', "line 3: no id"),
        ("a.jsonl", f'{{"id": "ok", "year": {"9" * 400}}}\n', "item ok: year must be a number"),
        ("a.jsonl", f'{{"id": "ok", "year": {"9" * 5000}}}\n', "line 1: not JSON"),
        ("a.jsonl", '{"id": "ok", "title": 1e400}\n', "line 1: item ok: title must be a text"),
        ("a.jsonl", '{"id": "ok", "title": "\\ud800"}\n', "line 1: item ok: title"),
        ("a.jsonl", f'{{"id": "ok", "title": "{"x" * 10_001}"}}\n', "line 1: item ok: title has"),
        ("a.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("a.jsonl", b'{"id": "\xff"}\n', "cannot be read"),
        ("a.csv", 'id,title\nok,"' + "x" * 140_000 + '"\n', "cannot be read"),
        ("none.csv", None, "cannot be read"),
        (".", None, "cannot be read"),
    ],
)
def test_a_file_with_a_wrong_line_changes_nothing_and_says_which(
    workspace, fusionrec, tmp_path, name, text, words
):
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = fusionrec(workspace, "items", "add", str(tmp_path / name))
    assert ended.code in (1, 2)
    assert words in ended.err
    assert "defect" not in ended.err
    assert len(ended.err) < 1000
    assert Ledger(workspace.ledger).stamp() == (0, 0)


@pytest.mark.parametrize("ids", [["nobody's"], ["5", "nobody's"], []])
def test_an_unknown_item_withdraws_nothing(workspace, fusionrec, ids):
    ended = fusionrec(workspace, "items", "withdraw", *ids)
    assert ended.code == 2
    assert ("no item of v1 has the id nobody's" if ids else "Missing argument") in ended.err
    assert Ledger(workspace.ledger).stamp() == (0, 0)


def test_an_id_by_another_name_and_categories_with_commas(workspace, fusionrec, tmp_path):
    file = tmp_path / "tracks.csv"
    file.write_text('track_id,title,genres\nt1,Zebra,"Drama; Sci-Fi"\n')
    assert "or say --id track_id" in fusionrec(workspace, "items", "add", str(file)).err
    done(fusionrec(workspace, "items", "add", str(file), "--id", "track_id"))
    both = ("--where", "genre+=Drama", "--where", "genre+=Sci-Fi")
    assert "t1" in found(fusionrec, workspace, "recommend", "--user", "10", "-k", "50", *both)


def test_content_as_wild_as_is_taken_can_be_indexed_and_found(workspace, fusionrec, tmp_path):
    """What the ledger takes must not hinder the next build."""
    file = tmp_path / "wild.jsonl"
    wild = [
        {"id": "茶\"'\\", "title": "zebra \n\t\0 % \" ' \\", "genres": " sci-fi ||"},
        {
            "id": "i" * 500,
            "title": "zebra " + "茶" * 9_000,
            "genres": ["Drama"] * 100,
            "year": 1e300,
        },
        {"id": "many", "title": "zebra", "genres": [], "year": -1},
        {"id": "nothing"},
    ]
    file.write_text("".join(f"{json.dumps(film)}\n" for film in wild))
    done(fusionrec(workspace, "items", "add", str(file)))
    for again in (False, True):
        if again:
            done(fusionrec(workspace, "index"))
        named = {film["id"] for film in wild}
        got = found(fusionrec, workspace, "recommend", "--user", "10", "-k", "50", "--seen")
        assert named <= set(got)
        where = ["--where", "genres=Sci-Fi", "--only", wild[0]["id"], "--only", "many"]
        assert found(fusionrec, workspace, "recommend", "--user", "10", *where) == [wild[0]["id"]]
        assert found(fusionrec, workspace, "similar", "5", "--year", "1e299..1e301") == ["i" * 500]
        assert set(found(fusionrec, workspace, "search", "zebra")) == named - {"nothing"}


def test_a_new_film_has_no_rating_of_the_head_and_is_answered(workspace, fusionrec, films):
    """A head knows the items of the training alone; it falls back to what the score predicts."""
    artifact = load(workspace)
    width, user = 3, artifact.users.ids[5]
    ones = [np.ones((len(t), width), dtype=np.float32) for t in (artifact.users, artifact.items)]
    done(fusionrec(workspace, "items", "add", str(films)))
    now = current(artifact, Ledger(workspace.ledger))
    index = ExactIndex(artifact.schema, now.items, now.vectors)
    query = Query(user=user, k=50, seen=True)
    plain = {i.id: i.stars for i in Recommender(now, index).recommend(query).items}
    vars(artifact)["rating_head"] = RatingHead(*ones)
    headed = {i.id: i.stars for i in Recommender(now, index).recommend(query).items}
    assert headed["new1"] == pytest.approx(plain["new1"])
    assert headed["9001"] == pytest.approx(plain["9001"])
    assert {headed[id] for id in artifact.items.ids} == {3.0}


KILLED = """
import os, signal, sys
from fusionrec.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    if not end.code:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_said_to_be_done_survives_a_kill(workspace, fusionrec, films):
    for arguments in (["add", str(films)], ["withdraw", "5"]):
        command = [sys.executable, "-c", KILLED, "--home", str(workspace.home), "items", *arguments]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert listed(fusionrec, workspace) == {"new1": "added", "9001": "added", "5": "withdrawn"}
    assert found(fusionrec, workspace, "search", "zebrafish") == ["new1"]


def test_vectors_are_given_to_other_programs(workspace, fusionrec, tmp_path):
    """What was added is there, what was withdrawn is not, and nothing is half written."""
    import pyarrow.parquet as pq

    new = tmp_path / "new.jsonl"
    new.write_text('{"id": "new", "title": "Dune", "genres": ["Sci-Fi"], "year": 2021}\n')
    assert fusionrec(workspace, "items", "add", str(new)).code == 0
    assert fusionrec(workspace, "items", "withdraw", "7").code == 0
    file = tmp_path / "vectors.parquet"
    ended = fusionrec(workspace, "export", "vectors", "-o", str(file))
    assert (ended.code, ended.out.strip()) == (0, str(file))
    held = pq.read_table(file).to_pydict()
    now = current(load(workspace), Ledger(workspace.ledger))
    ids = [id for id, here in zip(now.items.ids, now.available, strict=True) if here]
    assert held["id"] == ids
    assert "7" not in ids
    assert ids[-1] == "new"
    assert np.array_equal(np.array(held["vector"], np.float32), now.vectors[now.available])
    assert held["title"][-1] == "Dune"
    assert held["genres"][-1] == ["Sci-Fi"]
    refused = fusionrec(workspace, "export", "vectors", "-o", str(tmp_path / "no" / "x.parquet"))
    assert refused.code == 1
    assert "cannot be written" in refused.err
    assert sorted(path.name for path in tmp_path.glob("*.parquet*")) == ["vectors.parquet"]


def test_what_is_brought_back_is_as_it_was_and_is_named_by_its_title(
    workspace: Workspace, fusionrec: Command
) -> None:
    items = load(workspace).items
    id, title = items.ids[4], items.columns["title"][4]
    assert fusionrec(workspace, "items", "withdraw", id).code == 0
    assert f"{id}\t{title}\twithdrawn" in fusionrec(workspace, "items").out
    ended = fusionrec(workspace, "items", "restore", title.upper())
    assert (ended.code, ended.err) == (0, "1 item is back in every answer\n")
    assert title not in fusionrec(workspace, "items").out
    ended = fusionrec(workspace, "items", "restore", "no such film")
    assert ended.code == 2
    assert f"withdrawn ones: fusionrec --home {workspace.home} items" in ended.err
