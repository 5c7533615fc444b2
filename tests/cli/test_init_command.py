"""``fusionrec init`` and ``quickstart DIR``: doubts, exit codes, JSON, questions."""

from __future__ import annotations

import json
import os
import pty
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import export_folders
from builders import Ended, auto_recipe
from fusionrec.cli import quickstart
from fusionrec.cli.output import show_json
from fusionrec.data.detection import infer
from fusionrec.data.detection.doubts import Doubt
from fusionrec.workspace import Workspace

Run = Callable[..., Ended]

MILD = Doubt("left_out", "the column \x1b[31mprice is not taken", "", ("price",))
GRAVE = Doubt(
    "two_ratings", "score or stars could be the rating", 'rating = "stars"', ("score", "stars"),
    grave=True, key="interactions.rating", choices=("score", "stars", ""),
)  # fmt: skip
LATER = Doubt("scale", "the scale is not sure", key="interactions.scale", choices=("5", "10"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace; the working directory is beside it, with a folder of films."""
    monkeypatch.chdir(tmp_path)
    export_folders.movielens(Path("films"))
    return Workspace(tmp_path / "home")


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Makes ``infer_spec`` be in doubt until it is told, and then of more; what it was given."""
    given: list[dict[str, object]] = []
    real = infer.infer_spec

    def doubting(path: Path, name: str = "", **options: object) -> infer.InferredSpec:
        given.append(options)
        told = options.get("told") or {}
        doubts = [LATER, MILD] if GRAVE.key in told else [GRAVE, MILD]
        return replace(real(path, name), doubts=tuple(d for d in doubts if d.key not in told))

    monkeypatch.setattr(infer, "infer_spec", doubting)
    return given


def test_a_grave_doubt_ends_with_3_and_training_waits_for_a_look(
    home, doubtful, fusionrec: Run, monkeypatch
):
    ended = fusionrec(home, "init", "films")
    file = Path("films", "fusionrec.toml")
    assert (ended.code, ended.out) == (3, f"{file}\n")
    assert f"warning: {GRAVE.says}; to change it: {GRAVE.mend}\n" in ended.err
    assert "warning: the column \ufffd[31mprice is not taken\n" in ended.err
    assert ended.err.index("price is") < ended.err.index(GRAVE.says), "grave ones last"
    assert f"fusionrec --home {home.home} train --data films --accept" in ended.err

    checked = fusionrec(home, "check", "films")
    assert checked.code == 0
    assert f"warning: {GRAVE}\n" in checked.err
    assert "--accept" in checked.err
    shown = json.loads(fusionrec(home, "check", "films", "--json").out)
    assert shown["unreviewed"] == [str(GRAVE)]

    measure = ["evaluate", "--protocol", "next-item", "--baselines-only", "--data", "films"]
    measure += ["--baseline", "popular", "--through-index", "0"]
    for command in (["train", "--data", "films", "--model", "linear"], measure):
        refused = fusionrec(home, *command)
        assert (refused.code, refused.out) == (1, "")
        assert str(GRAVE) in refused.err
        assert "--accept" in refused.err
    assert fusionrec(home, *measure, "--accept").code == 0
    file.write_text(file.read_text(encoding="utf-8") + "# seen\n", encoding="utf-8")
    assert fusionrec(home, *measure).code == 0
    assert "warning" not in fusionrec(home, "check", "films").err


def test_a_guess_without_grave_doubts_ends_with_0(home, fusionrec: Run, monkeypatch):
    real = infer.infer_spec
    monkeypatch.setattr(infer, "infer_spec", lambda *a, **b: replace(real(*a, **b), doubts=(MILD,)))
    ended = fusionrec(home, "init", "films")
    assert (ended.code, ended.out) == (0, "films/fusionrec.toml\n")
    assert "warning: the column" in ended.err
    assert "train --data films\n" in ended.err


def test_json_has_what_the_file_has_and_the_doubts(home, doubtful, fusionrec: Run):
    fusionrec(home, "init", "films")
    plain = Path("films/fusionrec.toml").read_text(encoding="utf-8")
    ended = fusionrec(home, "init", "films", "--json", "--force")
    shown = json.loads(ended.out)
    assert ended.code == 3
    assert Path(shown["file"]).read_text(encoding="utf-8") == plain
    assert {n: shown[n] for n in ("name", "interactions", "items")} == {
        name: value for name, value in tomllib.loads(plain).items() if name != "review"
    }
    assert shown["users"] is None
    assert "half stars" in " ".join(shown["reasons"]["interactions.scale"])
    assert shown["reasons"]["items.fields.genres"]
    assert set(shown["left_out"]) == {"interactions", "items"}
    assert set(shown["unused"]) == {"tags.csv", "links.csv"}
    assert shown["doubts"][0] == {
        "name": "two_ratings", "says": GRAVE.says, "mend": GRAVE.mend,
        "columns": ["score", "stars"], "grave": True, "key": GRAVE.key,
        "choices": ["score", "stars", ""],
    }  # fmt: skip


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes stdin a terminal where this is typed."""
    opened = []

    def type_in(text: str) -> None:
        keyboard, terminal = pty.openpty()
        os.write(keyboard, text.encode())
        opened.append(os.fdopen(terminal, encoding="utf-8"))
        monkeypatch.setattr(sys, "stdin", opened[-1])

    yield type_in
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize(
    ("keys", "told"),
    [("\n\n", ("score", "5")), ("2\n2\n", ("stars", "10")), ("9\n3\n1\n", ("", "5"))],
)
def test_ask_walks_through_what_has_choices(home, doubtful, fusionrec: Run, typed, keys, told):
    typed(keys)
    ended = fusionrec(home, "init", "films", "--ask")
    assert (ended.code, ended.out) == (0, "films/fusionrec.toml\n"), ended.err
    assert f"{GRAVE.says}\n  1  score\n  2  stars\n  3  none\n" in ended.err
    assert doubtful[-1]["told"] == {GRAVE.key: told[0], LATER.key: told[1]}
    assert "warning: the column" in ended.err, "what has no choices stays a doubt"
    assert f"warning: {GRAVE.says}" not in ended.err
    assert "[review]" not in Path("films/fusionrec.toml").read_text(encoding="utf-8")


def test_ask_without_a_terminal_or_without_an_answer_writes_nothing(
    home, doubtful, fusionrec: Run, typed
):
    ended = fusionrec(home, "init", "films", "--ask")
    assert (ended.code, ended.out) == (2, "")
    assert "--json" in ended.err
    typed("\x04")  # Ctrl-D
    assert fusionrec(home, "init", "films", "--ask").code == 130
    assert not Path("films/fusionrec.toml").exists()


def test_databases_are_looked_at_where_that_is_allowed(home, doubtful, fusionrec: Run):
    asked = ["init", "films", "--from", "sqlite:///a.db", "--from", "sqlite:///b.db"]
    ended = fusionrec(home, *asked)
    assert (ended.code, doubtful) == (2, [])
    assert "--allow-remote" in ended.err
    assert fusionrec(home, *asked, "--allow-remote").code == 3
    assert doubtful[0]["sources"] == ("sqlite:///a.db", "sqlite:///b.db")


def test_one_file_among_others(home, fusionrec: Run):
    for name in ("loans", "plays"):
        pairs = export_folders.pairs(seed=len(name))
        export_folders.write_csv(Path(f"my {name}.csv"), ["reader", "book"], pairs)
    for name, file in (("loans", "fusionrec.toml"), ("plays", "my plays.toml")):
        ended = fusionrec(home, "init", f"my {name}.csv")
        assert (ended.code, ended.out) == (0, f"{file}\n"), ended.err
        made = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        assert made["name"] == f"my {name}"
        assert made["interactions"]["files"] == f"my {name}.csv"
        assert fusionrec(home, "init", f"my {name}.csv").code == 2, "it is there"
    assert "train --data 'my plays.toml'" in ended.err
    assert fusionrec(home, "check", "my plays.toml").code == 0


def steps(err: str, *words: str) -> bool:
    """Whether a text has all of these, in this order."""
    places = [err.find(word) for word in words]
    return -1 not in places and places == sorted(places)


@pytest.mark.parametrize("path", ["films", "films/ratings.csv"])
def test_quickstart_of_own_data(path, home, fusionrec: Run, monkeypatch):
    monkeypatch.setitem(quickstart.AUTO, "quick", auto_recipe(minutes=0.0, passes=0))
    ended = fusionrec(home, "quickstart", path)
    assert ended.code == 0, ended.err
    assert steps(ended.err, "who took what: ratings.csv", "900 ratings", "saved v1", "v1 is in",
                 "may take next:", f"fusionrec --home {home.home} check films")  # fmt: skip
    header, *rows = (line.split("\t") for line in ended.out.splitlines())
    assert len(rows) == 5
    titled = {row[header.index("Title")] for row in rows}
    assert all("Harbour" in title for title in titled) == (path == "films")
    user = ended.err.partition("recommend --user ")[2].split()[0]
    assert fusionrec(home, "recommend", "--user", user).out.startswith("Rank")


def test_quickstart_stops_where_a_look_is_needed_and_goes_on_after_it(
    home, doubtful, fusionrec: Run, monkeypatch
):
    trained: list[Sequence[object]] = []

    def train(*arguments: object) -> None:
        trained.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(quickstart, "run_training", train)
    file = Path("films/fusionrec.toml")
    for _ in range(2):
        ended = fusionrec(home, "quickstart", "films")
        assert (ended.code, ended.out, trained) == (3, "", [])
        assert steps(ended.err, str(GRAVE), f"look at {file}", "quickstart films --accept")
    assert fusionrec(home, "quickstart", "films", "--accept").code == 130
    file.write_text(file.read_text(encoding="utf-8").replace("[0.5,", "[0,"), encoding="utf-8")
    assert fusionrec(home, "quickstart", "films").code == 130
    assert [len(dataset) for _, dataset, *_ in trained] == [900, 900]


def test_quickstart_says_why_nothing_can_be_made_of_it(home, fusionrec: Run):
    export_folders.write_csv(Path("one/log.csv"), ["user_id", "item_id"], [(n, 1) for n in "abcd"])
    Path("one/fusionrec.toml").write_text(
        '[interactions]\nfiles = "log.csv"\nuser = "user_id"\nitem = "item_id"\n', encoding="utf-8"
    )
    ended = fusionrec(home, "quickstart", "one")
    assert (ended.code, ended.out) == (1, "")
    assert "nothing to rank" in ended.err
    ended = fusionrec(home, "quickstart", "nowhere")
    assert (ended.code, ended.out) == (2, "")
    assert "there is no such folder" in ended.err


def test_json_of_a_name_that_is_no_text_is_json(capfd):
    show_json({"unused": {"caf\udce9.csv": "\x9b31m"}})
    assert json.loads(capfd.readouterr().out) == {"unused": {"caf?.csv": "\x9b31m"}}
