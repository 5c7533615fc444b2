"""The life of a collection: built, opened, verified, activated, locked, damaged, rebuilt."""

from __future__ import annotations

import errno
import inspect
import logging
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pymilvus.exceptions
import pytest
from index_data import CHECKSUM, build, films, reopen

from builders import case
from fusionrec.cli.hints import hint_of
from fusionrec.errors import (
    DataError,
    FusionrecError,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    StoreUnavailableError,
    UsageError,
)
from fusionrec.index import ExactIndex, MilvusIndex, MilvusStore, Place, collection_name, move_aside
from fusionrec.index.error_mapping import silence_logs, translated

A = "aaaaaaaa11"
FILMS = films()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one built collection, closed; copied by the tests that change it."""
    path = tmp_path_factory.mktemp("made") / "milvus.db"
    build(path, FILMS).close()
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "milvus.db"))


def test_names() -> None:
    assert collection_name(3, "1A2B3C4D5e") == "fusionrec_v3_1a2b3c4d"
    assert collection_name("v3", "1a2b3c4d") == "fusionrec_v3_1a2b3c4d"
    for version, checksum in (("ü", A), ("", A), ("1; drop", A), (1, "xyz"), (1, "1a2b3c4")):
        with pytest.raises(UsageError):
            collection_name(version, checksum)


def test_importing_the_package_loads_no_client() -> None:
    code = (
        "import sys, fusionrec.index; assert not {'pymilvus','milvus_lite','grpc'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_progress_and_description(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with build(
        tmp_path / "milvus.db", films(1500), progress=lambda *report: seen.append(report)
    ) as index:
        wrote = [("writing", 1000, 1500), ("writing", 1500, 1500)]
        assert seen == [*wrote, ("indexing", 1500, 1500)]
        note = index.store.note(index.name)
    assert (note["checksum"], note["kind"]) == (CHECKSUM, "FLAT")
    assert (note["rows"], note["d"]) == (1500, 24)


def test_a_build_replaces_its_own_and_touches_no_other(path: Path) -> None:
    with build(path, FILMS, 2) as second:
        second.activate()
        names = [c.name for c in second.store.collections()]
        assert names == [collection_name(1, CHECKSUM), collection_name(2, CHECKSUM)]
        assert [c.rows for c in second.store.collections()] == [150, 150]
    with build(path, FILMS, 2) as again:
        assert again.store.active() == again.name
        assert len(again.store.collections()) == 2
    reopen(path, FILMS).close()


def test_replicas_need_a_cluster(path: Path) -> None:
    with pytest.raises(UsageError, match="keeps one copy, and 2 replicas are set") as raised:
        build(Place(str(path), replicas=2), films(), 1)
    assert raised.value.hint


def test_missing(tmp_path: Path, path: Path) -> None:
    with pytest.raises(StoreMissingError) as raised:
        reopen(tmp_path / "nowhere" / "milvus.db", FILMS)
    assert hint_of(raised.value)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(StoreMissingError):
        reopen(path, FILMS, 7)


def test_rows_that_go_missing_are_noticed(path: Path) -> None:
    with reopen(path, FILMS) as index:
        index.store._call("delete", index.name, ids=[149])
        index.store._call("flush", index.name)
    with pytest.raises(StoreDamagedError, match="1 or more of the model's 150"):
        reopen(path, FILMS)


def test_doubled_rows_are_answered_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MilvusStore.search

    def doubled(
        self: MilvusStore, name: str, vectors: Any, limit: int, *rest: Any, **more: Any
    ) -> Any:
        found = real(self, name, vectors, limit, *rest, **more)
        return [(np.repeat(rows, 2)[:limit], np.repeat(s, 2)[:limit]) for rows, s in found]

    with reopen(path, FILMS) as index:
        monkeypatch.setattr(MilvusStore, "search", doubled)
        index._stored = 300
        for k in (1, 10, 60, 150):
            hits = index.search(FILMS[2][0], k)
            assert hits.rows.tolist() == ExactIndex(*FILMS).search(FILMS[2][0], k).rows.tolist()


@pytest.mark.parametrize(
    ("row", "score", "said"),
    [(5, 0.9, "scores"), (5, np.nan, "scores"), (150, 0.9, "does not have"), (-1, 0.9, "not have")],
)
def test_wrong_rows_and_scores_are_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch, row: int, score: float, said: str
) -> None:
    def wrong(_: MilvusStore, __: str, vectors: Any, *___: Any, **____: Any) -> Any:
        return [(np.array([row]), np.array([score], dtype=np.float32)) for _ in vectors]

    with reopen(path, FILMS) as index:
        monkeypatch.setattr(MilvusStore, "search", wrong)
        with pytest.raises(StoreDamagedError, match=said):
            reopen(path, FILMS)
        with pytest.raises(StoreDamagedError, match=said):
            build(path, FILMS, 2)
        if not 0 <= row < 150:  # also later, where a collection is written after it was opened
            with pytest.raises(StoreDamagedError, match=said):
                index.search(FILMS[2][0], 2)


def test_hits_that_milvus_misses_are_noticed_by_a_build(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MilvusStore.search

    def without_the_best_two(self: MilvusStore, *args: Any, **options: Any) -> Any:
        return [(rows[2:], scores[2:]) for rows, scores in real(self, *args, **options)]

    monkeypatch.setattr(MilvusStore, "search", without_the_best_two)
    for kind, said in (("FLAT", "not the exact one"), ("HNSW", "it finds .* of the")):
        with pytest.raises(StoreDamagedError, match=said):
            build(path, FILMS, 2, kind=kind)


def test_rows_too_many_are_noticed(tmp_path: Path) -> None:
    build(tmp_path / "m.db", FILMS).close()
    schema, items, vectors = FILMS
    name, available = collection_name(1, CHECKSUM), np.arange(150) != 7
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MilvusIndex, "_verify_note", lambda *_: None)
        with pytest.raises(StoreDamagedError, match="row 7"):
            MilvusIndex.open(
                f"{tmp_path}/m.db", schema, items, vectors, name, CHECKSUM, available=available
            )


def test_a_failed_write_stops_and_leaves_the_rest(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = MilvusStore.insert, []

    def full(self: MilvusStore, name: str, records: list[dict[str, Any]]) -> None:
        calls.append(len(records))
        if len(calls) == 2:
            with self._translated(reading=False):
                raise OSError(28, "No space left on device")
        real(self, name, records)

    larger = films(2500)
    monkeypatch.setattr(MilvusStore, "insert", full)
    with pytest.raises(StoreError, match="disk is full"):
        build(path, larger, 2)
    assert calls == [1000, 1000]
    with pytest.raises(StoreDamagedError, match=r"missing|not loaded|index"):
        reopen(path, larger, 2)
    reopen(path, FILMS).close()
    monkeypatch.undo()
    build(path, larger, 2).close()
    reopen(path, larger, 2).close()


def test_a_killed_build_is_noticed_and_built_again(path: Path) -> None:
    code = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from index_data import build, films
        build({str(path)!r}, films(1500), 2, progress=lambda *_: os._exit(9))
        """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == 9
    larger = films(1500)
    with pytest.raises(StoreDamagedError):
        reopen(path, larger, 2)
    reopen(path, FILMS).close()
    build(path, larger, 2).close()
    reopen(path, larger, 2).close()


