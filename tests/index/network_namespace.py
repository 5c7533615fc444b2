"""Runs a Milvus server in a network of its own; started by ``milvus_server.py``, never imported.

The server of the package ``milvus`` listens on every interface whatever its settings. This process
is started in a network namespace that has a loopback and nothing else, so that nobody can reach the
server; the one way in is a listening socket that was opened outside and is handed over.

Usage: ``unshare -rnm python network_namespace.py SOCKET_FD FOLDER SETTING=VALUE...``. It ends,
and the server with it, when its standard input does: whoever started it is gone then.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

_SET_FLAGS, _UP = 0x8914, 0x1


def main(listener: int, folder: Path, settings: list[str]) -> None:
    """Starts the server, writes its process id to ``FOLDER/pid``, and carries bytes to it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP))
    # The server keeps its process id in /run/milvus or /tmp/milvus and tidies nothing up there, so
    # that of another user could not start after it.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    from milvus import MilvusServer

    server = MilvusServer(wait_for_started=False)
    server.set_base_dir(str(folder))
    for setting in settings:
        name, _, value = setting.partition("=")
        # A value of another type than the template's is ignored in silence.
        server.config.set(name, int(value) if value.isdigit() else {"true": True}.get(value, value))
    server.start()
    (folder / "pid").write_text(str(server.server_proc.pid))
    asyncio.run(_serve(socket.socket(fileno=listener), server.listen_port))


def _end_with_parent() -> None:
    # Not sys.stdin: a thread that waits in it would hold the interpreter's lock on its buffer.
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


async def _serve(listener: socket.socket, port: int) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))

    async with await asyncio.start_server(accept, sock=listener) as carrier:
        await carrier.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
