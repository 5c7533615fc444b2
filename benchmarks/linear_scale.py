"""Time, memory and NDCG@10 of the linear model and of EASE on a large catalog.

    python benchmarks/linear_scale.py --items 100000 --interactions 10000000

Draws users who take items of a few of many groups, popular ones first (Zipf), at times that differ,
and often one of the same group after another. The last item of some users is hidden. Each step runs
in a process of its own: ``train`` fits and publishes model ``linear``, ``ease`` fits the baseline,
both with the seconds by the clock and of all cores' work, and the largest memory that the process
held, the data included. NDCG@10 is over the whole catalog without what a user has, beside
popularity's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fusionrec.baselines import EASE
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Field, Schema
from fusionrec.metrics import ItemSets
from fusionrec.models.presets import preset_recipe
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from shared import peak_mib, settings

GROUPS, OWN = 400, 4  # groups of items, and groups of a user
LENGTH = 50  # of a history, on average
STAYS, ANY = 0.6, 0.15  # share that takes the last one's group again, and any item
MEASURED = 2_000  # users
Scores = Callable[[np.ndarray], np.ndarray]
FIELDS = (Field("user", "user", "id"), Field("item", "item", "id"))


def main() -> None:
    """Reads the arguments and measures, or does one step and says what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--preset", default="full")
    parser.add_argument("--set", action="append", default=[], help="a setting, as name=value")
    parser.add_argument("--home", type=Path, help="a workspace that keeps what was trained")
    parser.add_argument("--only", choices=("data", "train", "ease"), help="a step, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(step(arguments)))
        return
    options = [f"--items={arguments.items}", f"--interactions={arguments.interactions}"]
    options += [f"--preset={arguments.preset}", *(f"--set={one}" for one in arguments.set)]
    options += [f"--home={arguments.home}"] if arguments.home else []
    for name in ("data", "train", "ease"):
        command = [sys.executable, __file__, *options, f"--only={name}"]
        subprocess.run(command, check=True)


def step(arguments: argparse.Namespace) -> dict[str, float | str]:
    """Draws the data and does one step: what it found, its seconds, and the largest memory."""
    dataset, hidden = drawn(arguments.items, arguments.interactions)
    rows = np.flatnonzero(~hidden)
    counts = np.bincount(dataset.item[rows], minlength=arguments.items)
    found: dict[str, float | str] = {"step": arguments.only, "peak_gib_of_data": peak_gib()}
    began = time.monotonic(), time.process_time()
    if arguments.only == "train":
        given = {"model.goal": "next"} | settings(arguments.set)  # what is measured
        recipe = preset_recipe("linear", arguments.preset).change(given)
        said = list[str]()
        with tempfile.TemporaryDirectory() as folder:
            home = Workspace(arguments.home or Path(folder))
            artifact = train(dataset, recipe, home, rows=rows, log=said.append)
            found |= taken(began) | {"chosen": "; ".join(said)}
            users, items = artifact.user_vectors, artifact.item_vectors
            found |= measured(dataset, rows, hidden, lambda some: users[some] @ items.T)
    elif arguments.only == "ease":
        ease = EASE().fit(dataset, rows)
        found |= taken(began)
        found |= measured(dataset, rows, hidden, ease.scores)
    else:
        tail = np.sort(counts)[::-1][10_000:].sum() / len(rows)
        found |= {"users": len(dataset.users), "share_beyond_10000_items": float(tail)}
        found |= measured(dataset, rows, hidden, lambda some: np.tile(counts, (len(some), 1)))
    return {name: round(x, 4) if isinstance(x, float) else x for name, x in found.items()}


def taken(began: tuple[float, float]) -> dict[str, float]:
    """Seconds by the clock and of work since some times, and the largest memory until now."""
    seconds = {"seconds": time.monotonic() - began[0], "work": time.process_time() - began[1]}
    return {**seconds, "peak_gib": peak_gib()}


def measured(
    dataset: Dataset, rows: np.ndarray, hidden: np.ndarray, scores: Scores
) -> dict[str, float]:
    """NDCG@10 of the hidden items, by ``scores(users)``: all, and those of rare items."""
    seen = ItemSets.of(dataset.user[rows], dataset.item[rows], len(dataset.users))
    counts = np.bincount(dataset.item[rows], minlength=len(dataset.items))
    rare, gains = np.argsort(np.argsort(-counts)) >= 10_000, list[np.ndarray]()
    users, targets = dataset.user[hidden], dataset.item[hidden]
    for begin in range(0, len(users), 200):
        some, target = users[begin : begin + 200], targets[begin : begin + 200]
        of = np.array(scores(some), dtype=np.float32)
        own = of[np.arange(len(some)), target].copy()
        of[seen.take(some).pairs()] = -np.inf
        above = (of > own[:, None]).sum(axis=1)
        gains.append(np.where(above < 10, 1 / np.log2(above + 2), 0.0))
    gain, beyond = np.concatenate(gains), rare[targets]
    found = {"ndcg@10": float(gain.mean()), "share_of_rare_targets": float(beyond.mean())}
    return found | {"ndcg@10_of_rare": float(gain[beyond].mean()) if beyond.any() else 0.0}


def drawn(items: int, interactions: int) -> tuple[Dataset, np.ndarray]:
    """The data, and which rows are hidden, bool [n]: the last ones of some users."""
    rng = np.random.default_rng(0)
    users = max(interactions * 3 // 2 // LENGTH, 10)  # more than are kept
    user = np.repeat(np.arange(users), rng.geometric(1 / (LENGTH - 4), users) + 4)
    group = rng.integers(GROUPS, size=(users, OWN))[user, rng.integers(OWN, size=len(user))]
    stays = (rng.random(len(user)) < STAYS) & (np.r_[-1, user[:-1]] == user)
    group = group[np.maximum.accumulate(np.where(stays, 0, np.arange(len(user))))]
    # Item n is in group n modulo GROUPS, and the more popular, the smaller n is.
    rank = (items // GROUPS + 1) ** rng.random(len(user)) - 1 + rng.random(len(user))
    item = (rank.astype(np.int64) * GROUPS + group) % items
    any_item = rng.random(len(user)) < ANY
    item[any_item] = (items ** rng.random(int(any_item.sum()))).astype(np.int64) - 1
    pairs = user * items + item
    first = np.sort(np.unique(pairs, return_index=True)[1])[:interactions]
    user, item = user[first].astype(np.int32), item[first].astype(np.int32)
    last = np.flatnonzero(np.r_[user[1:] != user[:-1], True])
    hidden = np.zeros(len(user), dtype=bool)
    hidden[rng.choice(last, min(MEASURED, len(last)), replace=False)] = True
    schema = Schema("scale", FIELDS, (0.0, 1.0), like=0.0, events=True)
    people = Table([f"u{n}" for n in range(len(np.unique(user)))], {})
    things = Table([f"i{n}" for n in range(items)], {})
    time_of = 1_500_000_000 + np.arange(len(user))
    ones = np.ones(len(user), dtype=np.float32)
    return Dataset(schema, "scale", people, things, user, item, ones, time_of), hidden


def peak_gib() -> float:
    """The most memory that this process has held."""
    return peak_mib() / 1024


if __name__ == "__main__":
    main()
