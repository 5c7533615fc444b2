"""``fusionrec serve`` as it runs: a process of its own, started, asked, ended and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from builders import case, python
from fusionrec.ledger import Event, Ledger
from fusionrec.registry.versions import load
from swap_stress import eventually, second


@pytest.mark.parametrize("options", [[], ["--no-copy"]], ids=["copy", "store"])
def test_it_says_where_it_answers_and_ends_in_order(indexed, serve, options):
    server = serve(indexed, *options)
    where = f"{'' if options else 'an exact copy in memory of '}{indexed.home / 'milvus.db'}"
    assert f"v1 answers at {server.url}, from {where}" in server.said
    assert httpx.get(f"{server.url}/readyz").json() == {"ready": True, "reasons": []}
    event = {"user": "v", "item": "3", "kind": "like"}
    assert httpx.post(f"{server.url}/v1/feedback", json=event).status_code == 201
    assert server.stop() == 0
    assert len(server.said) == 1
    assert len(Ledger(indexed.ledger).events()) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_other_signals_are_ignored_or_end_it_in_order(indexed, serve, workers):
    server = serve(indexed, "--workers", str(workers))
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        server.process.send_signal(number)
    assert httpx.get(f"{server.url}/healthz", timeout=20).status_code == 200
    server.process.send_signal(signal.SIGQUIT)
    assert server.process.wait(30) == 0
    assert not [line for line in server.said if "Traceback" in line or "error" in line]


def test_no_acknowledged_event_is_lost_by_a_kill(indexed, serve):
    for turn in range(2):
        server = serve(indexed)
        acknowledged: list[str] = []

        def post(number: int, turn: int = turn, server=server, acknowledged=acknowledged) -> None:
            with httpx.Client(base_url=server.url) as client:
                for count in range(10_000):
                    id = f"{turn}-{number}-{count}"
                    event = {"user": f"v{number}", "item": "3", "kind": "view", "id": id}
                    try:
                        answer = client.post("/v1/feedback", json=event)
                    except httpx.TransportError:
                        return
                    if answer.status_code == 201:
                        acknowledged.append(id)

        with ThreadPoolExecutor(8) as pool:
            running = [pool.submit(post, number) for number in range(8)]
            enough = 40 + 60 * turn
            eventually(lambda held=acknowledged, enough=enough: len(held) > enough)
            server.kill()
            for one in running:
                one.result()
        held = {event.id for _, event in Ledger(indexed.ledger).events()}
        assert set(acknowledged) <= held


def peak(pid: int) -> int:
    """Megabytes that a process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def test_a_hundred_megabytes_are_not_read_into_memory(indexed, serve):
    server = serve(indexed)
    httpx.get(f"{server.url}/v1/recommendations")
    before = peak(server.workers[0])
    whole = b"x" * 2**20
    for framing, part in (
        (f"Content-Length: {100 * 2**20}", whole),
        ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(whole), whole)),
    ):
        head = f"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n"
        with case(framing), socket.create_connection(server.address) as line:
            line.settimeout(30)
            line.sendall(head.encode() + part)
            line.sendall(part)
            assert b" 413 " in line.recv(4096).splitlines()[0]
            for _ in range(98):
                line.sendall(part)
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert peak(server.workers[0]) - before < 20


def test_several_processes_answer_alike_and_follow_together(indexed, serve):
    server = serve(indexed, "--workers", "3")
    assert "2 of 3 processes answer alike from memory" in server.said[0]
    user = load(indexed).users.ids[9]
    pids: set[str] = set()

    def answers() -> list[dict]:
        """Answers by several processes; each connection goes to one of them by chance."""
        found = []
        for _ in range(12):
            answer = httpx.get(f"{server.url}/v1/recommendations", params={"user": user, "k": 3})
            assert answer.status_code == 200, answer.text
            found.append(answer.json())
            pids.add(answer.headers["fusionrec-index"])
        return found

    def mixed() -> bool:
        answers()
        return len(pids) == 2

    eventually(mixed, 60)
    found = answers()
    assert all(one["items"] == found[0]["items"] for one in found)
    assert all(one["notes"] == [] for one in found)
    assert all(httpx.get(f"{server.url}/readyz").status_code == 200 for _ in range(8))
    # What one process is told, every one knows at the next question.
    hidden = found[0]["items"][0]["id"]
    event = {"user": user, "item": hidden, "kind": "hide"}
    assert httpx.post(f"{server.url}/v1/feedback", json=event).status_code == 201
    assert all(hidden not in [i["id"] for i in one["items"]] for one in answers())
    text = httpx.get(f"{server.url}/metrics").text
    assert 'fusionrec_events_total{outcome="new"} 1.0' in text
    assert server.stop() == 0


