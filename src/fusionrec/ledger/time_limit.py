"""Time limits for calls of a server that may never answer, such as a stopped process, which keeps
its sockets open. The driver waits without an end then, and the server's own limits do not help.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


class TimeLimit:
    """The limit of one call, for each of its statements: at its end the sockets that the call uses
    are shut, and the driver raises as if the server had ended.

    Attributes:
        end: when that is, on the monotonic clock.
        expired: whether it has come.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.end = time.monotonic() + seconds
        self.expired = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def renew(self) -> None:
        """Begins anew: the limit is for each statement, however many a call makes."""
        self.end = time.monotonic() + self._seconds

    def uses(self, descriptor: int) -> None:
        """Takes a socket that the call uses from now on."""
        # A copy: the number itself may be of something else by then.
        copy = socket.socket(fileno=os.dup(descriptor))
        with self._lock:
            self._sockets.append(copy)
        if self.expired:
            self.expire()

    def expire(self) -> None:
        with self._lock:
            self.expired = True
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets = []


class _Watchdog:
    """Ends the limits that have come, in a thread of its own."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begins anew in a fork: the thread stayed behind, and may have held the lock."""
        self._wake = threading.Condition()
        self._limits: set[TimeLimit] = set()
        self._thread: threading.Thread | None = None
        self._next = 0.0  # when the thread wakes

    def add(self, limit: TimeLimit) -> None:
        with self._wake:
            self._limits.add(limit)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="fusionrec-time-limit", daemon=True
                )
                self._thread.start()
            elif limit.end < self._next:
                self._wake.notify()

    def remove(self, limit: TimeLimit) -> None:
        with self._wake:
            self._limits.discard(limit)
        limit.close()

    def _run(self) -> None:
        with self._wake:
            while True:
                now = time.monotonic()
                for limit in [one for one in self._limits if one.end <= now]:
                    self._limits.remove(limit)
                    limit.expire()
                self._next = min((one.end for one in self._limits), default=now + 60.0)
                self._wake.wait(self._next - now)


_watchdog = _Watchdog()
_current = threading.local()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_watchdog.reset)


@contextmanager
def time_limit(seconds: float) -> Iterator[TimeLimit]:
    """Limits what this thread asks a server, in a ``with`` block."""
    limit = _current.limit = TimeLimit(seconds)
    _watchdog.add(limit)
    try:
        yield limit
    finally:
        _current.limit = None
        _watchdog.remove(limit)


def current_limit() -> TimeLimit | None:
    """The limit of the block that this thread is in."""
    limit: TimeLimit | None = getattr(_current, "limit", None)
    return limit


def connect_within(limit: TimeLimit, connect: Callable[[], Any]) -> Any:
    """A driver's new connection.

    Raises:
        TimeoutError: there was none before the limit's end; one that comes later is closed.
        Exception: the driver's.
    """
    made: list[Any] = []
    failed: list[BaseException] = []
    lock, done = threading.Lock(), threading.Event()
    late = False

    def run() -> None:
        try:
            connection = connect()
        except BaseException as error:
            failed.append(error)
        else:
            with lock:
                made.append(connection)
                unwanted = late
            if unwanted:
                connection.close()
        done.set()

    # In a thread: the driver's own limit is in whole seconds and leaves looking up names out.
    threading.Thread(target=run, name="fusionrec-connect", daemon=True).start()
    done.wait(max(limit.end - time.monotonic(), 0.0))
    with lock:
        late = not made
    if failed:
        raise failed[0]
    if not made:
        raise TimeoutError("there was no connection in time")
    return made[0]


class CircuitBreaker:
    """Lets calls fail at once for a while after one that has waited in vain, then lets one try.

    Args:
        pause: seconds.
    """

    def __init__(self, pause: float = 1.0) -> None:
        self._pause, self._lock = pause, threading.Lock()
        self._until, self._reason = 0.0, ""

    @property
    def is_open(self) -> bool:
        """Whether the last call has waited in vain."""
        return bool(self._reason)

    def enter(self, seconds: float) -> str:
        """Why a call, which may take so long, must not be made now; empty where it may. While the
        first one after a pause tries, others must not.
        """
        if not self._reason:
            return ""
        with self._lock:
            now = time.monotonic()
            if self._reason and now < self._until:
                return self._reason
            self._until = now + seconds
            return ""

    def failed(self, reason: str) -> None:
        """A call has waited in vain."""
        with self._lock:
            self._reason, self._until = reason, time.monotonic() + self._pause

    def worked(self) -> None:
        """A call was answered."""
        if self._reason:
            with self._lock:
                self._reason = ""
