"""How many answers a second the service gives, how soon, and whether it keeps what it was told.

    python benchmarks/service_load.py answers --home .fusionrec                       # the copy
    python benchmarks/service_load.py answers --home .fusionrec --serve=--no-copy   # Milvus
    python benchmarks/service_load.py answers --home .fusionrec --store-pid PID     # its server
    python benchmarks/service_load.py events --home .fusionrec --events 100000
    python benchmarks/service_load.py guards --home .fusionrec

Starts ``fusionrec serve`` on the workspace and asks it from this process, on the same machine.
``answers``: known users of the active version in turn, k = 10, none twice in a row, so that no
answer can be one of before; first an open loop (so many a second, whether or not the ones before
are answered), then a closed one (so many callers, each asks again when it is answered). Of the
closed loop also the processor time of an answer: of the service's processes, of a Milvus server's
process, if its number is given, and of what asks. Unlike the rate it depends little on what else
the machine does: so many cores, divided by their sum, are the rate that is possible.
``events``: callers post feedback one by one; meanwhile the service is killed with SIGKILL and
started again, once or more often; every event that was answered with 201 must be in the ledger,
once.
``guards``: a body of 200 MB, in one piece and in chunks, and what the service's memory grows by;
then 200 clients that send a byte of their heads a second, when they are dropped, and how soon
others are answered meanwhile. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

_THREADS = 32  # of the open loop


class Service:
    """A running ``fusionrec serve``, reached at ``port``."""

    def __init__(self, home: Path, *options: str) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", "fusionrec", "--home", str(home), "serve", "--port", "0"]
        self._process = subprocess.Popen(
            [*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stderr is not None
        self.said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", self.said)):
            line = self._process.stderr.readline()
            if not line:
                raise SystemExit(f"the service ended: {self.said}")
            self.said += line
        self.port, self.ready_s = int(found[1]), round(time.perf_counter() - began, 2)

    def pids(self) -> list[int]:
        """Its processes."""
        group, found = os.getpgid(self._process.pid), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getpgid(int(folder.name)) == group:
                    found.append(int(folder.name))
        return found

    def memory_mb(self) -> list[int]:
        """What its processes hold, the largest first."""
        held = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                held += [int(size) // 1024 for size in re.findall(r"VmRSS:\s+(\d+)", status)]
        return sorted(held, reverse=True)

    def processor_s(self) -> float:
        """The processor time that its processes have taken."""
        return sum(map(processor_s, self.pids()))

    def cpu_ms(self) -> float:
        """The same of the threads that run now, in milliseconds and not in whole ticks of 10."""
        took = 0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    took += int(task.read_text().split()[0])
        return took / 1e6

    def end(self, how: int = signal.SIGTERM) -> None:
        """Ends it, and all its processes."""
        os.killpg(self._process.pid, how)
        self._process.wait()


def processor_s(pid: int) -> float:
    """The processor time that a process has taken; that of its threads which have ended too."""
    taken = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, taken)) / os.sysconf("SC_CLK_TCK")


class Caller:
    """One connection that asks and waits; opened again where it was closed."""

    def __init__(self, port: int, key: str = "") -> None:
        self._port = port
        self._key = f"Authorization: Bearer {key}\r\n" if key else ""
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of one answer; raises OSError where there is none."""
        ended = self._reader is not None and self._reader.at_eof()  # idle for too long
        if self._writer is None or self._writer.is_closing() or ended:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{self._key}\r\n"
        try:
            self._writer.write(head.encode() + body)
            told = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            size = re.search(rb"content-length: (\d+)", told)
            text = await self._reader.readexactly(int(size[1]) if size else 0)
        except asyncio.IncompleteReadError as error:
            self._writer.close()
            raise ConnectionResetError("the connection ended") from error
        return int(told.split(b" ", 2)[1]), text


async def closed_loop(
    port: int, callers: int, seconds: float, path: Callable[[int], str]
) -> dict[str, Any]:
    """So many callers, each asking again as soon as it is answered."""
    spans: list[float] = []
    statuses: Counter[int] = Counter()
    end, number = time.perf_counter() + seconds, iter(range(10**9))

    async def call() -> None:
        caller = Caller(port)
        while (began := time.perf_counter()) < end:
            status, _ = await caller.ask("GET", path(next(number)))
            spans.append(1000 * (time.perf_counter() - began))
            statuses[status] += 1

    await asyncio.gather(*(call() for _ in range(callers)))
    return figures(spans, statuses) | {"callers": callers, "per_s": round(len(spans) / seconds)}


