"""The command line: exit codes, data to stdout and talk to stderr, nothing lost on Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from builders import Ended, as_options, command, python, recipe, sequence_recipe
from fusionrec import Recommender
from fusionrec.cli import cli, run
from fusionrec.cli.output import show_rows
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.splits import leave_last_out
from fusionrec.deploy.build import build_index
from fusionrec.errors import ArtifactError, ConfigError, FusionrecError
from fusionrec.ledger import Ledger
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def indexed(published: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with an indexed version, which the tests only read."""
    workspace = Workspace(tmp_path_factory.mktemp("indexed"))
    shutil.copytree(published.folder, workspace.models / "v1")
    build_index(workspace, load(workspace))
    return workspace


def test_help_loads_no_heavy_library():
    code = (
        "import sys\nfrom fusionrec.cli import run, cli\n"
        "assert run(lambda: cli.main(['--help'], standalone_mode=False)) == 0\n"
        "heavy = {'paddle', 'pymilvus', 'milvus_lite', 'pandas', 'pyarrow', 'httpx', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert python(code).splitlines()[-1] == "[]"


ANSWERING = """
import shlex, sys
from fusionrec.cli import cli, run
for line in sys.argv[2:]:
    words = ["--home", sys.argv[1], *shlex.split(line)]
    assert run(lambda: cli.main(words, standalone_mode=False)) == 0, line
    assert "paddle" not in sys.modules, line
"""


@pytest.mark.parametrize(
    "made", [recipe(epochs=1, batch=3000), sequence_recipe(4, epochs=1)], ids=lambda made: made.name
)
def test_only_training_loads_paddle(made, tmp_path):
    sample = synthetic(seed=0)
    workspace = Workspace(tmp_path)
    train(sample, made, workspace, rows=leave_last_out(sample).train)
    lines = (
        "index",
        "recommend --age 25 --gender F --occupation 12",
        f"recommend --user {sample.users.ids[0]} --liked {sample.items.ids[0]}",
        f"similar {sample.items.ids[0]}",
        "evaluate --protocol next-item --data synthetic --through-index 0 "
        "--baseline popular --version v1",
    )
    python(ANSWERING, workspace.home, *lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("recommend -k 0", "0 is not in the range x>=1"),
        ("recommend --user nobody", "'nobody' is not among the 60 users"),
        ("recommend --profile gender", "--profile is name=value, got 'gender'"),
        ("recommend --profile shoe=42", "not 'shoe'"),
        ("recommend --age 18 --profile age=25", "given twice"),
        ("recommend --gender X", "gender must be one of F, M, got 'X'"),
        ("recommend --genre Drma", "did you mean 'Drama'?"),
        ("recommend --year 1990..1980", "did you mean 1980..1990?"),
        ("recommend --year 1980 --year 1990", "one range at a time"),
        ("recommend --year soon", "year must be a number or a range"),
        ("recommend --where title=x", "filters are: genre, year"),
        ("recommend --where year!=1980", "year is a number"),
        ("recommend --liked iron", "'iron' may be any of 5 items"),
        ("recommend --rated iron=3", "28 = Iron Island 2 (year 1965)"),
        ("recommend --rated 1721=x", "a number for the rating, got '1721=x'"),
        ("recommend --version v9", "there is no version 'v9'; there are v1"),
        ("recommend --milvus somewhere", "a path that ends in .db"),
        ("similar harbour", "'harbour' may be any of 2 items"),
        ("search", "Missing argument 'WORDS...'"),
        ("search ?!", "no word to search for"),
        ("search iron --user nobody", "'nobody' is not among the 60 users"),
        ("models activate v9", "there is no version 'v9'"),
        ("train --data nowhere", "ml-1m, ml-100k, synthetic"),
        (
            "train --data synthetic --model fusion --set training.epoch=3",
            "did you mean training.epochs?",
        ),
        ("train --data synthetic --set training.pass=3", "did you mean training.passes?"),
        ("train --data synthetic --set training.epochs", "--set is name=value"),
        ("train --data synthetic --preset fast", "has the presets quick, default, full"),
        ("train --data synthetic --model fusion --preset default", "is a preset of model auto"),
        ("train --data synthetic --model fusion --preset stars", "hint: stars is gone: any preset"),
        ("evaluate --protocol rating --data synthetic --preset strangers", "strangers is gone"),
        ("train --data synthetic --model fusion --minutes 3", "--minutes is for model auto"),
        ("train --data synthetic --model fusion --passes 3", "--set training.epochs=N"),
        ("train --data synthetic --model linear --passes 3", "--passes is for model auto"),
        ("train --data synthetic --set training.minutes=-1", "training.minutes must be 0 or more"),
        ("recommend --user 1 --goal next", "v1 is of model fusion, which has no goals"),
        ("recommend --all -o all.parquet --goal next", "v1 is of model fusion, which has no goals"),
        ("train --data synthetic --resume", "no checkpoint"),
        ("train --data synthetic --from v9", "there is no version 'v9'; there are v1"),
        ("train --data synthetic --model linear --device cpu", "leave --device out"),
        ("fetch nowhere", "'nowhere' is no data set"),
        ("fetch synthetic", "no files to fetch"),
        ("models --home b", "and --home b differ"),
        ("models list --home b", "and --home b differ"),
        ("frobnicate", "No such command 'frobnicate'"),
    ],
)
def test_wrong_use_exits_2_and_says_what_is_right(indexed, fusionrec, arguments, words):
    ended = fusionrec(indexed, *shlex.split(arguments))
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "arguments", ["recommend --user 1", "similar 1", "search iron", "index", "models activate v1"]
)
def test_a_workspace_without_a_model_exits_1_with_a_hint(tmp_path, fusionrec, arguments):
    ended = fusionrec(Workspace(tmp_path / "new"), *arguments.split())
    assert (ended.code, ended.out) == (1, "")
    assert "has no model yet" in ended.err
    assert f"hint: train one: fusionrec --home {tmp_path / 'new'} train" in ended.err
    assert not (tmp_path / "new").exists()


