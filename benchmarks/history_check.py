"""Whether feedback is neither lost nor doubled, whatever happens to the service and its disk.

    python benchmarks/history_check.py
    python benchmarks/history_check.py --seconds 20 --seed 3

Makes a small workspace, or copies one, and runs ``fusionrec serve --workers 2`` on it. Clients
send feedback with ids, some of it again, and note each call and its outcome. Meanwhile an
adversary, drawn by the seed, kills workers, the first process or all, stops and continues workers,
gives them a full disk (a limit of file size, for which no rights are needed), and holds the
ledger's lock for longer than a write may wait. The clocks of clients are wrong by minutes. A
service that is gone is started anew.

At the end the ledger is read. An event that was acknowledged (201) once or more must be there once;
one that was only refused must not be there; one whose outcome is not known (the connection was
lost, or the code says so) at most once. The service, and a process that opens the workspace now,
must leave the same items out of answers: those that the ledger says. The ledger must pass SQLite's
own check, and no process may be left. Prints what happened, and exits with 1 where a promise was
broken.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import secrets
import shutil
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
from typing import Any

import httpx

from fusionrec import Recommender
from fusionrec.ledger import Ledger
from fusionrec.workspace import Workspace

_MARK = "FUSIONREC_HISTORY_CHECK"  # of the environment: by it a process is known that was left
_READY = 180.0  # seconds in which it must answer after a start, on a busy machine too
_WRITE = 1.0  # seconds that a write may take
_TRAINING = ["--data", "synthetic", "--model", "linear"]
_KINDS = ("like", "dislike", "view", "hide", "rating")
_ITEMS = [str(number) for number in range(3, 15)]
_REFUSED_AHEAD = 400.0  # seconds; times more than 300 s ahead are refused


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
            command(self._home, *serve),
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
        """Its workers."""
        return [pid for pid in self.processes() if pid != self._process.pid]

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
    """Threads that send events and note what became of each call.

    Attributes:
        outcomes: event id -> outcomes of the calls that sent it.
        said: how many calls had which outcome.
    """

    def __init__(self, url: str, count: int, seed: int) -> None:
        self._url, self._ended = url, threading.Event()
        self.outcomes: dict[str, list[str]] = {}
        self.said: Counter[str] = Counter()
        self.users = [f"user-{number}-{n}" for number in range(count) for n in range(3)]
        self._threads = [
            threading.Thread(target=self._run, args=(number, random.Random(f"{seed}-{number}")))
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ends them after the calls under way."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int, chance: random.Random) -> None:
        client, count = httpx.Client(base_url=self._url, timeout=5), 0
        sent: list[dict[str, Any]] = []
        while not self._ended.is_set():
            if sent and chance.random() < 0.2:
                event = chance.choice(sent[-20:])  # again, whatever became of it
            else:
                count += 1
                event = self._event(f"{number}-{count}", f"user-{number}-{count % 3}", chance)
                sent.append(event)
            outcome = self._outcome(client, event)
            self.outcomes.setdefault(event["id"], []).append(outcome)
            self.said[outcome] += 1
            if outcome != "acknowledged":
                time.sleep(0.05)
                client.close()
                client = httpx.Client(base_url=self._url, timeout=5)
        client.close()

    def _event(self, id: str, user: str, chance: random.Random) -> dict[str, Any]:
        kind = chance.choice(_KINDS)
        wrong = chance.choice([0.0, 0.0, -3_600.0, -30.0, 200.0, _REFUSED_AHEAD])
        event = {"id": id, "user": user, "item": chance.choice(_ITEMS), "kind": kind}
        rating = {"rating": 2.0} if kind == "rating" else {}
        return event | rating | {"time": time.time() + wrong}

    def _outcome(self, client: httpx.Client, event: dict[str, Any]) -> str:
        try:
            answer = client.post("/v1/feedback", json=event)
        except httpx.TransportError as error:
            # Nothing was sent where there was no connection.
            return "refused" if isinstance(error, httpx.ConnectError) else "unknown"
        if answer.status_code == 201:
            return "acknowledged"
        unknown = answer.status_code == 500 or answer.json()["code"] == "outcome_unknown"
        return "unknown" if unknown else "refused"


class Adversary:
    """Does one harm after the other to a service, drawn by a seed."""

    def __init__(self, service: Service, ledger: Path, seed: int) -> None:
        self._service, self._ledger, self._chance = service, ledger, random.Random(seed)
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []

    def run(self, seconds: float) -> None:
        """Harms for some seconds, and ends when the service answers again."""
        end = time.monotonic() + seconds
        harms: dict[str, Callable[[], None]] = {
            "kill worker": lambda: self._kill("worker"),
            "kill parent": lambda: self._kill("parent"),
            "kill all": lambda: self._kill("all"),
            "pause": self._pause,
            "full disk": self._full_disk,
            "lock": self._lock,
        }
        while time.monotonic() < end:
            self._await_ready()
            time.sleep(self._chance.uniform(0, 1))
            name = self._chance.choice(list(harms))
            harms[name]()
            self.done[name] += 1
        self._await_ready()

    def _await_ready(self) -> None:
        if within(_READY, lambda: self._service.is_ready) is None:
            self.broken.append(f"it is not ready {_READY:g} s after {dict(self.done)}")

    def _kill(self, whom: str) -> None:
        self._service.kill(whom)
        if self._service.is_gone:
            if within(15, lambda: not self._service.processes()) is None:
                self.broken.append(f"after {whom} was killed processes are left")
            self._service.start()
            if self._chance.random() < 0.3:  # once more while it starts
                time.sleep(self._chance.uniform(0, 3))
                self._kill(self._chance.choice(["parent", "all"]))

    def _pause(self) -> None:
        paused = self._service.workers()[: self._chance.choice([1, 2])]
        for pid in paused:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.1, 2))
        for pid in paused:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _full_disk(self) -> None:
        """No worker can make a file longer than some bytes; half of the times one is killed so."""
        size = self._chance.choice([0, 10_000, 200_000])
        for pid in self._service.workers():
            self._limit(pid, size)
        time.sleep(self._chance.uniform(0.3, 1.5))
        if self._chance.random() < 0.5:
            self._service.kill("worker")
        for pid in self._service.workers():
            self._limit(pid, resource.RLIM_INFINITY)

    def _limit(self, pid: int, size: int) -> None:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))

    def _lock(self) -> None:
        with closing(sqlite3.connect(self._ledger, 30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(self._chance.uniform(0.2, 2 * _WRITE))
            other.execute("ROLLBACK")


def command(home: Path, *arguments: str) -> list[str]:
    """A command for a process of its own."""
    return [sys.executable, "-m", "fusionrec", "--home", str(home), *arguments]


def within(seconds: float, true: Callable[[], bool]) -> float | None:
    """After how many seconds something became true; None where it did not."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(0.05)
    return time.monotonic() - began


