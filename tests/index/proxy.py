"""A TCP proxy before a server, which can be slow, hold everything back, or break."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Literal, Self

_LINGER = struct.pack("ii", 1, 0)  # a close is a reset

Mode = Literal["passes", "slow", "stalls", "resets"]


class Proxy:
    """Carries bytes to a port of this machine and back, as its ``mode`` says; closed by ``with``.

    Attributes:
        mode: ``slow`` waits before each piece; ``stalls`` takes connections and bytes and carries
            none; ``resets`` cuts what is open, and each new connection.
    """

    delay = 0.05  # seconds for each piece, in each direction

    def __init__(self, port: int) -> None:
        self._port, self._pairs, self._lock = port, list[socket.socket](), threading.Lock()
        self._mode: Mode = "passes"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode == "resets" or before == "stalls":  # what was held back is lost
            self._cut()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            with self._lock:
                self._pairs += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()
            if self._mode == "resets":
                self._cut()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self._mode == "slow":
                    time.sleep(self.delay)
                if self._mode != "stalls":
                    target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        with self._lock:
            cut, self._pairs = self._pairs, []
        for one in cut:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._cut()