def test_errors_have_their_exit_codes(capsys, monkeypatch):
    def fail(error: BaseException) -> int:
        def raises() -> None:
            raise error

        return run(raises)

    monkeypatch.delenv("FUSIONREC_DEBUG", raising=False)
    assert fail(ConfigError("wrong", hint="do right")) == 2
    assert fail(ArtifactError("broken")) == 1
    assert fail(FusionrecError("other")) == 1
    assert fail(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == (
        "error: wrong\nhint: do right\nerror: broken\nerror: other\ninterrupted\n"
    )
    assert fail(ZeroDivisionError("oops")) == 1
    assert "this is a defect" in capsys.readouterr().err
    monkeypatch.setenv("FUSIONREC_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EROFS, "file system that cannot be written"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "disk may be failing"),
        (errno.ENAMETOOLONG, "shorter path"),
        (errno.ELOOP, "leads to itself"),
        (errno.EMFILE, "ulimit"),
    ],
)
def test_what_the_system_refuses_is_told_without_an_exception(capsys, number, hint):
    def refused() -> None:
        raise OSError(number, os.strerror(number), "models/v1")

    assert run(refused) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: models/v1: {os.strerror(number)}\nhint: ")
    assert hint in said
    assert "Errno" not in said
    assert "defect" not in said


