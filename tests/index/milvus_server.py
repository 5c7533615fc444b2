"""A real Milvus server for tests: started once, in a network of its own, ended with all it left."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from quick import leave_out

_SCRIPT = Path(__file__).with_name("network_namespace.py")
_MEMORY = 1_000_000_000  # bytes that must be free; an idle server takes 220 MB, the tests as much
_READY = 120.0  # seconds; 7 to 15 are usual
# Seconds. A server that was killed is not let back in before its session of before has run out; one
# that gets no turn on a busy machine for so long ends.
_SESSION = "common.session.ttl=10"
# Made for clusters, its rests between two looks at what is to be done are most of a small test.
_BRISK = (
    "queryCoord.checkInterval=100",
    "queryCoord.distPullInterval=100",
    "queryCoord.checkHandoffInterval=500",
    "proxy.timeTickInterval=50",
)
_SETTINGS = (_SESSION, *_BRISK, "log.level=warn")


class CannotStartError(Exception):
    """There can be no server here; the message says why."""


class MilvusServer:
    """A server on ``folder``, at ``uri`` also after a restart; ended by ``kill``. Settings are
    ``name=value``, of the configuration file or its template; with the file of a certificate
    ``ca`` it speaks https. Raises CannotStartError.
    """

    def __init__(self, folder: Path, *settings: str, ca: Path | None = None) -> None:
        leave_out("a Milvus server")
        check_possible()
        self.folder, self.ca, self.settings = folder, ca, (*_SETTINGS, *settings)
        folder.mkdir(parents=True, exist_ok=True)
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def uri(self) -> str:
        return f"http{'s' if self.ca else ''}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, anew after ``kill``, and waits until it answers a query."""
        with socket.create_server(("127.0.0.1", self._port)) as listener:
            self._port = listener.getsockname()[1]
            command = [*_unshare(), sys.executable, str(_SCRIPT), str(listener.fileno())]
            with (self.folder / "start.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [*command, str(self.folder), *self.settings],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,
                )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def _wait(self) -> None:
        from pymilvus import MilvusClient, MilvusException

        assert self._process is not None
        problem, end = "", time.monotonic() + _READY
        token = "root:Milvus" if "authorization_enabled=true" in self.settings else ""
        secure = {"server_pem_path": str(self.ca), "server_name": "localhost"} if self.ca else {}
        while time.monotonic() < end:
            if self._process.poll() is not None:
                said = (self.folder / "start.log").read_text(errors="replace").strip()
                raise CannotStartError(f"the server ended at once: {said[-300:]}")
            try:
                # Its health page is green long before this works.
                client = MilvusClient(self.uri, token=token, timeout=2, dedicated=True, **secure)
                try:
                    client.create_collection("ready", dimension=2, timeout=20)
                    client.query("ready", "id >= 0", timeout=10)
                    client.drop_collection("ready", timeout=10)
                    return
                finally:
                    client.close()
            except MilvusException as error:
                problem = str(error)
                time.sleep(0.3)
        raise CannotStartError(f"the server did not answer within {_READY:.0f} s: {problem}")

    def kill(self) -> None:
        """Ends it as a power cut would; it takes over a minute to end of itself."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Within it the server takes connections and requests, and answers none."""
        pid = int((self.folder / "pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def check_possible() -> None:
    """Raises CannotStartError, before anything is started, where there can be no server."""
    if sys.platform != "linux" or importlib.util.find_spec("milvus") is None:
        raise CannotStartError("the package milvus==2.3.5 is not installed: it is for Linux x86-64")
    _unshare()
    lines = Path("/proc/meminfo").read_text().splitlines()
    [free] = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    if free < _MEMORY:
        raise CannotStartError(f"a server needs 1 GB of memory, {free / 1e9:.1f} GB are free")


def _unshare() -> list[str]:
    """The beginning of a command that runs the rest in a network namespace of its own."""
    tried = [["unshare", "--map-root-user", "--net", "--mount"]]
    if os.geteuid() == 0:
        tried.append(["unshare", "--net", "--mount"])  # where user namespaces are forbidden
    for command in tried:
        if (
            shutil.which("unshare")
            and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
        ):
            return command
    # It has no password and would listen on every interface of this machine.
    raise CannotStartError(
        "no network namespace can be made here (unshare -rnm), and without one "
        "the server would be open to the network"
    )
