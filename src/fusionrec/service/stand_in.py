"""Answers 503 on the service's address while no worker can."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress

from fusionrec.service.problems import problem

_MOST = 500  # connections
_SECONDS = 2.0  # that a connection may stay
_HEAD = 65_536  # bytes


def _refusal() -> bytes:
    said = problem(503, "no process can answer now: one is being started", "ask again in a moment")
    headers = [*said.raw_headers, (b"connection", b"close"), (b"cache-control", b"no-store")]
    lines = [b"HTTP/1.1 503 Service Unavailable", *(b": ".join(pair) for pair in headers)]
    return b"\r\n".join([*lines, b"", bytes(said.body)])


class StandIn:
    """Takes connections, reads a request's head and refuses it; nothing here waits.

    Args:
        listening: the workers' socket.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening, self._refusal = listening, _refusal()
        self._open: dict[socket.socket, tuple[float, bytes | None]] = {}  # until; what has come

    def sockets(self, needed: bool) -> list[socket.socket]:
        """What to wait for: with the listening socket while it is needed."""
        full = len(self._open) >= _MOST
        return [*self._open, *([self._listening] if needed and not full else [])]

    def serve(self, readable: Sequence[object]) -> None:
        """Goes on with those of the sockets that can be read."""
        if self._listening in readable:
            with suppress(OSError):  # a worker may have been quicker
                self._listening.setblocking(False)
                taken, _ = self._listening.accept()
                taken.setblocking(False)
                self._open[taken] = time.monotonic() + _SECONDS, b""
        for one, (until, head) in list(self._open.items()):
            if time.monotonic() > until:
                self._drop(one)
            elif one in readable:
                self._read(one, until, head)

    def _read(self, one: socket.socket, until: float, head: bytes | None) -> None:
        try:
            came = one.recv(_HEAD)
            if not came:
                self._drop(one)
            elif head is not None:
                head += came
                if b"\r\n\r\n" in head or len(head) > _HEAD:
                    one.send(self._refusal)
                    # Closed once the client has: else it might lose the answer.
                    one.shutdown(socket.SHUT_WR)
                    head = None
                self._open[one] = until, head
        except BlockingIOError:
            return
        except OSError:
            self._drop(one)

    def _drop(self, one: socket.socket) -> None:
        del self._open[one]
        one.close()

    def close(self) -> None:
        """Closes all its connections."""
        for one in list(self._open):
            self._drop(one)
