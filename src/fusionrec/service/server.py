"""Runs the application: binds the address, starts the worker processes, stops them."""

from __future__ import annotations

import fcntl
import logging
import re
import resource
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import multiprocess
from uvicorn import Server

from fusionrec.deploy.deployment import place_of
from fusionrec.errors import FusionrecError, Log, UsageError, keep_stderr
from fusionrec.index import Place
from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load
from fusionrec.service.app import create_app
from fusionrec.service.connections import ConnectionTable
from fusionrec.service.protocol import Protocol, TimeoutConfig
from fusionrec.service.settings import ServiceSettings
from fusionrec.service.state import ServiceState, check_keys
from fusionrec.service.supervisor import BEAT, FAILED, Supervisor
from fusionrec.service.telemetry import share_metrics
from fusionrec.workspace import Workspace

HintOf = Callable[[FusionrecError], str | None]

_BACKLOG = 2_048
_OWN_FILES = 128  # open ones that are no connections
_locks: list[Any] = []  # the file whose lock this process has until it ends


class _Server(Server):
    """uvicorn's server, which exits normally after a signal instead of raising it again.

    Args:
        config: uvicorn's settings.
        alive: called once it answers, and every second from then on.
    """

    def __init__(self, config: TimeoutConfig, alive: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._alive = alive

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        threading.Thread(target=self._beat, name="fusionrec-alive", daemon=True).start()

    def _beat(self) -> None:
        while True:
            self._alive()
            time.sleep(BEAT)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def serve(
    workspace: Workspace,
    place: Place | str,
    settings: ServiceSettings,
    log: Log,
    hint_of: HintOf = lambda error: error.hint,
) -> None:
    """Serves until SIGTERM or Ctrl-C; requests under way are answered.

    Args:
        workspace: the workspace.
        place: the store, or its URI.
        settings: of the service.
        log: takes the address once it answers, and what goes wrong later.
        hint_of: words what to do about an error with which a worker cannot start.

    Raises:
        UsageError: nothing can listen at the address.
        FusionrecError: as of ``load`` and ``check_keys``.
        SystemExit: a worker could not start, and has said why.
    """
    with _bound(settings) as listening, tempfile.TemporaryDirectory(prefix="fusionrec-") as folder:
        # Here, so that one process, and not each worker, says what is wrong.
        load(workspace)
        check_keys(Ledger.of(workspace), settings)
        if settings.workers > 1:
            Path(folder, "metrics").mkdir()
            share_metrics(Path(folder, "metrics"))
        run = partial(_work, workspace, place, settings, Path(folder), listening, hint_of)
        code = Supervisor(run, settings.workers, listening, log).run()
    if code:
        sys.exit(code)


def _config(app: FastAPI, settings: ServiceSettings) -> TimeoutConfig:
    return TimeoutConfig(
        app,
        head_seconds=settings.head_seconds,
        http=Protocol,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        connections=ConnectionTable(
            _connections(settings.connections), settings.connections_per_address, settings.is_proxy
        ),
        timeout_keep_alive=settings.idle_seconds,
        timeout_graceful_shutdown=settings.stop_seconds,
    )


def _connections(wanted: int) -> int:
    """How many connections may be open, once the limit of open files is raised as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted + _OWN_FILES
    if resource.RLIM_INFINITY != soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - _OWN_FILES)


def _work(
    workspace: Workspace,
    place: Place | str,
    settings: ServiceSettings,
    folder: Path,
    listening: socket.socket,
    hint_of: HintOf,
    alive: Callable[[], None],
) -> int:
    """Answers, in a worker, until it is told to end; returns the exit code. An embedded Milvus
    serves one worker, the first to come; the others search the same vectors exactly.
    """
    keep_stderr()
    _log()
    for file in (folder / "metrics").glob("gauge_live*_*.db"):  # of processes that have ended
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
    first = settings.workers == 1 or _is_first(folder / "first")

    def log(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        exact = not (first or place_of(workspace, place).is_server)
        app = create_app(workspace, place, settings, log, exact=exact)
    except FusionrecError as error:
        log(f"error: {error.message}")
        if hint := hint_of(error):
            log(f"hint: {hint}")
        return FAILED + error.exit_code
    except Exception:
        traceback.print_exc()
        return FAILED + 1
    if first:
        log(_greeting(app.state.fusionrec, settings, _address(listening)))
    _Server(_config(app, settings), alive).run([listening])
    return 0


def _greeting(state: ServiceState, settings: ServiceSettings, address: str) -> str:
    version, where = state.answer(lambda view: (view.artifact.version, view.place))
    where = re.sub("^(exact|approximate) copy of", r"an \1 copy in memory of", where)
    text = f"{version} answers at {address}, from {where}"
    items = state.answer(lambda view: len(view.catalog))
    if settings.copy and items > settings.copy:
        text += f"; no copy in memory: {items:,} items are more than {settings.copy:,}"
    others = settings.workers - 1
    if others and not place_of(state.workspace, state.place).is_server:
        text += (
            f"; {others} of {settings.workers} processes answer alike from memory and do not open "
            "it: an embedded Milvus serves one process"
        )
    return "\n".join([text, *(f"note: {lacking}" for lacking in state.troubles())])


def _is_first(file: Path) -> bool:
    """Whether no running process has locked the file; locks it until this process ends."""
    lock = file.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _locks.append(lock)
    return True


@contextmanager
def _bound(settings: ServiceSettings) -> Iterator[socket.socket]:
    """A socket that listens at the address; clients wait until the application is ready."""
    host, port = settings.host, settings.port
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, proto)
    except OSError as error:
        said = f"{host} is no address to listen at: {error.strerror}"
        raise UsageError(said, code="host_not_found") from error
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            said = f"nothing can listen at {host}, port {port}: {error.strerror}"
            raise UsageError(said, code="port_taken") from error
        yield listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _log() -> None:
    """Logs defects of the service to stderr; wrong requests are not logged."""
    handler = logging.StreamHandler(sys.stderr)
    for name in ("uvicorn.error", "fusionrec.service"):
        log = logging.getLogger(name)
        log.setLevel(logging.ERROR)
        if not log.handlers:
            log.addHandler(handler)
