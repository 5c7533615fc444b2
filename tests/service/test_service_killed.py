"""A service whose first process is killed leaves nothing behind, whenever that happens."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from builders import command
from serving import free_port
from swap_stress import eventually

MARK, TOKEN = "FUSIONREC_TEST_MARK", secrets.token_hex(8)


def marked() -> list[int]:
    """Processes of the service by their mark in the environment, zombies left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={TOKEN}\0".encode() in (folder / "environ").read_bytes():
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


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def started(indexed, port) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a service of two workers at ``port``; ends all that is left of it after the test."""
    arguments = command(indexed, "serve", "--port", str(port), "--workers", "2")
    made: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = os.environ | {MARK: TOKEN}
        made.append(subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=environment))
        return made[-1]

    yield start
    for pid in marked():
        os.kill(pid, signal.SIGKILL)
    for one in made:
        one.wait()


def kill(parent: subprocess.Popen[bytes]) -> None:
    """Kills the first process, with which all others must end."""
    parent.kill()
    parent.wait()
    eventually(lambda: not marked(), 20)


@pytest.mark.parametrize("moment", ["spawned", "unpickling", "importing", "opening", "ready"])
def test_no_worker_outlives_a_parent_that_is_killed(started, port, moment):
    parent = started()

    def some_worker_has_loaded(library: str) -> bool:
        return any(has_loaded(pid, library) for pid in marked() if pid != parent.pid)

    reached: dict[str, Callable[[], bool]] = {
        "spawned": lambda: len(marked()) > 2,  # one of them tracks resources
        "unpickling": lambda: some_worker_has_loaded("_pickle."),
        "importing": lambda: some_worker_has_loaded("_pydantic_core"),
        "opening": lambda: some_worker_has_loaded("sqlite3"),
        "ready": lambda: answers(port),
    }
    wait_for(reached[moment])
    kill(parent)
    if moment not in ("opening", "ready"):  # it had nothing open
        return
    again = started()
    eventually(lambda: answers(port), 200)
    again.terminate()
    assert again.wait(60) == 0
    eventually(lambda: not marked(), 20)


def test_a_worker_that_is_started_again_is_tied_too(started, port):
    parent = started()

    def workers() -> set[int]:
        return {p for p in marked() if p != parent.pid and has_loaded(p, "_pydantic_core")}

    eventually(lambda: answers(port) and len(workers()) == 2, 200)
    before = workers()
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(workers()) == 2 and workers() != before, 200)
    kill(parent)
