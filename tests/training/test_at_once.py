"""The same training several times at once: each ends, with a version of its own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import as_options, command, python, recipe, stop_at
from fusionrec.errors import TrainingError
from fusionrec.training.checkpoint import Checkpoint
from fusionrec.training.checkpoint_lock import claim_folder
from fusionrec.training.train import has_checkpoint, train
from fusionrec.workspace import Workspace

MADE = recipe(epochs=3)


def states(workspace: Workspace) -> list[Path]:
    return sorted(workspace.checkpoints.glob("*/state.safetensors"))


def at(epoch: int, step: int, do):
    """A report that does something once, when the training is there."""

    def report(progress):
        if (progress.epoch, progress.step) == (epoch, step):
            do()

    return report


def test_a_second_one_keeps_its_checkpoints_apart_and_leaves_those_of_the_first(dataset, tmp_path):
    workspace, said = Workspace(tmp_path), []

    def second():
        [own] = states(workspace)
        before = own.read_bytes()
        assert train(dataset, MADE, workspace, log=said.append).version == "v1"
        assert states(workspace) == [own]
        assert own.read_bytes() == before
        assert len(list(workspace.checkpoints.iterdir())) == 1

    first = train(dataset, MADE, workspace, at(2, 1, second))
    assert first.version == "v2"
    assert f"running already (process {os.getpid()})" in said[0]
    assert "-2" in said[0]
    one, other = (np.load(workspace.models / v / "item_vectors.npy") for v in ("v1", "v2"))
    assert np.array_equal(one, other)
    assert not list(workspace.checkpoints.iterdir())


def test_what_runs_cannot_be_resumed_meanwhile(dataset, tmp_path):
    workspace, refused = Workspace(tmp_path), []

    def resume():
        with pytest.raises(TrainingError) as caught:
            train(dataset, MADE, workspace, resume=True)
        refused.append(caught.value)

    train(dataset, MADE, workspace, at(2, 1, resume))
    assert f"is running already (process {os.getpid()})" in refused[0].message
    assert "without --resume" in refused[0].hint
    assert not list(workspace.checkpoints.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from builders import recipe
from fusionrec.workspace import Workspace
from fusionrec.data.samples.movielens import synthetic
from fusionrec.training.train import train

def report(p):
    if (p.epoch, p.step) == (2, 2):
        os.kill(os.getpid(), signal.SIGKILL)

try:
    train(synthetic(seed=1, users=60, items=40, interactions=1500), recipe(epochs=3),
          Workspace(Path(sys.argv[1])), report)
finally:
    print("it ended")
"""


def test_a_killed_second_one_goes_on_even_while_the_first_still_runs(dataset, tmp_path):
    workspace, begun = Workspace(tmp_path), []
    tests = f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}"

    def second():
        with pytest.raises(AssertionError):
            python(KILLED, tmp_path, PYTHONPATH=tests)
        assert len(states(workspace)) == 2
        report = lambda p: begun.append((p.epoch, p.step))  # noqa: E731
        assert train(dataset, MADE, workspace, report, resume=True).version == "v1"

    assert train(dataset, MADE, workspace, at(2, 1, second)).version == "v2"
    assert begun[0] == (2, 1), "from its last checkpoint, at the first epoch's end"
    assert not list(workspace.checkpoints.iterdir())


def test_a_second_ones_checkpoint_is_found_after_the_first_has_ended(dataset, tmp_path):
    workspace = Workspace(tmp_path)

    def second():
        with pytest.raises(KeyboardInterrupt):
            train(dataset, MADE, workspace, stop_at(2, 2))

    train(dataset, MADE, workspace, at(2, 1, second))
    assert len(states(workspace)) == 1
    assert has_checkpoint(workspace, dataset, MADE)
    begun: list[tuple[int, int]] = []
    train(dataset, MADE, workspace, lambda p: begun.append((p.epoch, p.step)), resume=True)
    assert begun[0] == (2, 3)
    assert not list(workspace.checkpoints.iterdir())


def test_a_training_that_ends_before_its_first_checkpoint_leaves_no_folder(dataset, tmp_path):
    def fail(_progress):
        raise TrainingError("astray")

    with pytest.raises(TrainingError, match="astray"):
        train(dataset, MADE, Workspace(tmp_path), fail)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_three_processes_at_once_all_end(tmp_path):
    workspace = Workspace(tmp_path)
    made = recipe(epochs=2, batch=3000, checkpoint_seconds=0.001)
    words = command(workspace, "train", "--data", "synthetic", *as_options(made))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(words, **pipes) for _ in range(3)]
    ended = [(one.communicate(), one.returncode) for one in started]
    assert [code for _, code in ended] == [0, 0, 0], ended
    assert sorted(out for (out, _), _ in ended) == ["v1\n", "v2\n", "v3\n"]
    assert not list(workspace.checkpoints.iterdir())


def test_changed_times_are_another_training(dataset, tmp_path):
    """Which none can go on with, whatever it reads of them."""
    workspace = Workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, MADE, workspace, stop_at(2, 2))
    other = replace(dataset, time=dataset.time + 1)
    assert has_checkpoint(workspace, dataset, MADE)
    assert not has_checkpoint(workspace, other, MADE)


def test_a_checkpoint_of_another_schema_is_refused(dataset, tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, MADE, workspace, stop_at(2, 2))
    other = replace(dataset, schema=replace(dataset.schema, like=5.0))
    with pytest.raises(TrainingError, match=r"with another schema$"):
        train(other, MADE, workspace, resume=True)


def test_a_claim_survives_folders_that_go_while_they_are_taken(tmp_path, monkeypatch):
    """As when its process removes one between the look and the lock."""
    folder, gone = tmp_path / "run", []
    taken = Path.open

    def opened(path, *args, **options):
        file = taken(path, *args, **options)
        if not gone:
            gone.append(path)
            path.unlink()
            path.parent.rmdir()
        return file

    monkeypatch.setattr(Path, "open", opened)
    with claim_folder(folder, resume=False, log=print) as found:
        monkeypatch.undo()
        assert found == folder
        Checkpoint({}, {}, {"x": np.zeros(2)}).save(found)
    assert [path.name for path in folder.iterdir()] == ["state.safetensors"]
