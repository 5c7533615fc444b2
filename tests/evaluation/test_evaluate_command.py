"""`fusionrec evaluate`: tables, JSON, files, and plain words for what cannot be."""

from __future__ import annotations

import json
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from builders import as_options, auto_recipe, recipe, stop_at
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.splits import leave_last_out
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

SMALL = as_options(recipe(epochs=1, batch=3000))
AT_SEED = SMALL.index("training.seed=0")
UNSEEDED = SMALL[: AT_SEED - 1] + SMALL[AT_SEED + 1 :]
SYNTHETIC = ("--data", "synthetic")


def test_plain_rows_in_a_pipe_and_talk_on_stderr(fusionrec, tmp_path):
    saved, home = tmp_path / "users.parquet", tmp_path / "home"
    given = ("evaluate", "--protocol", "new-user", *SYNTHETIC, "--folds", "0", "--save", str(saved))
    ended = fusionrec(Workspace(home), *given, "--through-index", "20", *SMALL)
    assert ended.code == 0, ended.err
    blocks = [[line.split("\t") for line in b.splitlines()] for b in ended.out.split("\n\n")]
    assert blocks[0][0][:3] == ["name", "hr@10", "ndcg@10"]
    names = ["name", "fusion", "popular", "popular-by-group", "profile-ridge"]
    assert [line[0] for line in blocks[0]] == names
    assert all(len(line) == len(block[0]) for block in blocks[:-1] for line in block)
    assert "0 of 20 lists of 10 differ" in blocks[-1][0][0]
    assert "run 1 of 1: new-user, users, fold 1 of 5, seed 0" in ended.err
    assert f"fusionrec --home {home} evaluate --protocol new-user --data synthetic" in ended.err
    assert pq.read_table(saved).num_rows == 4 * 100
    assert not (home / "models").exists()  # what was trained is thrown away


def test_json_on_demand(fusionrec, tmp_path):
    given = ("--protocol", "rating", *SYNTHETIC, "--seeds", "0,2..3", "--baselines-only", "--json")
    ended = fusionrec(Workspace(tmp_path), "evaluate", *given)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["seeds"] == [0, 2, 3]
    assert len(found["runs"]) == 3
    assert [row["kind"] for row in found["rows"]] == ["baseline"]
    bias = found["rows"][0]
    assert np.mean(bias["by_run"]["rmse"]) == pytest.approx(bias["figures"]["rmse"], abs=1e-5)
    assert found["command"].startswith(f"fusionrec --home {tmp_path} evaluate --protocol rating ")
    assert found["machine"]
    assert found["seconds"] >= bias["seconds"]


def test_a_version_that_saw_the_test_or_is_to_be_trained_is_refused(fusionrec, tmp_path):
    workspace = Workspace(tmp_path)
    train(synthetic(), recipe(epochs=1, batch=3000), workspace)
    given = ("evaluate", "--protocol", "next-item", *SYNTHETIC, "--version", "v1")
    ended = fusionrec(workspace, *given)
    assert (ended.code, ended.out) == (2, "")
    assert "trained on all 30000 rows, all 500 test rows among them" in ended.err
    hint = f"fusionrec --home {tmp_path} train --protocol next-item"
    assert f"train one that may be measured: {hint}\n" in ended.err
    for option in (["--model", "sequence"], ["--preset", "quick"], ["--set", "training.passes=2"]):
        ended = fusionrec(workspace, *given, *option)
        assert (ended.code, ended.out) == (2, "")
        assert f"v1 is trained already; {option[0]} says how to train" in ended.err


@pytest.mark.parametrize(
    ("trained_for", "asked"),
    [
        ("--protocol rating --share 0.2 --seed 3", "--protocol rating --share 0.2 --seed 3"),
        ("--protocol next-item", "--protocol next-item"),
        (
            "--protocol random-holdout --share 0.3 --seed 3",
            "--protocol random-holdout --share 0.3 --seed 3",
        ),
        ("--protocol random-holdout --validation", "--protocol random-holdout --validation"),
        ("--protocol new-user --fold 2 --seed 1", "--protocol new-user --folds 2 --seed 1"),
        ("--protocol new-item", "--protocol new-item"),
        ("--protocol global-time --fold 1", "--protocol global-time --folds 1"),
    ],
)
def test_what_train_makes_for_a_protocol_evaluate_measures(trained_for, asked, fusionrec, tmp_path):
    workspace = Workspace(tmp_path)
    ended = fusionrec(workspace, "train", *SYNTHETIC, *UNSEEDED, *trained_for.split())
    assert ended.code == 0, ended.err
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


def test_a_version_of_a_split_says_so_and_is_refused_on_another(fusionrec, tmp_path):
    workspace = Workspace(tmp_path)
    made = ("train", *SYNTHETIC, *SMALL, "--protocol", "new-user")
    ended = fusionrec(workspace, *made)
    assert (ended.code, ended.out) == (2, "")
    assert "hint: choose it with --fold 0 to --fold 4" in ended.err
    assert fusionrec(workspace, *made, "--fold", "1").code == 0
    manifest = json.loads((workspace.models / "v1" / "manifest.json").read_text("utf-8"))
    split = "users, fold 2 of 5, seed 0"
    assert manifest["part"] == {"protocol": "new-user", "split": split, "seed": 0, "fold": 1}
    assert f"new-user: {split}" in fusionrec(workspace, "models").out
    other = ("evaluate", "--protocol", "new-user", *SYNTHETIC, "--folds", "3", "--seed", "2")
    ended = fusionrec(workspace, *other, "--version", "v1")
    assert (ended.code, ended.out) == (2, "")
    assert "split users, fold 4 of 5, seed 2: the model was trained on other rows" in ended.err
    assert f"fusionrec --home {tmp_path} train --protocol new-user --fold 3 --seed 2" in ended.err


