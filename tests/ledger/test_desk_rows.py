"""Sessions and the log of those who run the service, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from fusionrec.errors import UsageError
from fusionrec.ledger import Ledger


def test_a_session_lasts_as_long_as_its_time_and_its_key(location):
    ledger, other = Ledger(location), Ledger(location)  # as of two workers
    secret = ledger.add_key("desk", ["admin"])
    assert ledger.open_session("frk_" + "x" * 43, 100.0, 200.0) is None
    session = ledger.open_session(secret, 100.0, 200.0)
    assert session not in (None, secret)
    assert other.session_key(session, 199.0).name == "desk"
    assert other.session_key(session, 200.0) is None
    assert other.session_key(session + "x", 199.0) is None
    ledger.remove_key("desk")
    assert other.session_key(session, 199.0) is None
    ledger.add_key("desk", ["admin"])  # another key of the same name
    assert other.session_key(session, 199.0) is None


def test_a_session_can_be_closed_and_ended_ones_are_dropped(location):
    ledger = Ledger(location)
    secret = ledger.add_key("desk", ["admin"])
    first, second = (ledger.open_session(secret, at, at + 10.0) for at in (0.0, 20.0))
    assert ledger.session_key(first, 5.0) is None  # dropped when the second began
    ledger.close_session(second)
    ledger.close_session("nothing")
    assert ledger.session_key(second, 21.0) is None


def test_the_log_is_read_from_its_end(location):
    ledger = Ledger(location)
    assert ledger.log_entries() == []
    for n in range(5):
        ledger.log("desk", "withdraw item", f"\U0001f600 {n}")
    found = ledger.log_entries(2, 1)
    assert [(one.who, one.action, one.object) for one in found] == [
        ("desk", "withdraw item", "\U0001f600 3"),
        ("desk", "withdraw item", "\U0001f600 2"),
    ]
    with pytest.raises(UsageError):
        ledger.log("", "x", "y")