NAMES = {"long": "x" * 300, "user": "~nobody-of-this-name/x", "loop": "loop"}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(
    "words",
    [("check",), ("train", "--data"), ("items", "add"), ("index", "--vectors"), ("init",),
     ("export", "feedback", "-o"), ("sample",), ("recommend", "--milvus")],
    ids=" ".join,
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_no_defect(
    workspace, tmp_path, monkeypatch, fusionrec, words, kind
):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    name = NAMES[kind] + (".db" if words[-1] == "--milvus" else "")
    ended = fusionrec(workspace, *words, name)
    assert "defect" not in ended.err
    assert "Errno" not in ended.err
    if kind != "user" and words[0] != "recommend":
        assert ended.code != 0


def test_an_answer_in_a_pipe_is_tab_separated_under_a_header(indexed, fusionrec):
    ended = fusionrec(indexed, "recommend", "--user", "10", "-k", "3")
    assert (ended.code, ended.err) == (0, "")
    header, *rows = (line.split("\t") for line in ended.out.splitlines())
    assert header == ["Rank", "Id", "Title", "Score", "Stars", "Genres", "Year"]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    for row in rows:
        assert len(row) == len(header)
        assert float(row[4]) == pytest.approx((float(row[3]) + 5) / 2, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "measure", "note"),
    [
        ("recommend", "Times rated", "rated most often"),
        ("recommend --rated 'scarlet scream=1' --rated 7=5", "Score", "rated more than once"),
        ("recommend --user nobody --gender F", "Score", "user nobody is not in v1"),
        ("recommend --user 10 --year 3000", "Score", "no item meets these conditions"),
        ("search 'iron islnd'", "Score", "no item holds 'islnd': these hold 'island'"),
        ("search xyzzy OR *", "Score", "no item holds a word of"),
    ],
)
def test_notes_go_to_stderr_and_into_json(indexed, fusionrec, arguments, measure, note):
    words = shlex.split(arguments)
    ended = fusionrec(indexed, *words)
    assert ended.code == 0
    assert ended.out.splitlines()[0].split("\t")[3] == measure
    assert ended.err.startswith("note: ")
    assert note in ended.err
    notes = json.loads(fusionrec(indexed, *words, "--json").out)["notes"]
    assert any(note in said for said in notes)


def test_a_misspelt_search_asks_what_was_meant(indexed, fusionrec):
    assert "did you mean 'Iron Island' (22)?\n" in fusionrec(indexed, "search", "iron islnd").err
    told = json.loads(fusionrec(indexed, "search", "iron islnd", "--json").out)
    assert told["suggestions"] == [{"text": "Iron Island", "id": "22"}]
    Path(indexed.home, "synonyms.toml").write_text("[categories]\nwar = 7\n")
    try:
        ended = fusionrec(indexed, "search", "iron")
        assert (ended.code, "synonyms.toml, line 2: war must be" in ended.err) == (2, True)
        assert fusionrec(indexed, "recommend", "--user", "10").code == 0
    finally:
        Path(indexed.home, "synonyms.toml").unlink()


@pytest.mark.parametrize(
    ("arguments", "kind", "place", "stars"),
    [
        ("recommend --user 10", "user", "milvus", True),
        ("recommend --gender female --age 25 --occupation 12", "profile", "milvus", True),
        ("recommend --user 10 --gender F", "mixed", "milvus", True),
        ("recommend", "popular", "counts", False),
        ("similar 'scarlet scream'", "similar", "milvus", False),
        ("search iron island", "search", "words", False),
        ("search iron --user 10", "search", "milvus", True),
    ],
)
def test_json_has_the_agreed_shape(indexed, fusionrec, arguments, kind, place, stars):
    ended = fusionrec(indexed, *shlex.split(arguments), "-k", "2", "--json", "--no-copy")
    assert (ended.code, ended.err) == (0, "")
    answer = json.loads(ended.out)
    place = str(Path(indexed.milvus).resolve()) if place == "milvus" else place
    assert list(answer) == ["items", "kind", "version", "place", "notes"]
    assert (answer["kind"], answer["version"], answer["place"]) == (kind, "v1", place)
    assert [item["rank"] for item in answer["items"]] == [1, 2]
    for item in answer["items"]:
        figure = "ratings" if kind == "popular" else "score"
        assert list(item)[:4] == ["rank", "id", "title", figure]
        assert isinstance(item["id"], str)
        assert ("stars" in item) == stars


