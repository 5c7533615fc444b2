"""Engines: where many tasks of one function run, in this process or on Ray's workers.

Ray pickles what its processes send each other, code included. So whoever can reach a cluster can
run code on it, and in the processes that use it: trust it as this machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from fusionrec.errors import EngineError, FusionrecError, UsageError

NAMES = ("process", "ray")

T = TypeVar("T")
R = TypeVar("R")

_REACH = 30.0  # seconds within which a cluster must let a process join
_RETRIES = 3  # of a task whose worker died
_AHEAD = 2  # tasks for each processor that are handed in before their results are read
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
# Files of a quota and its period in microseconds, of cgroups' second version and of the first.
# The first lines of a process that joins a cluster and says why not.
_JOIN = """
import os, sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="critical")
except BaseException as error:
    print(f"{type(error).__name__}: {error}".splitlines()[0])
    sys.stdout.flush()
    os._exit(1)
os._exit(0)
"""


class Engine(Protocol):
    """Runs one function for many tasks."""

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """The results in the order of the tasks.

        Args:
            function: of a module, or a ``partial`` of one, that other processes can import.
                Running it twice for one task must do no harm.
            tasks: read as they are needed.

        Raises:
            EngineError: a worker died again and again, or failed in a way that is no error of ours.
            FusionrecError: as the function raised it.
        """


class _Process:
    """Runs one task after another in this process."""

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        return map(function, tasks)


class _Ray:
    """The workers of the Ray cluster that this process has joined."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        ray = self._ray
        run = ray.remote(max_retries=_RETRIES, num_cpus=1)(_call)
        shared, waiting = ray.put(function), deque[Any]()
        ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            for task in tasks:
                waiting.append(run.remote(shared, task))
                if len(waiting) >= ahead:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for left in waiting:
                ray.cancel(left, force=True)

    def _result(self, reference: Any) -> Any:
        ray = self._ray
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, FusionrecError):
                raise error.cause from None
            raise EngineError(
                f"a worker of Ray failed: {type(error.cause).__name__}: {_first_line(error.cause)}",
                "every worker needs the same fusionrec and Python as this process",
            ) from error
        except ray.exceptions.RayError as error:
            raise EngineError(
                f"a worker of Ray was lost, and {_RETRIES} retries did not help: "
                f"{_first_line(error)}",
                "it may lack memory: give Ray fewer processors, or machines with more memory; what "
                "was finished is kept",
            ) from error


def _call(function: Callable[[T], R], task: T) -> R:
    return function(task)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def engine(name: str, workers: int | None = None) -> Iterator[Engine]:
    """An engine, for as long as the context lasts.

    ``ray`` joins the cluster that ``RAY_ADDRESS`` names. Without it, Ray is started on this machine
    and stopped at the end: for this user alone, by a token, and without reports of its use.

    Args:
        name: ``process``, this process alone, or ``ray``.
        workers: processes of a Ray that is started here; one for each processor by default.

    Raises:
        UsageError: there is no such engine, or Ray is not installed.
        EngineError: Ray cannot be reached within 30 seconds, or not be started.
    """
    if name not in NAMES:
        raise UsageError(f"the engine must be one of {', '.join(NAMES)}, got {name!r}")
    if name == "process":
        yield _Process()
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no data leave the machine
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "the engine ray needs the package ray, which is not installed",
            "install it: pip install 'fusionrec[ray]'",
            code="ray_missing",
        ) from error
    if ray.is_initialized():  # the program's own; it stays
        yield _Ray(ray)
        return
    address = os.environ.get("RAY_ADDRESS", "")
    joined = _joined(ray, address) if address not in ("", "local") else _started(ray, workers)
    with joined:
        yield _Ray(ray)


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    _check_reachable(address)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="critical",
            runtime_env={"env_vars": _ONE_THREAD},
        )
    except Exception as error:  # Ray raises whatever its parts raise
        raise _unreachable(address, _first_line(error)) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Joins a cluster in a process of its own: Ray waits for minutes for one that is not there, and
    fills stderr meanwhile.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise _unreachable(address, getattr(error, "strerror", None) or str(error)) from error
    try:
        done = subprocess.run(
            [sys.executable, "-c", _JOIN, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_REACH,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, f"no answer of a Ray cluster in {_REACH:g} seconds") from error
    if done.returncode:
        raise _unreachable(address, done.stdout.strip() or "it let no process join")


def _unreachable(address: str, why: str) -> EngineError:
    return EngineError(
        f"Ray cannot be reached at {address}: {why}",
        "RAY_ADDRESS is HOST:PORT as `ray start --head` prints it; Ray, Python and the token "
        "(RAY_AUTH_TOKEN) must be the same there; without RAY_ADDRESS a Ray is started here",
        code="engine_unreachable",
    )


@contextmanager
def _started(ray: Any, workers: int | None) -> Iterator[None]:
    # Given by the environment, the token that Ray asks for is not written into the home. Ray keeps
    # the first one of a process, so it stays.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    folder = tempfile.mkdtemp(prefix="fusionrec-ray-")  # this user's alone
    try:
        try:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
                runtime_env={"env_vars": _ONE_THREAD},
                _node_ip_address="127.0.0.1",
                _temp_dir=f"{folder}/ray",  # which Ray opens to everybody
            )
        except Exception as error:  # Ray raises whatever its parts raise
            raise EngineError(
                f"Ray could not be started: {_first_line(error)}",
                "see whether `ray start --head` says more",
            ) from error
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
