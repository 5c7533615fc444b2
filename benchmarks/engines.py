"""How many users a second are answered in one process, in two threads and by two workers of Ray.

    OPENBLAS_NUM_THREADS=1 python benchmarks/engines.py

Makes data of so many users and items, trains a small model on it, and writes everybody's answers
into shards, each way in turn: the first round warms up, the others give medians. A Ray that is
started here is started before; what that takes is told by itself. Or it measures a version that is
there: ``--home``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fusionrec
from fusionrec.data.samples.movielens import synthetic
from fusionrec.engine import engine
from shared import take_turns


def main() -> None:
    """Prints one JSON object: users a second of each way, and the seconds behind them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="a workspace with a version; else one is made")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or made(f"{folder}/home", arguments.users, arguments.items)
        print(json.dumps(measured(home, folder, arguments), indent=1))


def made(home: str, users: int, items: int) -> str:
    """A workspace with a version that knows so many users and items."""
    data = synthetic(seed=1, users=users, items=items, interactions=20 * users)
    fusionrec.train(data, "fusion", home=home, settings={"training.epochs": 1})
    return home


def measured(home: str, folder: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Each way in turn, on the same version."""
    with fusionrec.Recommender(home) as recommender:
        batches = {threads: recommender.batch(k=arguments.k, threads=threads) for threads in (1, 2)}
        rows, count = set[int](), iter(range(1_000_000))

        def write(threads: int, name: str) -> None:
            place = Path(folder) / f"recs-{next(count)}"
            batch, shards = batches[threads], arguments.shards
            rows.add(recommender.write_shards(place, batch, shards=shards, engine=name))

        began = time.monotonic()
        with engine("ray", workers=2):
            started = time.monotonic() - began
            ways: dict[str, Callable[[int], object]] = {
                "one process": lambda _: write(1, "process"),
                "one process, 2 threads": lambda _: write(2, "process"),
                "Ray, 2 workers": lambda _: write(1, "ray"),
            }
            found = take_turns(ways, arguments.runs, warm=1)
        users = len(batches[1])
        assert len(rows) == 1, rows
    told = {name: _told(taken[:, 0], users) for name, taken in found.items()}
    return {"users": users, "rows": rows.pop(), "start of Ray, seconds": round(started, 1), **told}


def _told(seconds: np.ndarray, users: int) -> dict[str, float]:
    median, best = float(np.median(seconds)), float(seconds.min())
    return {
        "users/s": round(users / median),
        "best users/s": round(users / best),
        "seconds": round(median, 2),
    }


if __name__ == "__main__":
    main()
