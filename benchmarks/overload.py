"""What a service does when more is asked than it can answer.

    python benchmarks/overload.py --home .fusionrec --factor 5
    python benchmarks/overload.py --home .fusionrec --factor 2 --serve=--no-copy

Measures the capacity by eight callers in a closed loop, then asks so many times as much for some
seconds, in an open loop: each request has its time, and is timed from then, whatever became of the
others. Says how soon answers and refusals came, how soon probes were answered meanwhile, and when
answers were as quick as before. The client is a process of its own; on few cores it takes some of
the service's processor time, in the capacity's measurement less than in the flood.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import shlex
import shutil
import tempfile
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from service_load import Service, closed_loop, known_users

_CONNECTIONS = 240  # at most; below what one address may have
_LATE = 20.0  # seconds after which a request counts as unanswered


class _Connection(asyncio.Protocol):
    """A connection that asks one thing at a time."""

    def __init__(self, free: deque[_Connection], done: Any) -> None:
        self._free, self._done = free, done
        self._text, self.due = b"", 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._free.append(self)

    def ask(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._text += data
        head, found, body = self._text.partition(b"\r\n\r\n")
        if not found:
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= size:
            self._done(int(head[9:12]), time.perf_counter() - self.due)
            self._text, self.due = b"", 0.0
            self._free.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        if self in self._free:
            self._free.remove(self)
        if self.due:
            self._done(0, time.perf_counter() - self.due)


async def _flood(port: int, users: list[str], rate: float, seconds: float) -> dict[str, Any]:
    """So many requests a second: status -> milliseconds of each, from when it was due."""
    spans: dict[int, list[float]] = defaultdict(list)
    free: deque[_Connection] = deque()
    loop, opened, late = asyncio.get_running_loop(), 0, 0
    paths = itertools.cycle(users)
    head = f"Host: 127.0.0.1:{port}\r\n\r\n"

    def done(status: int, span: float) -> None:
        spans[status].append(1000 * span)

    began, asked = time.perf_counter(), 0
    while (now := time.perf_counter()) < began + seconds:
        while asked < (now - began) * rate:
            if not free:
                if opened >= _CONNECTIONS:  # all are waiting: the client gives up on this one
                    late += 1
                    asked += 1
                    continue
                opened += 1
                await loop.create_connection(lambda: _Connection(free, done), "127.0.0.1", port)
            text = f"GET /v1/recommendations?k=10&user={next(paths)} HTTP/1.1\r\n{head}"
            free.popleft().ask(text.encode(), began + asked / rate)
            asked += 1
        await asyncio.sleep(0.001)
    end = time.perf_counter() + _LATE
    while len(free) < opened and time.perf_counter() < end:
        await asyncio.sleep(0.01)
    return {
        "spans": dict(spans),
        "asked": asked,
        "not_sent": late,
        "unanswered": opened - len(free),
    }


def _in_process(port: int, users: list[str], rate: float, seconds: float, pipe: Any) -> None:
    pipe.send(uvloop.run(_flood(port, users, rate, seconds)))


async def _probe(port: int, path: str, until: float) -> list[tuple[float, float, int]]:
    """When, after how many milliseconds and with which status a request of its own connection was
    answered, twenty a second.
    """
    found = []
    while (began := time.perf_counter()) < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
        status = int((await reader.readline())[9:12])
        found.append((began, 1000 * (time.perf_counter() - began), status))
        writer.close()
        await asyncio.sleep(0.05)
    return found


def _percentiles(spans: list[float]) -> dict[str, float]:
    p50, p99, most = np.percentile(spans, [50, 99, 100]).round(1).tolist()
    return {"count": len(spans), "p50_ms": p50, "p99_ms": p99, "max_ms": most}


async def measure(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of one flood."""
    users, path = known_users(home)
    service = Service(home, *shlex.split(given.serve))
    try:
        await closed_loop(service.port, 8, 3, path)
        capacity = await closed_loop(service.port, 8, 5, path)
        rate = given.factor * capacity["per_s"]
        spawn = multiprocessing.get_context("spawn")
        here, there = spawn.Pipe()
        arguments = service.port, users, rate, given.seconds, there
        client = spawn.Process(target=_in_process, args=arguments)
        client.start()
        began = time.perf_counter()
        health = await _probe(service.port, "/healthz", began + given.seconds + 2)
        flood = await asyncio.to_thread(here.recv)
        client.join()
        ended = time.perf_counter()
        after = await _probe(service.port, path(0), ended + 3)
        usual = 3 * capacity["p99_ms"]
        slow = [when for when, ms, status in after if ms > usual or status != 200]
        return {
            "capacity": capacity,
            "asked_per_s": round(rate),
            "not_sent": flood["not_sent"],
            "unanswered": flood["unanswered"],
            **{f"status {s}": _percentiles(v) for s, v in sorted(flood["spans"].items())},
            "healthz": _percentiles([ms for _, ms, _ in health]),
            "healthz_failed": sum(status != 200 for _, _, status in health),
            "after": _percentiles([ms for _, ms, _ in after]),
            "slow_until_s": round(max(slow) - ended, 2) if slow else 0.0,
            "memory_mb": service.memory_mb(),
        }
    finally:
        service.end()


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".fusionrec"))
    parser.add_argument("--serve", default="", help="options of serve, such as --serve=--no-copy")
    parser.add_argument("--set", nargs="*", default=[], help="settings, such as wait_seconds=0")
    parser.add_argument("--factor", type=float, default=5.0, help="times the capacity")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")  # a copy: what is shown is not kept
        shutil.copytree(given.home, home)
        with (home / "settings.toml").open("a") as file:
            file.write("\n[service]\nrate = 0\n" + "\n".join(given.set))
        print(json.dumps(asyncio.run(measure(home, given)), indent=2))


if __name__ == "__main__":
    main()
