"""A ledger that a workspace has used, and that is gone, empty, or another: never a new one."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from builders import python
from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger, schema
from fusionrec.workspace import Workspace

EVENT = Event("1", "u", "i", "view")


@pytest.fixture
def workspace(location, tmp_path, monkeypatch) -> Workspace:
    """One that has used a ledger in either database."""
    monkeypatch.setenv("FUSIONREC_LEDGER", "" if isinstance(location, Path) else location)
    made = Workspace(tmp_path / "home")
    ledger = Ledger.of(made)
    ledger.record([EVENT])
    ledger.close()
    return made


def tables(change: str) -> Callable[[Workspace], None]:
    """Does to all tables of a ledger what another program may."""

    def done(workspace: Workspace) -> None:
        def write(connection) -> None:
            for table in schema._METADATA.tables:
                connection.execute(text(f"{change} {table}"))

        Ledger(workspace.ledger)._database.write(write)

    return done


def foreign(workspace: Workspace) -> None:
    tables("DROP TABLE")(workspace)
    Ledger(workspace.ledger).record([Event("2", "u", "i", "view")])


def truncated(workspace: Workspace) -> None:
    os.truncate(workspace.ledger, 0)


def gone(workspace: Workspace) -> None:
    workspace.ledger.unlink()


def replaced(workspace: Workspace) -> None:
    workspace.ledger.unlink()
    Ledger(workspace.ledger).record([EVENT])


LOSSES = [
    ("sqlite", truncated, "is gone or empty"),
    ("sqlite", gone, "is gone or empty"),
    ("sqlite", replaced, "is not the one"),
    *[
        (database, loss, said)
        for database in ("sqlite", "postgresql")
        for loss, said in (
            (tables("DROP TABLE"), "is gone or empty|no such table|does not exist"),
            (tables("DELETE FROM"), "is gone or empty|emptied"),
            (foreign, "is not the one"),
        )
    ],
]


@pytest.mark.parametrize(("location", "lose", "said"), LOSSES, indirect=["location"])
@pytest.mark.parametrize("running", [True, False])
def test_a_lost_ledger_is_an_error_of_reads_and_writes(workspace, lose, said, running):
    ledger = Ledger.of(workspace)
    if running:
        assert ledger.revision().event == 1
        assert ledger.record([EVENT]) == ["known"]
    lose(workspace)
    uses = [ledger.revision, lambda: ledger.record([EVENT]), ledger.upgrade]
    # A connection that has checked the ledger reads keys without looking again.
    for use in uses if running else [*uses, ledger.keys]:
        with pytest.raises(LedgerError, match=said) as caught:
            use()
        if "gone" in caught.value.message:
            assert str(workspace.home / "ledger.json") in caught.value.hint


def test_one_that_is_put_back_is_used_again(tmp_path):
    workspace = Workspace(tmp_path / "home")
    ledger = Ledger.of(workspace)
    ledger.record([EVENT])
    ledger.close()
    shutil.copy(workspace.ledger, tmp_path / "backup")
    assert ledger.record([Event("2", "u", "i", "view")]) == ["new"]
    gone(workspace)
    with pytest.raises(LedgerError, match="gone"):
        ledger.revision()
    for name in ("-wal", "-shm"):
        Path(f"{workspace.ledger}{name}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup", workspace.ledger)
    assert ledger.revision().event == 1
    assert ledger.record([EVENT]) == ["known"]


def test_a_new_one_begins_on_purpose(tmp_path):
    workspace = Workspace(tmp_path / "home")
    Ledger.of(workspace).record([EVENT])
    gone(workspace)
    with pytest.raises(LedgerError, match="gone"):
        Ledger.of(workspace).record([EVENT])
    (workspace.home / "ledger.json").unlink()
    assert Ledger.of(workspace).record([EVENT]) == ["new"]
    gone(workspace)
    with pytest.raises(LedgerError, match="gone"):
        Ledger.of(workspace).active()


def test_another_location_may_be_new_and_each_stays_known(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path / "home")
    Ledger.of(workspace).record([EVENT])
    with monkeypatch.context() as patched:
        patched.setenv("FUSIONREC_LEDGER", f"sqlite:///{tmp_path}/other.sqlite")
        assert Ledger.of(workspace).record([EVENT]) == ["new"]
    gone(workspace)
    with pytest.raises(LedgerError, match="gone"):
        Ledger.of(workspace).active()


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_a_workspace_elsewhere_still_works(tmp_path, move):
    Ledger.of(Workspace(tmp_path / "home")).record([EVENT])
    move(tmp_path / "home", tmp_path / "elsewhere")
    workspace = Workspace(tmp_path / "elsewhere")
    assert Ledger.of(workspace).record([EVENT]) == ["known"]
    gone(workspace)
    with pytest.raises(LedgerError, match="gone"):
        Ledger.of(workspace).active()


def test_one_of_an_older_version_is_noted_by_the_first_write(tmp_path):
    workspace = Workspace(tmp_path / "home")
    Ledger(workspace.ledger).record([EVENT])
    assert Ledger.of(workspace).revision().event == 1
    assert not (workspace.home / "ledger.json").exists()
    Ledger.of(workspace).upgrade()
    gone(workspace)
    with pytest.raises(LedgerError, match="gone"):
        Ledger.of(workspace).active()


def test_a_workspace_that_cannot_be_written_is_used(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    workspace = Workspace(tmp_path / "home")
    monkeypatch.setattr("fusionrec.ledger.identity.write_text", refused)
    ledger = Ledger.of(workspace)
    assert ledger.record([EVENT]) == ["new"]
    assert ledger.record([EVENT]) == ["known"]
    gone(workspace)
    with pytest.raises(LedgerError, match="gone"):
        ledger.record([EVENT])


def test_a_note_that_is_damaged_is_told(tmp_path):
    workspace = Workspace(tmp_path / "home")
    Ledger.of(workspace).record([EVENT])
    (workspace.home / "ledger.json").write_text("{")
    with pytest.raises(LedgerError, match="cannot be read") as caught:
        Ledger.of(workspace).active()
    assert "delete the file" in caught.value.hint


@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
def test_no_password_is_noted(location, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "FUSIONREC_LEDGER", location.replace("postgres@", "postgres:hunter2@") + "&sslpassword=x1y2"
    )
    workspace = Workspace(tmp_path / "home")
    Ledger.of(workspace).record([EVENT])
    noted = (workspace.home / "ledger.json").read_text()
    assert "postgresql://" in noted
    assert not any(secret in noted for secret in ("hunter2", "x1y2"))
    assert (workspace.home.stat().st_mode & 0o777) == 0o700


_NOTERS = """
import pathlib, sys
from concurrent.futures import ThreadPoolExecutor
from fusionrec.ledger import Ledger
home = pathlib.Path(sys.argv[1])
ledgers = [Ledger(home / f"{n}.sqlite", home=home) for n in range(8) for _ in range(3)]
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda ledger: ledger.upgrade(), ledgers))
"""


def test_many_that_are_made_at_once_are_all_noted(tmp_path):
    python(_NOTERS, tmp_path)
    for file in tmp_path.glob("*.sqlite"):
        file.unlink()
        with pytest.raises(LedgerError, match="gone"):
            Ledger(file, home=tmp_path).active()


LOG_DELETED = """
import os, signal, sys, time
from pathlib import Path
from fusionrec.ledger import Event, Ledger
ledger = Ledger(Path(sys.argv[1]))
def say(id):
    ledger.record([Event(id, "u", "i", "view")])
    ledger.revision()
