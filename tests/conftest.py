"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import httpx
import pytest

# Before NumPy and SciPy are loaded. Each has threads of its own that spin while they wait: beside
# another process of tests these cost several times the work itself.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import quick
from builders import Ended, auto_recipe, recipe
from fusionrec.cli import main
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.index import MilvusStore
from fusionrec.models.linear_settings import LinearRecipe
from fusionrec.registry import Artifact
from fusionrec.training import stars
from fusionrec.workspace import Workspace
from postgres import CannotStartError, Postgres
from quick import leave_out
from swap_stress import Stores

Report = pytest.TestReport | pytest.CollectReport

# An answer that comes late on a busy machine is none the worse: by default httpx waits 5 s.
signature(httpx.Client).parameters["timeout"].default.read = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="no Paddle, server, browser, real data")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        quick.begin()


def _forbidding_skips(report: Report) -> Report:
    """With FUSIONREC_NO_SKIPS set, a test that lacks a part it needs fails."""
    if (
        os.environ.get("FUSIONREC_NO_SKIPS")
        and report.skipped
        and not hasattr(report, "wasxfail")
        and quick.REASON not in str(report.longrepr)
    ):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"FUSIONREC_NO_SKIPS is set, and this would be skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Report, Report]:
    return _forbidding_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Report, Report]:
    return _forbidding_skips((yield))


@pytest.fixture(scope="session", autouse=True)
def _short_rating_heads() -> Iterator[None]:
    """Rating heads that a training fits by the way take a tenth of the usual sweeps; tests of what
    more of them are good for name their own settings.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stars.Settings, "of", lambda _: stars.Settings(8, 50, sweeps=24, trial=12))
        yield


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """A small made-up data set under MovieLens' schema."""
    return synthetic(seed=1, users=60, items=40, interactions=1500)


@pytest.fixture(scope="session")
def published(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model of ``dataset``, not to be changed; the first users and items are not trained."""
    from fusionrec.training.train import train

    rows = ((dataset.user > 2) & (dataset.item > 1)).nonzero()[0]
    home = tmp_path_factory.mktemp("published")
    return train(dataset, recipe(epochs=4), Workspace(home), rows=rows)


@pytest.fixture(scope="session")
def parted(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A version of ``dataset`` that is made of parts, not to be changed; its lists for the goals
    ``later``, its own, and ``taste`` differ.
    """
    from fusionrec.training.train import train

    made = auto_recipe()
    home = Workspace(tmp_path_factory.mktemp("parted"))
    return train(dataset, LinearRecipe(made.model, made.linear), home)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, the same for all tests, which leave it running; skips without one."""
    try:
        started = Postgres()
    except CannotStartError as why:
        pytest.skip(f"no PostgreSQL: {why}")
    with started:
        yield started


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server that speaks S3."""
    pytest.importorskip("s3fs")
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts objects into an empty bucket ``shop``."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = boto3.resource("s3").Bucket("shop")
    made.create()
    made.objects.delete()
    return lambda name, body: made.put_object(Key=name, Body=body)


@pytest.fixture
def workspace(published: Artifact, tmp_path: Path) -> Workspace:
    """A test's own workspace with one version, which has no index yet."""
    made = Workspace(tmp_path / "home")
    shutil.copytree(published.folder, made.models / "v1")
    return made


@pytest.fixture
def fusionrec(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs a command in this process, in the workspace given first."""

    def call(workspace: Workspace, *arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["--home", str(workspace.home), *arguments])
        said = capsys.readouterr()
        return Ended(int(stop.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    """The connections to stores that are made from now on."""
    made, first = Stores(), MilvusStore.__init__

    def noted(store: MilvusStore, *args: object, **options: object) -> None:
        store._client = None
        made.opened.append(store)
        first(store, *args, **options)

    monkeypatch.setattr(MilvusStore, "__init__", noted)
    return made


@pytest.fixture(scope="session")
def movielens_dir() -> Path:
    """The folder that holds ``ml-1m.zip`` and ``ml-100k.zip``; skips where there is none."""
    leave_out("real data")
    folder = os.environ.get("FUSIONREC_DATA")
    if not folder:
        pytest.skip("FUSIONREC_DATA is not set: it names the folder with ml-1m.zip, ml-100k.zip")
    missing = [n for n in ("ml-1m.zip", "ml-100k.zip") if not (Path(folder) / n).is_file()]
    if missing:
        pytest.skip(f"FUSIONREC_DATA={folder} lacks {', '.join(missing)}")
    return Path(folder)
