"""The service over a ledger in PostgreSQL: a real one, in two processes."""

from __future__ import annotations

import shutil

import httpx
import pytest

from fusionrec.deploy.build import build_index
from fusionrec.ledger import Ledger
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


@pytest.fixture
def url(postgres, monkeypatch) -> str:
    made = postgres.new_schema()
    monkeypatch.setenv("FUSIONREC_LEDGER", made)  # of the test and of the servers it starts
    return made


def ids(client: httpx.Client, user: str) -> list[str]:
    answer = client.get("/v1/recommendations", params={"user": user, "k": 5})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_feedback_counts_in_every_process_and_outlives_a_kill(built, tmp_path, url, serve):
    shutil.copytree(built.models, tmp_path / "shop" / "models")
    workspace = Workspace(tmp_path / "shop")
    build_index(workspace, load(workspace))
    assert not (workspace.home / "ledger.sqlite").exists()
    server = serve(workspace, "--workers", "2")
    with httpx.Client(base_url=server.url) as client:
        before = ids(client, "10")
        told = {"user": "10", "item": before[0], "kind": "hide", "id": "hidden"}
        for _ in range(2):  # told again, it is known
            assert client.post("/v1/feedback", json=told).status_code == 201
    for _ in range(8):  # connections of their own, so that both processes are asked
        with httpx.Client(base_url=server.url) as client:
            assert before[0] not in ids(client, "10")
    server.kill()
    again = serve(workspace)
    with httpx.Client(base_url=again.url) as client:
        assert before[0] not in ids(client, "10")
        assert client.get("/readyz").status_code == 200
    assert [event.id for _, event in Ledger(url).events()] == ["hidden"]
