"""How far a question travels: through which files of the package one answer passes.

    python benchmarks/answer_path.py --home .fusionrec
    python benchmarks/answer_path.py --home .fusionrec --list

Asks ``fusionrec recommend --user U`` and ``GET /v1/recommendations?user=U``, each in a process of
its own; the latter after the same question twice. A file counts when a function of it is called;
what only runs at import does not. The workspace needs an indexed version.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import fusionrec

_PACKAGE = str(Path(fusionrec.__file__).parent) + "/"
_BESIDE = ("fusionrec-live", "fusionrec-recorder")  # threads that no answer waits for
_FUNCTION = 1  # CO_OPTIMIZED: a function's code, not a module's or a class's
# What should happen once or never in an answer: file and function, by its figure's name.
_COUNTED = {
    "ledgers": ("ledger/ledger.py", "__init__"),
    "settings read": ("config.py", "settings_table"),
}


class CallPath:
    """Follows every call of a function of the package."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.changes, self._last = 0, ""
        self.counting = False
        threading.setprofile(self._called)  # of threads that begin from now on
        sys.setprofile(self._called)

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or not self.counting or not code.co_flags & _FUNCTION:
            return
        if not code.co_filename.startswith(_PACKAGE):
            return
        if threading.current_thread().name in _BESIDE:
            return
        file = code.co_filename.removeprefix(_PACKAGE)
        self.files[file] += 1
        self.calls[file, code.co_name] += 1
        self.changes += file != self._last
        self._last = file

    def figures(self) -> dict[str, Any]:
        rooms = {file.split("/")[0] for file in self.files}
        once = {name: self.calls[call] for name, call in _COUNTED.items()}
        return {
            "files": len(self.files),
            "rooms": len(rooms),
            "changes of file": self.changes,
            **once,
            "list": sorted(self.files),
        }


def by_command(home: str, user: str) -> dict[str, Any]:
    """The path of the command, in this process, which must be a fresh one."""
    from fusionrec.cli import cli as command
    from fusionrec.cli import run

    path = CallPath()
    path.counting = True
    run(lambda: command.main(["--home", home, "recommend", "--user", user], standalone_mode=False))
    path.counting = False
    return path.figures()


def by_http(home: str, user: str) -> dict[str, Any]:
    """The path of a warm answer over HTTP."""
    import anyio
    import httpx

    from fusionrec.service.app import create_app
    from fusionrec.workspace import Workspace

    path = CallPath()
    app = create_app(Workspace(Path(home)))

    async def ask() -> None:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for turn in range(3):
                if turn == 2:
                    path.counting = True
                answer = await client.get("/v1/recommendations", params={"user": user})
                answer.raise_for_status()
            path.counting = False

    try:
        anyio.run(ask)
    finally:
        app.state.fusionrec.close()
    return path.figures()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--home", default=".fusionrec")
    parser.add_argument("--user", default="42")
    parser.add_argument("--list", action="store_true", help="name the files")
    parser.add_argument("--only", choices=["command", "http"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        made = {"command": by_command, "http": by_http}[given.only](given.home, given.user)
        print(json.dumps(made), file=sys.stderr)
        return
    for only in ("command", "http"):
        command = [sys.executable, __file__, "--only", only, "--home", given.home]
        done = subprocess.run(
            [*command, "--user", given.user], capture_output=True, text=True, check=True
        )
        figures = json.loads(done.stderr.splitlines()[-1])
        files = figures.pop("list")
        print(only, json.dumps(figures))
        if given.list:
            print(*files, sep="\n")


if __name__ == "__main__":
    main()
