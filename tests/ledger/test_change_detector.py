"""What the ledger is asked for at every look: only where something was written since."""

from __future__ import annotations

from typing import Any

from builders import python
from fusionrec.ledger import Ledger

ELSEWHERE = """
import sys
from fusionrec.ledger import Ledger
Ledger(__import__("pathlib").Path(sys.argv[1])).change_items({"there": {}})
"""


def test_the_stamp_is_read_again_only_after_a_write_by_anyone(tmp_path, monkeypatch):
    location = tmp_path / "ledger.sqlite"
    ledger, asked = Ledger(location), []
    first = ledger._database.read

    def read(*given: Any, **named: Any) -> Any:
        asked.append(1)
        return first(*given, **named)

    monkeypatch.setattr(ledger._database, "read", read)
    assert ledger.stamp() == (0, 0)
    ledger.change_items({"one": {}})
    assert ledger.stamp() == (0, 1)
    asked.clear()
    assert [ledger.stamp() for _ in range(5)] == [(0, 1)] * 5
    assert len(asked) <= 1  # opening the file to look is no write
    Ledger(location).change_items({"two": {}})
    assert ledger.stamp() == (0, 2)
    python(ELSEWHERE, location)
    assert ledger.stamp() == (0, 3)
    ledger.activate("v1", "")
    assert ledger.stamp() == (1, 3)
