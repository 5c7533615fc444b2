"""How many threads train, and on which device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
import pytest
from numpy.testing import assert_array_equal

from builders import auto_recipe, recipe
from fusionrec import processors
from fusionrec.errors import ConfigError, TrainingError
from fusionrec.models.presets import PRESETS, AnyRecipe
from fusionrec.training import process, trial
from fusionrec.training.fusion_trainer import FusionTrainer
from fusionrec.training.train import train
from fusionrec.training.trial import TRIED, choose_threads
from fusionrec.workspace import Workspace


@pytest.fixture
def used(monkeypatch) -> list[int]:
    """The numbers of threads that were set, on eight processors."""
    numbers: list[int] = []
    monkeypatch.setattr(trial, "processors", lambda: 8)
    monkeypatch.setattr(trial, "use_threads", numbers.append)
    return numbers


def timed(used: list[int], seconds: dict[int, float]) -> Callable[[int], list[float]]:
    return lambda count: [9.0, *[seconds[used[-1]]] * (count - 1)]


@pytest.mark.parametrize(
    ("seconds", "tried", "chosen"),
    [
        ({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.3}, [1, 2, 4, 8], 8),
        ({1: 1.0, 2: 0.6, 4: 0.59}, [1, 2, 4], 2),
        ({1: 1.0, 2: 1.2}, [1, 2], 1),
    ],
)
def test_as_many_threads_as_pay(used, seconds, tried, chosen):
    assert choose_threads(timed(used, seconds), 10_000, alone=True) == chosen
    assert used == [*tried, chosen]


@pytest.mark.parametrize(("steps", "alone"), [(4 * (TRIED + 1) * 20 - 1, True), (10_000, False)])
def test_a_short_or_shared_training_tries_nothing(used, steps, alone):
    assert choose_threads(timed(used, {}), steps, alone=alone) == process.usual_threads()


def test_a_trial_changes_nothing(dataset):
    def trained(tries: bool) -> np.ndarray:
        trainer = FusionTrainer(dataset, np.arange(len(dataset)), recipe())
        if tries:
            trainer.minibatch_seconds(5)
        trainer.fit(lambda _: None)
        return trainer.network.vectors("item")

    assert_array_equal(trained(True), trained(False))


def test_a_resumed_training_has_the_threads_that_it_had(dataset, tmp_path, monkeypatch):
    made = recipe(threads=0)
    monkeypatch.setattr("fusionrec.training.loop.choose_threads", lambda *_, **__: 1)

    def stop(state) -> None:
        if state.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataset, made, Workspace(tmp_path), stop)
    monkeypatch.setattr("fusionrec.training.loop.choose_threads", None)  # whoever chooses, fails
    done = train(dataset, made, Workspace(tmp_path), resume=True)
    assert done.manifest["training"]["threads"] == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"max": "150000 100000"}, 2),
        ({"max": "max 100000"}, 6),
        ({"quota": "50000", "period": "100000"}, 1),
        ({"quota": "-1", "period": "100000"}, 6),
        ({}, 6),
    ],
)
def test_processors_are_those_of_affinity_and_quota(files, expected, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    names = (("max",), ("quota", "period"))
    quotas = tuple(tuple(str(tmp_path / one) for one in some) for some in names)
    monkeypatch.setattr(processors, "_QUOTAS", quotas)
    monkeypatch.setattr(processors.os, "sched_getaffinity", lambda _: set(range(6)))
    assert processors.processors() == expected


# --- the device -----------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [recipe(), auto_recipe()], ids=["fusion", "auto"])
def test_a_gpu_is_refused_before_the_work_where_paddle_cannot_use_one(made, dataset, tmp_path):
    """On the build for processors, with what to install."""
    assert not paddle.is_compiled_with_cuda(), "this test is of the build for processors"
    asked: AnyRecipe = made.change({"training.device": "gpu"})
    with pytest.raises(TrainingError, match=r"device is gpu, .* was built without CUDA") as error:
        train(dataset, asked, Workspace(tmp_path))
    assert "install paddlepaddle-gpu" in str(error.value.hint)


def test_a_build_with_cuda_that_finds_no_gpu_says_so(monkeypatch):
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 0)
    with pytest.raises(TrainingError, match="finds no GPU") as error:
        process.choose_device("gpu")
    assert "nvidia-smi" in str(error.value.hint)


@pytest.mark.parametrize(
    ("asked", "gpus", "chosen"),
    [("auto", 2, "gpu"), ("gpu", 1, "gpu"), ("cpu", 1, "cpu"), ("auto", 0, "cpu")],
)
def test_auto_takes_a_gpu_where_there_is_one(asked, gpus, chosen, monkeypatch):
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: gpus)
    assert process.choose_device(asked) == chosen


@pytest.mark.parametrize("model", ["fusion", "sequence", "auto"])
def test_an_unknown_device_is_an_error(model):
    with pytest.raises(ConfigError, match=r"training.device must be one of auto, cpu, gpu"):
        PRESETS[model]["quick"].change({"training.device": "tpu"})
