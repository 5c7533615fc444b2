"""How long a user vector takes from a history, beside the matrix products it is made of.

    python benchmarks/history_time.py --home .fusionrec --version v2

One math thread, as when answering. The reference multiplies matrices of the same sizes in NumPy and
does nothing else: no tower can be much faster on this machine. Both as the median of the runs and,
for machines that do other work, as the processor's time in the best of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fusionrec.features.history import History
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from shared import take_turns

RUNS = 40


def main() -> None:
    """Reads the arguments and times histories of several lengths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--version", default=None)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1, 20, 50, 200])
    arguments = parser.parse_args()
    artifact = load(Workspace.find(arguments.home), arguments.version)
    for users in (1, 64):
        for length in arguments.lengths:
            print(json.dumps(measure(artifact, users, length)), flush=True)


def measure(artifact: Artifact, users: int, length: int) -> dict[str, float]:
    """Milliseconds for one user of a batch: median of the runs and the processor's in the best."""
    rng = np.random.default_rng(0)
    low, high = artifact.schema.rating_range
    histories = [
        History.of(
            rng.choice(len(artifact.items), length, replace=length > len(artifact.items)),
            rng.uniform(low, high, length),
        )
        for _ in range(users)
    ]
    nobody: list[str | None] = [None] * users
    alone = products(artifact, users, length)
    ways: dict[str, Callable[[int], object]] = {
        "tower": lambda _: artifact.vectors_of(nobody, {}, histories),
        "products": lambda _: alone(),
    }
    taken = {name: 1e3 * spans / users for name, spans in take_turns(ways, RUNS).items()}
    tower, reference = (float(np.median(spans[:, 0])) for spans in taken.values())
    return {
        "users": users,
        "length": length,
        "ms a user": round(tower, 3),
        "products alone": round(reference, 3),
        "ratio": round(tower / reference, 1),
        "processor": round(float(taken["tower"][:, 1].min()), 3),
        "products, processor": round(float(taken["products"][:, 1].min()), 3),
    }


def products(artifact: Artifact, users: int, length: int) -> Callable[[], None]:
    """The matrix products of one pass, but the last block's, which makes one token only."""
    model = artifact.manifest["recipe"]["model"]
    dim, wide, blocks = artifact.manifest["dim"], model["feed_forward"], model["blocks"]
    tokens = np.ones((min(length, model["history"]) + 1, dim), dtype=np.float32)
    square = np.ones((dim, dim), dtype=np.float32)
    out, back = np.ones((dim, wide * dim), np.float32), np.ones((wide * dim, dim), np.float32)

    def once() -> None:
        for _ in range(users):
            tokens @ square  # what an item enters by
            for _ in range(blocks - 1):
                for _ in range(4):  # query, key, value, answer
                    tokens @ square
                (tokens @ tokens.T) @ tokens
                (tokens @ out) @ back

    return once


if __name__ == "__main__":
    main()
