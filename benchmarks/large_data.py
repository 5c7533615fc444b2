"""Time and memory of a large data set: preparing its files, training on them, indexing.

    python benchmarks/large_data.py --folder /tmp/large --rows 100000000

Makes the files in the folder unless they are there: interactions in the order of time, skewed as
people and items are, each pair once but for a hundredth that is rated again; items with a title,
categories and a number. There is a user for every 20 interactions and an item for every 200. Every
measured step runs in a process of its own; the figures are its seconds from start to end, Python's
start included, and the largest memory that it ever held, mapped files included. ``train`` takes so
many steps of a network and publishes what it has learned; the seconds of its parts are told too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from shared import peak_mib, settings

ROWS_OF_USER, ROWS_OF_ITEM = 20, 200
CHUNK = 1_000_000
DRAWN = 200_000  # users whose items are drawn at a time
AGAIN = 0.01  # share of the rows whose user rated the item before
STEPS = ("prepare", "read", "train", "index", "answer")
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
    parser.add_argument("--folder", type=Path, required=True, help="for the files; 30 bytes a row")
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=0, help="default: a user for 20 rows")
    parser.add_argument("--items", type=int, default=0, help="default: an item for 200 rows")
    parser.add_argument("--model", choices=("fusion", "sequence"), default="sequence")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", nargs="*", default=(), metavar="NAME=VALUE", help="of the model")
    parser.add_argument("--steps", type=int, default=200, help="of training")
    parser.add_argument("--milvus", default="", help="an address; default: the embedded store")
    parser.add_argument("--only", nargs="*", choices=("make", *STEPS), help="these steps")
    parser.add_argument("--here", action="store_true", help="do the step in this process")
    arguments = parser.parse_args()
    arguments.users = arguments.users or arguments.rows // ROWS_OF_USER
    arguments.items = arguments.items or arguments.rows // ROWS_OF_ITEM
    if arguments.here:
        print(json.dumps(step(arguments)))
        return
    if not (arguments.folder / "fusionrec.toml").exists():
        run("make")
    if not arguments.only:
        shutil.rmtree(arguments.folder / "home", ignore_errors=True)
    for name in arguments.only or STEPS:
        run(name)


def run(name: str) -> None:
    """Runs a step in a process of its own and prints what it took."""
    began = time.monotonic()
    command = [sys.executable, *sys.argv, "--here", "--only", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"step": name, "seconds": seconds, **said}), flush=True)


def step(arguments: argparse.Namespace) -> dict[str, float]:
    """Does one step; what it found, and the largest memory in GiB."""
    folder, [name] = arguments.folder, arguments.only
    if name == "make":
        found = make(folder, arguments.rows, arguments.users, arguments.items)
    elif name == "train":
        found = train(arguments)
    elif name == "index":
        found = index(folder, arguments.milvus)
    elif name == "answer":
        found = answer(folder)
    else:
        found = read(folder)
    return {**found, "peak_gib": round(peak_mib() / 1024, 2)}


def read(folder: Path) -> dict[str, float]:
    """Reads the data set, from its files or from what was kept of them."""
    from fusionrec.data.load import read as read_data

    dataset = read_data(folder, workspace_data=folder / "home" / "data")
    return {"interactions": len(dataset), "users": len(dataset.users), "items": len(dataset.items)}


def train(arguments: argparse.Namespace) -> dict[str, float]:
    """Trains for some steps and publishes."""
    from fusionrec.data.load import read as read_data
    from fusionrec.models.presets import Recipe, SequenceRecipe, preset_recipe
    from fusionrec.registry.publish import publish
    from fusionrec.training.fusion_trainer import FusionTrainer
    from fusionrec.training.loop import Trainer
    from fusionrec.training.network_train import manifest_of
    from fusionrec.training.sequence_trainer import SequenceTrainer

    folder, found = arguments.folder, dict[str, float]()

    @contextmanager
    def part(name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        found[f"{name}_seconds"] = round(time.monotonic() - began, 1)
        found[f"{name}_peak_gib"] = round(peak_mib() / 1024, 2)

    with part("read"):
        dataset = read_data(folder, workspace_data=folder / "home" / "data")
        rows = np.arange(len(dataset))
    recipe = preset_recipe(arguments.model, arguments.preset).change(settings(arguments.set))
    recipe = recipe.for_schema(dataset.schema, len(rows))
    trainer: Trainer
    with part("build"):
        if isinstance(recipe, SequenceRecipe):
            trainer = SequenceTrainer(dataset, rows, recipe)
        else:
            assert isinstance(recipe, Recipe)
            trainer = FusionTrainer(dataset, rows, recipe)
    batches = trainer.batches.epoch(1)
    with part("deal"):  # an epoch's minibatches
        trainer.step(next(batches))
    with part("steps"):
        for _ in range(arguments.steps):
            trainer.step(next(batches))
    found["step_ms"] = round(1000 * found["steps_seconds"] / arguments.steps, 1)
    found["steps_of_an_epoch"] = len(trainer.batches)
    with part("validate"):
        trainer.validate()
    with part("publish"):
        trainer.network.eval()
        fields = manifest_of(trainer, None)
        encoder, towers = trainer.encoder, trainer.towers
        publish(folder / "home" / "models", dataset, rows, encoder, towers, fields)
    return found


def index(folder: Path, milvus: str) -> dict[str, float]:
    """Puts the newest version into Milvus."""
    from fusionrec.deploy.build import build_index
    from fusionrec.registry import version_numbers
    from fusionrec.registry.versions import load
    from fusionrec.workspace import Workspace

    workspace = Workspace(folder / "home")
    artifact = load(workspace, f"v{version_numbers(workspace.models)[-1]}")
    build_index(workspace, artifact, milvus)
    return {"items": len(artifact.items), "dim": artifact.item_vectors.shape[1]}


def answer(folder: Path) -> dict[str, float]:
    """Opens the version that is active, and answers a user."""
    from fusionrec.api import Recommender

    began = time.monotonic()
    with Recommender(home=folder / "home") as recommender:
        opened = time.monotonic()
        recommender.recommend(user="u1")
        first = time.monotonic()
        for number in range(2, 22):
            recommender.recommend(user=f"u{number}")
        ended = time.monotonic()
    return {
        "open_seconds": round(opened - began, 1),
        "first_ms": round(1000 * (first - opened), 1),
        "answer_ms": round(50 * (ended - first), 1),
    }


def make(folder: Path, rows: int, users: int, items: int) -> dict[str, float]:
    """Writes ``ratings.csv``, ``items.csv`` and ``fusionrec.toml``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    write_items(folder / "items.csv", items, rng)
    pairs = draw(rng, users, items, round(rows * (1 - AGAIN)))
    again = rng.choice(pairs, rows - len(pairs))
    write_ratings(folder / "ratings.csv", np.concatenate([pairs, again]), items, rng)
    (folder / "fusionrec.toml").write_text(DESCRIBED, encoding="utf-8")
    return {"rows": rows}


