"""Two services on two machines: networks of their own, one PostgreSQL, one object store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fusionrec.registry import Artifact
from fusionrec.workspace import Workspace
from postgres import Postgres
from quick import leave_out
from swap_stress import second

TESTS = Path(__file__).parent.parent


def namespaces() -> list[str]:
    """The beginning of a command in a network of its own; skips where there can be none."""
    leave_out("a server")
    # Of root not as another user: PostgreSQL's folder belongs to one that would be unknown there.
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *own, "--net", "--mount"]
    tried = [*command, "ip", "link", "add", "card1", "type", "veth", "peer", "name", "card2"]
    tools = shutil.which("unshare") and shutil.which("ip")
    if not tools or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("no networks can be made and joined here (unshare, ip)")
    return command


def test_what_one_machine_learns_the_other_knows_and_an_activation_moves_both(
    workspace: Workspace, published: Artifact, postgres: Postgres, tmp_path: Path
):
    pytest.importorskip("moto.server")
    command, versions = namespaces(), [published.folder, second(workspace).folder]
    script = [sys.executable, str(TESTS / "service" / "two_machines.py")]
    ran = subprocess.run(
        [*command, *script, str(tmp_path), postgres.new_schema(), *map(str, versions)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([*map(str, (TESTS, TESTS.parent / "src"))])},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert json.loads(ran.stdout.splitlines()[-1]) == {
        "begin": ["v1", "v1"],
        "acknowledged": 201,
        "shown by two": False,
        "activated": [200, True, True],
        "without the store": [200, True, True],
        "ready": [200, 200],
        "files": [["v1", "v2"], ["v1", "v2"]],
    }
