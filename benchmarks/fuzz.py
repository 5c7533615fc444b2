"""Feeds mutated files, settings and requests to the program; nothing may be a defect of it.

    python benchmarks/fuzz.py                   # 10,000 inputs, about half an hour
    python benchmarks/fuzz.py --count 200 --seed 7
    python benchmarks/fuzz.py --first 4711 --count 1    # one again

Each input is a valid one with some bytes changed, cut out, repeated or replaced by awkward ones. A
process of its own reads a hundred of them: an error that is not ours, a death, more than 20 s or
1 GiB is reported with the number of the input, which repeats it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import ClassVar

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from fusionrec.config import settings_table
from fusionrec.data.catalog import load as load_data
from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.item_files import read_items
from fusionrec.data.samples.movielens import synthetic
from fusionrec.errors import FusionrecError
from fusionrec.models.linear_settings import LinearRecipe
from fusionrec.service.app import create_app
from fusionrec.service.settings import ServiceSettings
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

SECONDS, MEMORY, GROUP = 20, 1 << 30, 100
AWKWARD = [
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\x1b[31m", b"\r"),
    *(b"1e400", b"-1", b"NaN", b"Infinity", b"9" * 400, b"0x1f", b"1_000", b"300000-01-01"),
    *(b'"', b"'", b",", b";", b"\t", b"\\", b"[" * 3000, b"{" * 3000, b"a." * 3000, b"x" * 70_000),
    *(b"null", b"true", b"\\ud800", b"%00", b"%ff", b"../", b"&k=1", b"&where=a=b", b'"a":1,"a":2'),
]
ROWS = [(f"u{n % 9}", f"i{n * 7 % 11}", n % 5 + 1, 1_700_000_000 + n * 999) for n in range(60)]
CSV = "\n".join(["user,item,rating,time", *(",".join(map(str, row)) for row in ROWS)]).encode()
TOML = b"""[interactions]
files = "a.csv"
user = "user"
item = "item"
rating = "rating"
scale = [1, 5]
time = "time"
time_unit = "s"
"""
SETTINGS = b"""[service]
port = 8000
hosts = ["shop.example"]
[milvus]
uri = "http://127.0.0.1:19530"
"""


def _parquet() -> bytes:
    names = ("user", "item", "rating", "time")
    made = BytesIO()
    pq.write_table(
        pa.table(dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True))), made
    )
    return made.getvalue()


_LINES = "\n".join(
    json.dumps(dict(zip(("user", "item", "rating", "time"), row, strict=True))) for row in ROWS
).encode()
_ITEM = json.dumps({"id": "n1", "title": "One", "genres": ["Drama", "War"], "year": 1999}).encode()
_PERSON = {"user": "3", "k": 3, "liked": ["5"], "history": [{"item": "1", "rating": 4}]}
_EVENT = {"user": "3", "item": "5", "kind": "rating", "value": 4, "time": 1_700_000_000}
# What is mutated, and by which of the functions below it is read.
INPUTS = [
    *(("data", name, text) for name, text in (("a.csv", CSV), ("a.jsonl", _LINES))),
    ("data", "a.parquet", _parquet()),
    ("described", "fusionrec.toml", TOML),
    ("described", "a.csv", CSV),
    ("items", "new.jsonl", _ITEM + b"\n" + _ITEM.replace(b"n1", b"n2")),
    ("items", "new.csv", b"id,title,genres,year\nn1,One,Drama|War,1999\nn2,Two,,\n"),
    ("settings", "settings.toml", SETTINGS),
    ("get", "", b"/v1/recommendations?user=3&k=3&where=year=1980..1989&explain=true"),
    ("get", "", b"/v1/search?q=the+war&user=3"),
    ("get", "", b"/v1/items/5/similar?k=3&only=1&without=2"),
    ("post", "/v1/recommendations", json.dumps(_PERSON).encode()),
    ("post", "/v1/feedback", json.dumps(_EVENT).encode()),
    ("put", "/v1/items/n1", _ITEM),
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The data with one to four changes."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) + 1)
        end = min(at + chance.choice((1, 2, 8, 40)), len(made))
        kind = chance.randrange(5)
        if kind == 0:
            made[at:end] = bytes(chance.randrange(256) for _ in range(end - at))
        elif kind == 1:
            del made[at:end]
        elif kind == 2:
            made[at:at] = chance.choice(AWKWARD)
        elif kind == 3:
            made[at:end] = chance.choice(AWKWARD)
        else:
            made[at:at] = bytes(made[at:end]) * chance.choice((1, 2, 500))
    return bytes(made)


class Reader:
    """Reads inputs as the program does; the service over a small model is made once."""

    def __init__(self, home: Path) -> None:
        self._home = home
        workspace = Workspace(home / "workspace")
        settings = ServiceSettings(rate=0.0)
        self._app = create_app(workspace, settings=settings)
        state = self._app.state.fusionrec
        self._schema = state.answer(lambda view: view.artifact.schema)
        secret = state.ledger.add_key(f"fuzz-{random.random()}", ["admin"])
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def read(self, number: int, seed: int) -> None:
        """Makes and reads an input; raises what is not a refusal."""
        chance = random.Random(f"{seed} {number}")
        kind, name, whole = chance.choice(INPUTS)
        data = mutated(whole, chance)
        if kind in ("get", "post", "put"):
            asyncio.run(self._ask(kind, name, data))
            return
        with tempfile.TemporaryDirectory(dir=self._home) as base:
            folder = Path(base)
            if kind == "described":
                (folder / "a.csv").write_bytes(CSV)
                (folder / "fusionrec.toml").write_bytes(TOML)
            (folder / name).write_bytes(data)
            with suppress(FusionrecError):  # that is what it is for
                self._readers[kind](self, folder, name)

    def _data(self, folder: Path, _: str) -> None:
        infer_spec(folder)

    def _described(self, folder: Path, _: str) -> None:
        load_data(str(folder), folder / "kept", accept=True)

    def _items(self, folder: Path, name: str) -> None:
        read_items(folder / name, self._schema)

    def _settings(self, folder: Path, name: str) -> None:
        ServiceSettings.from_dict(settings_table(folder / name, "service"))

    _readers: ClassVar[dict[str, Callable[[Reader, Path, str], None]]] = {
        "data": _data,
        "described": _described,
        "items": _items,
        "settings": _settings,
    }

    async def _ask(self, method: str, path: str, data: bytes) -> None:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            if method == "get":
                path, data = data.decode("latin-1"), b""
            try:
                asked = client.build_request(method, path, content=data, headers=self._headers)
            except (httpx.InvalidURL, ValueError):
                return  # this client cannot send it
            answer = await client.send(asked)
            if answer.status_code == 500 or "defect" in answer.text:
                raise AssertionError(f"{method} {path}: {answer.text[:300]}")


def group(home: str, first: int, last: int, seed: int, wrong: multiprocessing.Queue[str]) -> None:
    """Reads inputs in a process of its own."""

    def late(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"it takes longer than {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    reader, progress = Reader(Path(home)), Path(home, "progress")
    for number in range(first, last):
        progress.write_text(str(number))
        signal.alarm(SECONDS)
        try:
            reader.read(number, seed)
        except BaseException as error:
            wrong.put(f"{number}: {type(error).__name__}: {str(error)[:300]}")
        signal.alarm(0)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if memory > MEMORY:
            wrong.put(f"{number}: {memory / 1e6:,.0f} MB")
            return
    progress.write_text("done")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as home:
        data = synthetic(seed=1, users=30, items=20, interactions=400)
        train(data, LinearRecipe(), Workspace(Path(home, "workspace")))
        at, end = asked.first, asked.first + asked.count
        context = multiprocessing.get_context("spawn")
        while at < end:
            wrong = context.Queue()
            last = min(at + GROUP, end)
            process = context.Process(target=group, args=(home, at, last, asked.seed, wrong))
            process.start()
            process.join(GROUP * SECONDS)
            while not wrong.empty():
                faults.append(wrong.get())
                print(faults[-1], flush=True)
            reached = Path(home, "progress").read_text()
            at = last if reached == "done" else int(reached) + 1
            if reached != "done":
                process.kill()
                faults.append(f"{reached}: the process ended with {process.exitcode}")
                print(faults[-1], flush=True)
    print(f"{asked.count} inputs, {len(faults)} wrong")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
