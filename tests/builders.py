"""What tests are made of: small settings, data sets, commands, processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import Field, Schema
from fusionrec.models.linear_settings import AutoTraining, LinearSettings, LinearTraining
from fusionrec.models.presets import (
    AnyRecipe,
    AutoRecipe,
    FusionSettings,
    Recipe,
    SequenceRecipe,
    SequenceSettings,
    SequenceTraining,
    TrainingSettings,
)
from fusionrec.registry import Artifact
from fusionrec.registry.manifest import sha256
from fusionrec.training.progress import TrainingState
from fusionrec.workspace import Workspace
from quick import leave_out

SMALL = FusionSettings(
    id_width=16,
    category_width=4,
    categories_width=8,
    number_width=4,
    word_width=8,
    windows=(3,),
    filters=8,
    dim=16,
    dropout=0.1,
)


def recipe(**training: Any) -> Recipe:
    """Settings of a model that trains in a moment; ``training`` changes some of them."""
    given = {"epochs": 2, "batch": 300, "learning_rate": 0.01, "validation": 0.1, "threads": 1}
    return Recipe(SMALL, TrainingSettings.from_dict(given | training))


def sequence_recipe(history: int = 12, blocks: int = 2, **training: Any) -> SequenceRecipe:
    """The same of a sequence model; ``training`` changes some of its settings."""
    model = SequenceSettings(
        replace(SMALL, dropout=0.0), blocks=blocks, feed_forward=2, history=history, dropout=0.1
    )
    given = {"epochs": 2, "batch": 300, "learning_rate": 0.01, "threads": 1}
    return SequenceRecipe(model, SequenceTraining.from_dict(given | training))


def auto_recipe(**training: Any) -> AutoRecipe:
    """The same of a model with parts, which has no time for a network unless ``training`` gives
    some.
    """
    linear = LinearTraining(
        halvings=(2.0,), ridges=(100.0,), weakest=(0.5,), days=(14.0,), validation=60
    )
    model = LinearSettings(dims=(12,), profile_dims=4)
    network = sequence_recipe(epochs=1)
    return AutoRecipe(
        model, linear, network, network, AutoTraining.from_dict({"minutes": 0.001} | training)
    )


def small_options(words: Sequence[str]) -> list[str]:
    """Options that make a ``train`` or ``evaluate`` of these words short."""
    made: list[AnyRecipe] = [recipe(epochs=1, batch=3000), sequence_recipe(epochs=1), auto_recipe()]
    return as_options(next((one for one in made if one.name in words), made[-1]))


def as_options(made: AnyRecipe) -> list[str]:
    """The same model and settings as the command line takes them."""
    settings = [word for text in _flat("", made.to_dict()) for word in ("--set", text)]
    return ["--model", made.name, *settings]


def _flat(outer: str, settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(f"{outer}{name}.", value)
            continue
        shown = list(value) if isinstance(value, tuple) else value
        yield f"{outer}{name}={str(value).lower() if isinstance(value, bool) else shown}"


def checkerboard(users: int = 40, items: int = 30) -> Dataset:
    """Two groups of users, two of items: everyone gives 5 within their group and 1 outside it.

    Each user has rated half of either group; a user's or item's group is the parity of its number.
    """
    user, item = np.divmod(np.arange(users * items), items)
    kept = np.random.default_rng(0).random(len(user)) < 0.5
    user, item = user[kept], item[kept]
    return _ids_alone("checkerboard", users, items, user, item, np.where((user + item) % 2, 1, 5))


def carousel(users: int = 60, items: int = 30, most: int = 16) -> Dataset:
    """Everyone walks through the items in one fixed cycle, from an item of their own.

    Users have no attribute, and every item is rated about as often. After item i comes i + 1; a
    user's walk has 4 to ``most`` items, and the file holds its rows in random order.
    """
    rng = np.random.default_rng(0)
    walks = rng.integers(4, most, users, endpoint=True)
    user = np.repeat(np.arange(users), walks)
    step = np.concatenate([np.arange(walk) for walk in walks])
    item = (np.arange(users)[user] * 7 + step) % items
    order = rng.permutation(len(user))
    columns = (user[order], item[order], np.full(len(user), 4.0), 1000 + step[order])
    return _ids_alone("carousel", users, items, *columns)


def _ids_alone(
    name: str,
    users: int,
    items: int,
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray,
    time: np.ndarray | None = None,
) -> Dataset:
    """Ratings of 1 to 5 by users u0, u1, ... of items i0, i1, ..., without attributes."""
    fields = (Field("who", "user", "id"), Field("what", "item", "id"))
    people, things = (
        Table([f"{x}{n}" for n in range(m)], {}) for x, m in (("u", users), ("i", items))
    )
    columns = (user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32), time)
    return Dataset(Schema(name, fields, rating_range=(1.0, 5.0)), name, people, things, *columns)


EVENT_IDS = (Field("who", "user", "id"), Field("what", "item", "id"))


def walks(
    *lists: Sequence[int], items: int = 0, repeats: bool = False, same_time: bool = False
) -> Dataset:
    """Events of users u0, u1, ... who take these items in this order, one each second."""
    user = np.repeat(np.arange(len(lists)), [len(one) for one in lists]).astype(np.int32)
    item = np.concatenate([np.array(one, dtype=np.int32) for one in lists])
    time = np.concatenate([np.arange(len(one)) for one in lists]) + 1000
    people = Table([f"u{n}" for n in range(len(lists))], {})
    things = Table([f"i{n}" for n in range(items or int(item.max()) + 1)], {})
    schema = Schema("walks", EVENT_IDS, (0.0, 1.0), like=0.0, events=True, repeats=repeats)
    time = np.full(len(time), 1000) if same_time else time
    return Dataset(schema, "walks", people, things, user, item, np.ones(len(user), "f4"), time)


def cycle(users: int = 150, items: int = 24, noise: float = 0.15) -> Dataset:
    """After each item comes the next of a cycle, but for leaps to any item, without repeats."""
    rng, lists = np.random.default_rng(0), []
    for _ in range(users):
        walk = [int(rng.integers(items))]
        for _ in range(8):
            leap = int(rng.integers(items)) if rng.random() < noise else (walk[-1] + 1) % items
            walk += [leap] if leap not in walk else []
        lists.append(walk)
    return walks(*lists)


def rewrite(artifact: Artifact, name: str, change: Callable[[Any], Any]) -> Artifact:
    """Changes a JSON file of an artifact, and the manifest's checksum of it to match."""
    path = artifact.folder / name
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(change(value) or value), encoding="utf-8")
    manifest = artifact.folder / "manifest.json"
    said = json.loads(manifest.read_text(encoding="utf-8"))
    said["files"][name] = sha256(path)
    manifest.write_text(json.dumps(said), encoding="utf-8")
    return Artifact.load(artifact.folder)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def command(workspace: Workspace, *arguments: str) -> list[str]:
    """A command for a process of its own."""
    if arguments[:1] == ("train",):
        leave_out("training")
    return [sys.executable, "-m", "fusionrec", "--home", str(workspace.home), *arguments]


