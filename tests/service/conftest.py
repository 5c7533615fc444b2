"""Fixtures for the tests of the service."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Server, Shop, opened

from fusionrec.artifact import Artifact
from fusionrec.config import Workspace
from fusionrec.indexing import build_index
from fusionrec.versions import load


@pytest.fixture(scope="session")
def built(published: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose version is in Milvus; to be copied, not to be opened."""
    made = Workspace(tmp_path_factory.mktemp("built") / "home")
    shutil.copytree(published.folder, made.models / "v1")
    build_index(made, load(made))
    return made


@pytest.fixture
def indexed(built: Workspace, tmp_path: Path) -> Workspace:
    """A test's own workspace with one version, in Milvus."""
    shutil.copytree(built.home, tmp_path / "shop")
    return Workspace(tmp_path / "shop")


@pytest.fixture(scope="session")
def shop(built: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service for all tests that leave items and versions alone, each with users of its own."""
    home = tmp_path_factory.mktemp("shared") / "shop"
    shutil.copytree(built.home, home)
    with opened(Workspace(home)) as made:
        yield made


@pytest.fixture
def own(indexed: Workspace) -> Iterator[Shop]:
    """A test's own service."""
    with opened(indexed) as made:
        yield made


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends them after the test."""
    started: list[Server] = []

    def start(workspace: Workspace, *arguments: str) -> Server:
        started.append(Server(workspace, *arguments))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()