def test_a_training_on_a_split_goes_on_from_its_own_checkpoint(fusionrec, tmp_path):
    workspace, sample, made = Workspace(tmp_path), synthetic(), recipe(epochs=2, batch=3000)
    rows = leave_last_out(sample).train
    with pytest.raises(KeyboardInterrupt):
        train(sample, made, workspace, stop_at(2, 1), rows=rows)
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
        ("train --fold 1", "--fold chooses a protocol's split"),
        ("train --share 0.2", "--share chooses a protocol's split"),
        ("train --validation", "--validation chooses a protocol's split"),
        ("train --protocol rating --validation", "protocol rating has no validation"),
        ("train --protocol next", "'next' is not one of"),
        ("train --protocol rating --fold 0", "protocol rating has no folds"),
        ("train --protocol new-user --fold 5", "folds are 0 to 4, got 5"),
        ("evaluate --protocol next", "'next' is not one of"),
        ("evaluate", "--protocol"),
        ("evaluate --protocol rating --model magic", "'magic'"),
        ("evaluate --protocol rating --baseline magic", "no baseline 'magic'; it has bias"),
        ("evaluate --protocol rating --share nan", "between 0 and 1, got nan"),
        ("evaluate --protocol next-item -k 0", "0 is not in the range"),
        ("evaluate --protocol new-user --folds one", "such as 0, 0,2 or 0..4, got 'one'"),
        ("evaluate --protocol rating --seeds 3..1", "distinct numbers"),
        ("evaluate --protocol rating --seeds 0 --seed 1", "not both"),
        ("evaluate --protocol rating --through-index some", "number of users or all"),
        ("evaluate --protocol rating --save /no/such/folder/x", "cannot be written"),
        ("evaluate --protocol rating --set training.pass=3", "did you mean training.passes"),
        (
            "evaluate --protocol rating --model fusion --set training.epoch=3",
            "did you mean training.epochs",
        ),
        ("evaluate --protocol rating --version v9", "has no model yet"),
        ("evaluate --protocol rating --version v9 --baselines-only", "not both"),
        ("evaluate --protocol rating --version v9 --set model.goal=next", "--set says"),
        ("evaluate --protocol rating --data nowhere", "'nowhere' is no data set"),
    ],
)
def test_bad_input_is_said_before_any_work(given, says, fusionrec, tmp_path, monkeypatch):
    monkeypatch.setattr("fusionrec.training.train.train", None)  # whoever trains, fails
    data = () if "--data" in given else SYNTHETIC
    began = time.monotonic()
    ended = fusionrec(Workspace(tmp_path / "new"), *given.split(), *data)
    assert says in ended.err
    assert ended.code == (1 if says in ("has no model yet", "cannot be written") else 2), ended.err
    assert ended.out == ""
    assert not (tmp_path / "new").exists()
    assert time.monotonic() - began < 5


def test_a_goal_is_for_models_with_parts(fusionrec, tmp_path):
    asked = ("evaluate", "--protocol", "next-item", *SYNTHETIC, "--through-index", "0", "--json")
    ended = fusionrec(Workspace(tmp_path), *asked, "--goal", "taste", *SMALL)
    assert (ended.code, ended.out) == (2, "")
    assert "model fusion has no goals to choose from; got 'taste'" in ended.err
    figures = []
    for goal in ("next", "taste"):
        given = ("--goal", goal, "--baseline", "popular", *as_options(auto_recipe()))
        ended = fusionrec(Workspace(tmp_path), *asked, *given)
        assert ended.code == 0, ended.err
        found = json.loads(ended.out)
        figures.append(found["rows"][0]["figures"]["ndcg@10"])
        assert f"--goal {goal}" in found["command"]
    assert figures[0] != figures[1]
    assert fusionrec(Workspace(tmp_path), *asked, "--goal", "soon").code == 2
    given = ("train", *SYNTHETIC, "--protocol", "next-item", *as_options(auto_recipe()))
    assert fusionrec(Workspace(tmp_path), *given).code == 0
    ended = fusionrec(Workspace(tmp_path), *asked, "--version", "v1", "--goal", "taste")
    assert (ended.code, "v1 has the goals next; got 'taste'" in ended.err) == (2, True)
    ended = fusionrec(Workspace(tmp_path), *asked, "--version", "v1", "--minutes", "1")
    assert "v1 is trained already; --minutes says how to train" in ended.err


def test_the_old_name_of_preset_is_taken_and_the_new_one_told(fusionrec, tmp_path):
    workspace, note = Workspace(tmp_path), "note: --profile is now --preset\n"
    asked = ("evaluate", "--protocol", "rating", *SYNTHETIC)
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
        same = ("--profile", "quick", "--preset", "quick", "--set", "x=1")
        assert fusionrec(workspace, *command, *same).err.startswith(note)
    ended = fusionrec(workspace, *asked, "--version", "v1", "--profile", "quick")
    assert (ended.code, ended.err.partition("\n")[0]) == (2, note.strip())
    assert "v1 is trained already; --preset says how to train" in ended.err
