"""A part of the proof by fuzzing, always the same one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from quick import leave_out

PROOF = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


def test_no_mutated_file_setting_or_request_is_a_defect():
    leave_out("a training and a service")
    tried = [sys.executable, str(PROOF), "--count", "60", "--seed", "19"]
    ended = subprocess.run(tried, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
    assert "60 inputs, 0 wrong" in ended.stdout
