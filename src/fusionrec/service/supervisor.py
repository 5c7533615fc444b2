"""Keeps worker processes running: starts each again that ends, and answers while none can."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fusionrec.service.parent_watch import tie_to
from fusionrec.service.stand_in import StandIn

FAILED = 100  # a worker's exit code if it could not start, and above that the error's own
BEAT = 1.0  # seconds between two signs of life
_SILENT = 30.0  # seconds without one after which a worker hangs
_STEADY = 10.0  # seconds after which the next end is no failure to start any more
_LONGEST_PAUSE = 30.0  # seconds between two attempts to start

_CAUSES = {
    signal.SIGBUS: "a file that it had mapped was cut or cannot be read: see who changes files of "
    "the workspace, and whether its disk is sound",
    signal.SIGKILL: "it was killed from outside, often since memory ran out",
    signal.SIGSEGV: "a library failed, or a mapped file was changed",
    signal.SIGABRT: "a library gave up",
}


@dataclass(eq=False)
class _Worker:
    """One place for a process.

    Attributes:
        pid: of the process; 0 while there is none.
        pipe: on which it says that it lives.
        ready: when it was ready to answer; 0 before.
        heard: when it last said that it lives.
        failures: how often in turn it ended without having run for long.
        due: when it is to be started.
    """

    pid: int = 0
    pipe: int = -1
    ready: float = 0.0
    heard: float = 0.0
    failures: int = 0
    due: float = 0.0


class Supervisor:
    """Runs worker processes until SIGTERM, SIGQUIT or Ctrl-C, after which they answer what is under
    way. SIGHUP starts them anew, one by one; from a terminal that is closed it ends them.

    They are forks, so that this process costs little memory and no time: it must have no threads.

    Args:
        run: runs in each worker, with a function to be called once it answers and, every second
            from then on, in a thread of its own; its result is the exit code.
        count: of workers.
        listening: their socket.
        log: takes a line when a worker ends that should not.
    """

    def __init__(
        self,
        run: Callable[[Callable[[], None]], int],
        count: int,
        listening: socket.socket,
        log: Callable[[str], None],
    ) -> None:
        self._run, self._log, self._listening = run, log, listening
        self._workers = [_Worker() for _ in range(count)]
        self._stand_in = StandIn(listening)
        self._answered = False  # whether any worker ever was ready
        self._code: int | None = None  # this process' exit code, once it is to end
        self._renewed: list[_Worker] = []  # still to be started anew

    def run(self) -> int:
        """Returns the exit code: 0 after a signal, else that of workers that could not start."""
        self._take_signals()
        read, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while self._code is None:
            for worker in self._workers:
                if not worker.pid and time.monotonic() >= worker.due:
                    self._start(worker)
            self._renew()
            standing_in = self._answered and not any(w.ready for w in self._workers)
            watched: list[int | socket.socket] = [read, *(w.pipe for w in self._workers if w.pid)]
            watched += self._stand_in.sockets(standing_in)
            found, _, _ = select.select(watched, [], [], 0.5)
            if read in found:
                os.read(read, 4096)
            for worker in self._workers:
                if worker.pid:
                    self._look(worker, worker.pipe in found)
            self._stand_in.serve(found)
        return self._end()

    def _take_signals(self) -> None:
        def end(*_: object) -> None:
            self._code = 0

        def renew(*_: object) -> None:
            self._renewed += self._workers

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, end)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            # A terminal sends it when it is closed.
            signal.signal(signal.SIGHUP, end if sys.stderr.isatty() else renew)
        for number in (signal.SIGUSR1, signal.SIGUSR2):  # whose default is to end at once
            signal.signal(number, signal.SIG_IGN)

    def _start(self, worker: _Worker) -> None:
        ours, theirs = os.pipe()
        parent = os.getpid()
        worker.pid = os.fork()
        if not worker.pid:
            self._be_worker(parent, theirs)
        os.close(theirs)
        os.set_blocking(ours, False)
        worker.pipe, worker.ready, worker.heard = ours, 0.0, time.monotonic()

    def _be_worker(self, parent: int, pipe: int) -> None:
        code = FAILED + 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGHUP, signal.SIGQUIT):  # the parent's, from a terminal too
                signal.signal(number, signal.SIG_IGN)
            self._stand_in.close()
            tie_to(parent)

            def alive() -> None:
                with suppress(OSError):
                    os.write(pipe, b".")

            code = self._run(alive)
        finally:
            with suppress(Exception):
                sys.stderr.flush()
            os._exit(code)

    def _look(self, worker: _Worker, readable: bool) -> None:
        """Hears whether a worker is ready, lives, or has ended."""
        now = time.monotonic()
        if readable and os.read(worker.pipe, 4096):
            worker.heard, worker.ready = now, worker.ready or now
            self._answered = True
        elif worker.ready and now - worker.heard > _SILENT:
            self._log(f"a worker (process {worker.pid}) has not moved for {_SILENT:.0f} s")
            os.kill(worker.pid, signal.SIGKILL)
        ended, status = os.waitpid(worker.pid, os.WNOHANG)
        if ended:
            self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: _Worker, code: int) -> None:
        now = time.monotonic()
        if worker.ready and now - worker.ready > _STEADY:
            worker.failures = 0
        pause = min(2.0 ** (worker.failures - 1), _LONGEST_PAUSE) if worker.failures else 0.0
        if code > FAILED and not self._answered:
            self._code = code - FAILED
            return
        then = f"; it is started again in {pause:.0f} s" if pause else "; it is started again"
        if code < 0:
            name = signal.Signals(-code).name
            cause = _CAUSES.get(signal.Signals(-code), "it was sent that signal")
            self._log(f"a worker (process {worker.pid}) was ended by {name}: {cause}{then}")
        elif code > FAILED:
            self._log(f"a worker could not start{then}")
        elif code or worker.ready:
            self._log(f"a worker (process {worker.pid}) ended with code {code}{then}")
        os.close(worker.pipe)
        worker.pid, worker.ready, worker.due = 0, 0.0, now + pause
        worker.failures += 1

    def _renew(self) -> None:
        """Starts a worker anew if one was asked for, and no other is starting."""
        if self._renewed and all(worker.ready for worker in self._workers):
            worker = self._renewed.pop(0)
            os.kill(worker.pid, signal.SIGTERM)
            worker.ready, worker.failures = 0.0, 0

    def _end(self) -> int:
        running = [worker.pid for worker in self._workers if worker.pid]
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid in running:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        return self._code or 0
