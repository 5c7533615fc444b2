"""A training that was stopped goes on as if it had not been."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import paddle
import pytest
from safetensors import SafetensorError

from builders import as_options, command, recipe, stop_at
from fusionrec.data.catalog import load
from fusionrec.data.dataset import Dataset
from fusionrec.errors import TrainingError
from fusionrec.models import fusion
from fusionrec.models.presets import Recipe
from fusionrec.training import checkpoint
from fusionrec.training.fusion_trainer import FusionTrainer
from fusionrec.training.progress import TrainingState
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

MADE = recipe(epochs=3)


@pytest.fixture(scope="module")
def unbroken(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Item vectors of a training that ran through."""
    return train(dataset, MADE, Workspace(tmp_path_factory.mktemp("unbroken"))).item_vectors


@pytest.fixture
def stopped(dataset: Dataset, tmp_path: Path) -> Workspace:
    """A workspace with the checkpoint of a training that was stopped in its second epoch."""
    with pytest.raises(KeyboardInterrupt):
        train(dataset, MADE, Workspace(tmp_path), stop_at(2, 2))
    return Workspace(tmp_path)


def state_of(workspace: Workspace) -> Path:
    [path] = workspace.checkpoints.glob("*/state.safetensors")
    return path


@pytest.mark.parametrize(("epoch", "step"), [(1, 1), (2, 2), (3, 0)])
def test_ctrl_c_keeps_a_checkpoint_and_resuming_ends_in_the_same_vectors(
    dataset, tmp_path, unbroken, epoch, step
):
    workspace = Workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, MADE, workspace, stop_at(epoch, step))
    assert not list(workspace.models.glob("*"))
    first: list[tuple[int, int]] = []
    resumed = train(
        dataset, MADE, workspace, lambda p: first.append((p.epoch, p.step)), resume=True
    )
    assert first[0] == (epoch, step + 1)
    assert np.array_equal(resumed.item_vectors, unbroken)
    assert [e["number"] for e in resumed.manifest["training"]["epochs"]] == [1, 2, 3]
    assert not list(workspace.checkpoints.glob("*"))


