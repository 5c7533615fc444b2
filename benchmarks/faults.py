"""Lets every k-th system call that writes fail once, for k until none is left.

    python benchmarks/faults.py             # all operations, some minutes
    python benchmarks/faults.py record activate items migrate      # those of the ledger, seconds

After each failure: what was acknowledged is there, what was refused is not there in part, the
version that answered before still does, and the error is ours, with a hint. Needs `strace`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusionrec.cli.hints import hint_of
from fusionrec.deploy.build import build_index
from fusionrec.errors import FusionrecError
from fusionrec.ledger import Event, Ledger
from fusionrec.registry.vector_import.publish import publish_vectors
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

CALLS = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate", "rename", "link", "unlink")
MOST = 40  # failures of one system call in one operation; a store writes thousands of times
OLD = Path(__file__).parent.parent / "tests" / "legacy" / "workspace.tar.gz"
EVENTS = [Event(f"new-{n}", "ann", f"i{n}", "like") for n in range(3)]


@dataclass(frozen=True)
class Operation:
    """What is done, and how its effect is seen.

    Attributes:
        prepare: makes the workspace that it is done in.
        act: does it.
        state: what it changes, as it is now; the same value before, and another one after it.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Workspace], Any]
    state: Callable[[Workspace], Any]


def filled(home: Path) -> None:
    """A workspace with an indexed version and an event."""
    workspace = Workspace(home)
    home.mkdir()
    _publish(workspace)
    build_index(workspace, load(workspace))
    Ledger(workspace.ledger).record([Event("first", "ann", "i1", "like")])


def ledger_alone(home: Path) -> None:
    """A workspace with a ledger of one event and one activation."""
    with_event = Ledger(Workspace(home).ledger)
    with_event.record([Event("first", "ann", "i1", "like")])
    with_event.activate("v1", "")


def old(home: Path) -> None:
    """A workspace of version 0.1.0."""
    with tarfile.open(OLD) as archive:
        archive.extractall(home.parent / "old", filter="data")
    found = home.parent / "old" / "home" / "ledger.sqlite"
    shutil.move(found.parent, home)


def _publish(workspace: Workspace) -> None:
    file = workspace.home / "vectors.parquet"
    if not file.exists():
        vectors = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
        ids = [f"i{n}" for n in range(20)]
        pd.DataFrame({"id": ids, "vector": list(vectors)}).to_parquet(file)
    publish_vectors(workspace.models, file)


def _versions(workspace: Workspace) -> list[str]:
    names = sorted(path.name for path in workspace.models.iterdir() if path.name[0] != ".")
    return [load(workspace, name).version for name in names]  # each is whole


def _answers(workspace: Workspace) -> Any:
    from fusionrec.deploy.open import open_version

    opened = open_version(workspace)
    answer = opened.recommender.similar("i1", 3)
    opened.close()
    assert len(answer.items) == 3, answer
    # One that was damaged after its activation has been built again from the version.
    return min(len(Ledger(workspace.ledger).activations()), 2)


OPERATIONS = {
    "record": Operation(
        ledger_alone,
        lambda w: Ledger(w.ledger).record(EVENTS),
        lambda w: len(Ledger(w.ledger).events()),
    ),
    "activate": Operation(
        ledger_alone,
        lambda w: Ledger(w.ledger).activate("v1", "/elsewhere.db", 0, "another"),
        lambda w: len(Ledger(w.ledger).activations()),
    ),
    "items": Operation(
        ledger_alone,
        lambda w: Ledger(w.ledger).change_items({"i1": None, "i2": None, "i3": None}),
        lambda w: len(Ledger(w.ledger).item_changes()),
    ),
    "migrate": Operation(
        old,
        lambda w: Ledger(w.ledger).record(EVENTS),  # the first write brings the tables up to date
        lambda w: len(Ledger(w.ledger).events()),
    ),
    "publish": Operation(filled, _publish, _versions),
    "index": Operation(filled, lambda w: build_index(w, load(w)), _answers),
}


def forked(act: Callable[[], Any], call: str, number: int, log: Path) -> tuple[str, bool]:
    """Does something in a process of its own whose n-th call of this kind fails; gives how that
    ended, ``done`` or what was raised, and whether a call failed.
    """
    go, went = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.read(go[0], 1)
        try:
            act()
            said = "done"
        except FusionrecError as error:
            said = f"refused: {error.message} / {hint_of(error) or ''}"
        except BaseException as error:
            said = f"raised {type(error).__name__}: {error}"
        while said:  # this, too, is a write
            try:
                os.write(went[1], said.encode())
                break
            except OSError:
                continue
        os._exit(0)
    os.close(went[1])
    inject = f"inject={call}:error=ENOSPC:when={number}"
    tracing = ["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={call}", "-e", inject]
    with subprocess.Popen([*tracing, "-p", str(child)], stderr=subprocess.PIPE) as tracer:
        status = Path(f"/proc/{child}/status")
        while "TracerPid:\t0\n" in status.read_text():
            if tracer.poll() is not None:
                sys.exit(f"strace cannot attach here: {tracer.stderr and tracer.stderr.read()!r}")
            time.sleep(0.002)
        time.sleep(0.01)
        os.write(go[1], b"x")
        said = b"".join(iter(lambda: os.read(went[0], 65_536), b"")).decode()
        os.waitpid(child, 0)
    for end in (*go, went[0]):
        os.close(end)
    return said or "died", "(INJECTED)" in log.read_text()


def faults(name: str, base: Path) -> Iterator[str]:
    """Tries all failures of an operation; gives what is wrong."""
    operation, kept = OPERATIONS[name], base / f"{name}.kept"
    operation.prepare(kept)
    # The states are read in forks: no connection or store of this process is shared.
    home, tried = base / name, 0

    def fresh() -> Workspace:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(kept, home)
        return Workspace(home)

    def state(workspace: Workspace) -> str:
        return apart(lambda: repr(operation.state(workspace)))

    before = state(fresh())
    workspace = fresh()
    apart(lambda: repr(operation.act(workspace)))
    after = state(workspace)
    if before == after:
        yield f"{name}: nothing tells whether it was done"
    for call in CALLS:
        for number in range(1, MOST + 1):
            workspace = fresh()
            act = partial(operation.act, workspace)
            said, failed = forked(act, call, number, base / "log")
            if not failed:
                break
            tried += 1
            now, where = state(workspace), f"{name}, {call} {number}: {said}"
            acknowledged = said == "done"
            if now not in ((after,) if acknowledged else (before, after)):
                yield f"{where}; it was {before} and is {now}"
            if now.startswith("raised"):
                yield f"{where}; afterwards {now}"
            if not acknowledged and (not said.startswith("refused") or said.endswith("/ ")):
                yield where
    print(f"{name}: {tried} failures", flush=True)


def apart(act: Callable[[], str]) -> str:
    """What a function gives, in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = act()
        except BaseException as error:
            said = f"raised {type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    said = b"".join(iter(lambda: os.read(read, 65_536), b"")).decode()
    os.waitpid(child, 0)
    os.close(read)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operations", nargs="*", help="some of: " + ", ".join(OPERATIONS))
    named = parser.parse_args().operations
    if unknown := set(named) - set(OPERATIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if shutil.which("strace") is None:
        print("skipped: strace is not installed")
        return
    wrong = 0
    with tempfile.TemporaryDirectory() as base:
        for name in named or OPERATIONS:
            for text in faults(name, Path(base)):
                print(f"wrong: {text}", flush=True)
                wrong += 1
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
