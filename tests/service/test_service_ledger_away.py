"""A ledger that cannot be written, a stderr that cannot be: it is said in time, and passes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import httpx
import pytest

from builders import command
from fusionrec.deploy.build import build_index
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import current, restore, withdraw
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from serving import free_port, opened
from swap_stress import eventually


@contextmanager
def locked(workspace: Workspace) -> Iterator[None]:
    """Another writer holds the ledger."""
    with closing(sqlite3.connect(workspace.ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("COMMIT")


@pytest.fixture
def hasty(indexed):
    # Nothing is pruned, which would be the first to wait for the ledger.
    with opened(indexed, write_seconds=0.5, threads=2, impression_days=0) as shop:
        yield shop


WRITES = [
    ("POST", "/v1/feedback", {"user": "u", "item": "3", "kind": "like", "id": "a"}),
    ("PUT", "/v1/users/u", {"age": "25"}),
    ("DELETE", "/v1/users/u", None),
    ("PUT", "/v1/items/3", {"title": "Another"}),
    ("DELETE", "/v1/items/4", None),
    ("POST", "/v1/items/3/restore", None),
    ("POST", "/v1/versions/v1/activate", None),
]


def test_what_cannot_be_written_in_time_is_refused_and_the_service_is_not_ready(hasty):
    def ask(method: str, path: str, body: object) -> httpx.Response:
        return hasty.client.request(method, path, json=body, headers=hasty.admin, timeout=60)

    assert ask("DELETE", "/v1/items/3", None).status_code == 200  # so that restore has to write
    with locked(hasty.workspace):
        for method, path, body in WRITES:
            began = time.monotonic()
            answer = ask(method, path, body)
            assert answer.status_code == 503, (path, answer.text)
            assert time.monotonic() - began < 20  # a writer waits for 30 s where it may
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"]
            assert "again" in answer.json()["hint"]
            if path == "/v1/feedback":
                assert "with the same id" in answer.json()["hint"]
        ready = hasty.client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["reasons"]
    eventually(lambda: hasty.client.get("/readyz").status_code == 200)
    for method, path, body in WRITES:
        assert ask(method, path, body).status_code < 300, path


def test_probes_answer_while_every_thread_waits_for_the_ledger(hasty):
    hasty.state.recorder._seconds = 120  # they wait until this test lets them go on
    hasty.ledger._database._wait = 120
    with ThreadPoolExecutor(4) as pool, locked(hasty.workspace):

        def ask(user: int):
            path, age = f"/v1/users/{user}", {"age": "25"}
            return pool.submit(hasty.client.put, path, json=age, timeout=180)

        asked = [ask(0)]
        eventually(lambda: hasty.state.recorder._begun is not None)
        asked += [ask(user) for user in (1, 2, 3)]  # not written together with the first
        eventually(lambda: len(hasty.state.recorder._calls) == 1)  # two threads, and no more
        for path in ("/healthz", "/readyz"):
            for headers in ({}, hasty.admin):
                answer = hasty.client.get(path, headers=headers, timeout=60)
                assert answer.status_code == 200, answer.text
        hasty.state.recorder._seconds = 0.01
        assert hasty.client.get("/readyz", timeout=60).status_code == 503
        hasty.state.recorder._seconds = 120
        assert not any(one.done() for one in asked)
    assert all(one.result().status_code == 200 for one in asked)


@contextmanager
def moved_away(workspace: Workspace) -> Iterator[None]:
    """The ledger's file is not there, as when a disk is not mounted."""
    away = workspace.home / "away.sqlite"
    workspace.ledger.rename(away)
    yield
    away.rename(workspace.ledger)


@pytest.fixture(params=["hanging server", "missing file"])
def without_ledger(request, indexed, monkeypatch):
    """A service, and a context in which its ledger cannot be read; which kind of ledger it is."""
    if request.param == "missing file":
        with opened(indexed) as shop:
            yield shop, lambda: moved_away(indexed), request.param
        return
    postgres = request.getfixturevalue("postgres")
    monkeypatch.setenv("FUSIONREC_LEDGER", postgres.new_schema())
    build_index(indexed, load(indexed))
    with opened(indexed, ledger_seconds=0.3, write_seconds=1.0) as shop:
        yield shop, postgres.paused, request.param


