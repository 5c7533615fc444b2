"""Makes ``workspace.tar.gz``: a workspace as fusionrec 0.1.0 writes it, and what that answers.

To be run with the code of 0.1.0 alone, from the repository's root; later code writes other files
and calls its modules otherwise:

    git worktree add ../released f13a7b0
    PYTHONPATH=../released/src:../released/tests python tests/legacy/make_workspace.py

What is random and the dates that are written down are fixed: a second run on the same machine packs
the same files but for the seconds that the trainings took, in manifests and checkpoint.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import json
import os
import secrets
import shutil
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from contents import ASKED, PACKED, rows
from fusionrec.api.answering import Recommender
from fusionrec.catalogue import current, put, restore, withdraw
from fusionrec.data.fetch import load
from fusionrec.data.items import read_items
from fusionrec.indexing import build_index
from fusionrec.recipes import FUSION as PRESETS
from fusionrec.recipes import AnyRecipe, RatingSettings
from fusionrec.training.run import train

import fusionrec
from builders import as_options, recipe, sequence_recipe, stop_at
from fusionrec.config import Workspace
from fusionrec.data.dataset import Dataset
from fusionrec.ledger import Event, Impression, Ledger
from fusionrec.ledger import items as ledger_items
from fusionrec.ledger import keys as ledger_keys

NOW = 1_750_000_000  # 2025-06-15
GENRES = ("Comedy", "Drama", "Western")
FUSION = recipe(epochs=6, batch=60, learning_rate=0.03)
SEQUENCE = sequence_recipe(8, blocks=1, epochs=6, batch=60, learning_rate=0.03)
STOPPED = recipe(epochs=3, batch=60, seed=7)  # the training whose checkpoint is kept
# Presets of fusion that are gone since, small; and settings that are.
GONE = ("rating.", "training.all_items", "training.low_weight", "training.choice")
STARS = replace(FUSION, rating=RatingSettings(networks=1, width=8, epochs=6, batch=60))
STRANGERS = recipe(
    **PRESETS["strangers"].training.to_dict() | {"epochs": 9, "batch": 60, "threads": 1}
)

DESCRIPTION = """\
name = "films"

[interactions]
files = "ratings.csv"
user = "viewer"
item = "film"
rating = "stars"
scale = [1, 5]
like = 4
time = "at"
time_unit = "s"

[users]
files = "viewers.csv"
id = "viewer"

[users.fields.town]
kind = "category"

[items]
files = "films.csv"
id = "film"
title = "title"

[items.fields.title]
kind = "text"

[items.fields.genres]
kind = "categories"
filter = true

[items.fields.year]
kind = "number"
filter = true
"""
SETTINGS = """\
[service]
port = 8123

