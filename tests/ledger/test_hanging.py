"""A server that hangs: it is given up in time, then left alone for a second, and found again."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger
from swap_stress import eventually

EVENT = Event("1", "u", "i", "view")


def seconds(use) -> float:
    """How long a call takes that fails."""
    began = time.monotonic()
    with pytest.raises(LedgerError) as caught:
        use()
    assert caught.value.hint
    return time.monotonic() - began


def test_a_stopped_server_is_given_up_and_found_again(postgres):
    ledger = Ledger(postgres.new_schema(), wait=1.0, brief=0.3)
    ledger.record([EVENT])
    with postgres.paused():
        assert 0.2 < seconds(ledger.revision) < 0.8  # on a connection that was open
        assert ledger.failing
        for _ in range(3):
            assert seconds(ledger.revision) < 0.1
        eventually(lambda: seconds(ledger.active) > 0.2, 5)  # on a new connection
        assert 0.8 < seconds(lambda: ledger.record([EVENT])) < 3
        with ThreadPoolExecutor(8) as pool:
            waited = list(pool.map(lambda _: seconds(ledger.revision), range(40)))
        assert sum(one > 0.1 for one in waited) <= 1, "one tries, the others do not wait"

    def answers() -> bool:
        try:
            return ledger.revision().event == 1
        except LedgerError:
            return False

    eventually(answers, 5)
    assert ledger.record([EVENT]) == ["known"]
    assert not ledger.failing


def test_a_statement_under_way_is_given_up_and_the_next_one_has_its_own_time(postgres):
    ledger = Ledger(postgres.new_schema(), wait=0.5)

    def query(connection) -> None:
        for _ in range(3):
            connection.execute(text("SELECT pg_sleep(0.6)"))

    ledger._database.write(query)  # 1.5 s for each
    assert 0.5 < seconds(lambda: ledger._database.read(sleep, None, brief=True)) < 1.5
    assert [t.name for t in threading.enumerate()].count("fusionrec-time-limit") == 1


def sleep(connection) -> None:
    connection.execute(text("SELECT pg_sleep(20)"))


def test_a_socket_that_accepts_and_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        ledger = Ledger(f"postgresql://u@127.0.0.1:{port}/d", wait=0.5, brief=0.3)
        assert 0.2 < seconds(ledger.revision) < 0.8
        assert 0.4 < seconds(lambda: ledger.record([EVENT])) < 3