def test_a_training_with_large_tables_goes_on_as_if_it_had_not_stopped(
    dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(fusion, "LARGE", 20)
    whole = train(dataset, MADE, Workspace(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(dataset, MADE, Workspace(tmp_path), stop_at(2, 2))
    resumed = train(dataset, MADE, Workspace(tmp_path), resume=True)
    assert np.array_equal(resumed.item_vectors, whole.item_vectors)


def test_a_former_checkpoint_of_large_tables_is_refused(dataset, stopped, monkeypatch):
    monkeypatch.setattr(fusion, "LARGE", 20)
    with pytest.raises(TrainingError, match="of an earlier version") as caught:
        train(dataset, MADE, stopped, resume=True)
    assert "--resume" in caught.value.hint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_step_lets_the_step_end(
    dataset, tmp_path, unbroken, monkeypatch, number
):
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}[number]
    before = signal.signal(number, usual)  # tests in the background ignore Ctrl-C
    step, calls = paddle.optimizer.AdamW.step, iter(range(100))

    def interrupted(optimizer):
        step(optimizer)
        if next(calls) == 4:  # the weights have changed, and the step is not yet counted
            signal.raise_signal(number)

    monkeypatch.setattr(paddle.optimizer.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, MADE, Workspace(tmp_path))
    assert signal.getsignal(number) is usual
    signal.signal(number, before)
    resumed = train(dataset, MADE, Workspace(tmp_path), resume=True)
    assert np.array_equal(resumed.item_vectors, unbroken)


def test_without_resume_a_training_begins_anew(dataset, stopped, unbroken):
    first: list[tuple[int, int]] = []
    begun = train(dataset, MADE, stopped, lambda p: first.append((p.epoch, p.step)))
    assert first[0] == (1, 1)
    assert np.array_equal(begun.item_vectors, unbroken)


def test_a_killed_process_goes_on_from_its_last_checkpoint(tmp_path):
    """SIGKILL between two checkpoints; the end is that of a run that was left alone."""
    made = recipe(epochs=3, batch=500, checkpoint_seconds=0.1)
    arguments = ["train", "--data", "synthetic", *as_options(made)]
    workspace = Workspace(tmp_path / "killed")
    process = subprocess.Popen(command(workspace, *arguments), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(workspace.checkpoints.glob("*/state.safetensors")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not list(workspace.models.glob("v*")), "it ended before it was killed"
    note = subprocess.run(
        command(workspace, *arguments, "--resume"), capture_output=True, text=True, check=True
    )
    assert note.stdout == "v1\n"
    alone = train(load("synthetic", tmp_path), made, Workspace(tmp_path / "alone"))
    resumed = np.load(workspace.models / "v1" / "item_vectors.npy", allow_pickle=False)
    assert np.array_equal(resumed, alone.item_vectors)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (lambda _: (MADE.change({"training.seed": "9"}), None), "recipe"),
        (lambda n: (MADE, np.arange(n - 1)), "rows"),
    ],
)
def test_a_checkpoint_of_other_settings_or_rows_is_refused(dataset, stopped, other, named):
    changed, rows = other(len(dataset))
    rows = np.arange(len(dataset)) if rows is None else rows
    folder = state_of(stopped).parent
    with pytest.raises(TrainingError, match=f"with another {named}$") as caught:
        FusionTrainer(dataset, rows, changed, folder).fit(lambda _: None, resume=True)
    assert "resume" in caught.value.hint


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"not a checkpoint",
        lambda content: content[:100],
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content.replace(b'"__metadata__"', b'"__metadaten_"'),
    ],
)
def test_a_damaged_checkpoint_is_refused(dataset, stopped, damage):
    path = state_of(stopped)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrainingError, match="is not a checkpoint"):
        train(dataset, MADE, stopped, resume=True)


@pytest.mark.parametrize("error", [OSError(28, "No space left"), SafetensorError("No space")])
def test_a_full_disk_leaves_the_checkpoint_before(dataset, stopped, monkeypatch, error):
    before = state_of(stopped).read_bytes()

    def full(_arrays, path, **_options):
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(TrainingError, match="No space") as caught:
        train(dataset, MADE, stopped, resume=True)
    assert "resume" in caught.value.hint
    assert state_of(stopped).read_bytes() == before
    assert [path.name for path in state_of(stopped).parent.iterdir()] == ["state.safetensors"]


def test_a_checkpoint_is_kept_while_the_training_runs(dataset, tmp_path):
    made: Recipe = recipe(checkpoint_seconds=1e-6)
    seen = []

    def on_progress(progress: TrainingState) -> None:
        seen.append(bool(list(Workspace(tmp_path).checkpoints.glob("*/state.safetensors"))))

    train(dataset, made, Workspace(tmp_path), on_progress)
    assert seen[0] is False
    assert all(seen[1:])


def test_a_checkpoint_holds_no_code(stopped):
    content = state_of(stopped).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    kinds = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    assert kinds <= {"F32", "I64", "F64"}


def test_a_signal_while_another_is_seen_to_does_not_hang_a_training():
    """As ``timeout`` sends two: to the process, and to its group."""
    code = """
import signal, sys
from fusionrec.training.process import defer_interrupts

def again(frame, event, argument):  # whatever a handler has just called
    if event == "c_return" and left:
        left.pop()
        signal.raise_signal(signal.SIGTERM)

with defer_interrupts() as pause:
    left = [1] * 9
    sys.setprofile(again)
    signal.raise_signal(signal.SIGTERM)
    sys.setprofile(None)
    try:
        pause()
    except KeyboardInterrupt:
        print("interrupted")
"""
    run = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(run, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    assert done.stdout == "interrupted\n"