def test_answers_go_on_without_feedback_and_say_so(without_ledger):
    shop, away, kind = without_ledger
    client, (said, unsaid, gone) = shop.client, load(shop.workspace).users.ids[9:12]

    def ask(user: str | None = None, **more: object) -> tuple[dict, str]:
        asked = {"k": 5} | ({} if user is None else {"user": user}) | more
        began = time.monotonic()
        answer = client.get("/v1/recommendations", params=asked)
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - began < 2
        return answer.json(), answer.headers["etag"]

    before, _ = ask(said)
    hidden = before["items"][0]["id"]
    assert shop.tell(said, hidden, "hide").status_code == 201
    known, tag = ask(said)
    others, _ = ask(unsaid)
    popular, _ = ask()
    with away():
        stale, other = ask(said)  # what was read of them last counts
        assert stale["items"] == known["items"]
        assert "ledger cannot be read" in stale["notes"][0]
        assert tag != other
        asked = {"user": said, "k": 5}
        again = client.get("/v1/recommendations", params=asked, headers={"If-None-Match": tag})
        assert again.status_code == 200
        assert "ledger cannot be read" in ask(unsaid, fresh=True)[0]["notes"][0]
        assert ask(unsaid)[0]["items"] == others["items"]
        assert ask()[0]["items"] == popular["items"]
        found = client.get("/v1/search", params={"q": others["items"][0]["title"], "user": unsaid})
        assert "ledger cannot be read" in found.json()["notes"][0]
        for path, headers in (("/v1/users/u", {}), ("/v1/recommendations", shop.admin)):
            refused = client.get(path, headers=headers)
            assert refused.status_code == 503, "what cannot be known is not answered"
            assert refused.headers["retry-after"]
        refused = shop.tell(said, hidden, "like")
        assert refused.status_code == 503
        assert "postgres" not in refused.text
        assert str(shop.workspace.home) not in refused.text
        assert (kind == "missing file") == ("put a copy" in refused.json()["hint"])
        assert client.get("/readyz").status_code == 503
        began = time.monotonic()
        assert all(client.get("/healthz").status_code == 200 for _ in range(5))
        assert time.monotonic() - began < 0.5
    eventually(lambda: client.get("/readyz").status_code == 200, 20)
    eventually(lambda: ask(said)[1] == tag)
    assert shop.ledger.forget(gone) == 0
    assert ask(said)[0]["items"] == known["items"]
    with away():  # nobody has read since whether they were forgotten
        unknown = ask(gone)[0]
        assert unknown["kind"] == ask(unsaid)[0]["kind"] == "popular"
        assert ask(said)[0]["items"] == known["items"]
    if kind == "missing file":
        assert [path.name for path in shop.workspace.home.glob("*.sqlite")] == ["ledger.sqlite"]


@pytest.mark.parametrize(("how", "workers"), [("full", "2"), ("closed pipe", "1")])
def test_a_stderr_that_cannot_be_written_wedges_nothing(indexed, how, workers):
    read, pipe = os.pipe()
    os.close(read)
    stderr = os.open("/dev/full", os.O_WRONLY) if how == "full" else pipe
    (indexed.home / "settings.toml").write_text("[service]\nwrite_seconds = 0.5\n")
    port = free_port()
    arguments = ("serve", "--port", str(port), "--workers", workers)
    process = subprocess.Popen(command(indexed, *arguments), stderr=stderr, start_new_session=True)
    ledger, artifact = Ledger(indexed.ledger), load(indexed)
    gone = artifact.items.ids[3]

    def shown() -> set[str]:
        answer = client.get("/v1/recommendations", params={"k": 100})
        return {item["id"] for item in answer.json()["items"]}

    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            eventually(lambda: is_ready(client), 60)
            event = {"user": "u", "item": "3", "kind": "view", "id": "a"}
            with locked(indexed):  # of which the service talks
                assert client.post("/v1/feedback", json=event).status_code == 503
            ledger.activate("no-such-version", "")  # and of this
            withdraw(ledger, current(artifact, ledger), [gone])
            eventually(lambda: gone not in shown())
            eventually(lambda: client.post("/v1/feedback", json=event).status_code == 201)
            restore(ledger, current(artifact, ledger), [gone])
            eventually(lambda: gone in shown())
            eventually(lambda: is_ready(client))
        process.terminate()
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(stderr)
    assert [event.id for _, event in ledger.events()] == ["a"]


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
