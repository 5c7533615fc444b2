"""What one answer writes goes to the system in one call."""

from __future__ import annotations

import asyncio

from fusionrec.service.protocol import _JOINED, _Joining


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.calls.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def test_a_head_and_its_body_are_one_call_and_none_is_lost():
    wire = Wire()

    async def run() -> None:
        joining = _Joining(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
        for part in (b"head ", b"body"):
            joining.write(part)
        assert not wire.calls
        await asyncio.sleep(0)
        joining.write(b"next")
        await asyncio.sleep(0)
        assert wire.calls == [b"head body", b"next"]
        joining.write(b"x" * (_JOINED + 1))  # what is large does not fill the memory
        assert len(wire.calls) == 3
        joining.write(b"last")
        joining.close()
        assert wire.calls[3:] == [b"last"]
        assert joining.is_closing()
        joining.write(b"too late")
        await asyncio.sleep(0)

    asyncio.run(run())
    assert len(wire.calls) == 4