@pytest.mark.parametrize(
    ("asked", "default"), [("recommend", "--unseen"), ("search iron", "--seen")]
)
def test_what_was_rated_may_be_asked_for_or_not(indexed, fusionrec, dataset, asked, default):
    trained = (dataset.user == 9) & (dataset.item > 1)  # see the fixture ``published``
    rated = {dataset.items.ids[i] for i in dataset.item[trained]}

    def ids(*options: str) -> set[str]:
        return found(fusionrec, indexed, *asked.split(), "--user", dataset.users.ids[9], *options)

    assert ids("--seen") & rated
    assert not ids("--unseen") & rated
    assert ids() == ids(default)


def found(fusionrec: Run, workspace: Workspace, *arguments: str) -> set[str]:
    """The ids of a long answer."""
    ended = fusionrec(workspace, *arguments, "-k", "99", "--json")
    assert ended.code == 0, ended.err
    return {item["id"] for item in json.loads(ended.out)["items"]}


def test_conditions(indexed, fusionrec):
    ids = partial(found, fusionrec, indexed)
    person = ("recommend", "--user", "10", "--seen")
    both = ("--where", "genre+=animation", "--where", "genres+=Fantasy")
    assert ids(*person, *both) == {"3", "21"}
    assert ids(*person, *both, "--where", "genre!=Thriller") == {"3"}
    assert ids(*person, *both, "--without", "3", "--without", "7") == {"21"}
    assert ids(*person, *both, "--only", "3", "--only", "7") == {"3"}
    assert ids("similar", "3", *both) == {"21"}
    assert ids("search", "winter", "last", "--where", "genre!=Comedy") == {"3", "12", "21", "36"}
    assert ids("search", "winter", "last", "--year", "1979..", "--without", "21") == {"12"}
    either = ids(*person, "--genre", "animation", "--genre", "Fantasy", "--year", "1960..1990")
    assert either == ids(*person, "--where", "genre=animation", "--where", "genre=Fantasy",
                         "--where", "year=1960..1990")  # fmt: skip
    assert len(either) > 2


def test_titles_may_stand_for_ids(indexed, fusionrec):
    told = ("recommend", "-k", "5", "--json")
    by_id = fusionrec(indexed, *told, "--liked", "7", "--rated", "28=2")
    by_title = fusionrec(indexed, *told, "--liked", "Scream, Scarlet", "--rated", "Iron Island 2=2")
    assert by_id.code == 0
    assert json.loads(by_title.out) == json.loads(by_id.out)
    unknown = json.loads(fusionrec(indexed, *told, "--user", "10", "--liked", "No Such Film").out)
    assert any("No Such Film" in note for note in unknown["notes"])


def test_titles_are_no_markup_and_break_no_row(monkeypatch, capsys):
    rows = [["1", "[red]Alert[/red] [/]\tone\ntwo"]]
    show_rows(["Id", "Title"], rows)
    assert capsys.readouterr().out == "Id\tTitle\n1\t[red]Alert[/red] [/] one two\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    show_rows(["Id", "Title"], rows)
    assert "[red]Alert[/red] [/] one two" in capsys.readouterr().out


def test_models_lists_activates_and_prunes(workspace, fusionrec):
    for name in ("v2", "v3", "v4"):
        shutil.copytree(workspace.models / "v1", workspace.models / name)
    assert fusionrec(workspace, "models", "activate", "v1").code == 0
    listed = json.loads(fusionrec(workspace, "models", "--json").out)
    states = {version["name"]: version["active"] for version in listed}
    assert states == {"v1": True, "v2": False, "v3": False, "v4": False}
    rows = fusionrec(workspace, "models").out.splitlines()
    assert rows[0].split("\t")[0] == "Version"
    assert rows[1].endswith("active")
    assert fusionrec(workspace, "models", "prune", "--keep", "1").out == "v2\nv3\n"
    assert "no model yet" in fusionrec(Workspace(workspace.home / "none"), "models").err


def test_index_takes_the_newest_version_and_says_where(workspace, fusionrec):
    shutil.copytree(workspace.models / "v1", workspace.models / "v2")
    ended = fusionrec(workspace, "index")
    assert (ended.code, ended.out) == (0, "")
    assert f"v2 is active; its 40 items are in {Path(workspace.milvus).resolve()}" in ended.err


