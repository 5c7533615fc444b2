"""The ledger in a SQLite file: what becomes of it when something goes wrong."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from builders import python, tree
from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger, Revision, database
from fusionrec.ledger.location import WAIT
from fusionrec.ledger.write_lock import WriteLock, write_ahead

EVENT = Event("1", "u", "i", "view")


def test_a_write_is_there_after_the_process_is_killed(tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = (
        "import os, signal, sys, pathlib; from fusionrec.ledger import Ledger\n"
        "Ledger(pathlib.Path(sys.argv[1])).activate('v7', 'here')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with pytest.raises(AssertionError):
        python(code, path)
    assert Ledger(path).active().version == "v7"


_RECORDER = """
import pathlib, sys
from fusionrec.ledger import Event, Ledger
ledger, name = Ledger(pathlib.Path(sys.argv[1])), sys.argv[2]
for n in range(1_000_000):
    events = [Event(f"{name}-{n}-{m}", "u", "i", "view") for m in range(1 + n % 3)]
    ledger.record(events)
    print(*(event.id for event in events), flush=True)
"""


def test_what_was_acknowledged_outlasts_every_kill(tmp_path):
    """Killed after so many answers, wherever it is by then."""
    path, acknowledged = tmp_path / "ledger.sqlite", []
    for answers in (1, 2, 3, 7, 19, 40):
        recorder = subprocess.Popen(
            [sys.executable, "-c", _RECORDER, str(path), str(answers)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(answers):
            acknowledged += recorder.stdout.readline().split()
        recorder.kill()
        acknowledged += recorder.communicate()[0].split()  # what it said until then
        found = [event.id for _, event in Ledger(path).events()]
        assert set(acknowledged) <= set(found)
        assert len(found) == len(set(found))
        for name in {id.rpartition("-")[0] for id in found}:
            call = [id for id in found if id.rpartition("-")[0] == name]
            assert len(call) == 1 + int(name.split("-")[1]) % 3, "half a call was written"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_an_unreadable_file_is_a_ledger_error_and_stays_as_it_was(tmp_path):
    path = tmp_path / "ledger.sqlite"
    content = b"not a database, but long enough to be looked at " * 40
    path.write_bytes(content)
    for use in (Ledger(path).active, lambda: Ledger(path).activate("v1", "here")):
        with pytest.raises(LedgerError, match=r"ledger\.sqlite cannot be used") as caught:
            use()
        assert "copy from before" in caught.value.hint
    assert path.read_bytes() == content


def test_a_damaged_file_is_a_ledger_error(tmp_path):
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.record([Event(str(n), "u" * 200, "i", "view") for n in range(200)])
    ledger.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(LedgerError, match="malformed") as caught:
        Ledger(path).events()
    assert "copy from before" in caught.value.hint


def test_what_is_no_file_is_a_ledger_error(tmp_path):
    (tmp_path / "ledger.sqlite").mkdir()
    (tmp_path / "home").write_text("")
    for use in (
        Ledger(tmp_path / "ledger.sqlite").active,
        Ledger(tmp_path).stamp,
        lambda: Ledger(tmp_path / "home" / "ledger.sqlite").activate("v1", ""),
    ):
        with pytest.raises(LedgerError) as caught:
            use()
        assert "permissions" in caught.value.hint


_SMALL_DISK = """
import os, pathlib, subprocess, sys
from fusionrec.errors import LedgerError
from fusionrec.ledger import Event, Ledger
folder = pathlib.Path(sys.argv[1])
mount = lambda *options: subprocess.run(["mount", *options], check=True)
mount("-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder))
ledger, acknowledged = Ledger(folder / "ledger.sqlite"), 0
try:
    while True:
        ledger.record([Event(f"{acknowledged + n}", "u" * 300, "i", "view") for n in range(20)])
        acknowledged += 20
except LedgerError as error:
    print(error, "|", error.hint)
assert acknowledged > 0
assert len(ledger.events()) == acknowledged, "none is lost, and none is half there"
ledger.close()
assert len(Ledger(folder / "ledger.sqlite").events()) == acknowledged
ledger.close()
mount("-o", "remount,size=5M", str(folder))
ledger.record([Event("after", "u", "i", "view")])
assert len(ledger.events()) == acknowledged + 1, "there is room again"
ledger.close()
mount("-o", "remount,ro", str(folder))
assert len(Ledger(folder / "ledger.sqlite").events()) == acknowledged + 1, "it can be read"
try:
    ledger.activate("v1", "")
except LedgerError as error:
    print(error, "|", error.hint)
try:
    Ledger(folder / "new" / "ledger.sqlite").activate("v1", "")
except LedgerError as error:
    print(error, "|", error.hint)
assert Ledger(folder / "new" / "ledger.sqlite").active() is None
"""


def test_a_full_disk_and_a_read_only_one(tmp_path):
    """On a small file system of its own, in a mount namespace."""
    command = ["unshare", "--map-root-user", "--mount"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no mount namespace can be made here (unshare -rm)")
    done = subprocess.run(
        [*command, sys.executable, "-c", _SMALL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    full, *others = done.stdout.splitlines()
    assert "full" in full
    assert len(others) == 2
    assert "free space and the file's permissions" in full
    assert all("its file system is read-only" in line for line in others), others


def test_a_writer_that_holds_the_file_holds_up_writers_alone(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger(path).activate("v1", "here")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert Ledger(path).active().version == "v1"
        with pytest.raises(LedgerError, match="locked") as caught:
            Ledger(path, wait=0.05).activate("v2", "here")
        assert "try again" in caught.value.hint
        other.execute("COMMIT")
    Ledger(path).activate("v2", "here")
    assert [a.version for a in Ledger(path).activations()] == ["v1", "v2"]


def test_writers_of_one_process_are_served_in_their_order():
    lock, served, start = WriteLock(), [], threading.Event()

    def write(number: int) -> None:
        with lock.acquire(10):
            start.set()
            time.sleep(0.01)
            served.append(number)

    with ThreadPoolExecutor(4) as pool, lock.acquire(0):
        for number in range(4):
            pool.submit(write, number)
            while len(lock._writers) < number + 2:
                time.sleep(0.001)
        with pytest.raises(sqlite3.OperationalError, match="locked"), lock.acquire(0.01):
            pass
        assert not start.is_set()
    assert served == [0, 1, 2, 3]


def test_writes_are_flushed_and_what_goes_is_overwritten(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.activate("v1", "")

    def pragma(name: str) -> object:
        return ledger._database.read(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar(), None)

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL
    assert pragma("secure_delete") == 1
    assert pragma("busy_timeout") == 1000 * WAIT


def test_nothing_of_a_forgotten_user_is_left_in_any_file(tmp_path):
    ledger, user = Ledger(tmp_path / "ledger.sqlite"), "somebody-in-particular"
    ledger.record([Event(str(n), user, "i", "view") for n in range(50)])
    ledger.set_profile(user, {"about": "words-of-somebody"})
    for trace in (user, "words-of-somebody"):
        assert any(trace.encode() in content for content in tree(tmp_path).values())
    ledger.forget(user)
    for content in tree(tmp_path).values():
        assert user.encode() not in content
        assert b"words-of-somebody" not in content


# What a program before the schema had a number wrote.
_BEFORE = """
CREATE TABLE activations (
    number INTEGER PRIMARY KEY, version TEXT NOT NULL, place TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE item_changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL, content TEXT, at TEXT NOT NULL);
INSERT INTO activations VALUES (1, 'v1', 'p', '2026-01-01T00:00:00+00:00');
INSERT INTO item_changes VALUES (1, 'a', '{"x": 1}', ''), (2, 'a', NULL, '');
"""


@pytest.fixture
def older(tmp_path):
    """The file of an older program's ledger."""
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        connection.executescript(_BEFORE)
    return tmp_path / "ledger.sqlite"


def test_an_older_ledger_is_read_as_it_is_and_then_brought_up_to_date(older, monkeypatch):
    ledger, before = Ledger(older), older.read_bytes()

    def check(known: Ledger) -> None:
        active = known.active()
        assert (active.version, active.changes, active.collection) == ("v1", 0, "")
        changes = [(c.content, c.withdrawn) for c in known.item_changes()]
        assert changes == [({"x": 1}, False), (None, True)]
        assert known.withdrawn(["a"]) == {"a"}
        assert (known.stamp(), known.revision(), known.events()) == ((1, 2), (0, 0, -1), [])

    def fail(*_: object) -> None:
        raise AssertionError("it was copied")

    check(ledger)
    assert older.read_bytes() == before, "it was only read"
    assert ledger.change_items({"a": None}) == 0, "compared with what was there"
    with monkeypatch.context() as patched:
        patched.setattr("fusionrec.ledger.database.read_migrated_copy", fail)
        for known in (ledger, Ledger(older)):
            check(known)
    assert ledger.change_items({"a": {"x": 2}}) == 1
    assert ledger.item_changes()[-1].withdrawn, "it was withdrawn under the older program"
    assert ledger.change_items({"a": {"x": 2}}, restore=True) == 1
    assert not ledger.item_changes()[-1].withdrawn
    ledger.activate("v3", "", 4, "c")
    assert [(a.changes, a.collection) for a in ledger.activations()] == [(0, ""), (4, "c")]


def test_a_migration_that_fails_leaves_the_old_ledger(older, monkeypatch):
    def fails(connection):
        database_migrate(connection)
        raise OSError("in the midst")

    database_migrate = database.migrate
    monkeypatch.setattr(database, "migrate", fails)
    with pytest.raises(LedgerError, match="in the midst"):
        Ledger(older).record([EVENT])
    monkeypatch.undo()
    with closing(sqlite3.connect(older)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert names == {"activations", "item_changes", "sqlite_sequence"}
    assert Ledger(older).record([EVENT]) == ["new"]


def test_another_file_in_its_place_is_seen(tmp_path):
    """A workspace that is put in the place of another, as from a backup."""
    home, other = tmp_path / "home", tmp_path / "other"
    ledger = Ledger(home / "ledger.sqlite")
    ledger.activate("v1", "")
    ledger.record([EVENT])
    assert ledger.revision().event == 1
    Ledger(other / "ledger.sqlite").activate("v2", "")
    home.rename(tmp_path / "before")
    assert ledger.active() is None
    assert ledger.revision() == Revision()
    other.rename(home)
    assert ledger.active().version == "v2"
    assert ledger.revision().event == 0
    home.rename(tmp_path / "after")
    ledger.activate("v3", "")
    assert [a.version for a in Ledger(home / "ledger.sqlite").activations()] == ["v3"]


def _open_files(folder: Path) -> list[str]:
    """The files below a folder that this process holds open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them is gone by now
            found.append(str(link.readlink()))
    return [name for name in found if name.startswith(str(folder))]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are seen in /proc alone")
def test_its_connections_are_closed_with_it(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.activate("v1", "")
    assert _open_files(tmp_path)
    ledger.close()
    assert _open_files(tmp_path) == []
    ledger.activate("v1", "")
    del ledger
    assert _open_files(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.sqlite"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are seen in /proc alone")
def test_a_fork_inherits_no_connection(tmp_path):
    """With one, SQLite would take the parent's locks for the child's own."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.activate("v1", "")
    assert _open_files(tmp_path)
    child = os.fork()
    if not child:
        os._exit(len(_open_files(tmp_path)))
    assert os.waitpid(child, 0)[1] == 0
    assert ledger.active().version == "v1"


def test_the_command_line_does_without_sqlalchemy():
    code = "import sys, fusionrec.cli; print('sqlalchemy' in sys.modules)"
    assert python(code).strip() == "False"


def test_a_file_that_others_are_just_making_is_waited_for(tmp_path):
    """As SQLite refuses a second maker: at once, whatever its timeout."""
    file = tmp_path / "ledger.sqlite"
    options = {"isolation_level": None, "check_same_thread": False, "timeout": 0}
    with (
        closing(sqlite3.connect(file, **options)) as maker,
        closing(sqlite3.connect(file, **options)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        maker.execute("BEGIN EXCLUSIVE")
        maker.execute("CREATE TABLE made (a)")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            write_ahead(other, 0.05)
        waiting = pool.submit(write_ahead, other, 10)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        maker.execute("COMMIT")
        waiting.result(10)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_no_thread_is_given_an_older_revision_than_it_has_read(tmp_path):
    class Interleaved(dict):
        """One in which a slower thread keeps what it read before, right after another has kept."""

        late = None

        def __setitem__(self, query, read):
            super().__setitem__(query, self.late or read)

    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger._database._latest = kept = Interleaved()
    ledger.record([Event("1", "u", "i", "view")])
    assert ledger.revision().event == 1
    [kept.late] = kept.values()
    Ledger(tmp_path / "ledger.sqlite").record([Event("2", "u", "i", "view")])
    for _ in range(2):
        assert ledger.revision().event == 2


_MODES = """
import os, pathlib, sys
from fusionrec.ledger import Event, Ledger
os.umask(int(sys.argv[2], 8))
ledger = Ledger(pathlib.Path(sys.argv[1]))
ledger.record([Event("1", "u", "i", "view")])
for folder, _, names in os.walk(ledger.file.parent):
    for name in names:
        print(name, oct(os.stat(os.path.join(folder, name)).st_mode & 0o777))
"""


@pytest.mark.parametrize("umask", ["0000", "0022", "0077"])
def test_a_new_ledger_is_its_owners_alone(tmp_path, umask):
    file = tmp_path / "new" / "home" / "ledger.sqlite"
    said = dict(line.split() for line in python(_MODES, file, umask).splitlines())
    assert set(said) == {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"}
    assert set(said.values()) == {"0o600"}
    for folder in (file.parent, file.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_modes_of_what_is_there_stay(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    Ledger(home / "ledger.sqlite").record([EVENT])
    assert home.stat().st_mode & 0o777 == 0o755
    (home / "ledger.sqlite").chmod(0o640)
    Ledger(home / "ledger.sqlite").record([Event("2", "u", "i", "view")])
    assert (home / "ledger.sqlite").stat().st_mode & 0o777 == 0o640


def test_a_link_leads_to_a_ledger_that_is_made(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "ledger.sqlite")
    Ledger(tmp_path / "link").record([EVENT])
    assert len(Ledger(tmp_path / "disk" / "ledger.sqlite").events()) == 1
    assert [path.name for path in (tmp_path / "disk").iterdir() if path.name[0] == "."] == []


def test_a_disk_without_links_takes_a_ledger_too(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record([EVENT])
    ledger.close()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.sqlite"]
