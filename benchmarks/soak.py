"""Whether a service that is asked for long stays as it is: memory, open files, threads, ledger.

    python benchmarks/soak.py --home .fusionrec --minutes 60

Asks a copy of the workspace, a few dozen requests a second of every kind: answers with and without
reasons, search, similar items, feedback of a thousand visitors, profiles, a user who is forgotten,
an item that is changed. Prints, over the time after the first sixth, the smallest and the largest
figure of each ten seconds, and of the ledger how many bytes each written row took. Exits with 1
where a request failed, where memory went more than 2% apart, or where more and more files are open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shlex
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from service_load import Caller, Service

_SAMPLE = 10.0  # seconds
_APART = 0.02  # of the smallest
_JSON = "application/json"


def requests(users: list[str], items: list[str], seed: int) -> Iterator[tuple[str, str, bytes]]:
    """Method, path and body of one request after the other, without end."""
    rng, number = random.Random(seed), 0
    while True:
        number += 1
        user, item, visitor = rng.choice(users), rng.choice(items), f"visitor-{rng.randrange(1000)}"
        kind = rng.choice(["like", "view", "hide", "dislike"])
        event = {"user": visitor, "item": item, "kind": kind, "id": f"{seed}-{number}"}
        yield from [("GET", f"/v1/recommendations?user={user}&k=10", b"")] * 10
        yield "GET", f"/v1/recommendations?user={visitor}&k=10&fresh=true&explain=true", b""
        yield "GET", f"/v1/recommendations?liked={item}&diversity=0.3", b""
        yield "GET", f"/v1/search?q={rng.choice('abcdefgh')}&prefix=true&user={user}", b""
        yield "GET", f"/v1/items/{item}/similar?k=10", b""
        yield "POST", "/v1/feedback", json.dumps(event).encode()
        yield "GET", f"/v1/users/{visitor}/feedback", b""
        yield "GET", f"/v1/map?user={user}", b""
        if number % 20 == 0:
            yield "DELETE", f"/v1/users/{visitor}", b""
        if number % 50 == 0:
            yield "PUT", f"/v1/items/{item}", b"{}"
        yield "GET", "/metrics", b""
        yield "GET", "/readyz", b""


def sample(service: Service, ledger: Path) -> dict[str, float]:
    """What the service holds now."""
    files = threads = 0
    for pid in service.pids():
        with suppress(OSError):
            files += len(list(Path(f"/proc/{pid}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
    size = sum(file.stat().st_size for file in ledger.parent.glob(f"{ledger.name}*"))
    return {
        "memory_mb": sum(service.memory_mb()),
        "files": files,
        "threads": threads,
        "ledger_mb": round(size / 1e6, 2),
    }


async def soak(home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of one run."""
    workspace = Workspace(home)
    version, ledger = load(workspace), Ledger(workspace.ledger)
    secret = ledger.add_key("soak", ["read", "feedback", "admin"])
    service = Service(home, *shlex.split(given.serve))
    statuses: Counter[int] = Counter()
    asked = requests(list(version.users.ids), list(version.items.ids), given.seed)
    began = time.perf_counter()
    end, samples = began + 60 * given.minutes, list[tuple[float, dict[str, float]]]()
    failed: list[str] = []

    async def call(caller: int) -> None:
        line, due = Caller(service.port, secret), began + caller / given.rate
        while (now := time.perf_counter()) < end:
            await asyncio.sleep(max(due - now, 0))
            due += given.callers / given.rate
            method, path, body = next(asked)
            status, text = await line.ask(method, path, body)
            statuses[status] += 1
            if status >= 400 and len(failed) < 5:
                failed.append(f"{method} {path}: {status} {text[:200]!r}")

    async def watch() -> None:
        while time.perf_counter() < end:
            await asyncio.sleep(_SAMPLE)
            held = sample(service, Path(str(ledger.file)))
            samples.append((time.perf_counter() - began, held))

    try:
        await asyncio.gather(watch(), *(call(number) for number in range(given.callers)))
    finally:
        service.end()
    late = [held for when, held in samples if when > 10 * given.minutes]
    ranges = {name: (min(h[name] for h in late), max(h[name] for h in late)) for name in late[0]}
    tenths = np.array_split([held["memory_mb"] for _, held in samples], 10)
    third = len(late) // 3
    files = [held["files"] for held in late]
    more_files = float(np.mean(files[-third:]) - np.mean(files[:third]))
    rows = len(ledger.events()) + len(ledger.impressions())
    apart = {name: round(high / low - 1, 4) for name, (low, high) in ranges.items()}
    return {
        "minutes": given.minutes,
        "requests": dict(statuses),
        "failed": failed,
        "from_to": ranges,
        "apart": apart,
        "memory_mb_by_tenths": [round(float(np.mean(part)), 1) for part in tenths],
        "more_files": round(more_files, 1),
        "bytes_a_row": round(1e6 * samples[-1][1]["ledger_mb"] / max(rows, 1)),
        "ok": not failed and apart["memory_mb"] <= _APART and more_files <= 2.0,
    }


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".fusionrec"))
    parser.add_argument("--serve", default="", help="options of serve")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        shutil.copytree(given.home, home)
        found = asyncio.run(soak(home, given))
    print(json.dumps(found, indent=2))
    raise SystemExit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
