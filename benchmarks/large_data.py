"""Time and memory of a large data set: preparing its files, reading them again, training on them.

    python benchmarks/large_data.py --folder /tmp/large --rows 20000000

Makes the files in the folder unless they are there: interactions in the order of time, skewed as
people and items are, each pair once but for a hundredth that is rated again; items with a title,
categories and a number. Every measured step runs in a process of its own; the figures are its
seconds from start to end, Python's start included, and the largest memory that it ever held, mapped
files included. ``train`` takes so many steps of the preset ``quick`` and reports their rate alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from shared import peak_mib

USERS, ITEMS, ROWS = 140_000, 27_000, 20_000_000  # of ROWS; fewer rows have fewer of both
CHUNK = 1_000_000
AGAIN = 0.01  # share of the rows whose user rated the item before
DESCRIBED = """\
name = "large"
[interactions]
files = "ratings.csv"
user = "user"
item = "item"
rating = "rating"
scale = [0.5, 5.0]
time = "time"
[items]
files = "items.csv"
id = "item"
title = "title"
[items.fields.title]
kind = "text"
[items.fields.kinds]
kind = "categories"
filter = true
[items.fields.pages]
kind = "number"
"""


def main() -> None:
    """Reads the arguments and measures, or does one step and says what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for the files; about 700 MB")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--steps", type=int, default=200, help="of training")
    parser.add_argument("--threads", type=int, default=2, help="of training")
    parser.add_argument("--only", choices=("make", "prepare", "read", "train"))
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(step(arguments)))
        return
    if not (arguments.folder / "fusionrec.toml").exists():
        run(arguments, "make")
    shutil.rmtree(arguments.folder / "home", ignore_errors=True)
    for name in ("prepare", "read", "train"):
        run(arguments, name)


def run(arguments: argparse.Namespace, name: str) -> None:
    """Runs a step in a process of its own and prints what it took."""
    numbers = {"rows": arguments.rows, "steps": arguments.steps, "threads": arguments.threads}
    options = [f"--{option}={value}" for option, value in numbers.items()]
    command = [sys.executable, __file__, f"--folder={arguments.folder}", f"--only={name}"]
    began = time.monotonic()
    done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({"step": name, "seconds": round(time.monotonic() - began, 1), **said}))


def step(arguments: argparse.Namespace) -> dict[str, float]:
    """Does one step; what it found, and the largest memory in GiB."""
    folder = arguments.folder
    if arguments.only == "make":
        found = make(folder, arguments.rows)
    elif arguments.only == "train":
        found = train(folder, arguments.steps, arguments.threads)
    else:
        found = read(folder)
    return {**found, "peak_gib": round(peak_mib() / 1024, 2)}


def read(folder: Path) -> dict[str, float]:
    """Reads the data set, from its files or from what was kept of them."""
    from fusionrec.data.load import read as read_data

    dataset = read_data(folder, workspace_data=folder / "home")
    return {"interactions": len(dataset), "users": len(dataset.users), "items": len(dataset.items)}


def train(folder: Path, steps: int, threads: int) -> dict[str, float]:
    """Trains for some steps."""
    from fusionrec.data.load import read as read_data
    from fusionrec.models.presets import FUSION
    from fusionrec.training.fusion_trainer import FusionTrainer

    dataset = read_data(folder, workspace_data=folder / "home")
    began = time.monotonic()
    recipe = FUSION["quick"].change({"training.threads": str(threads)})
    trainer = FusionTrainer(dataset, np.arange(len(dataset)), recipe)
    built = time.monotonic()
    rated, first = 0, 0.0
    for number, batch in enumerate(trainer.batches.epoch(1), 1):
        if number == 1:
            first = time.monotonic()  # the dealing of an epoch's blocks is over
        trainer.step(batch)
        rated += len(batch.rating)
        if number == steps:
            break
    ended = time.monotonic()
    return {
        "build_seconds": round(built - began, 1),
        "deal_seconds": round(first - built, 1),
        "ratings_per_second": round(rated / (ended - first)),
        "steps_of_an_epoch": len(trainer.batches),
    }


def make(folder: Path, rows: int) -> dict[str, float]:
    """Writes ``ratings.csv``, ``items.csv`` and ``fusionrec.toml``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    share = min(1.0, rows / ROWS)
    users, items = max(10, round(USERS * share**0.5)), max(10, round(ITEMS * share**0.5))
    write_items(folder / "items.csv", items, rng)
    pairs = draw(rng, users, items, round(rows * (1 - AGAIN)))
    again = rng.choice(pairs, rows - len(pairs))
    write_ratings(folder / "ratings.csv", np.concatenate([pairs, again]), items, rng)
    (folder / "fusionrec.toml").write_text(DESCRIBED, encoding="utf-8")
    return {"rows": rows}


def draw(rng: np.random.Generator, users: int, items: int, count: int) -> np.ndarray:
    """int64 [count], distinct pairs of a user and an item, ``user * items + item``, shuffled."""
    active = rng.permutation(np.arange(1, users + 1) ** -0.6)
    popular = rng.permutation((np.arange(1, items + 1) + items / 100) ** -0.9)
    found = np.zeros(0, dtype=np.int64)
    while len(found) < count:
        more = 1 + (count - len(found)) * 5 // 4
        user = rng.choice(users, more, p=active / active.sum())
        item = rng.choice(items, more, p=popular / popular.sum())
        found = np.unique(np.concatenate([found, user * items + item]))
    rng.shuffle(found)
    return found[:count]


def write_ratings(path: Path, pairs: np.ndarray, items: int, rng: np.random.Generator) -> None:
    """Writes the interactions, a later row never having an earlier time."""
    import pyarrow as pa
    import pyarrow.csv as pc

    kinds = {"user": pa.string(), "item": pa.string(), "rating": pa.float32(), "time": pa.int64()}
    schema = pa.schema(list(kinds.items()))
    plain = pc.WriteOptions(quoting_style="none")
    now = 1_100_000_000
    with pc.CSVWriter(path, schema, write_options=plain) as writer:
        for begin in range(0, len(pairs), CHUNK):
            user, item = np.divmod(pairs[begin : begin + CHUNK], items)
            stars = np.clip(np.round(rng.normal(7, 2, len(user))), 1, 10) / 2
            time_of = now + np.cumsum(rng.integers(0, 40, len(user)))
            now = int(time_of[-1])
            ids = ([f"u{n}" for n in user.tolist()], [f"i{n}" for n in item.tolist()])
            columns = [pa.array(one) for one in (*ids, stars.astype(np.float32), time_of)]
            writer.write_table(pa.table(columns, schema=schema))


def write_items(path: Path, count: int, rng: np.random.Generator) -> None:
    """Writes the items' table."""
    import pyarrow as pa
    import pyarrow.csv as pc

    words = [f"{a}{b}" for a in ("bra", "cle", "do", "fi", "gru") for b in ("ming", "sta", "vel")]
    kinds = [f"kind {number}" for number in range(40)]
    titles = [" ".join(rng.choice(words, 3)) for _ in range(count)]
    held = ["|".join(rng.choice(kinds, rng.integers(1, 4), replace=False)) for _ in range(count)]
    pages = rng.integers(20, 1_200, count)
    ids = [f"i{number}" for number in range(count)]
    table = pa.table({"item": ids, "title": titles, "kinds": held, "pages": pages})
    pc.write_csv(table, path)


if __name__ == "__main__":
    main()
