"""Runs two commands at once in one workspace, every pair of them, and looks at what is left.

    python benchmarks/at_once.py            # every pair, about five minutes
    python benchmarks/at_once.py train prune    # these two alone

Each command must end with 0, or say in one line what another process is doing. Afterwards
`doctor` must find no error, no version may be half or missing, nothing may be left over, and the
active version must answer. Needs no network, and only the model `linear`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

TRAINED = ("--data", "DATA", "--model", "linear", "--protocol", "next-item")
COMMANDS = {
    "train": ("train", *TRAINED),
    "evaluate": ("evaluate", "--data", "DATA", "--protocol", "next-item", "--version", "v1"),
    "resume": ("train", *TRAINED, "--resume"),
    "index": ("index", "--version", "v1"),
    "items": ("items", "add", "ITEMS"),
    "prune": ("models", "prune", "--keep", "1"),
    "serve": ("serve", "--port", "PORT"),
}
SAID = ("another process", "running already", "in use", "nothing to resume", "no checkpoint")


def fusionrec(home: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fusionrec", "--home", str(home), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def run(home: Path, *words: str) -> str:
    started = fusionrec(home, *words)
    out, err = started.communicate(timeout=300)
    if started.returncode:
        sys.exit(f"{' '.join(words)} ended with {started.returncode}: {err}")
    return out


def made(folder: Path) -> Path:
    """A workspace of three versions, of which the first is not retained by any activation."""
    home, data = folder / "made", folder / "data"
    data.mkdir()
    rows = [
        f"u{n % 40},i{n * 7 % 23 * (n % 40) % 29},{1_700_000_000 + n * 999}" for n in range(900)
    ]
    (data / "orders.csv").write_text("\n".join(["user,item,time", *rows]))
    titles = ["item,title", *(f"i{n},Thing {n}" for n in range(29))]
    (data / "items.csv").write_text("\n".join(titles))
    run(home, "init", str(data))
    for _ in range(3):
        run(home, *(str(data) if word == "DATA" else word for word in COMMANDS["train"]))
    for version in ("v1", "v2", "v3"):
        run(home, "index", "--version", version)
    return home


def pair(made: Path, folder: Path, names: tuple[str, str]) -> list[str]:
    """Runs two commands at once; gives what is wrong."""
    home = folder / "-".join(names)
    shutil.copytree(made, home)
    items = folder / "items.jsonl"
    items.write_text("".join(json.dumps({"id": f"n{n}", "title": "x"}) + "\n" for n in range(9)))
    started = []
    for name in names:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        given = {"ITEMS": str(items), "PORT": port, "DATA": str(folder / "data")}
        words = [given.get(word, word) for word in COMMANDS[name]]
        started.append((name, fusionrec(home, *words)))
    wrong = []
    others = [one for name, one in started if name != "serve"]
    for one in others:
        one.wait(300)
    if len(others) < 2:
        time.sleep(4)  # a service has come up by then
    for name, one in started:
        if name == "serve":
            if one.poll() is not None:
                wrong.append(f"serve ended by itself with {one.returncode}")
            one.send_signal(signal.SIGTERM)
        _, err = one.communicate(timeout=60)
        told = any(words in err for words in SAID)
        ended = one.returncode == 0 or (name == "serve" and one.returncode == -signal.SIGTERM)
        if (
            "Traceback" in err or "defect" in err or not (ended or told)
        ):  # -15: it did not serve yet
            wrong.append(f"{name} ended with {one.returncode}: {err[-600:]}")
    return wrong + left_wrong(home)


def left_wrong(home: Path) -> list[str]:
    """What is wrong with a workspace after commands have ended in it."""
    wrong = []
    looked = fusionrec(home, "doctor")
    out, err = looked.communicate(timeout=120)
    if looked.returncode:
        wrong.append(f"doctor: {out[-600:]}{err}")
    answered = json.loads(run(home, "recommend", "-k", "3", "--json"))
    if len(answered["items"]) != 3:
        wrong.append(f"{len(answered['items'])} items in the answer")
    workspace = Workspace(home)
    for folder in workspace.models.iterdir():
        if folder.name.startswith("."):
            wrong.append(f"{folder.name} is left")
        else:
            load(workspace, folder.name)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="*", help="two of: " + ", ".join(COMMANDS))
    given = tuple(parser.parse_args().commands)
    if given and not (len(given) == 2 and set(given) <= set(COMMANDS)):
        parser.error("expected two commands, or none")
    pairs = [given] if given else list(itertools.combinations_with_replacement(COMMANDS, 2))
    failed = 0
    with tempfile.TemporaryDirectory() as base:
        home = made(Path(base))
        for names in pairs:
            began = time.monotonic()
            wrong = pair(home, Path(base), (names[0], names[1]))
            failed += bool(wrong)
            took = time.monotonic() - began
            print(
                f"{' and '.join(names):24}{'; '.join(wrong) or 'well'}   {took:.0f} s", flush=True
            )
            shutil.rmtree(Path(base, "-".join(names)))
    print(f"{len(pairs)} pairs, {failed} of them wrong")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
