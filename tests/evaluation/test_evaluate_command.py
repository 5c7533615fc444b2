"""`fusionrec evaluate`: tables, JSON, files, and plain words for what cannot be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from builders import Ended, as_options, recipe
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.splits import leave_last_out
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

Run = Callable[..., Ended]
SMALL = as_options(recipe(epochs=1, batch=3000))
AT_SEED = SMALL.index("training.seed=0")
UNSEEDED = SMALL[: AT_SEED - 1] + SMALL[AT_SEED + 1 :]
SYNTHETIC = ("--data", "synthetic")


def rows(text: str) -> list[list[list[str]]]:
    """The tables of a pipe: blocks of lines of cells."""
    return [[line.split("\t") for line in b.splitlines()] for b in text.split("\n\n")]


def test_plain_rows_in_a_pipe_and_talk_on_stderr(fusionrec: Run, tmp_path: Path) -> None:
    saved = tmp_path / "users.parquet"
    given = ("evaluate", "--protocol", "new-user", *SYNTHETIC, "--folds", "0", "--save", str(saved))
    ended = fusionrec(Workspace(tmp_path / "home"), *given, "--through-index", "20", *SMALL)
    assert ended.code == 0, ended.err
    blocks = rows(ended.out)
    assert blocks[0][0][:3] == ["name", "hr@10", "ndcg@10"]
    assert [line[0] for line in blocks[0]] == [
        "name",
        "fusion",
        "popular",
        "popular-by-group",
        "profile-ridge",
    ]
    assert all(len(line) == len(block[0]) for block in blocks[:-1] for line in block)
    assert "0 of 20 lists of 10 differ" in blocks[-1][0][0]
    assert "run 1 of 1: new-user, users, fold 1 of 5, seed 0" in ended.err
    command = f"fusionrec --home {tmp_path / 'home'} evaluate --protocol new-user --data synthetic"
    assert command in ended.err
    assert "synthetic" in ended.err
    assert pq.read_table(saved).num_rows == 4 * 100
    # What was trained is thrown away.
    assert not (tmp_path / "home" / "models").exists()


def test_json_on_demand(fusionrec: Run, tmp_path: Path) -> None:
    ended = fusionrec(
        Workspace(tmp_path), "evaluate", "--protocol", "rating", *SYNTHETIC,
        "--seeds", "0,2..3", "--baselines-only", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["seeds"] == [0, 2, 3]
    assert len(found["runs"]) == 3
    assert [row["kind"] for row in found["rows"]] == ["baseline"]
    bias = found["rows"][0]
    assert np.mean(bias["by_run"]["rmse"]) == pytest.approx(bias["figures"]["rmse"], abs=1e-5)
    assert found["command"].startswith("fusionrec --home ")
    assert " evaluate --protocol rating " in found["command"]
    assert found["machine"]
    assert found["seconds"] >= bias["seconds"]


def test_a_version_is_measured_or_refused(fusionrec: Run, tmp_path: Path) -> None:
    workspace, sample = Workspace(tmp_path), synthetic()
    split = leave_last_out(sample, short="train")
    for part in (split.train, np.arange(len(sample))):
        train(sample, recipe(epochs=1, batch=3000), workspace, rows=part)
    given = ("evaluate", "--protocol", "next-item", *SYNTHETIC, "--through-index", "0")
    ended = fusionrec(workspace, *given, "--baseline", "popular", "--version", "v1")
    assert ended.code == 0, ended.err
    assert "fusion v1" in ended.out
    ended = fusionrec(workspace, *given, "--version", "v2")
    assert (ended.code, ended.out) == (2, "")
    assert "trained on all 30000 rows, all 500 test rows among them" in ended.err
    hint = f"fusionrec --home {tmp_path} train --protocol next-item"
    assert f"train one that may be measured: {hint}\n" in ended.err
    for option in (["--model", "sequence"], ["--preset", "quick"], ["--set", "training.epochs=2"]):
        ended = fusionrec(workspace, *given, *option, "--version", "v1")
        assert (ended.code, ended.out) == (2, "")
        assert f"v1 is trained already; {option[0]} says how to train" in ended.err


@pytest.mark.parametrize(
    ("trained_for", "asked"),
    [
        ("--protocol rating --share 0.2 --seed 3", "--protocol rating --share 0.2 --seed 3"),
        ("--protocol next-item", "--protocol next-item"),
        ("--protocol new-user --fold 2 --seed 1", "--protocol new-user --folds 2 --seed 1"),
        ("--protocol new-item", "--protocol new-item"),
        ("--protocol global-time --fold 1", "--protocol global-time --folds 1"),
    ],
)
def test_what_train_makes_for_a_protocol_evaluate_measures(
    trained_for: str, asked: str, fusionrec: Run, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    ended = fusionrec(workspace, "train", *SYNTHETIC, *UNSEEDED, *trained_for.split())
    assert ended.code == 0, ended.err
    # What it says comes next does come next.
    command = f"fusionrec --home {tmp_path} evaluate {asked} --data synthetic --version v1"
    assert f"measure it with: {command}" in ended.err
    arguments = ("evaluate", *asked.split(), *SYNTHETIC, "--through-index", "0", "--json")
    ended = fusionrec(workspace, *arguments, "--version", "v1")
    assert ended.code == 0, ended.err
    version = json.loads(ended.out)["rows"][0]
    assert version["name"] == "fusion v1"
    # As a model that is trained for the question and thrown away.
    fresh = json.loads(fusionrec(workspace, *arguments, *UNSEEDED).out)["rows"][0]
    assert fresh["figures"] == version["figures"]


def test_a_version_of_a_split_says_so_and_is_refused_on_another(
    fusionrec: Run, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    made = ("train", *SYNTHETIC, *SMALL, "--protocol", "new-user")
    ended = fusionrec(workspace, *made)
    assert (ended.code, ended.out) == (2, "")
    assert "protocol new-user has 5 splits" in ended.err
    assert "hint: choose it with --fold 0 to --fold 4" in ended.err
    assert fusionrec(workspace, *made, "--fold", "1").code == 0
    manifest = json.loads((workspace.models / "v1" / "manifest.json").read_text("utf-8"))
    assert manifest["part"] == {
        "protocol": "new-user",
        "split": "users, fold 2 of 5, seed 0",
        "seed": 0,
        "fold": 1,
    }
    assert "new-user: users, fold 2 of 5, seed 0" in fusionrec(workspace, "models").out
    ended = fusionrec(
        workspace, "evaluate", "--protocol", "new-user", *SYNTHETIC, "--folds", "3", "--seed", "2",
        "--version", "v1",
    )  # fmt: skip
    assert (ended.code, ended.out) == (2, "")
    assert "split users, fold 4 of 5, seed 2: the model was trained on other rows" in ended.err
    assert f"fusionrec --home {tmp_path} train --protocol new-user --fold 3 --seed 2" in ended.err


def test_a_training_on_a_split_goes_on_from_its_own_checkpoint(
    fusionrec: Run, tmp_path: Path
) -> None:
    workspace, sample = Workspace(tmp_path), synthetic()
    rows = leave_last_out(sample, short="train").train
    made = recipe(epochs=2, batch=3000)

    def stop(progress: Any) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(sample, made, workspace, stop, rows=rows)
    given = ("train", *SYNTHETIC, *as_options(made), "--resume")
    ended = fusionrec(workspace, *given)
    assert (ended.code, ended.out) == (2, "")
    assert "no checkpoint of a training on this data" in ended.err
    ended = fusionrec(workspace, *given, "--protocol", "next-item")
    assert (ended.code, ended.out) == (0, "v1\n"), ended.err
    assert "going on from the checkpoint" in ended.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("--fold 1", "--fold chooses a protocol's split"),
        ("--share 0.2", "--share chooses a protocol's split"),
        ("--protocol next", "'next' is not one of"),
        ("--protocol rating --fold 0", "protocol rating has no folds"),
        ("--protocol next-item --share 0.2", "protocol next-item has no share"),
        ("--protocol rating --share 1", "between 0 and 1, got 1.0"),
        ("--protocol new-user --fold 5", "folds are 0 to 4, got 5"),
    ],
)
def test_a_split_that_is_not_there_is_no_training(
    given: str, says: str, fusionrec: Run, tmp_path: Path
) -> None:
    ended = fusionrec(Workspace(tmp_path / "new"), "train", *SYNTHETIC, *given.split())
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--protocol", "next"], "'next' is not one of"),
        ([], "--protocol"),
        (["--protocol", "rating", "--model", "magic"], "'magic'"),
        (["--protocol", "rating", "--baseline", "magic"], "no baseline 'magic'; it has bias"),
        (["--protocol", "rating", "--share", "0"], "between 0 and 1, got 0.0"),
        (["--protocol", "new-item", "--share", "1.2"], "between 0 and 1, got 1.2"),
        (["--protocol", "rating", "--share", "nan"], "between 0 and 1, got nan"),
        (["--protocol", "next-item", "-k", "0"], "0 is not in the range"),
        (["--protocol", "next-item", "--folds", "0"], "next-item has no folds"),
        (["--protocol", "new-user", "--folds", "5"], "folds are 0 to 4, got 5"),
        (["--protocol", "new-user", "--folds", "one"], "such as 0, 0,2 or 0..4, got 'one'"),
        (["--protocol", "rating", "--seeds", "3..1"], "distinct numbers"),
        (["--protocol", "rating", "--seeds", "0", "--seed", "1"], "not both"),
        (["--protocol", "rating", "--through-index", "some"], "number of users or all"),
        (["--protocol", "rating", "--save", "/no/such/folder/x"], "cannot be written"),
        (["--protocol", "rating", "--set", "training.epoch=3"], "did you mean training.epochs"),
        (["--protocol", "rating", "--version", "v9"], "has no model yet"),
        (["--protocol", "rating", "--version", "v9", "--baselines-only"], "not both"),
        (["--protocol", "rating", "--version", "v9", "--set", "model.dim=8"], "--set says"),
        (["--protocol", "rating", "--data", "nowhere"], "'nowhere' is no data set"),
    ],
)
def test_bad_input_is_said_before_any_work(
    given: list[str], says: str, fusionrec: Run, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("fusionrec.training.train.train", None)  # whoever trains, fails
    data = [] if "--data" in given else SYNTHETIC
    began = time.monotonic()
    ended = fusionrec(Workspace(tmp_path), "evaluate", *given, *data)
    assert says in ended.err
    assert ended.code == (1 if says in ("has no model yet", "cannot be written") else 2), ended.err
    assert ended.out == ""
    assert time.monotonic() - began < 5


def test_the_old_name_of_preset_is_taken_and_the_new_one_told(
    fusionrec: Run, tmp_path: Path
) -> None:
    workspace, note = Workspace(tmp_path), "note: --profile is now --preset\n"
    asked = ("evaluate", "--protocol", "rating", *SYNTHETIC, "--through-index", "0")
    ended = fusionrec(workspace, *asked, "--profile", "quick", *as_options(recipe(epochs=1)))
    assert ended.code == 0, ended.err
    assert ended.err.startswith(note)
    assert "--preset quick" in ended.err.splitlines()[-1]  # the command, to be repeated
    for command in (asked, ("train", *SYNTHETIC)):
        assert "--profile" not in fusionrec(workspace, command[0], "--help").out
        for old, new in (("quick", "full"), ("full", "quick")):
            refused = fusionrec(workspace, *command, "--profile", old, "--preset", new)
            assert refused.code == 2
            assert f"--preset {new} and --profile {old} differ" in refused.err
        same = ("--profile", "stars", "--preset", "stars", "--set", "x=1")
        assert fusionrec(workspace, *command, *same).err.startswith(note)
    ended = fusionrec(workspace, *asked, "--version", "v1", "--profile", "quick")
    assert (ended.code, ended.err.partition("\n")[0]) == (2, note.strip())
    assert "v1 is trained already; --preset says how to train" in ended.err
