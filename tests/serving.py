"""The service over a small model: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from builders import command
from fusionrec.index import Place
from fusionrec.ledger import Ledger
from fusionrec.service.app import create_app
from fusionrec.service.server import _bound, _config, _Server
from fusionrec.service.settings import ServiceSettings
from fusionrec.service.state import ServiceState
from fusionrec.workspace import Workspace
from quick import leave_out


@dataclass
class Shop:
    """A service in a thread of this process, asked over a socket."""

    client: httpx.Client
    workspace: Workspace
    state: ServiceState
    admin: dict[str, str]  # headers that bear a key for everything

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger

    def ids(self, path: str, **asked: Any) -> list[str]:
        answer = self.client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    def tell(self, user: str, item: str, kind: str, **more: Any) -> httpx.Response:
        told = {"user": user, "item": item, "kind": kind, **more}
        return self.client.post("/v1/feedback", json=told)


def _names_no_command(response: httpx.Response) -> None:
    """What a program reads over HTTP says nothing of a command line."""
    if "json" in response.headers.get("content-type", ""):
        told = json.loads(response.read())
        said = [str(told.get(part)) for part in ("detail", "hint", "notes", "errors")]
        assert not re.search(r"(?<![\w'-])(fusionrec [a-z]|--[a-z])", " ".join(said)), said


@contextmanager
def opened(workspace: Workspace, place: Place | str = "", **settings: Any) -> Iterator[Shop]:
    """A service over a workspace; it has no limit of requests unless one is given."""
    ledger = Ledger(workspace.ledger)
    secret = ledger.add_key(f"admin-{len(ledger.keys())}", ["read", "feedback", "admin"])
    given = ServiceSettings(**{"rate": 0.0, "port": 0, **settings})
    app = create_app(workspace, place, settings=given)
    with _bound(given) as listening:
        server = _Server(_config(app, given))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        port = listening.getsockname()[1]
        try:
            # One connection for each request, so that none is reused that the server is closing.
            limits = httpx.Limits(max_keepalive_connections=0)
            hooks: dict[str, list[Any]] = {"response": [_names_no_command]}
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, limits=limits, event_hooks=hooks) as client:
                bearing = {"Authorization": f"Bearer {secret}"}
                yield Shop(client, workspace, app.state.fusionrec, bearing)
        finally:
            server.should_exit = True
            thread.join()


class Server:
    """``fusionrec serve`` in a process of its own.

    Args:
        workspace: the workspace.
        arguments: of the command, after ``serve``.
        within: a command that runs it, as in another network.
    """

    def __init__(self, workspace: Workspace, *arguments: str, within: Sequence[str] = ()) -> None:
        leave_out("a server")
        full = [*within, *command(workspace, "serve", "--port", "0", *arguments)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            ["env", "--default-signal=HUP", *full],  # the tests may run under nohup
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self.said: list[str] = []
        self.url = ""
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(60), self.said
        assert self.url, self.said

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            address = re.search(r"answers at (http://[^,]+),", line)
            if address:
                self.url = address[1]
                self._ready.set()
        self._ready.set()

    @property
    def workers(self) -> list[int]:
        """Ids of the processes that answer."""
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def kill(self) -> None:
        """As a crash does, workers and all."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """As a supervisor does; gives the exit code."""
        self.process.terminate()
        code = self.process.wait(30)
        self._reader.join(10)
        return code


def free_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
