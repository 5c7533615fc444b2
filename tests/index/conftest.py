"""Fixtures for the tests of the index: a real server, where there can be one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from milvus_server import CannotStartError, MilvusServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A real Milvus server, the same for all tests, which leave it running; skips without one."""
    try:
        started = MilvusServer(tmp_path_factory.mktemp("milvus") / "server")
    except CannotStartError as why:
        pytest.skip(f"no Milvus server: {why}")
    with started:
        yield started
