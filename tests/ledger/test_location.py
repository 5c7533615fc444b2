"""Where the ledger is: settings, URLs that cannot be used, a server that is down, forks."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from fusionrec.errors import ConfigError, LedgerError
from fusionrec.ledger import Event, Ledger
from fusionrec.workspace import Workspace

SECRET = "hunter2"
EVENT = Event("1", "u", "i", "view")


def test_environment_before_settings_before_the_workspaces_file(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    monkeypatch.delenv("FUSIONREC_LEDGER", raising=False)
    assert workspace.ledger == tmp_path / "ledger.sqlite"
    workspace.settings.write_text('[milvus]\nuri = "http://h"\n[service]\nport = 1\n')
    assert workspace.ledger == tmp_path / "ledger.sqlite"
    workspace.settings.write_text('[ledger]\nurl = "postgresql://h/d"\n')
    assert workspace.ledger == "postgresql://h/d"
    monkeypatch.setenv("FUSIONREC_LEDGER", "sqlite:///other.sqlite")
    assert workspace.ledger == "sqlite:///other.sqlite"
    monkeypatch.setenv("FUSIONREC_LEDGER", "")
    assert workspace.ledger == "postgresql://h/d"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[ledger]\nurll = '{SECRET}'", "did you mean ledger.url?"),
        (f"[ledger]\nurl = ['{SECRET}']", "a text in quotes"),
        (f"[ledger]\nurl = '{SECRET}", "cannot be read as TOML"),
        ("[leger]\n", "did you mean [ledger]?"),
        ("[everything]\n", "[milvus], [ledger], [service]"),
        ("ledger = 3", "must be a table"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, monkeypatch, text, said):
    monkeypatch.delenv("FUSIONREC_LEDGER", raising=False)
    workspace = Workspace(tmp_path)
    workspace.settings.write_text(text)
    with pytest.raises(ConfigError) as caught:
        _ = workspace.ledger
    shown = f"{caught.value} {caught.value.hint}"
    assert said in shown
    assert SECRET not in shown


def test_a_url_of_sqlite_is_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Ledger(tmp_path / "a.sqlite").activate("v1", "")
    relative = Ledger("sqlite:///a.sqlite")
    monkeypatch.chdir("/")
    assert relative.active().version == "v1"
    assert Ledger(f"sqlite:///{tmp_path}/a.sqlite").active().version == "v1"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"nonsense {SECRET}", "cannot be read"),
        ("", "cannot be read"),
        (f"postgresql://u:{SECRET}@h:port/d", "cannot be read"),
        (f"oracel://u:{SECRET}@h/d", "'oracel'"),
        (f"postgres://u:{SECRET}@h/d", "'postgres'"),
        (f"postgresql+asyncpg://u:{SECRET}@h/d", "'postgresql+asyncpg'"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("sqlite:///a.sqlite?mode=memory", "must be a file"),
        ("sqlite+aiosqlite:///a.sqlite", "must be a file"),
        (f"mysql+pymysql://u:{SECRET}@h/d", "'mysql+pymysql'"),
        (f"postgresql+psycopg2://u:{SECRET}@h/d", "'postgresql+psycopg2'"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/d", "cannot be used"),
        (f"postgresql://u@127.0.0.1:1/d?password={SECRET}", "cannot be used"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/d?nosuch={SECRET}", "cannot be used"),
        (f"postgresql://u:{SECRET}@/d?host=/no/such/folder", "/no/such/folder"),
    ],
)
def test_urls_that_cannot_be_used(url, said):
    with pytest.raises(LedgerError) as caught:
        Ledger(url).revision()
    assert said in caught.value.message
    assert caught.value.hint
    seen, error = [], caught.value
    while error is not None:
        seen.append(f"{error} {error!r} {getattr(error, 'hint', '')}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert SECRET not in " ".join(seen)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError) as caught:
        Ledger("postgresql://h/d")
    assert "fusionrec[postgresql]" in caught.value.hint


def test_a_server_that_was_restarted_is_found_again(postgres):
    ledger = Ledger(postgres.new_schema())
    ledger.record([EVENT])
    postgres.stop()
    try:
        for use in (ledger.revision, lambda: ledger.record([EVENT])):
            with pytest.raises(LedgerError, match="cannot be used") as caught:
                use()
            assert "server up" in caught.value.hint
    finally:
        postgres.start()
    assert ledger.revision().event == 1, "what was acknowledged outlasts the server's end"
    assert ledger.record([EVENT]) == ["known"]


def test_an_older_ledger_on_a_server_is_brought_up_to_date(postgres):
    from sqlalchemy import text

    location = postgres.new_schema()
    ledger = Ledger(location)
    ledger.activate("v1", "")
    later = "ledger_schema, events, impressions, profiles, forgotten, keys"
    ledger._database.write(lambda c: c.execute(text(f"DROP TABLE {later}")))
    assert Ledger(location).active().version == "v1"
    assert Ledger(location).record([EVENT]) == ["new"]


def _in_a_child(do) -> None:
    """Runs it in a fork of this process, which must end well."""
    child = os.fork()
    if not child:
        code = 1
        try:
            do()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_a_fork_uses_connections_of_its_own(location):
    ledger = Ledger(location)
    ledger.record([EVENT])

    def child() -> None:
        assert ledger.record([EVENT, Event("2", "u", "i", "view")]) == ["known", "new"]
        ledger.close()

    for _ in range(2):
        assert ledger.revision().event > 0  # a connection is in the pool
        _in_a_child(child if len(ledger.events()) == 1 else ledger.close)
        assert len(ledger.events()) == 2
    # What the child wrote outlasts the parent's last connection, with which SQLite's log goes.
    ledger.close()
    assert len(Ledger(location).events()) == 2


def test_a_process_forks_while_its_threads_record(location):

    ledger, ended = Ledger(location), threading.Event()
    counts = [0, 0, 0]

    def write(thread: int) -> None:
        while not ended.is_set():
            ledger.record([Event(f"{thread}-{counts[thread]}", "u", "i", "view")])
            counts[thread] += 1

    threads = [threading.Thread(target=write, args=[n]) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(5):
            _in_a_child(lambda n=n: ledger.record([Event(f"child-{n}", "u", "i", "view")]))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert len(ledger.events()) == sum(counts) + 5
