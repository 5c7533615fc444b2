"""Several processes that train one model together."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import paddle
import pytest

from builders import carousel
from fusionrec.errors import TrainingError
from fusionrec.models import fusion
from fusionrec.models.presets import preset_recipe
from fusionrec.training.distributed import ProcessGroup
from fusionrec.training.sparse import merged_rows
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

WORKER = """
import hashlib, sys
from pathlib import Path
from builders import carousel, sequence_recipe
from fusionrec.models import fusion
from fusionrec.workspace import Workspace
from fusionrec.training.optimizer import weights
from fusionrec.training.train import train
from fusionrec.training.sequence_trainer import SequenceTrainer

fusion.LARGE = 20  # the 30 items' table has sparse gradients, all else dense ones
made = sequence_recipe(20, epochs=20, batch=150, validation=0.5, id_dropout=0.0)
kept = []
built = SequenceTrainer.build
SequenceTrainer.build = lambda self, rows: (kept.append(self), built(self, rows))[1]
artifact = train(carousel(), made, Workspace(Path(sys.argv[1])))
[trainer] = kept
digest = hashlib.sha256()
for name, value in sorted(weights(trainer.network).items()):
    digest.update(value.tobytes())
last = trainer.state.epochs[-1]
said = f"{trainer.group.rank} {trainer.group.size} {artifact.version} {digest.hexdigest()}"
Path(sys.argv[1], f"said-{trainer.group.rank}").write_text(
    f"{said} {trainer.state.best.validation} {trainer.state.steps} {last.train}"
)
"""


def test_a_process_by_itself_is_a_team_of_one(monkeypatch):
    monkeypatch.delenv("PADDLE_TRAINERS_NUM", raising=False)
    alone = ProcessGroup.join()
    assert alone == ProcessGroup(1, 0)
    assert alone.leads
    assert list(alone.share(iter(range(5)), 5)) == list(range(5))
    assert alone.total(2.5, 1.0) == [2.5, 1.0]


@pytest.mark.parametrize("named", ["auto", "linear"])
def test_a_model_of_parts_is_trained_by_one_process(monkeypatch, tmp_path, named):
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    with pytest.raises(TrainingError, match=f"{named} is trained by one process, not by 2") as said:
        train(carousel(), preset_recipe(named), Workspace(tmp_path))
    assert "sequence" in said.value.hint
    assert not list(tmp_path.rglob("v1"))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("minibatches", [3, 7, 12])
def test_every_minibatch_but_a_rest_is_taken_by_one(size, minibatches):
    group = [ProcessGroup(size, rank) for rank in range(size)]
    steps = group[0].steps(minibatches)
    shares = [list(one.share(iter(range(minibatches)), steps)) for one in group]
    assert {len(share) for share in shares} == {steps}
    assert sorted(chain.from_iterable(shares)) == list(range(steps * size))
    assert minibatches - steps * size < size


def test_too_few_minibatches_are_said():
    with pytest.raises(TrainingError, match="3 processes cannot share 2 minibatches"):
        ProcessGroup(3, 0).steps(2)


def test_gradients_are_averaged_one_by_one(monkeypatch):
    """As if the other process had three times this one's gradients, and none of one's own."""
    network = paddle.nn.Sequential(paddle.nn.Linear(3, 4), paddle.nn.Linear(4, 2))
    unused = paddle.nn.Linear(2, 2)
    both = paddle.nn.LayerList([network, unused])
    network(paddle.rand([5, 3])).sum().backward()
    own = [p.grad.numpy().copy() for p in network.parameters()]
    monkeypatch.setattr(ProcessGroup, "_sum", lambda _, values: values.scale_(4.0))
    ProcessGroup(2, 0).average(both)
    for p, before in zip(network.parameters(), own, strict=True):
        assert p.grad.shape == p.shape
        assert p.grad.numpy() == pytest.approx(2 * before)
    assert not unused.weight.grad.numpy().any()


def test_of_a_large_table_the_rows_that_any_process_read_are_averaged(monkeypatch):
    """As if the other process had read rows 7, 2 and 2 with gradients of 1, 2 and 3."""
    monkeypatch.setattr(fusion, "LARGE", 10)
    network = paddle.nn.LayerList([fusion.embedding(10, 2), paddle.nn.Linear(2, 1)])
    network[0](paddle.to_tensor([5, 2])).sum().backward()
    lengths = []

    def gather(_, values):
        lengths.append(len(values))
        other = {1: [3], 3: [7, 2, 2]}[len(values)] if values.ndim == 1 else [[1.0], [2.0], [3.0]]
        other = paddle.to_tensor(other, dtype=values.dtype)
        return paddle.stack([values, paddle.broadcast_to(other, values.shape)])

    monkeypatch.setattr(ProcessGroup, "_gather", gather)
    monkeypatch.setattr(ProcessGroup, "_sum", lambda _, values: values)
    ProcessGroup(2, 0).average(network)
    rows, values = merged_rows(network[0].weight.grad)
    assert lengths == [1, 3, 3]
    assert [row for row in rows if row] == [2, 5, 7]  # row 0 fills messages up
    assert values.numpy()[rows > 0, 0].tolist() == [3.0, 0.5, 0.5]
    assert not values.numpy()[rows == 0].any()


def test_a_lost_process_is_an_error_that_says_what_to_do(monkeypatch):
    def lost(_values):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(paddle.distributed, "all_reduce", lost)
    with pytest.raises(TrainingError, match="another process") as caught:
        ProcessGroup(2, 0).total(1.0)
    assert "resume" in caught.value.hint


def test_two_processes_train_one_model(tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    tests = f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}"
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, "--log_dir", str(tmp_path / "log"), worker, tmp_path],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": tests, "OMP_NUM_THREADS": "1"},
    )
    logs = "\n".join(path.read_text() for path in (tmp_path / "log").glob("workerlog.*"))
    assert done.returncode == 0, done.stderr + logs
    said = [(tmp_path / f"said-{rank}").read_text().split() for rank in (0, 1)]
    assert [one[:3] for one in said] == [["0", "2", "v1"], ["1", "2", "v1"]]
    assert said[0][3:] == said[1][3:], "the two do not have one network"
    assert float(said[0][4]) > 0.9
