"""What several processes gain: interactions a second of a network, by processes and threads.

    python benchmarks/processes.py --data ml-1m

Trains so many steps of the preset quick with one process of one thread, one of two, and two of one,
one after the other, each started by Paddle's launcher as docs/models.md says; start, reading and
validation are left out. Two processes take two minibatches a step. Prints a line of JSON each, and
the rate over that of one process with one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from shared import load_data

WAYS = ((1, 1), (1, 2), (2, 1))  # processes, threads of each
WARM = 3  # steps


def main() -> None:
    """Reads the arguments and measures, or is one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--models", nargs="+", default=["fusion", "sequence"])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.result is not None:
        work(given)
        return
    for model in given.models:
        alone = 0.0
        for processes, threads in WAYS:
            found = launched(given, model, processes, threads)
            alone = alone or found["per_second"]
            found["gain"] = round(found["per_second"] / alone, 2)
            print(json.dumps(found), flush=True)


def launched(given: argparse.Namespace, model: str, processes: int, threads: int) -> dict[str, Any]:
    """The figures of a way to train."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result")
        launch = [sys.executable, "-m", "paddle.distributed.launch", "--log_dir", folder]
        command = [*launch, "--nproc_per_node", str(processes), __file__, "--data", given.data]
        command += ["--models", model, "--steps", str(given.steps), "--threads", str(threads)]
        done = subprocess.run(
            [*command, "--result", str(result)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )
        if done.returncode:
            logs = [path.read_text() for path in Path(folder).glob("workerlog.*")]
            raise SystemExit("\n".join([done.stderr, *logs]))
        figures: dict[str, Any] = json.loads(result.read_text())
    return {"model": model, "processes": processes, "threads": threads, **figures}


def work(given: argparse.Namespace) -> None:
    """Trains; the first process writes the rate of all."""
    from fusionrec.models.presets import FUSION, SEQUENCE

    dataset, fixed = load_data(given.data), {"training.threads": str(given.threads)}
    rows = np.arange(len(dataset))
    trainer: Any
    if given.models == ["fusion"]:
        from fusionrec.training.fusion_trainer import FusionTrainer

        trainer = FusionTrainer(dataset, rows, FUSION["quick"].change(fixed))
    else:
        from fusionrec.training.sequence_trainer import SequenceTrainer

        trainer = SequenceTrainer(dataset, rows, SEQUENCE["quick"].change(fixed))
    group = trainer.group
    steps = min(given.steps + WARM, trainer.state.steps)
    began, counted = 0.0, 0
    for number, batch in enumerate(group.share(trainer.batches.epoch(1), steps)):
        if number == WARM:
            began, counted = time.perf_counter(), trainer.state.count
        trainer.step(batch)
    seconds = time.perf_counter() - began
    [learned] = group.total(trainer.state.count - counted)
    if group.leads:
        ms = 1000 * seconds / (steps - WARM)
        rates = {"step_ms": round(ms, 1), "per_second": round(learned / seconds)}
        given.result.write_text(json.dumps(rates))


if __name__ == "__main__":
    main()
