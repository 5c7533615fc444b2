"""How many people a second the service answers in requests for many, and in single ones.

    python benchmarks/batch_answers.py --home .fusionrec
    python benchmarks/batch_answers.py --home .fusionrec --serve=--no-copy

Known users of the active version, k = 10, from one caller that sends its next request when the last
was answered: by GET for each, then by POST for so many at once. Both take turns, so that they meet
the same machine. Prints one JSON object: people a second, and their ratio to the single ones.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import shlex
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from service_load import Service

_SIZES = (10, 100, 1_000)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".fusionrec"))
    parser.add_argument("--serve", default="", help="options of serve, such as --serve=--no-copy")
    parser.add_argument("--people", type=int, default=1_000, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    users = itertools.cycle(load(Workspace(given.home)).users.ids)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")  # a copy: what is shown is not kept
        shutil.copytree(given.home, home)
        with (home / "settings.toml").open("a") as file:
            file.write("\n[service]\nrate = 0\n")
        service = Service(home, *shlex.split(given.serve))
        try:
            line = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
            ways = {1: alone(line, users), **{n: together(line, users, n) for n in _SIZES}}
            rates: dict[int, list[float]] = {n: [] for n in ways}
            for _, (size, ask) in itertools.product(range(given.rounds), ways.items()):
                ask()
                requests, began = max(1, given.people // size), time.perf_counter()
                for _ in range(requests):
                    ask()
                rates[size].append(requests * size / (time.perf_counter() - began))
        finally:
            service.end()
    found = {size: statistics.median(some) for size, some in rates.items()}
    per_s = {str(size): round(rate) for size, rate in found.items()}
    ratio = {str(size): round(rate / found[1], 2) for size, rate in found.items()}
    print(json.dumps({"people_per_s": per_s, "to_single": ratio}, indent=1))


def alone(line: http.client.HTTPConnection, users: Iterator[str]) -> Callable[[], None]:
    """Asks for one user."""

    def ask() -> None:
        line.request("GET", f"/v1/recommendations?user={next(users)}&k=10")
        check(line.getresponse(), 1)

    return ask


def together(
    line: http.client.HTTPConnection, users: Iterator[str], size: int
) -> Callable[[], None]:
    """Asks for so many users at once."""

    def ask() -> None:
        people = [{"user": next(users), "k": 10} for _ in range(size)]
        head = {"Content-Type": "application/json"}
        line.request("POST", "/v1/recommendations", json.dumps({"people": people}), head)
        check(line.getresponse(), size)

    return ask


def check(response: http.client.HTTPResponse, size: int) -> None:
    """Raises SystemExit where not all were answered."""
    body = response.read()
    if response.status != 200 or body.count(b'"answer":') != size:
        raise SystemExit(f"{response.status}: {body[:500]!r}")


if __name__ == "__main__":
    main()