def python(code: str, *arguments: object, **environment: str) -> str:
    """What a fresh Python prints when it runs the code with these arguments."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def case(*parts: object) -> Iterator[None]:
    """One of many cases that a test loops over; what fails in it is said to be of this case."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case of {', '.join(map(repr, parts))}")
        raise


def tree(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, by its path in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


LIBRARY = Schema(
    "library",
    (
        Field("reader", "user", "id"),
        Field("town", "user", "category", choices={"თბ": "თბილისი", "ბა": "ბათუმი"}),
        Field("interests", "user", "categories"),
        Field("about", "user", "text"),
        Field("born", "user", "number"),
        Field("volume", "item", "id"),
        Field("shelf", "item", "category", filterable=True),
        Field("topics", "item", "categories", filterable=True, option="topic"),
        Field("heading", "item", "text"),
        Field("pages", "item", "number", filterable=True),
        Field("rank", "item", "number"),  # called like one of an answer's own words
    ),
    rating_range=(0.0, 10.0),
    title="heading",
    like=7.0,
)
TOPICS = ("ისტორია", "ზღვა", "ბაღი")


def library(readers: int = 30, volumes: int = 24, seed: int = 0) -> Dataset:
    """A schema that is not MovieLens': string ids in Georgian letters, every kind on both sides.

    Readers like volumes on their interest, which is that of their number modulo three.
    """
    rng = np.random.default_rng(seed)
    people = Table(
        [f"მკითხველი-{n}" for n in range(readers)],
        {
            "town": [("თბ", "ბა")[n % 2] for n in range(readers)],
            "interests": [(TOPICS[n % 3],) for n in range(readers)],
            "about": [f"კითხულობს წიგნს {TOPICS[n % 3]}" for n in range(readers)],
            "born": [1950.0 + n if n % 5 else float("nan") for n in range(readers)],
        },
    )
    books = Table(
        [f"ტომი {n}/ა" for n in range(volumes)],
        {
            "shelf": [("მარცხენა", "მარჯვენა")[n % 2] for n in range(volumes)],
            "topics": [(TOPICS[n % 3], "ყველა") for n in range(volumes)],
            "heading": [f"წიგნი {TOPICS[n % 3]} {n}" for n in range(volumes)],
            "pages": [100.0 + 10 * n if n % 7 else float("nan") for n in range(volumes)],
            "rank": [float(n) for n in range(volumes)],
        },
    )
    user, item = np.divmod(rng.permutation(readers * volumes)[: readers * volumes // 2], volumes)
    rating = np.where(user % 3 == item % 3, 9.0, 2.0) + rng.integers(0, 2, len(user))
    columns = (user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32))
    return Dataset(LIBRARY, "library", people, books, *columns)


def stop_at(epoch: int, step: int) -> Callable[[TrainingState], None]:
    """A report that presses Ctrl-C there."""

    def on_progress(progress: TrainingState) -> None:
        if (progress.epoch, progress.step) == (epoch, step):
            raise KeyboardInterrupt

    return on_progress
