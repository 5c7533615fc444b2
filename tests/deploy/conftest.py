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


# Prepended to code that runs many commands: imports once what each of them needs.
_FUSIONREC = """
import json, os, subprocess, sys, tempfile
import faiss, milvus_lite.adapter.grpc.server, milvus_lite.server_manager
import pyarrow.dataset, pymilvus, scipy.sparse
import fusionrec.api
from fusionrec.cli import main
from fusionrec.deploy import build, deployment, open

def fusionrec(home, *words):
    "Exit code, output and errors of a command in a process of its own."
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            main(["--home", str(home), *words])
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return [code, *(os.pread(file.fileno(), 1 << 20, 0).decode() for file in (out, err))]
"""


@pytest.fixture
def with_mounts(tmp_path: Path) -> Callable[..., Any]:
    """Runs code that may mount disks and call ``fusionrec(home, *words)``, and gives the JSON that
    it prints; skips where it may not.
    """
    unshare = ["unshare", "--map-root-user", "--mount"]
    there = shutil.which("unshare")
    if not there or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here (unshare -rm)")

    def run(code: str, *arguments: object) -> Any:
        mount = tmp_path / "mount"
        mount.mkdir()
        command = [*unshare, sys.executable, "-c", _FUSIONREC + code, mount, *arguments]
        ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run
