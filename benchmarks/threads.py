"""What a minibatch takes with 1, 2, 4 … threads on this machine, and what a training would choose.

    python benchmarks/threads.py --data ml-1m --models fusion sequence

Nothing is learned. The numbers of threads take turns, so that all meet the same machine; seconds
are of the clock, the median of all turns, and ``busy`` is how many processors were at work.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from shared import load_data


def main() -> None:
    """Prints one JSON line for each model and number of threads, and one with the choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-1m")
    parser.add_argument("--models", nargs="+", default=["fusion", "sequence"])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--minibatches", type=int, default=4, help="of each turn")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    dataset = load_data(given.data)
    from fusionrec.models.presets import PRESETS
    from fusionrec.processors import processors
    from fusionrec.training.fusion_trainer import FusionTrainer
    from fusionrec.training.process import use_threads
    from fusionrec.training.sequence_trainer import SequenceTrainer

    most = processors()
    numbers = [n for n in (2**power for power in range(12)) if n < most] + [most]
    for model in given.models:
        recipe: Any = PRESETS[model][given.preset]
        kind = FusionTrainer if model == "fusion" else SequenceTrainer
        trainer = kind(dataset, np.arange(len(dataset)), recipe)
        times: dict[int, list[float]] = {number: [] for number in numbers}
        used = dict.fromkeys(numbers, 0.0)
        for turn in range(given.turns + 1):
            for number in numbers:
                use_threads(number)
                began = time.process_time()
                taken = trainer.minibatch_seconds(given.minibatches)
                if turn:  # the first warms up
                    times[number] += taken
                    used[number] += time.process_time() - began
        for number in numbers:
            line = {
                "model": model,
                "threads": number,
                "seconds": round(np.median(times[number]), 4),
            }
            line["busy"] = round(used[number] / sum(times[number]), 2)
            print(json.dumps(line), flush=True)
        began = time.monotonic()
        trainer.use_cores()
        took = round(time.monotonic() - began, 2)
        chosen = {"model": model, "processors": most, "chosen": trainer.state.threads}
        print(json.dumps({**chosen, "trial_seconds": took}), flush=True)


if __name__ == "__main__":
    main()