[milvus]
timeout = 20
"""


def write_data(folder: Path) -> None:
    """Thirty viewers, twenty-four films; a viewer likes the genre of their number modulo three."""
    folder.mkdir(parents=True)
    (folder / "fusionrec.toml").write_text(DESCRIPTION, encoding="utf-8")
    films = [
        (f"f{n}", f"{('Red', 'Blue', 'Green', 'Old')[n % 4]} river {n}", GENRES[n % 3], 1950 + n)
        for n in range(24)
    ]
    viewers = [(f"v{n}", ("Riga", "Oslo")[n % 2]) for n in range(30)]
    rng = np.random.default_rng(0)
    places = rng.permutation(30 * 24)[:330]
    ratings = [
        (f"v{v}", f"f{f}", int(rng.integers(4, 6) if v % 3 == f % 3 else rng.integers(1, 3)), at)
        for v, f, at in zip(places // 24, places % 24, range(NOW - 330_000, NOW, 1000), strict=True)
    ]
    for name, columns, lines in (
        ("films", ("film", "title", "genres", "year"), films),
        ("viewers", ("viewer", "town"), viewers),
        ("ratings", ("viewer", "film", "stars", "at"), ratings),
    ):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *lines])


def steady() -> None:
    """Fixes what is random in names and keys, and the dates of versions and of the ledger."""
    counted = itertools.count()

    def drawn(size: int) -> str:
        return hashlib.sha512(f"{next(counted)}".encode()).hexdigest()[: 2 * size]

    secrets.token_hex = secrets.token_urlsafe = drawn  # type: ignore[assignment]
    said = time.gmtime(NOW)
    usual = time.strftime
    time.strftime = lambda form, *_: usual(form, said)
    for module in (ledger_items, ledger_keys):
        module.now = lambda: "2025-06-15T15:06:40+00:00"


def two_versions(workspace: Workspace, *recipes: AnyRecipe) -> tuple[Dataset, Ledger]:
    """Two versions in the index; changes of items, events and profiles in the ledger."""
    data = load(str(workspace.home.parent / "data"), workspace.data)
    ledger = Ledger(workspace.ledger)
    for asked in recipes:
        version = train(data, asked, workspace)
        build_index(workspace, version)
        change_items(workspace.home.parent, ledger, version, before=asked is recipes[0])
    record(ledger)
    return data, ledger


def fill(workspace: Workspace) -> list[dict[str, Any]]:
    """Two versions, every kind of row in the ledger, a checkpoint; gives the keys with secrets."""
    data, ledger = two_versions(workspace, FUSION, SEQUENCE)
    made = []
    for name, scopes in (("reader", ["read"]), ("shop", ["read", "feedback"]), ("all", None)):
        given = scopes or ["admin", "feedback", "read"]
        made.append({"name": name, "scopes": given, "secret": ledger.add_key(name, given)})
    try:
        train(data, STOPPED, workspace, stop_at(2, 2))
    except KeyboardInterrupt:
        print("a training was stopped", file=sys.stderr)
    ledger.close()
    return made


def change_items(folder: Path, ledger: Ledger, version: Any, *, before: bool) -> None:
    """Adds, changes, withdraws and restores items: some in the second index, some beside it."""
    lines = [
        {"id": f"new{int(before)}", "title": f"New river {int(before)}", "genres": ["Western"]},
        {"id": "f3" if before else "f4", "title": "Another name", "year": 2001},
    ]
    file = folder / "items.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    put(ledger, current(version, ledger), read_items(file, version.schema))
    file.unlink()
    withdraw(ledger, current(version, ledger), ["f6", "f9"] if before else ["f7", "f10"])
    restore(ledger, current(version, ledger), ["f6"] if before else ["f10"])


def record(ledger: Ledger) -> None:
    """Events of every kind, with times and without, what was shown, profiles, a forgotten user."""
    ledger.record(
        [
            Event("e1", "v1", "f12", "rating", 1.0, NOW + 10.5),
            Event("e2", "v1", "f15", "dislike", time=NOW + 20),
            Event("e3", "v2", "f5", "hide", time=NOW + 30),
            Event("e4", "v3", "f8", "view", time=NOW + 40),
            Event("e5", "v4", "f1", "like", time=NOW + 50),
            Event("e6", "visitor", "f2", "rating", 5.0),
            Event("e7", "visitor", "f0", "rating", 1.0),
            Event("e8", "someone else", "new1", "like", time=NOW + 60),
        ]
    )
    shown = ("f1", "new1", "f2")
    ledger.show(
        [
            Impression("a1", "v1", "user", "v2", shown, NOW + 5),
            Impression("a2", "visitor", "mixed", "v2", ("f3",), NOW + 6),
        ]
    )
    ledger.set_profile("visitor", {"town": "Oslo"})
    ledger.set_profile("v8", {"town": "Riga"})
    ledger.set_profile("v9", {"town": "Riga"})
    ledger.set_profile("v9", None)
    ledger.record([Event("e9", "v10", "f4", "rating", 4.0, NOW + 70)])
    ledger.set_profile("v10", {"town": "Oslo"})
    ledger.forget("v10")


def answers(home: Path) -> dict[str, dict[str, Any]]:
    """What each version answers: kind, ids and scores, by version and question."""
    found: dict[str, dict[str, Any]] = {}
    for version in ("v1", "v2"):
        found[version] = {}
        with Recommender(home, version=version) as recommender:
            for name, (verb, given) in ASKED.items():
                answer = getattr(recommender, verb)(**given)
                found[version][name] = {
                    "kind": answer.kind,
                    "ids": [item.id for item in answer.items],
                    "scores": [item.score for item in answer.items],
                    "stars": [item.stars for item in answer.items],
                }
    return found


def pack(folder: Path, file: Path) -> None:
    """All files of a folder, in the order of their names, without owners and times."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            member = archive.gettarinfo(path, str(path.relative_to(folder)))
            member.mtime, member.uid, member.gid = 0, 0, 0
            member.uname = member.gname = ""
            if path.is_file():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)
    file.write_bytes(gzip.compress(held.getvalue(), 9, mtime=0))


def main() -> None:
    assert fusionrec.__version__ == "0.1.0", "another program writes another workspace"
    os.umask(0o022)
    steady()
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        write_data(folder / "data")
        workspace = Workspace(folder / "home")
        workspace.home.mkdir()
        workspace.settings.write_text(SETTINGS, encoding="utf-8")
        keys = fill(workspace)
        gone = Workspace(folder / "gone")
        gone.home.mkdir()
        two_versions(gone, STARS, STRANGERS)[1].close()
        expected = {
            "keys": keys,
            "stopped": [
                f"--set={text}" for text in as_options(STOPPED)[1::2] if not text.startswith(GONE)
            ],
            "ledger": rows(folder / "home" / "ledger.sqlite"),
            "answers": answers(workspace.home),
            "gone": answers(gone.home),
        }
        shutil.rmtree(gone.home / "milvus.db")  # is made anew from the versions
        for one in (workspace, gone):
            shutil.rmtree(one.data)  # kept of the CSV files, by their paths and dates
        (folder / "expected.json").write_text(json.dumps(expected, indent=1), encoding="utf-8")
        pack(folder, PACKED)
    print(f"{PACKED}: {PACKED.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
