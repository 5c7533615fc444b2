"""Vectors of another model on a real Milvus server, in turns with a trained version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from milvus_server import MilvusServer

from builders import Ended
from fusionrec.index import MilvusStore, Place
from fusionrec.workspace import Workspace

Command = Callable[..., Ended]


@pytest.fixture
def database(server: MilvusServer) -> str:
    """A database of its own."""
    with MilvusStore(Place(server.uri)) as store:
        if "foreign" not in store._call("list_databases"):
            store._call("create_database", "foreign")
    return f"{server.uri}/foreign"


def test_vectors_answer_from_a_server(
    workspace: Workspace, fusionrec: Command, database: str, tmp_path: Path
) -> None:
    def asked(*arguments: str) -> list[tuple[str, float]]:
        ended = fusionrec(workspace, *arguments, "--json")
        assert ended.code == 0, ended.err
        answer = json.loads(ended.out)
        assert answer["place"] == database
        return [(item["id"], item["score"]) for item in answer["items"]]

    def does(*arguments: str) -> None:
        ended = fusionrec(workspace, *arguments)
        assert ended.code == 0, ended.err

    similar = ("similar", "5", "-k", "9", "--year", "1900..2030")
    liked = ("recommend", "--liked", "5", "--rated", "9=1", "-k", "9")
    words = ("search", "drama", "--liked", "5", "-k", "9")
    does("index", "--milvus", database)
    trained = [asked(*question) for question in (similar, liked, words)]
    file = str(tmp_path / "v.parquet")
    does("export", "vectors", "-o", file)
    does("index", "--vectors", file)
    assert [asked(*question) for question in (similar, liked, words)] == trained
    gone = trained[0][0][0]
    does("items", "withdraw", gone)
    assert gone not in dict(asked(*similar))
    does("items", "restore", gone)
    assert asked(*similar) == trained[0]
    does("models", "activate", "v1")
    assert len(asked("recommend", "--user", "10", "-k", "3")) == 3
    does("models", "activate", "v2")
    assert asked(*similar) == trained[0]
    does("doctor")