def test_a_close_frees_the_lock_and_not_before(path: Path) -> None:
    one, two = reopen(path, FILMS), reopen(path, FILMS)
    one.close()
    one.close()
    assert len(two.search(FILMS[2][0], 5)) == 5
    with pytest.raises(StoreError, match="was closed"):
        one.search(FILMS[2][0], 5)
    with pytest.raises(StoreUnavailableError, match="is open"):
        move_aside(str(path))
    two.close()
    assert "ok" in in_another_process(path)


def in_another_process(path: Path) -> str:
    code = f"""
        import time, fusionrec.errors
        from fusionrec.index import MilvusStore, move_aside
        start = time.perf_counter()
        for use in (MilvusStore, move_aside) if {path.exists()} else ():
            try:
                opened = use({str(path)!r})
                if use is MilvusStore:
                    opened.close()
                    print("ok")
                    break
            except fusionrec.errors.StoreUnavailableError as error:
                print(type(error).__name__, error, time.perf_counter() - start < 25)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


def test_a_second_process_fails_at_once(path: Path) -> None:
    with reopen(path, FILMS):
        lines = in_another_process(path).splitlines()
    assert len(lines) == 2  # neither opened nor moved away
    for line in lines:
        assert line.startswith("StoreInUseError")
        assert "in use by another process" in line
        assert line.endswith("True")
    assert path.is_dir()


def _files(path: Path, pattern: str) -> list[Path]:
    found = sorted(path.rglob(pattern))
    assert found, pattern
    return found


def _truncate(path: Path, pattern: str, keep: float = 0.5) -> None:
    for file in _files(path, pattern):
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * keep)])


def _garbage(path: Path, pattern: str) -> None:
    for file in _files(path, pattern):
        file.write_bytes(b"\x00garbage\xff" * 50)


def _remove(path: Path, pattern: str) -> None:
    for file in _files(path, pattern):
        file.unlink()


def _a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"SQLite format 3\x00")


def _a_file_inside(path: Path) -> None:
    shutil.rmtree(path / "collections")
    (path / "collections").write_text("?")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "data truncated": lambda p: _truncate(p, "*.parquet"),
    "data emptied": lambda p: _truncate(p, "*.parquet", 0),
    "data garbage": lambda p: _garbage(p, "*.parquet"),
    "data missing": lambda p: _remove(p, "*.parquet"),
    "manifests truncated": lambda p: _truncate(p, "manifest.json*"),
    "manifest truncated": lambda p: (_truncate(p, "manifest.json"), _remove(p, "*.prev"))[0],
    "manifests missing": lambda p: _remove(p, "manifest.json*"),
    "manifests garbage": lambda p: _garbage(p, "manifest.json*"),
    "index garbage": lambda p: _garbage(p, "*.idx"),
    "index truncated": lambda p: _truncate(p, "*.idx"),
    "schema garbage": lambda p: _garbage(p, "schema.json"),
    "schema missing": lambda p: _remove(p, "schema.json"),
    "a file in its place": _a_file,
    "a file inside": _a_file_inside,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_noticed_and_mended(damage: str, path: Path, capfd: Any) -> None:
    DAMAGE[damage](path)
    with pytest.raises(StoreDamagedError) as raised:
        reopen(path, FILMS)
    assert hint_of(raised.value)
    if damage == "schema missing":
        with pytest.raises(StoreDamagedError, match="cannot be dropped"):
            build(path, FILMS)
    moved = move_aside(str(path))
    assert moved == path.with_name("milvus.db.damaged-1")
    assert moved.exists()
    assert not path.exists()
    build(path, FILMS).close()
    reopen(path, FILMS).close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("damage", ["data garbage", "manifests garbage", "schema garbage"])
def test_damage_of_one_leaves_the_others(damage: str, path: Path) -> None:
    build(path, FILMS, 2).close()
    DAMAGE[damage](path / "collections" / collection_name(1, CHECKSUM))
    reopen(path, FILMS, 2).close()
    with MilvusStore(str(path)) as store:
        listed = {c.name: c.damaged for c in store.collections()}
        assert listed[collection_name(2, CHECKSUM)] is False
        store.activate(collection_name(2, CHECKSUM))
    build(path, FILMS).close()
    reopen(path, FILMS).close()


def test_a_lost_index_file_does_no_harm(path: Path) -> None:
    _remove(path, "*.idx")
    with reopen(path, FILMS) as index:
        hits = index.search(FILMS[2][1], 20)
    assert hits.rows.tolist() == ExactIndex(*FILMS).search(FILMS[2][1], 20).rows.tolist()


def test_wipe_counts_on(path: Path) -> None:
    path.with_name("milvus.db.damaged-1").mkdir()
    moved = move_aside(str(path))
    assert moved is not None
    assert moved.name == "milvus.db.damaged-2"
    assert move_aside(str(path)) is None
    with pytest.raises(UsageError):
        move_aside("http://localhost:19530")


def _instances() -> Iterator[Exception]:
    for _, cls in inspect.getmembers(pymilvus.exceptions, inspect.isclass):
        if issubclass(cls, Exception):
            yield cls.__new__(cls) if cls is Warning else cls(message="m")
    for code in grpc.StatusCode:
        yield _rpc_error(code)
    yield from (OSError(28, "full"), PermissionError("p"), ValueError("v"), KeyError("k"))
    yield from (RuntimeError("r"), TimeoutError("t"), grpc.FutureTimeoutError(), MemoryError())


def _rpc_error(status: grpc.StatusCode) -> Exception:
    class Raised(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return status

        def details(self) -> str:
            return f"details of {status.name}"

    return Raised()


@pytest.mark.parametrize("place", ["/a/milvus.db", "http://host:19530"])
def test_no_error_of_the_client_leaks(place: str) -> None:
    for error in _instances():
        with case(error), pytest.raises(StoreError), translated(place):
            raise error


_REFUSED_BY_THE_SYSTEM = (
    OSError(errno.EROFS, "Read-only file system"),
    OSError(errno.EACCES, "Permission denied"),
    OSError(errno.EPERM, "Operation not permitted"),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ELOOP, "Too many levels of symbolic links"),
    OSError(errno.ENAMETOOLONG, "File name too long"),
    OSError(errno.EBUSY, "Device or resource busy"),
    MemoryError(),
    pymilvus.exceptions.MilvusException(message="[Errno 30] Read-only file system: 'x'"),
)


@pytest.mark.parametrize("error", _REFUSED_BY_THE_SYSTEM, ids=str)
@pytest.mark.parametrize("caused", [False, True])
def test_what_the_system_refuses_is_no_damage(error: Exception, caused: bool) -> None:
    raised = error
    if caused:
        raised = pymilvus.exceptions.MilvusException(message="it did not start")
        raised.__cause__ = error
    with pytest.raises(StoreUnavailableError) as caught, translated("/a/milvus.db"):
        raise raised
    assert "fusionrec index" not in (hint_of(caught.value) or "")
    if isinstance(error, OSError):
        assert f"cannot be reached ({error.strerror})" in caught.value.message


METHODS: dict[str, Callable[[MilvusIndex], object]] = {
    "search": lambda i: i.search(FILMS[2][0], 5),
    "activate": lambda i: i.activate(),
    "active": lambda i: i.store.active(),
    "drop": lambda i: i.store.drop(i.name),
    "insert": lambda i: i.store.insert(i.name, []),
    "add_index": lambda i: i.store.add_index(i.name, "FLAT", 1),
    "finish": lambda i: i.store.finish(i.name, 1),
    "note": lambda i: i.store.note(i.name),
    "close": lambda i: i.close(),
}


@pytest.mark.parametrize("method", METHODS)
def test_no_method_lets_an_error_through(
    method: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def prepare_index_params(self) -> Any:
            return self

        def add_index(self, *_: object, **__: object) -> None: ...

        def __getattr__(self, name: str) -> Any:
            raise pymilvus.exceptions.MilvusException(code=1, message=f"{name} broke")

    index = reopen(path, FILMS)
    client = index.store._client
    monkeypatch.setattr(index.store, "_client", Broken())
    try:
        with pytest.raises(StoreError, match="broke"):
            METHODS[method](index)
    finally:
        index.store._client = client
        index.close()


def _mapped(place: str, error: Exception, reading: bool = True) -> FusionrecError:
    with pytest.raises(FusionrecError) as raised, translated(place, reading=reading):
        raise error
    return raised.value


def test_errors_are_distinguished() -> None:
    lite, server = "/a/milvus.db", "http://host:19530"
    unknown = pymilvus.exceptions.MilvusException(message="odd")
    assert type(_mapped(lite, unknown)) is StoreDamagedError
    assert type(_mapped(lite, unknown, reading=False)) is StoreError
    assert type(_mapped(server, unknown)) is StoreError
    gone = pymilvus.exceptions.MilvusException(code=100, message="can't find collection")
    assert type(_mapped(server, gone)) is StoreMissingError
    for status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        assert type(_mapped(server, _rpc_error(status))) is StoreUnavailableError
    refused = _mapped(server, _rpc_error(grpc.StatusCode.UNAUTHENTICATED))
    assert "check FUSIONREC_MILVUS_TOKEN" in (refused.hint or "")
    wrapped = pymilvus.exceptions.MilvusException(code=2, message="Fail connecting to server")
    wrapped.__cause__ = _rpc_error(grpc.StatusCode.UNAUTHENTICATED)
    assert type(_mapped(server, wrapped)) is StoreError
    for code in (101, 503):  # a server that has just come back
        not_yet = pymilvus.exceptions.MilvusException(code=code, message="not loaded")
        assert type(_mapped(server, not_yet)) is StoreUnavailableError
    database = pymilvus.exceptions.MilvusException(code=800, message="database not found")
    assert "database=NAME" in (hint_of(_mapped(server, database)) or "")


def test_no_secret_is_shown(capfd: Any, caplog: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StoreUnavailableError) as raised:
        MilvusStore(Place(f"http://me:hunter2@127.0.0.1:{port}", "root:swordfish", timeout=0.5))
    shown = f"{raised.value} {raised.value.hint} {capfd.readouterr()} {caplog.text}"
    assert "hunter2" not in shown
    assert "swordfish" not in shown
    assert f"127.0.0.1:{port}" in shown
    with pytest.raises(StoreError) as raised_too, translated("p.db", secrets=("swordfish",)):
        raise ValueError("bad token swordfish")
    assert "swordfish" not in str(raised_too.value)
    assert raised_too.value.__cause__ is None


def test_a_server_that_hangs_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[socket.socket] = []
        taker = threading.Thread(target=lambda: accepted.append(silent.accept()[0]), daemon=True)
        taker.start()
        start = time.perf_counter()
        with pytest.raises(StoreUnavailableError):
            MilvusStore(Place(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.5))
        assert time.perf_counter() - start < 10
        for connection in accepted:
            connection.close()


def test_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as raised:
        MilvusStore(str(tmp_path / "file" / "milvus.db"))
    assert str(tmp_path) in raised.value.message


def test_values_that_do_not_fit(tmp_path: Path) -> None:
    schema, items, vectors = films(20)
    long = type(items)(["x" * 70_000, *list(items.ids)[1:]], items.columns)
    with pytest.raises(DataError, match="70000 bytes"):
        build(tmp_path / "m.db", (schema, long, vectors))
    with pytest.raises(UsageError, match="at least one"):
        build(tmp_path / "m.db", (schema, items.take(np.arange(0)), vectors[:0]))
    assert not (tmp_path / "m.db").exists()


def test_other_logging_is_left_alone() -> None:
    seen: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    def fail() -> None:
        log.error("not seen")
        raise ValueError

    silence_logs()
    silence_logs()
    log, handler = logging.getLogger("pymilvus.decorators"), Handler()
    log.addHandler(handler)
    try:
        log.error("seen")
        with pytest.raises(StoreError), translated("x.db"):
            fail()
        log.error("seen again")
    finally:
        log.removeHandler(handler)
    assert seen == ["seen", "seen again"]