def test_train_prints_the_version_and_talks_on_stderr(tmp_path, fusionrec):
    workspace = Workspace(tmp_path)
    options = as_options(recipe(epochs=2, batch=3000))
    ended = fusionrec(workspace, "train", "--data", "synthetic", *options, "--seed", "3")
    assert (ended.code, ended.out) == (0, "v1\n")
    assert "synthetic" in ended.err
    assert "epoch  1/2   error in stars: train" in ended.err
    assert "validation" in ended.err
    assert f"fusionrec --home {tmp_path} index" in ended.err
    trained = Artifact.load(workspace.models / "v1").manifest["recipe"]
    assert trained == json.loads(
        json.dumps(recipe(epochs=2, batch=3000).change({"training.seed": "3"}).to_dict())
    )


def test_fetch_prints_the_path_of_what_it_found(tmp_path, fusionrec, monkeypatch, files):
    folder = files.folder("ml-100k", at="data/ml-100k")
    monkeypatch.setenv("FUSIONREC_DATA", str(folder.parent))
    ended = fusionrec(Workspace(tmp_path / "home"), "fetch", "ml-100k")
    assert (ended.code, ended.out) == (0, f"{folder}\n")
    assert "3 ratings by 3 users of 3 items" in ended.err


def test_quickstart_ends_in_films_and_says_what_it_used(tmp_path, fusionrec, monkeypatch, files):
    """With its own settings, on the least ml-1m there can be."""
    folder = files.folder("ml-1m", at="data/ml-1m")
    monkeypatch.setenv("FUSIONREC_DATA", str(folder.parent))
    workspace = Workspace(tmp_path / "home")
    ended = fusionrec(workspace, "quickstart")
    assert ended.code == 0, ended.err
    assert f"The data set is ml-1m, from FUSIONREC_DATA ({folder.parent})" in ended.err
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert rows[0][:3] == ["Rank", "Id", "Title"]
    assert {row[2] for row in rows[1:]} == {"Toy Story", "Quiet Harbour, The", "Café Noir"}
    assert "too little data to hold anything out: answers are what is popular\n" in ended.err
    assert f"fusionrec --home {workspace.home} recommend --user" in ended.err
    again = json.loads(fusionrec(workspace, "recommend", "--user", "1", "--json").out)
    assert again["place"].removeprefix("exact copy of ") == str(Path(workspace.milvus).resolve())


def spawn(*arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_a_process_that_trains_indexes_and_answers_says_nothing_of_its_libraries(tmp_path):
    """As quickstart does: Paddle, faiss, gRPC and Milvus Lite in one process, no network."""
    code = (
        "import sys\nfrom fusionrec.cli import main, quickstart\n"
        "from fusionrec.data import catalog\nfrom builders import auto_recipe\n"
        "from fusionrec.data.samples.movielens import synthetic\n"
        "quickstart.AUTO['quick'] = auto_recipe(minutes=0.0, passes=1)\n"
        "sample = synthetic(1, 60, 40, 1500), 'It is the sample.'\n"
        "catalog.first_available = lambda *_: sample\n"
        "main(['--home', sys.argv[1], 'quickstart'])"
    )
    tests = f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}"
    env = {**os.environ, "PYTHONPATH": tests}
    process = spawn(sys.executable, "-c", code, str(tmp_path / "home"), env=env)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 6
    known = (
        *("It is the sample", "synthetic sample", "note: these rows", "starting Paddle"),
        *("epoch ", "  ", "saved v1", "indexing", "v1 is in", "five films", "now ask"),
        *(
            "taste: ",
            "next: ",
            "later: ",
            "sequence: ",
            "stars: ",
            "note: stars",
            "NDCG@10 of",
            "lists ",
            "too little",
        ),
    )
    assert [line for line in err.splitlines() if not line.startswith(known)] == []