def history_broken(ledger: Ledger, outcomes: dict[str, list[str]]) -> list[str]:
    """What the ledger has too much of, or too little."""
    held = Counter(event.id for _, event in ledger.events())
    wrong: dict[str, list[str]] = {
        "lost": [id for id, said in outcomes.items() if "acknowledged" in said and not held[id]],
        "refused, and there": [
            i for i, said in outcomes.items() if {*said} == {"refused"} and held[i]
        ],
        "twice": [id for id, count in held.items() if count > 1],
        "never sent": [id for id in held if id not in outcomes],
    }
    print(", ".join(f"{what}: {len(those)}" for what, those in wrong.items()))
    return [f"{what}: {those[:5]}" for what, those in wrong.items() if those]


def answers_broken(home: Path, url: str, ledger: Ledger, users: list[str]) -> list[str]:
    """Where the service, or a process that opens the workspace now, does not follow the ledger."""
    broken = []
    with Recommender(home) as fresh, httpx.Client(base_url=url, timeout=15) as client:
        for user in users:
            latest: dict[str, str] = {}
            out: set[str] = set()
            for _, event in sorted(
                ledger.user_state(user).events, key=lambda one: (one[1].time, one[0])
            ):
                if event.kind != "view":
                    latest[event.item] = event.kind
                    out |= {event.item} if event.kind != "hide" else set()
            out |= {item for item, kind in latest.items() if kind == "hide"}
            asked: dict[str, Any] = {"user": user, "k": 50, "only": _ITEMS}
            served = client.get("/v1/recommendations", params=asked).json()["items"]
            found = {"the service": {item["id"] for item in served}}
            if latest:
                answer = fresh.recommend(user, k=50, only=_ITEMS)
                found["a new process"] = {item.id for item in answer.items}
            for who, ids in found.items():
                if ids != {*_ITEMS} - out:
                    broken.append(
                        f"{who} answers {user} {sorted(ids)}, and must leave out {sorted(out)}"
                    )
    print(f"answers compared: {len(users)} users, different: {len(broken)}")
    return broken


def checked(home: Path, seconds: float, clients_count: int, seed: int) -> list[str]:
    """All that was broken in one run on a workspace with an index, which is changed."""
    with (home / "settings.toml").open("a") as settings:
        settings.write(f"\n[service]\nrate = 0\nwrite_seconds = {_WRITE}\n")
    service, workspace = Service(home), Workspace(home)
    adversary = Adversary(service, Path(workspace.ledger), seed)
    try:
        if within(_READY, lambda: service.is_ready) is None:
            return ["it does not start"]
        clients = Clients(service.url, clients_count, seed)
        try:
            adversary.run(seconds)
            time.sleep(1)  # some calls of a service that is well again
        finally:
            clients.end()
        ledger = Ledger(workspace.ledger)
        broken = adversary.broken + answers_broken(home, service.url, ledger, clients.users)
        service.stop()
        print(f"harms: {dict(sorted(adversary.done.items()))}")
        print(f"events: {len(clients.outcomes)}, calls: {dict(sorted(clients.said.items()))}")
        broken += history_broken(ledger, clients.outcomes)
        ledger.close()
        with closing(sqlite3.connect(workspace.ledger)) as database:
            [[said]] = database.execute("PRAGMA integrity_check").fetchall()[:1]
        broken += [] if said == "ok" else [f"integrity_check: {said}"]
        left = within(15, lambda: not service.processes()) is None
        return broken + ([f"processes left: {service.processes()}"] if left else [])
    finally:
        for pid in service.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Prints what happened, and what was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1_200.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0, help="of what is done, and when")
    parser.add_argument("--home", type=Path, help="a workspace with an index, which is copied")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        if given.home is not None:
            shutil.copytree(given.home, home)
        for words in [] if given.home else (["train", *_TRAINING], ["index"]):
            subprocess.run(command(home, *words), check=True, capture_output=True)
        broken = checked(home, given.seconds, given.clients, given.seed)
    for one in broken:
        print(f"BROKEN {one}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
