"""Fixtures for the tests of versions that answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusionrec.data.item_files import item_of
from fusionrec.deploy.build import build_index
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import current, put
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


@pytest.fixture
def indexed(workspace: Workspace) -> Workspace:
    build_index(workspace, load(workspace))
    return workspace


@pytest.fixture
def add_dune(workspace: Workspace) -> Callable[..., None]:
    """Adds a film to the workspace's items under these ids."""

    def add(*ids: str) -> None:
        artifact, ledger = load(workspace), Ledger(workspace.ledger)
        dune = {"title": "Dune", "genres": ["Sci-Fi"], "year": 2021.0}
        items = [item_of(artifact.schema, id, dune) for id in ids]
        put(ledger, current(artifact, ledger), items)

    return add


@pytest.fixture
def with_mounts(tmp_path: Path) -> Callable[..., Any]:
    """Runs code that may mount disks, and gives the JSON that it prints; skips where it may not."""
    unshare = ["unshare", "--map-root-user", "--mount"]
    there = shutil.which("unshare")
    if not there or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here (unshare -rm)")

    def run(code: str, *arguments: object) -> Any:
        mount = tmp_path / "mount"
        mount.mkdir()
        command = [*unshare, sys.executable, "-c", code, mount, *arguments]
        ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run