def test_a_store_that_another_process_has_is_told_at_the_start(indexed, serve):
    serve(indexed)
    second = serve(indexed)
    assert second.said[0].endswith("from exact")
    eventually(lambda: len(second.said) > 1)
    assert second.said[1].startswith("note: ")
    assert "in use by another process" in second.said[1]


def test_a_taken_port_is_told_without_a_traceback(indexed, fusionrec):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = fusionrec(indexed, "serve", "--port", str(port))
    assert ended.code == 2
    assert f"nothing can listen at 127.0.0.1, port {port}" in ended.err
    assert "hint: --port 0 takes a free port" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("host", ["no.such.host.invalid", "not an address"])
def test_an_address_that_is_none_is_told(indexed, fusionrec, host):
    ended = fusionrec(indexed, "serve", "--port", "0", "--host", host)
    assert ended.code == 2
    assert "no address to listen at" in ended.err
    assert "hint:" in ended.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_a_model_it_says_what_to_do(tmp_path, fusionrec, workers):
    from fusionrec.workspace import Workspace

    empty = Workspace(tmp_path / "empty")
    ended = fusionrec(empty, "serve", "--port", "0", "--workers", workers)
    assert ended.code == 1
    assert "hint: train one" in ended.err


def test_others_are_not_let_in_without_a_key(indexed, fusionrec):
    ended = fusionrec(indexed, "serve", "--port", "0", "--host", "0.0.0.0")
    assert ended.code == 1
    assert f"fusionrec --home {indexed.home} keys add" in ended.err


def test_keys_are_made_listed_and_removed(workspace, fusionrec):
    made = fusionrec(workspace, "keys", "add", "page")
    secret = made.out.strip()
    assert secret.startswith("frk_")
    assert secret not in made.err
    key = Ledger(workspace.ledger).key_of(secret)
    assert key is not None
    assert key.scopes == {"read", "feedback"}
    fusionrec(workspace, "keys", "add", "boss", "--scope", "admin")
    listed = fusionrec(workspace, "keys", "list")
    assert "boss\tadmin\t" in listed.out
    assert secret not in listed.out
    assert fusionrec(workspace, "keys", "add", "page").code == 2
    assert fusionrec(workspace, "keys", "remove", "page").code == 0
    assert Ledger(workspace.ledger).key_of(secret) is None
    assert fusionrec(workspace, "keys", "remove", "page").code == 2


def test_the_commands_load_no_service_before_it_is_asked_for():
    code = (
        "import sys, fusionrec.cli; "
        "print([m for m in ('fastapi', 'uvicorn', 'pydantic', 'prometheus_client', 'orjson') "
        "if m in sys.modules])"
    )
    assert python(code).strip() == "[]"


def test_answers_go_on_while_events_are_written_by_another_process(indexed, serve):
    server, ledger = serve(indexed), Ledger(indexed.ledger)
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            ledger.record([Event(f"w{number}", "other", "3", "view")])
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(30):
            told = {"user": "me", "item": "4", "kind": "view", "id": f"m{number}"}
            assert httpx.post(f"{server.url}/v1/feedback", json=told).status_code == 201
            listed = httpx.get(f"{server.url}/v1/users/me").json()
            assert listed["events"] == {"view": number + 1}
    finally:
        ended.set()
        writer.join()


def test_numpy_computes_in_the_thread_that_asks(indexed):
    """Said before NumPy is loaded, which is when it listens."""
    code = """
import os, sys
from unittest import mock
from fusionrec.cli import cli
assert "numpy" not in sys.modules
def loaded(*_):
    assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"
    print("asked")
with mock.patch("fusionrec.cli.options.read_place", loaded):
    try:
        cli.main(["serve"], standalone_mode=False)
    except Exception:
        pass
"""
    environment = {n: v for n, v in os.environ.items() if not n.endswith("_NUM_THREADS")}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "asked\n", ended.stderr


def test_commands_hand_a_version_over_to_the_process_that_has_the_store(indexed, serve, fusionrec):
    second(indexed)  # not in Milvus yet
    server = serve(indexed)

    def answers_from(version: str) -> bool:
        user = load(indexed).users.ids[9]
        asked = {"user": user, "k": 3}
        body = httpx.get(f"{server.url}/v1/recommendations", params=asked).json()
        return body["version"] == version and body["place"].endswith("milvus.db")

    assert answers_from("v1")
    for words, version in ((["index"], "v2"), (["models", "activate", "v1"], "v1")):
        ended = fusionrec(indexed, *words)
        assert ended.code == 0, ended.err
        assert f"is open in another process: it was told to make {version} active" in ended.err
        eventually(lambda version=version: answers_from(version), 30)
    beside = str(indexed.home / "beside.db")
    assert fusionrec(indexed, "index", "--milvus", beside).code == 0
    assert server.stop() == 0
