"""What makes training quick on a CPU, each alone, on arrays of a training step's size.

    python benchmarks/kernel_time.py

Every line runs both ways in processes of their own, one math thread, medians of the runs: as Paddle
comes, and as ``training.process`` sets it up or as the model writes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from shared import take_turns

RUNS = 13


def main() -> None:
    """Runs both ways and prints a line of JSON for each work."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1] == "set-up")))
        return
    before, after = (
        json.loads(subprocess.check_output([sys.executable, __file__, way]).splitlines()[-1])
        for way in ("as-it-comes", "set-up")
    )
    for name, took in before.items():
        line = {"work": name, "before ms": took, "after ms": after[name]}
        print(json.dumps({**line, "ratio": round(took / after[name], 1)}))


def measure(set_up: bool) -> dict[str, float]:
    """Milliseconds of every work in this process."""
    import paddle

    import fusionrec  # noqa: F401  # first: it sets what Paddle reads when it is imported
    from fusionrec.training.process import prepare_process

    if set_up:
        prepare_process(1)
    paddle.base.core.set_num_threads(1)
    found = {}
    for name, work in works(paddle, set_up).items():  # one after the other, each by itself
        seconds = take_turns({name: work}, RUNS, warm=2)[name][:, 0]
        found[name] = round(1e3 * float(np.median(seconds)), 2)
    return found


def works(paddle: Any, set_up: bool) -> dict[str, Callable[[int], object]]:
    """Each work in the one way or the other."""
    from fusionrec.models.sequence import Dropout

    relu, gelu = paddle.nn.functional.relu, paddle.nn.functional.gelu
    wide = paddle.randn([8192, 512])
    heads = paddle.randn([40, 4, 200, 200])
    bias = paddle.randn([1, 4, 200, 200])
    parts = paddle.randn([40, 200, 6, 32])
    drop = Dropout(0.2)
    added: Callable[[int], object] = lambda _: heads + bias  # noqa: E731
    dropped: Callable[[int], object] = lambda _: paddle.nn.functional.dropout(wide, 0.2)  # noqa: E731
    if set_up:
        added = lambda _: heads.reshape([40, -1]) + bias.reshape([-1])  # noqa: E731
        dropped = lambda _: drop(wide)  # noqa: E731
    return {
        "ReLU of 16 MB": lambda _: relu(wide),
        "GELU of 16 MB": lambda _: gelu(wide, approximate=True),
        "biases of attention, 40 x 4 x 200 x 200": added,
        "dropout of 4 million values": dropped,
        "heads apart, 40 x 200 x 192": lambda _: parts.transpose([0, 2, 1, 3]) + 0.0,
    }


if __name__ == "__main__":
    main()
