"""uvicorn's HTTP protocol, with limits of connections, and of time and size for unfinished
requests.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fusionrec.service.connections import ConnectionTable
from fusionrec.service.problems import problem

HEAD = 65_536  # bytes of a request's head
_JOINED = 65_536  # bytes that wait for the end of the event loop's turn
_PIPELINED = 30  # requests that may be sent before the first of them is answered


class TimeoutConfig(Config):
    """uvicorn's settings, and more.

    Args:
        head_seconds: how long a request's head may take to arrive, and the rest of a body after the
            request was answered.
        connections: those that are open in this process.
    """

    def __init__(
        self, *args: Any, head_seconds: float, connections: ConnectionTable, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.head_seconds, self.table = head_seconds, connections


class _Joining:
    """A connection's transport that sends what is written in one turn of the event loop together:
    uvicorn writes a head and its body apart, which is two calls of the system.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._waiting, self._size = list[bytes](), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _JOINED:
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        data = b"".join(self._waiting)
        self._waiting, self._size = [], 0
        if data and not self._transport.is_closing():
            self._transport.write(data)


class Protocol(HttpToolsProtocol):
    """One connection. It is closed if a head is too large or not complete in time, or if a body
    goes on after its answer; uvicorn alone would wait for ever. The guard reads in a request's
    state, as ``full``, whether there are more connections than may be.
    """

    config: TimeoutConfig

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._timer: asyncio.TimerHandle | None = None
        self._head = 0  # bytes of a head that is not complete
        self._in_head = self._flooded = False
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]
        self.address = self.client[0] if self.client else ""
        self.config.table.add(self.address, self)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self.config.table.remove(self.address, self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD:
                self._refuse(431, f"the head of a request has at most {HEAD:,} bytes")
                return
        # Not a whole request: part of a head, empty lines, or a body that nobody reads any more.
        if self._in_head or self.cycle is None or self.cycle.response_complete:
            self._start()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _PIPELINED:
            self.transport.pause_reading()
            self._flooded = True
            raise ValueError  # ends the parser; ``send_400_response`` says why
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._stop()
        self.config.table.used(self.address, self)
        self.scope["state"]["full"] = self.config.table.is_full(self.address)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop()
        super().on_message_complete()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered, or read beyond its head."""
        return self.cycle is None or self.cycle.response_complete

    def drop(self) -> None:
        """Closes the connection at once."""
        self._give_up()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuses what the parser does not read, such as an address that is too long for it."""
        if self._flooded:
            self._refuse(429, f"more than {_PIPELINED} requests were sent without an answer")
        elif len(self.url) > HEAD // 2:
            self._refuse(431, "the address is too long")
        else:
            self._refuse(400, "this is no HTTP request")

    def _refuse(self, status: int, detail: str) -> None:
        answer = problem(status, detail, headers={"Connection": "close"})
        head = [b"%s: %s\r\n" % header for header in answer.raw_headers]
        self.transport.write(b"".join([STATUS_LINE[status], *head, b"\r\n", bytes(answer.body)]))
        self.transport.close()

    def _start(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.config.head_seconds, self._give_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()
