"""Whether the service keeps its promises when its processes are killed at random moments.

    python benchmarks/kills.py
    python benchmarks/kills.py --kills 2

Makes a small workspace, runs ``fusionrec serve --workers 2`` on it, and sends feedback from several
threads, each event with an id and again until it is acknowledged. Meanwhile the first process, one
worker or all processes are killed with SIGKILL, while they start or while they answer; a service
that is gone is started anew on the same port. At the end nothing that was acknowledged may be lost,
no event may be there twice, no process may be left, and the ledger must pass SQLite's own check.
Prints a table; exits with 1 where a promise was broken. All of it on this machine's loopback.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import httpx

from fusionrec.ledger import Ledger
from fusionrec.workspace import Workspace

_MARK = "FUSIONREC_KILLS"  # of the environment: by it a process is known that was left behind
_READY = 180.0  # seconds in which it must answer after a start, on a busy machine too
_TRAINING = ["--data", "synthetic", "--preset", "quick", "--set", "training.epochs=1"]


class Service:
    """``fusionrec serve`` with two workers, started as often as it was killed."""

    def __init__(self, home: Path) -> None:
        self._home, self._mark = home, secrets.token_hex(8)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Starts it anew, on the same port."""
        serve = ["serve", "--port", str(self.port), "--workers", "2"]
        self._process = subprocess.Popen(
            _command(self._home, *serve),
            env=os.environ | {_MARK: self._mark},
            stderr=subprocess.DEVNULL,
        )

    def processes(self) -> list[int]:
        """All that are alive, of this start or an earlier one."""
        found, mark = [], f"{_MARK}={self._mark}\0".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def workers(self) -> list[int]:
        """Its workers; not the process that Python's ``multiprocessing`` keeps beside them."""
        found = []
        for pid in self.processes():
            with suppress(OSError):
                said = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"spawn_main" in said:
                    found.append(pid)
        return found

    def kill(self, whom: str) -> None:
        """Kills the first process, one worker, or all."""
        first, workers = self._process.pid, self.workers()
        killed = {"parent": [first], "worker": workers[:1], "all": self.processes()}[whom]
        for pid in killed or [first]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if first in (killed or [first]):
            self._process.wait()

    @property
    def is_gone(self) -> bool:
        """Whether the first process has ended."""
        return self._process.poll() is not None

    @property
    def is_ready(self) -> bool:
        """Whether it answers."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def stop(self) -> None:
        """Ends it in order."""
        self._process.terminate()
        self._process.wait(60)


class Clients:
    """Threads that send events, each again until it is acknowledged, and ask for answers."""

    def __init__(self, url: str, count: int) -> None:
        self._url, self._ended = url, threading.Event()
        self.acknowledged: list[str] = []
        self.refused = 0  # attempts that failed
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ends them when what they were sending is acknowledged."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=15) as client:
            count = 0
            while not self._ended.is_set():
                count += 1
                self._send(client, f"{number}-{count}", f"user-{number}")
                with suppress(httpx.TransportError):
                    client.get("/v1/recommendations", params={"user": f"user-{number}"})

    def _send(self, client: httpx.Client, id: str, user: str) -> None:
        event = {"id": id, "user": user, "item": "3", "kind": "view"}
        while True:
            with suppress(httpx.TransportError):
                if client.post("/v1/feedback", json=event).status_code == 201:
                    self.acknowledged.append(id)
                    return
            self.refused += 1
            time.sleep(0.05)


def _command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "fusionrec", "--home", str(home), *arguments]


def _within(seconds: float, true: Callable[[], bool]) -> float | None:
    """After how many seconds something became true; None where it did not."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(0.05)
    return time.monotonic() - began


def rounds(service: Service, clients: Clients, kills: int, seed: int) -> list[str]:
    """Kills, and starts again; gives what promises were broken, and prints a line for each kill."""
    broken, chance = [], random.Random(seed)
    print("kill\twhom\twhile\tgone after s\tready after s\tacknowledged", flush=True)
    for number in range(1, kills + 1):
        whom, starting = chance.choice(["parent", "worker", "all"]), chance.random() < 0.5
        if not starting and _within(_READY, lambda: service.is_ready) is None:
            broken.append(f"before kill {number}: it is not ready after {_READY:g} s")
        time.sleep(chance.uniform(0, 4 if starting else 2))
        answering = service.is_ready
        service.kill(whom)
        began, gone = time.monotonic(), 0.0
        if service.is_gone:
            after = _within(15, lambda: not service.processes())
            if after is None:
                broken.append(f"kill {number} ({whom}): processes are left: {service.processes()}")
            gone = 15.0 if after is None else after
            service.start()
        # Half of the next kills hit a service that is still starting.
        ready = _within(_READY, lambda: service.is_ready) if chance.random() < 0.5 else None
        took = f"{time.monotonic() - began:.1f}" if ready is not None else "not awaited"
        phase = "answering" if answering else "starting"
        known = len(clients.acknowledged)
        print(f"{number}\t{whom}\t{phase}\t{gone:.1f}\t{took}\t{known}", flush=True)
    return broken


def found_broken(home: Path, service: Service, clients: Clients) -> list[str]:
    """What is wrong at the end."""
    ledger = Ledger(Workspace(home).ledger)
    held = Counter(event.id for _, event in ledger.events())
    lost = sorted(set(clients.acknowledged) - held.keys())
    twice = [id for id, count in held.items() if count > 1]
    ledger.close()
    with closing(sqlite3.connect(home / "ledger.sqlite")) as database:
        [[said]] = database.execute("PRAGMA integrity_check").fetchall()[:1]
    left = [] if _within(15, lambda: not service.processes()) is not None else service.processes()
    print(f"acknowledged {len(clients.acknowledged)}, attempts that failed {clients.refused}")
    print(f"lost {len(lost)}, twice {len(twice)}, processes left {len(left)}, integrity {said}")
    wrong = {"lost": lost[:5], "twice": twice[:5], "processes left": left}
    broken = [f"{what}: {those}" for what, those in wrong.items() if those]
    return broken + ([] if said == "ok" else [f"integrity_check: {said}"])


def main() -> None:
    """Prints a table, and what was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0, help="of whom is killed, and when")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        for words in (["train", *_TRAINING], ["index"]):
            done = _command(home, *words)
            subprocess.run(done, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (home / "settings.toml").write_text("[service]\nrate = 0\n")
        service = Service(home)
        clients = Clients(service.url, given.clients)
        try:
            broken = rounds(service, clients, given.kills, given.seed)
            if _within(_READY, lambda: service.is_ready) is None:
                broken.append(f"it is not ready {_READY:g} s after the last kill")
            else:
                clients.end()
            service.stop()
            broken += found_broken(home, service, clients)
        finally:
            for pid in service.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    print(f"{given.kills} kills in {time.monotonic() - began:.0f} s")
    for one in broken:
        print(f"BROKEN {one}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
