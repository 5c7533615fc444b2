"""Workers that die: they are started again, the log names the cause, and clients are answered."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from fusionrec.ledger import Ledger
from swap_stress import eventually


def asked(server, path: str) -> httpx.Response | None:
    try:
        return httpx.get(f"{server.url}{path}", timeout=5)
    except httpx.TransportError:  # of a connection that the dead worker had taken
        return None


def answers(server, path: str = "/readyz") -> bool:
    answer = asked(server, path)
    return answer is not None and answer.status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_whose_mapped_file_is_cut_are_started_again(indexed, serve, workers):
    server = serve(indexed, "--workers", workers)
    eventually(lambda: len(server.workers) == int(workers) and answers(server), 30)
    event = {"user": "u", "item": "3", "kind": "like", "id": "a"}
    assert httpx.post(f"{server.url}/v1/feedback", json=event).status_code == 201
    before = server.workers
    os.truncate(f"{indexed.ledger}-shm", 0)
    refused: list[httpx.Response] = []

    def renewed() -> bool:
        answer = asked(server, "/v1/recommendations?user=u")
        if answer is not None and answer.status_code == 503:
            refused.append(answer)
        # Where one was quicker to make the file anew, the other goes on.
        return len(server.workers) == len(before) and server.workers != before

    eventually(renewed, 60)
    eventually(lambda: answers(server), 30)
    eventually(lambda: any("SIGBUS: a file that it had mapped" in line for line in server.said))
    for answer in refused:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"]
    assert [event.id for _, event in Ledger(indexed.ledger).events()] == ["a"]
    assert server.stop() == 0


def test_a_model_that_is_damaged_is_tried_again_until_it_is_whole(indexed, serve):
    server = serve(indexed)
    eventually(lambda: answers(server))
    vectors = next((indexed.models / "v1").rglob("item_vectors.npy"))
    content = vectors.read_bytes()
    os.truncate(vectors, len(content) // 2)
    os.kill(server.workers[0], signal.SIGKILL)
    eventually(lambda: any("could not start" in line for line in server.said), 30)
    for path in ("/readyz", "/v1/recommendations?k=3"):
        began = time.monotonic()
        answer = asked(server, path)
        assert answer is not None
        assert answer.status_code == 503
        assert time.monotonic() - began < 1
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"]
        assert answer.json()["code"] == "service_unavailable"
    # Clients that send nothing, or never end, keep nobody waiting.
    with socket.create_connection(server.address) as silent:
        silent.sendall(b"GET / HT")
        assert asked(server, "/readyz") is not None
    assert any("SIGKILL" in line for line in server.said)
    assert any("error: " in line and "item_vectors" in line for line in server.said)
    vectors.write_bytes(content)
    eventually(lambda: answers(server), 30)
    assert answers(server, "/v1/recommendations?k=3")
    assert server.stop() == 0


def test_a_hangup_starts_workers_anew(indexed, serve):
    server = serve(indexed)
    eventually(lambda: answers(server))
    [before] = server.workers
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: server.workers not in ([], [before]) and answers(server), 30)
    assert not Path(f"/proc/{before}").exists()
    assert server.stop() == 0