for number in range(3):
    say(f"before-{number}")
log = Path(f"{sys.argv[1]}-wal")
log.unlink()
if sys.argv[2] == "looked at":
    time.sleep(0.05)
    ledger.revision()
else:
    for number in range(3):
        say(f"after-{number}")
    assert log.stat().st_size
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("then", "count"), [("looked at", 3), ("written", 6)])
def test_what_stood_in_a_log_that_was_deleted_is_there_after_a_kill(tmp_path, then, count):
    file = tmp_path / "ledger.sqlite"
    done = subprocess.run([sys.executable, "-c", LOG_DELETED, file, then], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(Ledger(file).events()) == count


def test_a_file_that_is_cut_in_place_takes_no_writes(tmp_path):
    workspace = Workspace(tmp_path / "home")
    ledger = Ledger.of(workspace)
    for number in range(200):
        ledger.record([Event(f"{number}", "u" * 500, "i" * 500, "view")])
    ledger.forget("nobody")  # what stands in the log is moved into the file
    ledger.keys()
    os.truncate(workspace.ledger, workspace.ledger.stat().st_size // 2)
    for ask in (lambda: ledger.record([Event("new", "u", "i", "view")]), ledger.keys):
        with pytest.raises(LedgerError, match="malformed: it was cut") as error:
            ask()
        assert error.value.code == "ledger_lost"
        assert "copy from before in its" in error.value.hint


def test_a_file_that_is_made_shorter_by_sqlite_is_whole(tmp_path):
    workspace = Workspace(tmp_path / "home")
    ledger = Ledger.of(workspace)
    for number in range(200):
        ledger.record([Event(f"{number}", "u" * 500, "i" * 500, "view")])
    ledger.forget("u" * 500)
    size = workspace.ledger.stat().st_size
    with closing(sqlite3.connect(workspace.ledger)) as other:
        other.execute("VACUUM")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert workspace.ledger.stat().st_size < size
    for _ in range(2):
        assert ledger.record([Event("new", "u", "i", "view")]) in (["new"], ["known"])
