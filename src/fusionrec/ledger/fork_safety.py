"""That no connection is open while the process forks, so that no child inherits one."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class _Gate:
    """Uses of connections pass, any number at once; while it is shut, none is under way."""

    def __init__(self) -> None:
        self._lock = threading.Condition(threading.Lock())
        self._uses, self._shut = 0, False

    @contextmanager
    def passed(self) -> Iterator[None]:
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
    """Whatever holds connections, and opens them anew after they were closed."""

    def dispose(self) -> None:
        """Closes them."""


_gate = _Gate()
_held: weakref.WeakSet[Connections] = weakref.WeakSet()
passed = _gate.passed  # to be held, once, while a connection is in use


def watch(connections: Connections) -> None:
    """Has connections closed before the process forks; they are opened anew, in either
    process, when they are needed.
    """
    with passed():
        _held.add(connections)


def _before() -> None:
    """With inherited connections a child would break its parent's: SQLite believes that it holds
    the locks of its parent, and two ends on one socket answer each other's questions.
    """
    _gate.shut()
    for connections in list(_held):
        connections.dispose()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_gate.open, after_in_child=_gate.open)
