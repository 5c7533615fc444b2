"""What a training step costs with more users and items, and by what exponent it grows (log-log).

    python benchmarks/cost_of_size.py --only step --sizes 1000 10000 100000 1000000

Made data: as many users as items, ``--each`` interactions a user, items skewed as 1 over their
rank, ids alone. ``step`` is the median time of a step of `fusion` and `sequence` (preset quick,
with the same minibatch at every size), drawing the minibatch included; on a machine that is not
quiet go by the time of the processor. Beside it stands the same
step with dense gradients of every table, up to ``--dense`` users and items: more need gigabytes.
Each figure is of a process of its own, whose largest memory is told too; one line of JSON each, and
at the end a table with exponents.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from shared import peak_mib, settings

if TYPE_CHECKING:  # Paddle reads the number of threads when it is imported
    from fusionrec.data.dataset import Dataset

WARM = 3  # steps before those that are timed
MODELS = ("fusion", "sequence")
Case = Mapping[str, Any]


def main() -> None:
    """Reads the arguments and measures, or measures one case alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=tuple(PARTS), help="one part; all by default")
    sizes = [1_000, 10_000, 100_000, 1_000_000]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, help="users, and items")
    parser.add_argument("--each", type=int, default=10, help="interactions of a user")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--dense", type=int, default=100_000, help="largest size of the reference")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the models")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case is not None:
        print(json.dumps({**given.case, **MEASURES[given.case["part"]](given.case)}))
        return
    for name in PARTS if given.only is None else (given.only,):
        PARTS[name](given)


def in_own_process(case: Case) -> dict[str, Any]:
    """Measures a case in a process of its own; prints and returns its figures."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout, end="", flush=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of the logarithms: 1 is linear, 0 does not grow."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0]) if len(sizes) > 1 else 0.0


def step(given: argparse.Namespace) -> None:
    """Prints each model's times of a step, by size, and their exponents."""
    for model in given.models:
        found: dict[str, list[dict[str, Any]]] = {"sparse": [], "dense": []}
        for size in given.sizes:  # both in the same minutes
            for gradients in ("sparse", "dense")[: 1 + (size <= given.dense)]:
                case = {"part": "step", "model": model, "gradients": gradients, "size": size}
                case |= {"each": given.each, "steps": given.steps, "set": given.set}
                found[gradients].append(in_own_process(case))
        for gradients, cases in found.items():
            if cases:
                told = [f"{x['size']:,}: {x['ms']:.1f} ms, {x['peak_mib']:,} MiB" for x in cases]
                slopes = {name: slope(cases, name) for name in ("ms", "processor_ms", "peak_mib")}
                print(f"{model}, {gradients}: {'; '.join(told)}; exponents {slopes}", flush=True)


def slope(cases: list[dict[str, Any]], name: str) -> float:
    """By which exponent a figure grows with the size."""
    return round(exponent([x["size"] for x in cases], [x[name] for x in cases]), 3)


def measure_step(case: Case) -> dict[str, Any]:
    """Milliseconds of a step, and the largest memory of the process."""
    from fusionrec.models import fusion
    from fusionrec.models.presets import FUSION, SEQUENCE

    if case["gradients"] == "dense":
        fusion.LARGE = sys.maxsize
    dataset = made(case["size"], case["each"])
    trainer: Any
    if case["model"] == "fusion":
        from fusionrec.training.fusion_trainer import FusionTrainer

        changed = FUSION["quick"].change(settings(case["set"]))
        trainer = FusionTrainer(dataset, np.arange(len(dataset)), changed)
    else:
        from fusionrec.training.sequence_trainer import SequenceTrainer

        altered = SEQUENCE["quick"].change(settings(case["set"]))
        trainer = SequenceTrainer(dataset, np.arange(len(dataset)), altered)
    spans: list[tuple[float, float]] = []
    while len(spans) < WARM + case["steps"]:
        batches = trainer.batches.epoch(trainer.state.epoch)
        batch = next(batches)  # untimed, since it waits for what an epoch prepares
        while batch is not None and len(spans) < WARM + case["steps"]:
            began, used = time.perf_counter(), time.process_time()
            trainer.step(batch)
            batch = next(batches, None)
            spans.append((time.perf_counter() - began, time.process_time() - used))
        trainer.state.epoch, trainer.state.step = trainer.state.epoch + 1, 0
    clock, processor = 1000 * np.median(spans[WARM:], axis=0)
    figures = {"ms": round(float(clock), 2), "processor_ms": round(float(processor), 2)}
    return {**figures, "peak_mib": round(peak_mib())}


def made(size: int, each: int) -> Dataset:
    """Ratings of so many users of so many items."""
    from fusionrec.data.dataset import Dataset, Table
    from fusionrec.data.schema import Field, Schema

    random = np.random.default_rng(0)
    user = np.repeat(np.arange(size, dtype=np.int32), each)
    item = (size ** random.random(len(user))).astype(np.int32) - 1
    rating = random.integers(1, 6, len(user)).astype(np.float32)
    users, items = ([f"{letter}{n}" for n in range(size)] for letter in "ui")
    fields = (Field("who", "user", "id"), Field("what", "item", "id"))
    schema = Schema("made", fields, rating_range=(1.0, 5.0))
    times = random.integers(10**9, 10**9 + 10**8, len(user))
    tables = Table(users, {}), Table(items, {})
    return Dataset(schema, "synthetic-made", *tables, user, item, rating, times)


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {"step": step}
MEASURES: Mapping[str, Callable[[Case], dict[str, Any]]] = {"step": measure_step}

if __name__ == "__main__":
    main()
