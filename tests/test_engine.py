"""A real Ray of two workers does what this process does, or says why not."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest

import fusionrec
from builders import auto_recipe
from fusionrec import engine as room
from fusionrec.data.dataset import Dataset
from fusionrec.data.splits import Split
from fusionrec.engine import Engine, engine
from fusionrec.errors import DataError, EngineError, TrainingError, UsageError
from fusionrec.evaluation.model_source import ModelSource, TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.result import Result
from fusionrec.evaluation.run import evaluate
from fusionrec.models.linear_settings import LinearRecipe
from fusionrec.recommend.shards import Answers, Question, write_shards
from fusionrec.registry import Artifact
from fusionrec.workspace import Workspace
from quick import leave_out


@pytest.fixture(scope="module")
def workers() -> Iterator[Engine]:
    leave_out("Ray")
    pytest.importorskip("ray")
    # Short, since Ray's sockets lie below it, and of its own, since others may start a Ray too.
    with tempfile.TemporaryDirectory(prefix="r") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        path = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), path]))
        with engine("ray", workers=2) as made:
            assert [path.stat().st_mode & 0o777 for path in Path(folder).iterdir()] == [0o700]
            patch.setattr(tempfile, "tempdir", None)
            yield made
        assert not list(Path(folder).iterdir())


def double(number: int) -> tuple[int, int]:
    return 2 * number, os.getpid()


def die_once(left: Path, function: Callable[[Any], Any], task: Any) -> Any:
    """Kills its process if nobody was killed before."""
    with suppress(FileExistsError):
        left.touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    return function(task)


@dataclass(frozen=True)
class Deadly:
    """An engine that loses a worker."""

    engine: Engine
    left: Path

    def map(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        return self.engine.map(partial(die_once, self.left, function), tasks)


def refuse(what: str) -> None:
    if what == "expected":
        raise DataError("no such row", "look again", code="odd", row=3)
    if what == "died":
        os.kill(os.getpid(), signal.SIGKILL)
    raise KeyError(what)


def test_results_come_in_order_from_other_processes(workers):
    found = list(workers.map(double, range(9)))
    assert [number for number, _ in found] == [*range(0, 18, 2)]
    assert os.getpid() not in {process for _, process in found}


def test_an_error_of_ours_arrives_as_it_was_raised(workers):
    with pytest.raises(DataError, match="no such row") as raised:
        list(workers.map(refuse, ["expected"]))
    error = raised.value
    assert (error.hint, error.code, error.details) == ("look again", "odd", {"row": 3})


@pytest.mark.parametrize(
    ("what", "says"), [("bug", "failed: KeyError"), ("died", "lost, and 1 retries did not help")]
)
def test_what_fails_for_good_is_said(workers, monkeypatch, what, says):
    monkeypatch.setattr(room, "_RETRIES", 1)
    with pytest.raises(EngineError, match=says):
        list(workers.map(refuse, [what]))


def test_everybody_is_answered_as_by_one_process(workers, workspace: Workspace, tmp_path):
    """Also where a worker is killed meanwhile."""
    folder, left = tmp_path / "there", tmp_path / "left"
    with fusionrec.Recommender(workspace) as recommender:
        batch = recommender.batch(k=4)
        question = Question.of(batch, 5)
        answers = Answers(workspace.home, folder, question, batch.query, [], batch)
        rows = write_shards(answers, Deadly(workers, left))
        assert left.exists()
        wanted = batch.table(map(str, range(1, 61)))
        assert ds.dataset(folder).to_table().to_pylist() == wanted.to_pylist()
        assert rows == len(wanted)
        assert not list(folder.glob(".*"))
        assert recommender.write_all(folder, k=4, shards=5, engine="ray") == rows


@dataclass(frozen=True)
class FailsForSeedOne(TrainOnSplit):
    def get(self, dataset: Dataset, split: Split, seed: int, home: Path) -> Artifact:
        if seed == 1:
            raise TrainingError("the loss is not finite", "train slower")
        return super().get(dataset, split, seed, home)


def measured(dataset: Dataset, source: ModelSource, engine: str, seeds: tuple[int, ...]) -> Result:
    options = ProtocolOptions(seeds=seeds, baselines=("popular",))
    return evaluate(
        dataset, named("random-holdout"), options, source, engine=engine, through_index=5
    )


def test_seeds_have_the_figures_of_one_process(workers, dataset):
    made = auto_recipe()
    source = TrainOnSplit(LinearRecipe(made.model, made.linear))
    here, there = (measured(dataset, source, name, (0, 1)) for name in ("process", "ray"))
    assert [row.name for row in here.rows] == ["linear", "popular"]
    assert here.index_check == there.index_check
    for one, other in zip(here.rows, there.rows, strict=True):
        for ours, theirs in zip(one.runs, other.runs, strict=True):
            assert ours.lists == theirs.lists
            for name, values in ours.values.items():
                np.testing.assert_array_equal(values, theirs.values[name])


@pytest.mark.parametrize("name", ["process", "ray"])
def test_an_error_says_in_which_run_it_was(workers, dataset, name):
    source = FailsForSeedOne(auto_recipe())
    with pytest.raises(TrainingError, match=r"run 1 of 2: .*, seed 1: the loss") as raised:
        measured(dataset, source, name, (1, 2))
    assert raised.value.hint == "train slower"
    with pytest.raises(TrainingError, match=r"^the loss is not finite$"):
        measured(dataset, source, name, (1,))


def test_files_are_read_as_by_one_process(workers, tmp_path, request):
    """And what was read is kept for other commands."""
    for number in range(3):
        rows = [f"u{(7 * n + number) % 9},i{n % 5},{n % 5 + 1}" for n in range(40)]
        (tmp_path / f"{number}.csv").write_text("\n".join(["user,item,stars", *rows]))
    (tmp_path / "fusionrec.toml").write_text(
        '[interactions]\nfiles = "*.csv"\nuser = "user"\nitem = "item"\nrating = "stars"\n'
        "scale = [1, 5]\n"
    )
    command = request.getfixturevalue("fusionrec")  # whose name the package has here
    homes = [Workspace(tmp_path / name) for name in ("here", "there")]
    said = [
        command(home, "check", str(tmp_path), "--json", *options).out
        for home, options in zip(homes, ((), ("--engine", "ray")), strict=True)
    ]
    assert said[0] == said[1]
    one, other = (fusionrec.read_data(tmp_path, home.home) for home in homes)
    assert (one.users, one.items) == (other.users, other.items)
    np.testing.assert_array_equal(one.user, other.user)
    np.testing.assert_array_equal(one.rating, other.rating)


def test_without_ray_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="not installed") as raised, engine("ray"):
        pass
    assert raised.value.hint == "install it: pip install 'fusionrec[ray]'"
    with pytest.raises(UsageError, match="one of process, ray, got 'spark'"), engine("spark"):
        pass


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "at 127.0.0.1:1: Connection refused"),
        ("127.0.0.1:SILENT", "no answer of a Ray cluster in 2 seconds"),
        ("nonsense", "at nonsense: ValueError"),
        ("127.0.0.1:99999", "at 127.0.0.1:99999: "),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_said_in_time(monkeypatch, address, says):
    ray = pytest.importorskip("ray")
    leave_out("Ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(room, "_REACH", 2.0 if "SILENT" in address else 60.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        monkeypatch.setenv("RAY_ADDRESS", address.replace("SILENT", str(silent.getsockname()[1])))
        began = time.monotonic()
        with pytest.raises(EngineError, match=says) as raised, engine("ray"):
            pass
    assert raised.value.code == "engine_unreachable"
    assert time.monotonic() - began < 60
