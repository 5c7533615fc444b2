"""Every write of a ledger that fails once leaves the old state or the new one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quick import leave_out

PROOF = Path(__file__).parents[2] / "benchmarks" / "faults.py"


def test_whichever_write_fails_what_was_acknowledged_is_there():
    leave_out("strace")
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    tried = [sys.executable, str(PROOF), "record"]
    ended = subprocess.run(tried, capture_output=True, text=True, timeout=120, check=False)
    if "cannot attach" in ended.stderr:
        pytest.skip("strace may not attach to a process here")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    name, failures, _ = ended.stdout.split()
    assert name == "record:"
    assert int(failures) > 10
