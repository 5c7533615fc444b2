"""Some seconds of kills, full disks, pauses and locks, in which no event is lost or doubled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from quick import leave_out

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "history_check.py"


def test_events_are_neither_lost_nor_doubled_whatever_happens(built):
    leave_out("a server")
    asked = [sys.executable, SCRIPT, "--seconds", "20", "--seed", "3", "--home", built.home]
    done = subprocess.run(
        list(map(str, asked)), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'acknowledged': " in done.stdout
    assert "lost: 0, refused, and there: 0, twice: 0, never sent: 0" in done.stdout