# Runs a command that hears Ctrl-C: a process started in the background inherits a deaf ear.
HEARING = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


def test_ctrl_c_in_training_says_how_to_resume_and_that_works(tmp_path):
    workspace = Workspace(tmp_path / "home")
    made = recipe(epochs=3, batch=500)
    arguments = ["train", "--data", "synthetic", *as_options(made)]
    process = spawn(sys.executable, "-c", HEARING, *command(workspace, *arguments))
    deadline = time.monotonic() + 60
    while not list(workspace.checkpoints.glob("*/state.safetensors")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    [told] = [line for line in err.splitlines() if line.startswith("stopped;")]
    assert "a checkpoint is kept" in told
    again = shlex.split(told.partition("To go on: ")[2])
    assert again[0] == "fusionrec"
    assert again[-1] == "--resume"
    process = spawn(sys.executable, "-m", *again)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "v1\n"), err
    assert "epoch  3/3" in err
    alone = train(synthetic(), made, Workspace(tmp_path / "alone"))
    resumed = Artifact.load(workspace.models / "v1")
    assert np.array_equal(resumed.item_vectors, alone.item_vectors)


def test_an_age_counts_as_the_group_that_holds_it(indexed, fusionrec):
    told = ("recommend", "--json", "-k", "3", "--gender", "F")
    by_code = json.loads(fusionrec(indexed, *told, "--age", "25").out)
    for option in (("--age", "30"), ("--profile", "age=30")):
        by_number = json.loads(fusionrec(indexed, *told, *option).out)
        assert by_number == {**by_code, "notes": ["age 30 counts as 25-34 (25)"]}
    with Recommender(indexed.home) as recommender:
        for age in (30, "30", 30.5):
            answer = recommender.recommend(profile={"age": age, "gender": "F"}, k=3)
            assert answer.to_json()["items"] == by_code["items"]
            assert answer.notes == (f"age {age} counts as 25-34 (25)",)


@pytest.mark.parametrize("group", ["models", "items", "keys"])
def test_a_group_alone_does_as_its_list(workspace, fusionrec, group):
    Ledger(workspace.ledger).add_key("page", ("read",))
    fusionrec(workspace, "items", "withdraw", "7")
    for options in ([], ["--json"]):
        alone = fusionrec(workspace, group, *options)
        assert (alone.code, bool(alone.out)) == (0, True)
        assert fusionrec(workspace, group, "list", *options) == alone
    assert len(json.loads(alone.out)) == 1
    refused = fusionrec(workspace, group, "--json", "list")
    assert (refused.code, refused.out) == (2, "")
    assert "--json stands after the subcommand" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        "--home HOME models",
        "models --home HOME",
        "models list --home=HOME",
        "--home HOME models --home HOME/../home list --home HOME",
        "recommend --all -o HOME/all.parquet --home HOME",
    ],
)
def test_the_workspace_is_named_before_or_after_the_command(workspace, capsys, monkeypatch, words):
    monkeypatch.setenv("FUSIONREC_HOME", str(workspace.home / "elsewhere"))

    def called(words: str) -> Ended:
        given = words.replace("HOME", str(workspace.home)).split()
        code = run(lambda: cli.main(given, standalone_mode=False))
        return Ended(code, *capsys.readouterr())

    assert called(words).code == 0
    assert "no model yet" in called("models").err


def test_hints_name_the_workspace_that_was_named(tmp_path, capsys, monkeypatch):
    def err(*words: str) -> str:
        run(lambda: cli.main(list(words), standalone_mode=False))
        return capsys.readouterr().err

    monkeypatch.chdir(tmp_path)
    assert "train one: fusionrec train --data ml-1m, or fusionrec quickstart\n" in err("index")
    for words in (("--home", "my shop", "index"), ("index", "--home", "my shop")):
        named = "fusionrec --home 'my shop'"
        assert f"train one: {named} train --data ml-1m, or {named} quickstart\n" in err(*words)
    named = err("--home", "fusionrec", "recommend", "--user", "1")
    assert named.startswith("error: the workspace fusionrec has no model yet\n")
    assert "fusionrec --home fusionrec train" in named


