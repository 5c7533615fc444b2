"""Fixtures for the tests of the index: a real server, where there can be one."""

from __future__ import annotations

from pathlib import Path

import pytest
from milvus_server import CannotStartError, MilvusServer

_FOLDER = Path(__file__).parent
_running: list[MilvusServer] = []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> MilvusServer:
    """A real Milvus server, the same for all tests here, which leave it running; skips without
    one.
    """
    if not _running:
        try:
            _running.append(MilvusServer(tmp_path_factory.mktemp("milvus") / "server"))
        except CannotStartError as why:
            pytest.skip(f"no Milvus server: {why}")
    return _running[0]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Ends the server with the last of these tests: idle, it takes an eighth of a processor."""
    while _running and (nextitem is None or _FOLDER not in nextitem.path.parents):
        with _running.pop():
            pass
