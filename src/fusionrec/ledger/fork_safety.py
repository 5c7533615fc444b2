"""Closes all connections before the process forks, so that no child inherits one."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class _ForkGate:
    """Allows any number of uses of connections at once, and none while it is shut."""

    def __init__(self) -> None:
        self._lock = threading.Condition(threading.Lock())
        self._uses, self._shut = 0, False

    @contextmanager
    def connection_in_use(self) -> Iterator[None]:
        with self._lock:
            self._lock.wait_for(lambda: not self._shut)
            self._uses += 1
        try:
            yield
        finally:
            with self._lock:
                self._uses -= 1
                if self._shut:
                    self._lock.notify_all()

    def shut(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: not self._shut)
            self._shut = True
            self._lock.wait_for(lambda: not self._uses)

    def open(self) -> None:
        with self._lock:
            self._shut = False
            self._lock.notify_all()


class Connections(Protocol):
    """An owner of connections that opens them again after ``dispose``."""

    def dispose(self) -> None:
        """Closes them."""


_gate = _ForkGate()
_watched: weakref.WeakSet[Connections] = weakref.WeakSet()
connection_in_use = _gate.connection_in_use  # a context for each use; not reentrant


def close_before_fork(connections: Connections) -> None:
    """Registers connections to be closed before a fork. Parent and child open new ones when they
    need them.
    """
    with connection_in_use():
        _watched.add(connections)


def _close_before_fork() -> None:
    """A child that inherits connections breaks its parent's: in SQLite it seems to hold the
    parent's locks, and on a socket each process reads the other's replies.
    """
    _gate.shut()
    for connections in list(_watched):
        connections.dispose()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_close_before_fork, after_in_parent=_gate.open, after_in_child=_gate.open
    )
