"""Fixtures for the tests of the service."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shop_data import bazaar, puzzles

import colliding
from builders import recipe
from fusionrec.data.catalog import load as load_data
from fusionrec.data.dataset import Dataset
from fusionrec.deploy.build import build_index
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from serving import Server, Shop, opened


@pytest.fixture(scope="session")
def built(published: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose version is in Milvus; to be copy_home, not to be opened."""
    made = Workspace(tmp_path_factory.mktemp("built") / "home")
    shutil.copytree(published.folder, made.models / "v1")
    build_index(made, load(made))
    return made


@pytest.fixture(scope="session")
def copy_home(
    built: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Workspace]:
    """Makes copies of a workspace, ``built`` by default."""

    def copy(of: Workspace = built) -> Workspace:
        made = Workspace(tmp_path_factory.mktemp("copy") / "shop")
        shutil.copytree(of.home, made.home)
        return made

    return copy


@pytest.fixture
def indexed(copy_home: Callable[..., Workspace]) -> Workspace:
    """A test's own workspace with one version, in Milvus."""
    return copy_home()


@pytest.fixture(scope="session")
def shop(copy_home: Callable[..., Workspace]) -> Iterator[Shop]:
    """A service for all tests that leave items and versions alone, each with users of its own."""
    with opened(copy_home()) as made:
        yield made


@pytest.fixture(scope="module")
def shelf(copy_home: Callable[..., Workspace]) -> Iterator[Shop]:
    """A service whose items and versions a module's tests may change."""
    with opened(copy_home()) as made:
        yield made


@pytest.fixture(scope="module")
def public(copy_home: Callable[..., Workspace]) -> Iterator[Shop]:
    """A service that others can reach, as far as it knows; each test has users of its own."""
    with opened(copy_home(), host="0.0.0.0") as made:
        yield made


def _made(dataset: Dataset, home: Path) -> Workspace:
    from fusionrec.training.train import train

    made = Workspace(home)
    build_index(made, train(dataset, recipe(epochs=3), made))
    return made


@pytest.fixture(scope="session")
def stalls(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose version knows what people took in a bazaar; to be copy_home."""
    return _made(bazaar(), tmp_path_factory.mktemp("stalls") / "home")


@pytest.fixture(scope="session", params=[0, 1_000], ids=["store", "copy"])
def market(
    request: pytest.FixtureRequest, stalls: Workspace, copy_home: Callable[..., Workspace]
) -> Iterator[Shop]:
    """A service over it, from the store or from a copy in memory; each test has its own users."""
    with opened(copy_home(stalls), copy=request.param) as made:
        yield made


@pytest.fixture(scope="session")
def riddles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service over puzzles, which have an id and ratings from 1 to 10, and nothing else."""
    with opened(_made(puzzles(), tmp_path_factory.mktemp("puzzles") / "home")) as made:
        yield made


@pytest.fixture(scope="session")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service over items whose attributes are called like the words of an answer."""
    base = tmp_path_factory.mktemp("worded")
    colliding.words(base / "data")
    with opened(_made(load_data(str(base / "data"), base), base / "home")) as made:
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
