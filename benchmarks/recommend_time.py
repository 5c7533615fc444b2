"""How long `fusionrec recommend` takes as a whole process, and where the time goes.

    python benchmarks/recommend_time.py --home .fusionrec --profile age=25 --profile gender=F

Needs a trained and indexed workspace. The stages are timed in a process of their own, in the order
in which the command meets them; each includes the imports that it is the first to need.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

STAGES = """
import json, sys, time
marks = [("", time.perf_counter())]
mark = lambda name: marks.append((name, time.perf_counter()))
from fusionrec.cli import cli
from fusionrec.workspace import Workspace
mark("command line")
from fusionrec.index import Place
from fusionrec.deploy.open import open_version
from fusionrec.registry.versions import load
from fusionrec.recommend.query import Query
mark("imports of the package")
artifact = load(Workspace.find(sys.argv[1]))
artifact.items, artifact.item_vectors, artifact.users
mark("artifact: load, check SHA-256, tables")
artifact.user_tower
mark("user tower: load")
opened = open_version(Workspace.find(sys.argv[1]), place=Place(sys.argv[2]))
mark("Milvus: import, open, verify; SHA-256 and tables again")
answer = opened.recommender.recommend(Query(user=artifact.users.ids[0], k=10))
mark("user vector and search")
opened.close()
mark("close")
spans = {name: end - begin for (_, begin), (name, end) in zip(marks, marks[1:])}
print(json.dumps(spans))
"""


def main() -> None:
    """Times whole processes, then stages; prints one JSON object with medians in seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", default=".fusionrec")
    parser.add_argument("--milvus", default="")
    parser.add_argument("--user", default="42")
    parser.add_argument("--profile", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    place = ["--milvus", arguments.milvus] if arguments.milvus else []
    command = [sys.executable, "-m", "fusionrec", "--home", arguments.home]
    whole = [
        timed([*command, "recommend", "--user", arguments.user, *place])
        for _ in range(arguments.runs)
    ]
    profile = [word for value in arguments.profile for word in ("--profile", value)]
    told = [timed([*command, "recommend", *profile, *place]) for _ in range(arguments.runs)]
    listed = [timed([*command, "--help"]) for _ in range(arguments.runs)]
    stages = [
        json.loads(run([sys.executable, "-c", STAGES, arguments.home, arguments.milvus]))
        for _ in range(arguments.runs)
    ]
    result = {
        "recommend by user, whole process": whole,
        "recommend by profile, whole process": told,
        "--help, whole process": listed,
        **{name: [stage[name] for stage in stages] for name in stages[0]},
    }
    print(
        json.dumps({name: round(statistics.median(v), 3) for name, v in result.items()}, indent=1)
    )


def timed(command: list[str]) -> float:
    """Seconds that a command takes, start of the process to its end."""
    began = time.perf_counter()
    run(command)
    return time.perf_counter() - began


def run(command: list[str]) -> str:
    """A command's stdout.

    Raises:
        SystemExit: it failed, with what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
