"""Versions that several machines share, in a folder and in an object store."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fusionrec.cli.hints import hint_of
from fusionrec.deploy.doctor import ERROR, OK, WARNING, examine
from fusionrec.errors import ArtifactError, ConfigError, UsageError
from fusionrec.ledger import Ledger
from fusionrec.registry import Artifact, shared_storage
from fusionrec.registry.shared_storage import ObjectStore
from fusionrec.registry.sharing import SharedVersions
from fusionrec.registry.versions import load, newest, share, versions
from fusionrec.workspace import Workspace
from machines import Machine, machines, publish


@pytest.fixture(params=["folder", "s3"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """Makes machines that share versions."""
    if request.param == "folder":
        (tmp_path / "shared").mkdir()
        return machines(tmp_path, str(tmp_path / "shared"))
    request.getfixturevalue("bucket")
    return machines(tmp_path, "s3://shop/some/versions")


def shared(workspace: Workspace) -> SharedVersions:
    found = SharedVersions.of(workspace)
    assert found is not None
    return found


def local(workspace: Workspace) -> list[str]:
    """What is in the folder of models, leftovers too, but for the lock."""
    there = workspace.models.iterdir() if workspace.models.is_dir() else ()
    return sorted(path.name for path in there if path.name != ".fetching.lock")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_version_of_one_machine_is_fetched_by_another(machine: Machine, published: Artifact):
    first, second = machine("first"), machine("second")
    assert newest(second) is None
    with pytest.raises(ArtifactError, match="no model yet"):
        load(second)
    assert publish(first, published).version == "v1"
    [listed] = versions(second)
    assert (listed.name, listed.here, listed.shared, listed.problem) == ("v1", False, True, "")
    assert listed.model == "fusion"
    assert local(second) == []
    assert load(second).version == newest(second) == "v1"
    assert files(second.models / "v1") == files(first.models / "v1")
    assert local(second) == ["v1"]
    with pytest.raises(UsageError, match="no version 'v9'"):
        load(second, "v9")
    for name in ("../second", "v1/..", ""):
        with pytest.raises(UsageError, match="no version"):
            load(second, name)


def test_two_machines_that_publish_at_once_get_two_numbers(
    machine: Machine, published: Artifact, parted: Artifact, monkeypatch: pytest.MonkeyPatch
):
    both = [machine("first"), machine("second")]
    meeting, names = threading.Barrier(2, timeout=20), SharedVersions.names
    turn, create = threading.Lock(), ObjectStore.create

    def alone(self: ObjectStore, name: str, data: bytes) -> bool:
        with turn:  # the server of these tests, unlike S3, lets two at once both succeed
            return create(self, name, data)

    def at_once(self: SharedVersions) -> list[str]:
        found = names(self)
        meeting.wait()
        return found

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(SharedVersions, "names", at_once)
        patch.setattr(ObjectStore, "create", alone)
        saved = list(pool.map(publish, both, (published, parted)))
    made = [artifact.version for artifact in saved]
    assert sorted(made) == ["v1", "v2"] == shared(both[0]).names()
    for workspace, name in zip(both, made, strict=True):
        assert local(workspace) == [name]
    assert publish(both[0], published).version == "v3"
    assert load(both[0], made[1]).version == made[1]


def changed(store: SharedVersions, tmp_path: Path, name: str, data: bytes) -> None:
    file = tmp_path / "changed"
    file.write_bytes(data)
    store.storage.upload(file, name)


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "bit": ("users.parquet", lambda d: d[:-9] + bytes([d[-9] ^ 1]) + d[-8:], "not what was"),
    "cut": ("item_vectors.npy", lambda d: d[:-64], "not what was published"),
    "no manifest": ("", lambda _: b"{", "its manifest cannot be read"),
    "list": ("", lambda _: b"[1]", "its manifest cannot be read"),
    "climbs": ("", lambda d: d.replace(b'"users.parquet"', b'"../../x"'), "names files"),
    "absolute": ("", lambda d: d.replace(b'"users.parquet"', b'"/tmp/x"'), "names files"),
    "gone": ("", lambda d: d.replace(b'"users.parquet"', b'"people.parquet"'), "is missing"),
}


@pytest.mark.parametrize(("name", "damage", "said"), DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_damaged_is_not_taken_in(
    machine: Machine, published: Artifact, tmp_path: Path, name: str, damage: Any, said: str
):
    first, second = machine("first"), machine("second")
    publish(first, published)
    store = shared(first)
    manifest = (first.models / "v1" / "manifest.json").read_bytes()
    from fusionrec.registry.sharing import _folder

    whole = (first.models / "v1" / (name or "manifest.json")).read_bytes()
    place = f"{_folder('v1', manifest)}/{name}" if name else "v1.json"
    changed(store, tmp_path, place, damage(whole))
    with pytest.raises(ArtifactError, match=said) as raised:
        load(second)
    assert raised.value.code == "shared_damaged"
    assert "delete v1.json there" in (hint_of(raised.value) or "")
    assert store.name in raised.value.message
    assert local(second) == []
    changed(store, tmp_path, place, whole)
    assert load(second).version == "v1"


@contextmanager
def answering(status: int | None) -> Iterator[str]:
    """A server that refuses everything with a status; with None it answers nothing."""
    if status is None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_PUT = do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# What is wrong -> the URL, what the server answers if it is not the right one, what is said.
AWAY: dict[str, tuple[str, Any, str]] = {
    "no bucket": ("s3://other/versions", 0, "there is no such bucket"),
    "refused": ("s3://shop/versions", "http://127.0.0.1:1", "Could not connect"),
    "hangs": ("s3://shop/versions", None, "no answer within 0.5 s"),
    "forbidden": ("s3://shop/versions", 403, "Forbidden|Access Denied"),
    "not mounted": ("{folder}/mount", 0, "there is no such folder"),
    "no package": ("s3://shop/versions", ImportError, "is not installed"),
}


@pytest.fixture(params=AWAY.values(), ids=AWAY.keys())
def away(
    request: pytest.FixtureRequest, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Machine, str, Callable[[], None]]]:
    """Machines that cannot reach the shared versions, what is said, and what mends it."""
    import boto3
    import fsspec
    import s3fs

    url, server, said = request.param
    with ExitStack() as stack:
        patch = stack.enter_context(monkeypatch.context())
        if server is ImportError:
            patch.setattr(fsspec, "filesystem", _raising(ImportError("Install s3fs")))
        if server is None:
            patch.setattr(shared_storage, "_BRIEF", 0.5)
        if server in (None, 403):
            server = stack.enter_context(answering(server))
        if isinstance(server, str):
            patch.setenv("AWS_ENDPOINT_URL", server)
        s3fs.S3FileSystem.clear_instance_cache()

        def mend() -> None:
            patch.undo()
            s3fs.S3FileSystem.clear_instance_cache()
            boto3.resource("s3").Bucket("other").create()
            (tmp_path / "mount").mkdir()

        yield machines(tmp_path, url.format(folder=tmp_path)), said, mend
    s3fs.S3FileSystem.clear_instance_cache()


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_what_cannot_be_shared_is_saved_here_and_shared_later(
    away: tuple[Machine, str, Callable[[], None]], published: Artifact
):
    machine, said, mend = away
    first, second = machine("first"), machine("second")
    start = time.monotonic()
    with pytest.raises(ArtifactError, match=said) as raised:
        publish(first, published)
    assert time.monotonic() - start < 10
    assert raised.value.code == "not_shared"
    assert "fusionrec models push v1" in (hint_of(raised.value) or "")
    assert local(first) == ["v1"]
    assert load(first, "v1").version == "v1"
    said_by_list: list[str] = []
    [listed] = versions(first, said_by_list.append)
    assert (listed.here, listed.shared, len(said_by_list)) == (True, None, 1)
    with pytest.raises(ArtifactError, match=said) as unreached:
        load(second, "v1")
    assert (unreached.value.code, bool(unreached.value.hint)) == ("versions_unavailable", True)
    assert local(second) == []
    found = [check for check in examine(first) if "shared versions" in check.text]
    assert [check.level for check in found] == [WARNING]
    mend()
    assert share(first, "v1") == "v1"
    assert load(second, "v1").version == "v1"
    found = [check for check in examine(first) if "shared versions" in check.text]
    assert [check.level for check in found] == [OK]


def test_a_version_whose_name_was_taken_meanwhile_gets_a_new_one(
    machine: Machine, published: Artifact, parted: Artifact, monkeypatch: pytest.MonkeyPatch
):
    first, second = machine("first"), machine("second")
    publish(first, published)

    with monkeypatch.context() as patch:
        patch.setattr(SharedVersions, "names", _raising(ArtifactError("it is away")))
        with pytest.raises(ArtifactError, match="not shared"):
            publish(second, parted)
    checksum = Artifact.load(first.models / "v1").checksum
    Ledger.of(first).activate("v1", "", 0, f"fusionrec_v1_{checksum[:8]}_abc")
    # Not the version that is active, whatever its name.
    with pytest.raises(ArtifactError, match="another version") as raised:
        load(second)
    assert "models push v1" in (hint_of(raised.value) or "")
    assert [c.code for c in examine(second) if c.level == ERROR][:1] == ["other_version"]
    reading = Artifact.load(second.models / "v1")
    with pytest.raises(UsageError, match="another process reads it"):
        share(second, "v1")
    del reading
    assert share(second, "v1") == "v2"
    assert load(second).manifest == load(first).manifest
    assert local(second) == ["v1", "v2"]
    assert load(first, "v2").manifest["model"] == parted.manifest["model"]


def test_settings_that_name_no_place(workspace: Workspace):
    workspace.settings.write_text("[versions]\nurl = 'shared'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="folder or URL"):
        load(workspace)
    workspace.settings.write_text("[versions]\nurl = 's3://key:secret@shop'\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="a password stands in the URL") as raised:
        newest(workspace)
    assert "secret" not in raised.value.message
    workspace.settings.write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="are not shared"):
        share(workspace, "v1")
    manifest = json.loads((workspace.models / "v1" / "manifest.json").read_text())
    assert load(workspace).manifest == manifest
