"""A disk that fails at the commit: what was refused is not found later, what may be is said so."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from fusionrec.ledger import Ledger
from quick import leave_out

# Ends as a kill does, so that the next process finds what SQLite's log holds.
RECORD = """
import json, os, sys
from pathlib import Path
from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger
ledger = Ledger(Path(sys.argv[1]))
outcomes = {}
for n in range(3):
    try:
        ledger.record([Event(f"e{n}", "u", "i", "like")])
        outcomes[f"e{n}"] = "written"
    except LedgerError as error:
        outcomes[f"e{n}"] = error.code
print(json.dumps(outcomes), flush=True)
os._exit(0)
"""


@pytest.fixture
def strace() -> str:
    leave_out("strace")
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    return found


def test_a_refused_event_is_not_found_after_a_kill(tmp_path, strace):
    Ledger(tmp_path / "empty").upgrade()
    codes: list[str] = []
    for turn in range(1, 9):
        file = tmp_path / f"{turn}.sqlite"
        shutil.copy(tmp_path / "empty", file)
        inject = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:when={turn}"]
        done = subprocess.run(
            [strace, "-f", "-qq", "-o", "/dev/null", *inject, sys.executable, "-c", RECORD, file],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outcomes = json.loads(done.stdout)
        held = {event.id for _, event in Ledger(file).events()}
        for id, outcome in outcomes.items():
            assert outcome == "outcome_unknown" or (id in held) == (outcome == "written"), outcomes
        codes += outcomes.values()
        if set(outcomes.values()) == {"written"}:
            break
    assert "outcome_unknown" in codes
    assert codes[-3:] == ["written"] * 3, "every fdatasync was tried"