@pytest.mark.parametrize("home", ["", "FILE"])
def test_a_workspace_that_is_no_folder_is_wrong_use(tmp_path, capsys, home):
    (tmp_path / "file").touch()
    given = home.replace("FILE", str(tmp_path / "file"))
    code = run(lambda: cli.main(["models", "--home", given], standalone_mode=False))
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert "the workspace must be a folder" in said.err


@pytest.mark.parametrize("columns", ["30", "60"])
def test_a_narrow_terminal_cuts_no_id(monkeypatch, capsys, columns):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", columns)
    id = "a-rather-long-id-of-an-item-in-a-shop"
    show_rows(["Rank", "Id", "Title"], [["1", id, "A title of many words, too many for one line"]])
    assert id in capsys.readouterr().out


def test_the_same_fault_has_the_same_exit_code(workspace, tmp_path, fusionrec, monkeypatch):
    """2 for wrong use, such as a folder that is a file or what would be written over; else 1."""
    home, file, shop = workspace, tmp_path / "file", tmp_path / "shop"
    file.write_text("text")

    def code(words, *more):
        return fusionrec(home, *words.split(), *map(str, more)).code

    for words in ("sample", "init", "check", "export feedback --data synthetic -o"):
        place = tmp_path / "said" if "-o" in words else shop
        assert code(words, place) == 0, words
        assert code(words, place) == (0 if words == "check" else 2)
    for words in ("sample", "export feedback --data synthetic -o"):
        assert code(words, file) == 2
    assert code("init", file) == 1  # which may be one file of data
    for words in ("init", "check"):
        assert code(words, tmp_path / "none") == 2
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert code(words, tmp_path / "empty") == 1
    for words in ("report -o", "recommend --all -o", "export vectors -o"):
        assert code(words, file / "within") == 2
        assert code(words, shop) == 2

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    monkeypatch.setattr("fusionrec.recommend.batch.move_in", full)
    monkeypatch.setattr("fusionrec.registry.tables.move_in", full)
    new = tmp_path / "new"
    for words in ("sample", "report -o", "recommend --all -o", "export vectors -o",
                  "export feedback --data synthetic -o"):  # fmt: skip
        assert code(words, new) == 1, words
    assert code("init --force", shop) == 1


@pytest.mark.parametrize("words", ["--home FILE recommend", "recommend --home FILE", "models list"])
def test_help_needs_no_workspace(tmp_path, capsys, monkeypatch, words):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FUSIONREC_HOME", str(tmp_path / "file"))
    given = [word.replace("FILE", str(tmp_path / "file")) for word in words.split()]
    assert run(lambda: cli.main([*given, "--help"], standalone_mode=False)) == 0
    assert capsys.readouterr().out.startswith("Usage: ")
    assert run(lambda: cli.main(given, standalone_mode=False)) == 2


WORKER = """
import os, sys
from pathlib import Path
from fusionrec.cli.hints import hint_of
from fusionrec.service.server import ServiceSettings, Workspace, _work
os.dup2(1, 2)
home = Path(sys.argv[1])
assert _work(Workspace(home), "", ServiceSettings(), home, None, hint_of, lambda: None)
"""


def test_a_worker_of_the_service_words_hints_as_the_command_line_does(tmp_path):
    assert "hint: train one: fusionrec train" in python(WORKER, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--from v1 --model linear", "v1 is of model fusion, and linear cannot begin with it"),
        ("--from v1 --set model.dim=24", "model.dim is 16 there and 24 here"),
        ("--device gpu", "hint: install paddlepaddle-gpu"),
    ],
)
def test_a_training_that_cannot_begin_says_why(arguments, words, indexed, fusionrec):
    ended = fusionrec(indexed, "train", "--data", "synthetic", *shlex.split(arguments))
    assert ended.code == 1
    assert words in ended.err
    assert "Traceback" not in ended.err