def wrk_loop(port: int, callers: int, seconds: float, users: Sequence[str]) -> dict[str, Any]:
    """The closed loop by wrk, which takes a tenth of the processor's time that Python takes: on a
    small machine it is taken from the service.
    """
    listed = ",".join(f'"{user}"' for user in users)
    script = f"""
        local users, number = {{{listed}}}, 0
        request = function()
          number = number % #users + 1
          return wrk.format("GET", "/v1/recommendations?k=10&user=" .. users[number])
        end
        done = function(summary, latency, requests)
          local ms = function(p) return latency:percentile(p) / 1000 end
          local e = summary.errors
          io.write(string.format("FOUND %f %f %f %d %d", ms(50), ms(90), ms(99),
            summary.requests, e.status + e.connect + e.read + e.write + e.timeout))
        end"""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{callers}", f"-d{seconds:.0f}s", "-s", file.name]
        command.append(f"http://127.0.0.1:{port}")
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    p50, p90, p99, count, failed = map(float, said.rpartition("FOUND ")[2].split())
    spans = {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
    found = {name: round(value, 2) for name, value in spans.items()}
    about = {"client": "wrk", "failed": int(failed), "callers": callers}
    return found | about | {"per_s": round(count / seconds)}


def open_loop(port: int, rate: float, seconds: float, path: Callable[[int], str]) -> dict[str, Any]:
    """So many a second, each timed from when it was due. By threads that sleep until then: an event
    loop wakes up to a millisecond late.
    """
    spans, statuses = np.zeros(int(rate * seconds)), Counter[int]()
    began = time.perf_counter() + 0.1

    def call(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for number in range(first, len(spans), _THREADS):
            due = began + number / rate
            time.sleep(max(due - time.perf_counter(), 0))
            connection.request("GET", path(number))
            answer = connection.getresponse()
            answer.read()
            spans[number] = 1000 * (time.perf_counter() - due)
            statuses[answer.status] += 1
        connection.close()

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(call, range(_THREADS)))
    return figures(spans, statuses) | {"asked_per_s": rate}


def figures(spans: Sequence[float] | np.ndarray, statuses: Counter[int]) -> dict[str, Any]:
    """Milliseconds, and how many answers had which status."""
    p50, p90, p99 = np.percentile(spans, [50, 90, 99]).round(2).tolist()
    return {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "statuses": dict(statuses)}


def known_users(home: Path) -> tuple[list[str], Callable[[int], str]]:
    """The users of the active version, shuffled, and the address that asks for one after the
    other.
    """
    users = list(load(Workspace(home)).users.ids)
    np.random.default_rng(0).shuffle(users)
    return users, lambda number: f"/v1/recommendations?user={users[number % len(users)]}&k=10"


async def answers(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The open and the closed loop."""
    users, path = known_users(home)
    service = Service(home, *shlex.split(given.serve))
    try:
        found: dict[str, Any] = {"ready_s": service.ready_s}
        _, first = await Caller(service.port).ask("GET", path(0))
        found["place"] = json.loads(first)["place"]
        await closed_loop(service.port, given.callers, 2, path)  # until all is warm
        found["open"] = await asyncio.to_thread(
            open_loop, service.port, given.rate, given.seconds, path
        )
        loop = (service.port, given.callers, given.seconds)
        with processor_ms(service, given.store_pid) as taken:
            found["closed"] = await closed_loop(*loop, path)
        found["closed"] |= taken(found["closed"]["per_s"] * given.seconds)
        if shutil.which("wrk"):
            with processor_ms(service, given.store_pid) as taken:
                found["closed by wrk"] = await asyncio.to_thread(wrk_loop, *loop, users)
            found["closed by wrk"] |= taken(found["closed by wrk"]["per_s"] * given.seconds)
        found["memory_mb"] = service.memory_mb()
        status, text = await Caller(service.port).ask("GET", "/metrics")
        found["mean_ms_of_a_stage"] = stages(text.decode()) if status == 200 else {}
    finally:
        service.end()
    return found


@contextlib.contextmanager
def processor_ms(
    service: Service, store: int | None
) -> Iterator[Callable[[float], dict[str, dict[str, float]]]]:
    """Measures what a block takes. Gives what makes of a number of answers the milliseconds of the
    processor that one took.
    """

    def taken() -> dict[str, float]:
        times = os.times()
        asking = times.user + times.system + times.children_user + times.children_system
        held = {"service": service.processor_s(), "asking": asking}
        return held if store is None else held | {"store": processor_s(store)}

    before, after = taken(), dict[str, float]()

    def of_answer(answers: float) -> dict[str, dict[str, float]]:
        spent = {who: 1000 * (after[who] - before[who]) / answers for who in before}
        return {"processor_ms": {who: round(ms, 3) for who, ms in spent.items()}}

    yield of_answer
    after |= taken()


def stages(metrics: str) -> dict[str, float]:
    """Stage -> its mean time in milliseconds, out of Prometheus' text."""
    pattern = r'^fusionrec_stage_seconds_(sum|count){stage="(\w+)"} (\S+)'
    held = {(s, what): float(n) for what, s, n in re.findall(pattern, metrics, re.M)}
    return {s: round(1000 * held[s, "sum"] / held[s, "count"], 3) for s, w in held if w == "sum"}


async def events(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Events posted, of which each that was answered must be kept."""
    artifact = load(Workspace(home))
    users, items = list(artifact.users.ids), list(artifact.items.ids)
    service, kept, kills = Service(home, *shlex.split(given.serve)), set[str](), 0
    waiting, again = iter(range(given.events)), list[int]()
    began = time.perf_counter()

    async def call() -> None:
        caller = Caller(service.port)
        while (number := again.pop() if again else next(waiting, None)) is not None:
            body = {"id": f"event-{number}", "user": users[number % len(users)]}
            body |= {"item": items[number * 7 % len(items)], "kind": "view"}
            try:
                status, text = await caller.ask("POST", "/v1/feedback", json.dumps(body).encode())
            except OSError:
                again.append(number)  # not known whether it was kept: said again, by the same id
                caller = Caller(service.port)
                await asyncio.sleep(0.05)
                continue
            assert status == 201, text
            kept.add(body["id"])

    async def kill() -> None:
        nonlocal service, kills
        for turn in range(given.kills):
            while len(kept) < given.events * (turn + 1) // (given.kills + 1):
                await asyncio.sleep(0.01)
            service.end(signal.SIGKILL)
            kills += 1
            service = await asyncio.to_thread(Service, home, *shlex.split(given.serve))

    work: list[Awaitable[None]] = [call() for _ in range(given.callers)]
    await asyncio.gather(kill(), *work)
    lasted = time.perf_counter() - began
    service.end()
    held = Counter(event.id for _, event in Ledger(Workspace(home).ledger).events())
    return {
        "posted": given.events,
        "kills": kills,
        "acknowledged": len(kept),
        "lost": len(kept - held.keys()),
        "twice": sum(count > 1 for count in held.values()),
        "per_s": round(given.events / lasted),
    }


async def guards(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """What a body that is too large costs, and heads that come too slowly."""
    service = Service(home, *shlex.split(given.serve))
    user = load(Workspace(home)).users.ids[0]

    def path(_: int) -> str:
        return f"/v1/recommendations?user={user}&k=10"

    try:
        await closed_loop(service.port, 1, 1, path)
        alone = await asyncio.to_thread(open_loop, service.port, 50, 5, path)
        found: dict[str, Any] = {"200 MB": [await flood(service, c) for c in (False, True)]}
        slow = [asyncio.create_task(dawdle(service.port)) for _ in range(200)]
        meanwhile = await asyncio.to_thread(open_loop, service.port, 50, 5, path)
        kept = await asyncio.gather(*slow)
        found["200 slow heads"] = {"dropped_after_s": [round(min(kept), 1), round(max(kept), 1)]}
        found["others"] = {"alone": alone, "meanwhile": meanwhile}
    finally:
        service.end()
    return found


async def flood(service: Service, chunked: bool) -> dict[str, Any]:
    """A body of 200 MB: the answer's status, and how many MB the service grew by at most."""
    before = most = service.memory_mb()[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 200000000"
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n{length}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode())
    block, sent = b" " * 1_000_000, 0
    with contextlib.suppress(OSError):  # refused, it no longer reads
        for _ in range(200):
            writer.write(b"F4240\r\n" + block + b"\r\n" if chunked else block)
            await writer.drain()
            sent += 1
            most = max(most, service.memory_mb()[0])
    with contextlib.suppress(OSError):
        status = (await reader.readline()).split(b" ")[1].decode()
    writer.close()
    most = max(most, service.memory_mb()[0])
    return {"chunked": chunked, "status": status, "sent_mb": sent, "grew_mb": most - before}


async def dawdle(port: int) -> float:
    """Sends a head, a byte a second; seconds until it was dropped."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for byte in b"GET /v1/recommendations?user=1 HTTP/1.1":
        try:
            writer.write(bytes([byte]))
            await asyncio.wait_for(reader.read(1), 1)
            break
        except TimeoutError:
            continue
        except OSError:
            break
    writer.close()
    return time.perf_counter() - began


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["answers", "events", "guards"])
    parser.add_argument("--home", type=Path, default=Path(".fusionrec"))
    parser.add_argument("--serve", default="", help="options of serve, such as --serve=--no-copy")
    parser.add_argument("--set", nargs="*", default=[], help="settings, such as threads=2")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--store-pid", type=int, help="of the process of a Milvus server")
    parser.add_argument("--kills", type=int, default=1, help="while events are posted")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")  # a copy: what is posted is not kept
        shutil.copytree(given.home, home)
        with (home / "settings.toml").open("a") as file:
            file.write("\n[service]\nrate = 0\n" + "\n".join(given.set))
        what = {"answers": answers, "events": events, "guards": guards}[given.what]
        found = asyncio.run(what(home, given))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
