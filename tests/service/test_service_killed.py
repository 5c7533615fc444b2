"""A service whose first process is killed leaves nothing behind, whenever that happens."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from builders import command
from serving import free_port
from swap_stress import eventually

MARK = "FUSIONREC_TEST_MARK"


def marked(mark: str) -> list[int]:
    """Processes with a mark in their environment, zombies left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def has_loaded(pid: int, library: str) -> bool:
    with suppress(OSError):
        return library in Path(f"/proc/{pid}/maps").read_text()
    return False


def answers(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    return False


def wait_for(true: Callable[[], bool], seconds: float = 200) -> None:
    """As ``eventually``, and at once."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize("moment", ["spawned", "unpickling", "importing", "opening", "ready"])
def test_no_worker_outlives_a_parent_that_is_killed(indexed, moment):
    port, mark = free_port(), secrets.token_hex(8)
    started = command(indexed, "serve", "--port", str(port), "--workers", "2")
    environment = os.environ | {MARK: mark}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(started, stderr=subprocess.DEVNULL, env=environment)

    def some_worker_has_loaded(library: str) -> bool:
        return any(has_loaded(pid, library) for pid in marked(mark) if pid != parent.pid)

    parent = start()
    try:
        reached: dict[str, Callable[[], bool]] = {
            "spawned": lambda: len(marked(mark)) > 2,  # one of them tracks resources
            "unpickling": lambda: some_worker_has_loaded("_pickle."),
            "importing": lambda: some_worker_has_loaded("_pydantic_core"),
            "opening": lambda: some_worker_has_loaded("sqlite3"),
            "ready": lambda: answers(port),
        }
        wait_for(reached[moment])
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        eventually(lambda: not marked(mark), 20)
        parent = start()
        eventually(lambda: answers(port), 200)
        parent.terminate()
        assert parent.wait(60) == 0
        eventually(lambda: not marked(mark), 20)
    finally:
        for pid in marked(mark):
            os.kill(pid, signal.SIGKILL)
        parent.wait()


def test_a_worker_that_is_started_again_is_tied_too(indexed):
    port, mark = free_port(), secrets.token_hex(8)
    started = command(indexed, "serve", "--port", str(port), "--workers", "2")
    parent = subprocess.Popen(started, stderr=subprocess.DEVNULL, env=os.environ | {MARK: mark})

    def workers() -> set[int]:
        return {p for p in marked(mark) if p != parent.pid and has_loaded(p, "_pydantic_core")}

    try:
        eventually(lambda: answers(port) and len(workers()) == 2, 200)
        before = workers()
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: len(workers()) == 2 and workers() != before, 200)
        parent.kill()
        parent.wait()
        eventually(lambda: not marked(mark), 20)
    finally:
        for pid in marked(mark):
            os.kill(pid, signal.SIGKILL)
        parent.wait()