def draw(rng: np.random.Generator, users: int, items: int, count: int) -> np.ndarray:
    """int64 [count], distinct pairs of a user and an item, ``user * items + item``, shuffled."""
    active = rng.permutation(np.arange(1, users + 1) ** -0.6)
    popular = np.cumsum(rng.permutation((np.arange(1, items + 1) + items / 100) ** -0.9))
    shares = np.cumsum(active) / active.sum()
    found, done = np.empty(count, dtype=np.int64), 0
    for first in range(0, users, DRAWN):  # so that few pairs are sorted at a time
        among = np.cumsum(active[first : first + DRAWN])
        wanted = round(shares[min(first + DRAWN, users) - 1] * count) - done
        drawn = np.zeros(0, dtype=np.int64)
        while len(drawn) < wanted:
            more = 1 + (wanted - len(drawn)) * 5 // 4
            user = first + np.searchsorted(among, rng.random(more) * among[-1])
            item = np.searchsorted(popular, rng.random(more) * popular[-1])
            drawn = np.unique(np.concatenate([drawn, user * items + item]))
        found[done : done + wanted] = rng.choice(drawn, wanted, replace=False)
        done += wanted
    rng.shuffle(found)
    return found


def write_ratings(path: Path, pairs: np.ndarray, items: int, rng: np.random.Generator) -> None:
    """Writes the interactions, a later row never having an earlier time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    kinds = {"user": pa.string(), "item": pa.string(), "rating": pa.float32(), "time": pa.int64()}
    schema = pa.schema(list(kinds.items()))
    plain = pyarrow.csv.WriteOptions(quoting_style="none")
    now, step = 1_100_000_000, max(2, 1_200_000_000 // len(pairs))  # none lies in the future
    with pyarrow.csv.CSVWriter(path, schema, write_options=plain) as writer:
        for begin in range(0, len(pairs), CHUNK):
            user, item = np.divmod(pairs[begin : begin + CHUNK], items)
            stars = np.clip(np.round(rng.normal(7, 2, len(user))), 1, 10) / 2
            time_of = now + np.cumsum(rng.integers(0, step, len(user)))
            now = int(time_of[-1])
            ids = [
                pc.binary_join_element_wise(side, pa.array(number).cast("string"), "")
                for side, number in (("u", user), ("i", item))
            ]
            columns = [*ids, pa.array(stars.astype(np.float32)), pa.array(time_of)]
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
